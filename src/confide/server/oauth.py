"""The token endpoint: client credentials of SMART Backend Services, or of mutual TLS.

Source:
    SMART App Launch 2.2.0, Backend Services; RFC 6749 sections 4.4 and 5; RFC 8705 (certificate-bound
    tokens); RFC 8707 (resource indicators).
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from confide.access import reach
from confide.access.models import AccessToken, AssertionId, Client
from confide.errors import Invalid, TooLarge
from confide.server import bodies, credentials, smart
from confide.server.credentials import Proof, Refusal
from confide.wiring import utc_now

_log = logging.getLogger(__name__)
LIFETIME: Final = timedelta(minutes=10)
"""Of an access token. SMART advises five minutes; a bulk reader needs a little more. Never over an hour."""

_FORM = "application/x-www-form-urlencoded"
_FORM_LIMIT = 64 * 1024
_RESOURCE = re.compile(r"urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII).fullmatch
NAMES: Final = frozenset(
    {"grant_type", "scope", "client_assertion_type", "client_assertion", "client_id", "resource"}
)


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
    proof = credentials.prove(request, form, token_url(request), now)
    client = proof.client
    scopes = smart.grant(form.get("scope", ""), client.scopes)
    if not scopes:
        if smart.narrowed(form.get("scope", "")):
            raise Refusal("invalid_scope", "scopes with search parameters are not supported")
        raise Refusal("invalid_scope", "none of the scopes asked for is registered for this client")
    return _issue(proof, _practice(client, form.get("resource")), scopes, now)


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
    known = [(name, value) for name, value in fields if name in NAMES]
    if sum(name == "resource" for name, _ in known) > 1:
        raise Refusal("invalid_target", "a token acts in one practice: name one resource")
    if len(known) != len(dict(known)):
        raise Refusal("invalid_request", "a parameter is given twice")
    return dict(known)


def _issue(proof: Proof, practice: str, scopes: str, now: datetime) -> dict[str, Any]:
    """Write down that the assertion was used, and make a token, both or neither."""
    issued = secrets.token_urlsafe(32)
    AssertionId.objects.filter(expires_at__lt=now).delete()
    AccessToken.objects.filter(expires_at__lt=now).delete()
    try:
        with transaction.atomic():
            if proof.assertion is not None:
                jti, until = proof.assertion
                AssertionId.objects.create(client=proof.client, jti=jti, expires_at=until)
            AccessToken.objects.create(
                client=proof.client,
                practice_id=practice,
                key=proof.key,
                thumbprint=proof.thumbprint,
                digest=hashlib.sha256(issued.encode()).hexdigest(),
                scopes=scopes,
                expires_at=now + LIFETIME,
            )
    except IntegrityError:
        raise credentials.stranger("replay") from None
    return {
        "access_token": issued,
        "token_type": "bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": scopes,
    }
