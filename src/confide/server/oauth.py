"""The token endpoint: SMART Backend Services, client credentials with ``private_key_jwt``.

Source:
    SMART App Launch 2.2.0, Backend Services and asymmetric client authentication;
    RFC 7523; RFC 6749 section 5; RFC 8707 (resource indicators); the error ``slow_down`` of RFC 8628
    section 3.5.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from warnings import catch_warnings

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, RSAKey

from confide.access import keys, networks, reach
from confide.access.models import AccessToken, AssertionId, Client
from confide.errors import Invalid, TooLarge
from confide.server import bodies, smart, throttle
from confide.wiring import utc_now

_log = logging.getLogger(__name__)
ALGORITHMS: Final = ("RS384", "ES384")
LIFETIME: Final = timedelta(minutes=10)
"""Of an access token. SMART advises five minutes; a bulk reader needs a little more. Never over an hour."""
ASSERTION_LIFETIME: Final = timedelta(minutes=5)
LEEWAY: Final = timedelta(seconds=60)
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = "application/x-www-form-urlencoded"
_FORM_LIMIT = 64 * 1024
_RESOURCE = re.compile(r"urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII).fullmatch
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_LONGEST_JTI = 200
_LONGEST_KID = 200
_SMALLEST_RSA = 2048
_NAMES = frozenset(
    {"grant_type", "scope", "client_assertion_type", "client_assertion", "client_id", "resource"}
)


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


def _stranger(reason: str) -> Refusal:
    return Refusal("invalid_client", "the client assertion was not accepted", reason, 401)


def token_url(request: HttpRequest) -> str:
    """Return the address of the token endpoint, as the caller wrote its host; assertions are made for it."""
    return request.build_absolute_uri("/oauth/token")


@csrf_exempt
def token(request: HttpRequest) -> HttpResponse:
    """Exchange a signed assertion for an access token."""
    try:
        answer = _exchange(request, utc_now())
    except Refusal as refusal:
        if refusal.reason:
            _log.warning("a client was refused a token: %s", refusal.reason)
        response = JsonResponse(
            {"error": refusal.error, "error_description": refusal.text}, status=refusal.status
        )
        if refusal.status == 405:
            response["Allow"] = "POST"
        if refusal.wait:
            response["Retry-After"] = str(refusal.wait)
        return response
    response = JsonResponse(answer)
    response["Pragma"] = "no-cache"
    return response


def _exchange(request: HttpRequest, now: datetime) -> dict[str, Any]:
    form = _form(request)
    if form.get("grant_type") != "client_credentials":
        raise Refusal("unsupported_grant_type", "only client_credentials is supported")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise _stranger("no client assertion")
    client, claims, key = _admit(request, form["client_assertion"], now)
    if form.get("client_id", client.id) != client.id:
        raise _stranger("client_id is another client's")
    scopes = smart.grant(form.get("scope", ""), client.scopes)
    if not scopes:
        if smart.narrowed(form.get("scope", "")):
            raise Refusal("invalid_scope", "scopes with search parameters are not supported")
        raise Refusal("invalid_scope", "none of the scopes asked for is registered for this client")
    return _issue(client, _practice(client, form.get("resource")), claims, key, scopes, now)


def _practice(client: Client, named: str | None) -> str:
    """The one practice in which the token is to act, by RFC 8707; without a word, the client's own."""
    if named is None:
        return client.practice_id
    match = _RESOURCE(named)
    if match is None or not reach.reaches(client.pk, match[1]):
        raise Refusal("invalid_target", "the resource is no practice (urn:uuid:...) that this client reaches")
    return match[1]


def _form(request: HttpRequest) -> dict[str, str]:
    if request.method != "POST":
        raise Refusal("invalid_request", "a token is asked for by POST", status=405)
    if bodies.media_type(request) != _FORM:
        raise Refusal("invalid_request", "the request is a form: application/x-www-form-urlencoded")
    try:
        fields = bodies.read_form(request, _FORM_LIMIT)
    except TooLarge:
        raise Refusal("invalid_request", "the form is too large", status=413) from None
    except Invalid:
        raise Refusal("invalid_request", "the form cannot be read") from None
    known = [(name, value) for name, value in fields if name in _NAMES]
    if sum(name == "resource" for name, _ in known) > 1:
        raise Refusal("invalid_target", "a token acts in one practice: name one resource")
    if len(known) != len(dict(known)):
        raise Refusal("invalid_request", "a parameter is given twice")
    return dict(known)


def _admit(request: HttpRequest, assertion: str, now: datetime) -> tuple[Client, dict[str, Any], str]:
    """Check an assertion, and count it: a network that sends many wrong ones waits."""
    try:
        unverified = jws.extract_compact(assertion.encode())
        header = unverified.headers()
        # Read before the signature is checked, only to know whose key to check it with.
        named = jwt_subject(unverified.payload)
    except (JoseError, ValueError):
        header, named = {}, ""
    try:
        this = throttle.admit_client(request, named)
    except throttle.TooMany as refusal:
        raise Refusal(
            "slow_down", "too many assertions were refused; wait", status=429, wait=refusal.wait
        ) from None
    if not header:
        raise _stranger("not a JWT")
    client, claims, key = _authenticate(assertion, header, named, token_url(request), now)
    if not networks.covers(client.networks, throttle.address(request)):
        raise _stranger("network")
    this.succeed()
    return client, claims, key


def _authenticate(
    assertion: str, header: dict[str, Any], named: str, audience: str, now: datetime
) -> tuple[Client, dict[str, Any], str]:
    if header.get("alg") not in ALGORITHMS:
        raise _stranger("algorithm")
    client = Client.objects.filter(pk=named, active=True, frozen_at__isnull=True).first()
    if client is None:
        raise _stranger("unknown or stopped client")
    kid, key = _key(client, header, now)
    try:
        claims = jwt.decode(assertion, key, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError):
        raise _stranger("signature") from None
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
    raise _stranger("no such key")


def _check(claims: dict[str, Any], client: str, audience: str, now: datetime) -> None:
    if claims.get("iss") != client or claims.get("sub") != client:
        raise _stranger("issuer is not the subject")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise _stranger("audience")
    expires = _moment(claims.get("exp"))
    if expires is None or expires <= now - LEEWAY or expires > now + ASSERTION_LIFETIME + LEEWAY:
        raise _stranger("expiry")
    for name in ("nbf", "iat"):
        if name in claims:
            since = _moment(claims[name])
            if since is None or since > now + LEEWAY:
                raise _stranger("not valid yet")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_JTI or not jti.isprintable():
        raise _stranger("no jti")


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _issue(
    client: Client, practice: str, claims: dict[str, Any], key: str, scopes: str, now: datetime
) -> dict[str, Any]:
    """Write down that the assertion was used, and make a token, both or neither."""
    issued = secrets.token_urlsafe(32)
    AssertionId.objects.filter(expires_at__lt=now).delete()
    AccessToken.objects.filter(expires_at__lt=now).delete()
    try:
        with transaction.atomic():
            kept_until = datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY
            AssertionId.objects.create(client=client, jti=claims["jti"], expires_at=kept_until)
            AccessToken.objects.create(
                client=client,
                practice_id=practice,
                key=key,
                digest=hashlib.sha256(issued.encode()).hexdigest(),
                scopes=scopes,
                expires_at=now + LIFETIME,
            )
    except IntegrityError:
        raise _stranger("replay") from None
    return {
        "access_token": issued,
        "token_type": "bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": scopes,
    }


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
