"""How a program proves who it is at the token endpoint: by a signed assertion, or by its TLS certificate.

Source:
    SMART App Launch 2.2.0, asymmetric client authentication; RFC 7523 (``private_key_jwt``); RFC 8705
    section 2 (``tls_client_auth``, ``self_signed_tls_client_auth``); the error ``slow_down`` of RFC 8628
    section 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from warnings import catch_warnings

from django.http import HttpRequest
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, RSAKey

from confide.access import keys, networks
from confide.access.keys import Method
from confide.access.models import Client
from confide.errors import Invalid
from confide.server import certificates, throttle

ALGORITHMS: Final = ("RS384", "ES384")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME: Final = timedelta(minutes=5)
LEEWAY: Final = timedelta(seconds=60)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_LONGEST_JTI = 200
_LONGEST_KID = 200
_SMALLEST_RSA = 2048


@dataclass(frozen=True, slots=True)
class Proof:
    """What a program has proved.

    Attributes:
        client: Who it is.
        key: The id of the registered key or certificate that says so.
        thumbprint: Of the certificate to which its token is bound; empty if to none.
        assertion: The assertion's own id, which works once, and until when it is to be remembered, aware UTC;
            None if there was no assertion.
    """

    client: Client
    key: str
    thumbprint: str = ""
    assertion: tuple[str, datetime] | None = None


class Refusal(Exception):
    """An error answer of OAuth2.

    Args:
        error: A code of RFC 6749 section 5.2.
        text: One sentence. For ``invalid_client`` it is always the same, so that nothing can be probed.
        reason: Why, for the log only; fixed words.
        status: Of HTTP.
        wait: Seconds after which to try again; 0 says nothing of it.
    """

    def __init__(self, error: str, text: str, reason: str = "", status: int = 400, wait: int = 0) -> None:
        super().__init__(text)
        self.wait = wait
        self.error = error
        self.text = text
        self.reason = reason
        self.status = status


def stranger(reason: str) -> Refusal:
    """Return the one answer to every proof that is not good; the reason is for the log."""
    return Refusal("invalid_client", "the client assertion was not accepted", reason, 401)


def prove(request: HttpRequest, form: Mapping[str, str], audience: str, now: datetime) -> Proof:
    """Find out which program asks, and count it: a network that sends many wrong proofs waits.

    Args:
        request: The request, with its connection's certificate, if it has one.
        form: The parameters of the token request.
        audience: For whom an assertion has to be made.
        now: Aware UTC.

    Raises:
        Refusal: It is nobody, or somebody who may not come in, or not from here.
    """
    if "client_assertion" in form or "client_assertion_type" in form:
        return _by_assertion(request, form, audience, now)
    return _by_certificate(request, form.get("client_id", ""), now)


def _by_assertion(request: HttpRequest, form: Mapping[str, str], audience: str, now: datetime) -> Proof:
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
        raise stranger("no client assertion")
    try:
        unverified = jws.extract_compact(assertion.encode())
        header = unverified.headers()
        # Read before the signature is checked, only to know whose key to check it with.
        named = jwt_subject(unverified.payload)
    except (JoseError, ValueError):
        header, named = {}, ""
    this = _admit(request, named)
    if not header:
        raise stranger("not a JWT")
    client, claims, key = _authenticate(assertion, header, named, audience, now)
    if form.get("client_id", client.id) != client.id:
        raise stranger("client_id is another client's")
    if not networks.covers(client.networks, throttle.address(request)):
        raise stranger("network")
    certificate = certificates.presented(request) if client.bound else None
    if client.bound and certificate is None:
        raise stranger("no certificate to bind the token to")
    this.succeed()
    return Proof(
        client,
        key,
        thumbprint=certificates.thumbprint(certificate) if certificate else "",
        assertion=(claims["jti"], datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY),
    )


def _by_certificate(request: HttpRequest, named: str, now: datetime) -> Proof:
    """RFC 8705 section 2: the connection's certificate is the proof, and the token is bound to it."""
    named = named if _ID(named) else ""
    this = _admit(request, named)
    certificate = certificates.presented(request)
    if certificate is None or not named:
        raise stranger("no client assertion, and no certificate with a client_id")
    client = Client.objects.filter(pk=named, active=True, frozen_at__isnull=True).first()
    if client is None:
        raise stranger("unknown or stopped client")
    live = keys.live(client, now)
    if client.method == Method.CERTIFICATE:
        key = certificates.find_own(certificate, live, now)
    elif client.method == Method.AUTHORITY:
        chain = certificates.chain_of(request)
        key = certificates.find_authority(certificate, chain, live, client.subject, now)
    else:
        raise stranger("registered for another method")
    if not key:
        raise stranger("certificate")
    if not networks.covers(client.networks, throttle.address(request)):
        raise stranger("network")
    this.succeed()
    return Proof(client, key, thumbprint=certificates.thumbprint(certificate))


def _admit(request: HttpRequest, named: str) -> throttle.Try:
    try:
        return throttle.admit_client(request, named)
    except throttle.TooMany as refusal:
        raise Refusal(
            "slow_down", "too many assertions were refused; wait", status=429, wait=refusal.wait
        ) from None


def _authenticate(
    assertion: str, header: dict[str, Any], named: str, audience: str, now: datetime
) -> tuple[Client, dict[str, Any], str]:
    if header.get("alg") not in ALGORITHMS:
        raise stranger("algorithm")
    client = Client.objects.filter(pk=named, active=True, frozen_at__isnull=True).first()
    if client is None:
        raise stranger("unknown or stopped client")
    if client.method != Method.SIGNATURE:
        raise stranger("registered for another method")
    kid, key = _key(client, header, now)
    try:
        claims = jwt.decode(assertion, key, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError):
        raise stranger("signature") from None
    _check(claims, client.id, audience, now)
    return client, claims, kid


def jwt_subject(payload: bytes) -> str:
    """The ``sub`` of an unverified payload, if it has the form of a client's id.

    Anything else is not looked up: a database may write down what it is asked.
    """
    from confide.fhir import json

    claims = json.parse(payload)
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) and _ID(subject) else ""


def _key(client: Client, header: dict[str, Any], now: datetime) -> tuple[str, ECKey | RSAKey]:
    """The registered key that the header names, and its id; a key is used with its own algorithm only."""
    wanted = "EC" if header["alg"] == "ES384" else "RSA"
    for key in keys.live(client, now):
        if key.id and key.id == header.get("kid") and key.jwk.get("kty") == wanted:
            jwk = dict(key.jwk)
            return key.id, ECKey.import_key(jwk) if wanted == "EC" else RSAKey.import_key(jwk)
    raise stranger("no such key")


def _check(claims: dict[str, Any], client: str, audience: str, now: datetime) -> None:
    if claims.get("iss") != client or claims.get("sub") != client:
        raise stranger("issuer is not the subject")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise stranger("audience")
    expires = _moment(claims.get("exp"))
    if expires is None or expires <= now - LEEWAY or expires > now + ASSERTION_LIFETIME + LEEWAY:
        raise stranger("expiry")
    for name in ("nbf", "iat"):
        if name in claims:
            since = _moment(claims[name])
            if since is None or since > now + LEEWAY:
                raise stranger("not valid yet")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_JTI or not jti.isprintable():
        raise stranger("no jti")


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def read_keys(jwks: Any) -> dict[str, Any]:
    """Check a set of public keys before it is registered.

    Args:
        jwks: A JSON Web Key Set (RFC 7517).

    Returns:
        The set, with a ``kid`` in each key.

    Raises:
        Invalid: A key is private, weak, unnamed, or of a kind that is not used here.
    """
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Invalid('the key set has no keys: {"keys": [...]} is expected')
    try:
        with catch_warnings(action="ignore", category=SecurityWarning):  # a weak key is refused below
            found = KeySet.import_key_set({"keys": listed}).keys
    except (JoseError, ValueError, TypeError, KeyError):
        raise Invalid("the key set is not a JSON Web Key Set") from None
    for key in found:
        if key.is_private:
            raise Invalid("the key set holds a private key: register the public one, and replace this one")
        if isinstance(key, ECKey):
            if key.curve_name != "P-384":
                raise Invalid("an elliptic key must be on the curve P-384 (ES384)")
        elif not isinstance(key, RSAKey) or key.raw_value.key_size < _SMALLEST_RSA:
            raise Invalid(f"a key is P-384 (ES384), or RSA of at least {_SMALLEST_RSA} bits (RS384)")
        key.ensure_kid()
        if not (key.kid and len(key.kid) <= _LONGEST_KID and key.kid.isprintable()):
            raise Invalid(f"the id of a key (kid) has 1 to {_LONGEST_KID} printable characters")
    if len({key.kid for key in found}) < len(found):
        raise Invalid("two keys have the same id (kid)")
    return {"keys": [key.as_dict(private=False) for key in found]}
