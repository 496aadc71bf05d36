"""ID tokens, each with one thing that is not as it has to be; the provider here is a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from confide.errors import AccessDenied
from confide.server.idtoken import Claims, StrangeKey, proves_factor, uid_of, verify
from confide.server.issuers import Issuer

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER = Issuer("elm", "Elm", "https://login.elm.example", "confide", Path("/nowhere"), acr=("gold",))
RSA, EC = RSAKey.generate_key(2048, {"kid": "r"}), ECKey.generate_key("P-256", {"kid": "e"})
KEYS = KeySet([RSA, EC]).as_dict(private=False)
CLAIMS = {
    "iss": ISSUER.url, "aud": "confide", "sub": "s-1", "nonce": "n", "iat": AT, "exp": AT + 300,
    "auth_time": AT - 5, "amr": ["pwd", "mfa"],
}  # fmt: skip


def sign(key=RSA, header=None, **changes):
    claims = {name: claim for name, claim in (CLAIMS | changes).items() if claim is not None}
    made = {"alg": "RS256", "kid": key.kid, **(header or {})}
    return jwt.encode(made, claims, key, algorithms=[made["alg"]])


def read(token, keys=KEYS, nonce="n", now=NOW):
    return verify(token, keys, ISSUER, nonce, now)


def test_a_genuine_token_says_who_and_how():
    for token in (sign(), sign(EC, {"alg": "ES256"}), sign(aud=["confide"]), sign(azp="confide")):
        claims = read(token)
        assert claims.uid == uid_of(ISSUER, "s-1")
        assert "s-1" not in claims.uid
        assert proves_factor(claims, ISSUER, NOW)
    assert uid_of(ISSUER, "s-1") != uid_of(Issuer("elm", "", "https://x.example", "", Path()), "s-1")


@pytest.mark.asvs("10.2.2", "10.5.3", "10.5.4")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.elm.example/"}, {"iss": None}, {"aud": "other"}, {"aud": ["confide", "other"]},
        {"aud": None}, {"aud": []}, {"azp": "other"}, {"nonce": "m"}, {"nonce": None}, {"nonce": ["n"]},
        {"exp": AT - 61}, {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 1e300}, {"iat": AT + 61},
        {"iat": None}, {"nbf": AT + 61}, {"sub": ""}, {"sub": None}, {"sub": 7}, {"sub": "s" * 256},
        {"auth_time": "now"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_one_claim_is_refused_in_the_same_words(changes):
    with pytest.raises(AccessDenied, match=r"^the identity provider's answer is not good for this sign-in$"):
        read(sign(**changes))


@pytest.mark.asvs("6.8.2")
def test_a_signature_of_somebody_else_is_none():
    stranger = RSAKey.generate_key(2048, {"kid": "r"})
    secret = OctKey.import_key(b"elm-knows-this-secret-of-32-bytes", {"kid": "o"})
    unsigned = "eyJhbGciOiJub25lIn0." + sign().split(".")[1] + "."
    head, body, signature = sign().split(".")
    for token in (
        sign(stranger), unsigned, f"{head}.{body}.", f"{head}.{sign(sub='s-2').split('.')[1]}.{signature}",
        "", "a.b.c", None, "x" * 40_000,
    ):  # fmt: skip
        with pytest.raises(AccessDenied):
            read(token)
    for token in (sign(secret, {"alg": "HS256"}), sign(header={"kid": "new"})):
        with pytest.raises(StrangeKey):
            read(token)
    with pytest.raises(AccessDenied):
        read(sign(secret, {"alg": "HS256"}), {"keys": [secret.as_dict()]})
    for keys in ({}, {"keys": 7}, {"keys": [None]}):
        with pytest.raises(AccessDenied):
            read(sign(), keys)
    with pytest.raises(AccessDenied):
        read(sign(nonce=""), nonce="")


@pytest.mark.parametrize(
    ("changes", "proved"),
    [
        ({}, True), ({"amr": None}, False), ({"amr": ["pwd", "otp"]}, False), ({"amr": "mfa"}, False),
        ({"amr": [], "acr": "gold"}, True), ({"amr": [], "acr": ["gold"]}, False), ({"acr": "silver"}, True),
        ({"auth_time": None}, False), ({"auth_time": AT - 599}, True), ({"auth_time": AT - 600}, False),
        ({"auth_time": AT + 59}, True), ({"auth_time": AT + 61}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_factor_is_proved_only_where_the_token_says_so_and_when(changes, proved):
    assert proves_factor(read(sign(**changes)), ISSUER, NOW) is proved


@pytest.mark.asvs("6.8.4")
def test_silence_proves_nothing_whatever_the_configuration():
    nothing = Issuer("elm", "Elm", "https://login.elm.example", "confide", Path(), amr=())
    said = Claims("u", NOW - timedelta(seconds=1), "", frozenset())
    assert not proves_factor(said, nothing, NOW)
