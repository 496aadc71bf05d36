"""The token endpoint: one signed assertion, one token; every stranger gets the same answer."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Http
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.server import laboratory
from tests.server.laboratory import KEY, PATIENT, TOKEN_URL, ask, assertion

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
OTHER = ECKey.generate_key("P-384", {"kid": "k1"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "r1"}, private=True)
STRANGER = {"error": "invalid_client", "error_description": "the client assertion was not accepted"}


def refused(response: Any) -> bool:
    assert response["Cache-Control"] == "no-store"
    return response.status_code == 401 and response.json() == STRANGER


def test_a_token_is_issued_once_and_kept_as_a_digest(lab: Any) -> None:
    from confide.access.models import AccessToken

    signed = assertion(lab.pk)
    response = ask(signed, "system/Patient.rs")
    issued = response.json()
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert {k: v for k, v in issued.items() if k != "access_token"} == {
        "token_type": "bearer",
        "expires_in": 600,
        "scope": "system/Patient.rs",
    }
    row = AccessToken.objects.get()
    assert row.digest == hashlib.sha256(issued["access_token"].encode()).hexdigest()
    assert len(base64.urlsafe_b64decode(issued["access_token"] + "==")) == 32
    assert refused(ask(signed, "system/Patient.rs"))
    assert AccessToken.objects.count() == 1


def test_rs384_works_too(practice: Any) -> None:
    client = laboratory.register(practice, jwks={"keys": [RSA.as_dict(private=False)]})
    assert ask(assertion(client.pk, RSA, {"alg": "RS384", "kid": "r1"})).status_code == 200
    assert refused(ask(assertion(client.pk, RSA, {"alg": "RS256", "kid": "r1"})))


def test_authlib_gets_a_token(live: str, lab: Any) -> None:
    """A client library that knows nothing of us makes the same exchange."""
    from authlib.integrations.requests_client import OAuth2Session
    from authlib.oauth2.rfc7523 import PrivateKeyJWT

    endpoint = f"{live}/oauth/token"
    with OAuth2Session(lab.pk, KEY, token_endpoint_auth_method="private_key_jwt") as session:
        claims = {"exp": int(time.time()) + 240}  # its own default of an hour is too long for SMART
        method = PrivateKeyJWT(endpoint, claims=claims, headers={"kid": "k1"}, alg="ES384")
        session.register_client_auth_method(method)
        token = session.fetch_token(endpoint, grant_type="client_credentials", scope="system/*.rs")
        assert token["scope"] == "system/*.rs"
        assert session.get(f"{live}/fhir/R4/Patient").json()["total"] == 0


@pytest.mark.asvs("9.2.1", "9.2.2", "9.2.3")
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "http://elsewhere.example/oauth/token"},
        {"aud": None},
        {"aud": ["http://elsewhere.example/oauth/token"]},
        {"aud": {"a": TOKEN_URL}},
        {"iss": "somebody"},
        {"iss": None},
        {"sub": "somebody"},
        {"sub": None},
        {"sub": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": int(time.time()) - 90},
        {"exp": int(time.time()) + 86_400},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 201},
        {"jti": 7},
    ],
)
def test_an_assertion_with_a_wrong_claim(lab: Any, claims: dict[str, Any]) -> None:
    assert refused(ask(assertion(lab.pk, **claims)))


@pytest.mark.asvs("9.1.1", "9.1.2", "10.4.10")
def test_an_assertion_that_nobody_here_signed(lab: Any, practice: Any) -> None:
    secret = OctKey.import_key("a secret that is long enough to be one, 48 bytes....")
    public = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    good = assertion(lab.pk)
    header, body, signature = good.split(".")
    numbered = base64.urlsafe_b64encode(b'{"alg":"ES384","kid":7}').decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    for signed in (
        assertion(lab.pk, OTHER),
        assertion(lab.pk, header={"kid": "k2"}),
        assertion("11111111-2222-4333-8444-555555555555"),
        jwt.encode({"alg": "HS384", "kid": "k1"}, {"sub": lab.pk}, secret, algorithms=["HS384"]),
        jwt.encode({"alg": "HS384", "kid": "k1"}, {"sub": lab.pk}, public, algorithms=["HS384"]),
        f"{unsigned}.{body}.",
        f"{numbered}.{body}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}.{signature[:-4]}AAAA",
        f"{header}.{body}",
        f"{header}.{header}.{signature}",
        "x.y.z",
        "\u00e4",
        "." * 5000,
    ):
        assert refused(ask(signed)), signed
    frozen = laboratory.register(practice, name="frozen", frozen_at="2026-01-01T00:00:00Z")
    inactive = laboratory.register(practice, name="inactive", active=False)
    assert refused(ask(assertion(frozen.pk)))
    assert refused(ask(assertion(inactive.pk)))
    assert ask(good).status_code == 200


def test_a_clock_may_be_a_minute_off(lab: Any) -> None:
    now = int(time.time())
    assert ask(assertion(lab.pk, exp=now - 30)).status_code == 200
    assert ask(assertion(lab.pk, iat=now + 30, exp=now + 330)).status_code == 200
    assert ask(assertion(lab.pk, aud=["x", TOKEN_URL])).status_code == 200


@pytest.mark.asvs("10.4.4", "15.3.7")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_assertion_type": "saml"}, "invalid_client"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"scope": "system/Nothing.rs"}, "invalid_scope"),
        ({"scope": "system/Observation.rs?category=laboratory"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_a_request_that_is_something_else(lab: Any, changes: dict[str, str], error: str) -> None:
    response = ask(assertion(lab.pk), **changes)
    assert response.status_code in {400, 401}
    assert response.json()["error"] == error


def test_a_request_that_is_no_form(lab: Any) -> None:
    http = Http()
    assert http.get("/oauth/token").status_code == 405
    assert (
        http.post("/oauth/token", "{}", content_type="application/json").json()["error"] == "invalid_request"
    )
    form = "application/x-www-form-urlencoded"
    twice = http.post("/oauth/token", "grant_type=a&grant_type=b", content_type=form)
    assert twice.json()["error"] == "invalid_request"
    assert http.post("/oauth/token", "scope=%ff", content_type=form).json()["error"] == "invalid_request"
    assert http.post("/oauth/token", "x" * 70_000, content_type=form).status_code == 413


@pytest.mark.asvs("10.3.2")
def test_scopes_are_asked_at_every_step(practice: Any) -> None:
    some = laboratory.connect(laboratory.register(practice, scopes="system/Patient.cr"), "system/*.*")
    made = some.make(PATIENT)
    path = f"/Patient/{made['id']}"
    assert some.get(path).status_code == 200
    for method, place in (
        ("GET", "/Patient"),
        ("PUT", path),
        ("DELETE", path),
        ("GET", f"{path}/$everything"),
    ):
        response = some.send(method, place, made if method == "PUT" else None)
        assert response.status_code == 403
        assert response.json()["issue"][0]["code"] == "forbidden"
        assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert some.get("/Observation").status_code == 403


def test_a_stopped_client_is_out_at_once(api: Any) -> None:
    from confide.access.models import Client

    assert api.get("/Patient").status_code == 200
    for stopped in ({"frozen_at": "2026-01-01T00:00:00Z"}, {"active": False}):
        Client.objects.update(**stopped)
        response = api.get("/Patient")
        assert (response.status_code, response.json()["issue"][0]["code"]) == (401, "login")
        assert 'error="invalid_token"' in response["WWW-Authenticate"]
        Client.objects.update(frozen_at=None, active=True)
    assert api.get("/Patient").status_code == 200


def test_a_token_ends(api: Any, lab: Any) -> None:
    from confide.access.models import AccessToken, AssertionId
    from confide.wiring import utc_now

    past = utc_now() - timedelta(seconds=1)
    AccessToken.objects.update(expires_at=past)
    AssertionId.objects.update(expires_at=past)
    assert api.get("/Patient").status_code == 401
    assert ask(assertion(lab.pk)).status_code == 200
    assert (AccessToken.objects.count(), AssertionId.objects.count()) == (1, 1)


@pytest.mark.asvs("9.1.3", "11.6.1")
def test_keys_are_looked_at_before_they_are_registered() -> None:
    from confide.errors import Invalid
    from confide.server.credentials import read_keys

    def public(key: Any) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    assert read_keys(public(KEY))["keys"][0]["kid"] == "k1"
    nameless = {k: v for k, v in KEY.as_dict(private=False).items() if k != "kid"}
    assert read_keys({"keys": [nameless]})["keys"][0]["kid"]
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, private=True)
    for wrong in (
        {},
        [],
        {"keys": []},
        {"keys": ["x"]},
        {"keys": [{"kty": "EC"}]},
        {"keys": [KEY.as_dict(private=True)]},
        public(ECKey.generate_key("P-256", private=True)),
        public(weak),
        {"keys": [KEY.as_dict(private=False)] * 2},
        {"keys": [{**KEY.as_dict(private=False), "kid": "x" * 201}]},
        {"keys": [{**KEY.as_dict(private=False), "kid": "a\nb"}]},
        {"keys": [OctKey.import_key("a secret that is long enough").as_dict()]},
    ):
        with pytest.raises(Invalid):
            read_keys(wrong)
