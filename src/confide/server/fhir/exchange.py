"""One request and its answer: the token, the scope, the grant; and what becomes of an error.

The order is always the same: the format that can be answered, the method, the token, and only then the body.
Every refusal is in the journal before it is answered.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from confide.access import bearers, keys, networks
from confide.access.decide import Actor, Grant, act_as_client
from confide.access.models import AccessToken
from confide.access.roles import Action, Purpose
from confide.audit.journal import refusal_for
from confide.errors import AccessDenied, ConfideError, JournalUnavailable, Refused, Unavailable
from confide.fhir.tables import RESOURCES
from confide.protect.elements import Element
from confide.records.models import Resource
from confide.server import apps, bodies, certificates, smart
from confide.server.fhir.answers import (
    JSON_TYPES,
    Declined,
    base_url,
    negotiate,
    send_declined,
    send_problem,
)
from confide.wiring import System

_CHALLENGE = 'Bearer realm="confide"'
_TOKEN_LENGTHS = range(20, 201)
ACTIONS = {"c": Action.WRITE, "r": Action.READ, "u": Action.WRITE, "d": Action.WRITE, "s": Action.SEARCH}
"""What each letter of a scope means to the role table."""


@dataclass(slots=True)
class Exchange:
    """A program's request, after its token was found good.

    Attributes:
        action: What was asked for last: it stands in the journal if it is refused.
        kind: The resource type of that.
        id: The resource's id, if it is one of ours.
        lacking: The scope that was missing, if one was.
    """

    request: HttpRequest
    system: System
    actor: Actor
    purpose: Purpose
    scopes: frozenset[smart.Scope]
    base: str
    action: Action = Action.READ
    kind: str = ""
    id: str = ""
    lacking: str = ""
    _grants: dict[Action, Grant] = field(default_factory=dict)

    def allow(self, kind: str, letter: str, id_: str = "") -> None:
        """Refuse an interaction that the token's scopes do not cover.

        Raises:
            AccessDenied: They do not.
        """
        self.action, self.kind, self.id = ACTIONS[letter], kind if kind in RESOURCES else "", own_id(id_)
        if not smart.allows(self.scopes, kind, letter):
            self.lacking = f"system/{self.kind or '*'}.{letter}"
            raise AccessDenied("the token's scopes do not cover this")

    def grant(self, action: Action) -> Grant:
        """Return the caller's grant for an action; each action is decided once in a request."""
        self.action = action
        made = self._grants.get(action)
        if made is None:
            made = self._grants[action] = self.system.decide(self.actor, action, self.purpose, None, Element)
        return made

    def body(self) -> Any:
        """Read the request's JSON.

        Raises:
            Declined: It is not said to be JSON.
            TooLarge, BrokenJson, Invalid: As said there.
        """
        if bodies.media_type(self.request) not in JSON_TYPES:
            raise Declined(415, "not-supported", "a body is application/fhir+json in UTF-8, not compressed")
        return bodies.read_json(self.request, settings.CONFIG.body_limit)

    def _is_there(self) -> bool:
        """Whether the address names something of this practice; any other id is the caller's text."""
        return bool(self.id) and Resource.objects.filter(pk=self.id, practice=self.actor.practice).exists()

    def journal(self, refused: Refused) -> Refused:
        """Write down a refusal, in a transaction of its own.

        Raises:
            JournalUnavailable: It cannot be written.
        """
        try:
            entry = refusal_for(
                self.actor,
                self.action,
                self.purpose,
                self.system.clock(),
                resource_type=self.kind,
                resource_id=self.id if self._is_there() else "",
            )
            with transaction.atomic(durable=True):
                self.system.journal.append([entry])
        except DatabaseError:
            raise JournalUnavailable("the refusal cannot be written to the journal") from None
        return refused


Method = Callable[..., HttpResponse]


def endpoint(**methods: Method) -> Callable[..., HttpResponse]:
    """Make a view of one function for each HTTP method; each gets the exchange and the address's parts."""

    def view(request: HttpRequest, **parts: str) -> HttpResponse:
        exchange: Exchange | None = None
        try:
            negotiate(request)
            method = methods.get(request.method or "")
            if method is None:
                allowed = {"Allow": ", ".join(sorted(methods))}
                raise Declined(405, "not-supported", "this address does not take that method", allowed)
            exchange = authenticate(request)
            if parts.get("kind") == "AuditEvent":
                raise Declined(404, "not-supported", "an entry of the journal has one version")
            if parts.get("kind", "Patient") not in RESOURCES:
                raise Declined(404, "not-supported", "there is no resource type of that name in FHIR R4")
            return method(exchange, **parts)
        except Declined as declined:
            return send_declined(declined)
        except ConfideError as problem:
            return _answer(request, exchange, problem, one_type=bool(parts))
        except DatabaseError:
            return send_problem(Unavailable("the database does not answer now"))

    # The token is in a header that no other site's page can make a browser send.
    return csrf_exempt(view)


def _answer(
    request: HttpRequest, exchange: Exchange | None, problem: ConfideError, *, one_type: bool
) -> HttpResponse:
    if exchange is not None and isinstance(problem, Refused):
        try:
            exchange.journal(problem)
        except ConfideError as worse:
            return send_problem(worse)
    response = send_problem(
        problem,
        conditional="If-Match" in request.headers,
        searching=one_type and exchange is not None and exchange.action is Action.SEARCH,
    )
    if exchange is not None and exchange.lacking:
        response["WWW-Authenticate"] = f'{_CHALLENGE}, error="insufficient_scope", scope="{exchange.lacking}"'
    return response


def authenticate(request: HttpRequest) -> Exchange:
    """Find the client behind the bearer token.

    Raises:
        Declined: There is no token, or it is not good any more, or not from here, or its client is frozen.
        JournalUnavailable: It is not good from here, and that cannot be written down.
    """
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not presented:
        text = (
            "a bearer token is needed here; get one at the token endpoint (.well-known/smart-configuration)"
        )
        raise Declined(401, "login", text, {"WWW-Authenticate": _CHALLENGE})
    system = apps.system()
    now = system.clock()
    row = _find(presented.strip(), now)
    if row is None:
        raise _void()
    address = request.META.get("REMOTE_ADDR", "")
    actor = act_as_client(row.client, f"token:{row.digest[:8]}", address, row.practice_id)
    exchange = Exchange(
        request, system, actor, Purpose(row.client.purpose), smart.parse(row.scopes), base_url(request)
    )
    here = networks.covers(row.client.networks, address)
    if not here or (row.thumbprint and not certificates.is_proved(request, row.thumbprint)):
        # A token that turns up elsewhere was stolen, so this stands in the journal.
        exchange.journal(AccessDenied("the token came from another network, or without its certificate"))
        raise _void()
    return exchange


def _void() -> Declined:
    """One answer for every token that is not good here, so that whoever found one learns nothing."""
    text = "the bearer token is unknown or has expired, its client was stopped, or it is not good from here"
    return Declined(401, "login", text, {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})


def _find(presented: str, now: datetime) -> AccessToken | None:
    if len(presented) not in _TOKEN_LENGTHS or not presented.isascii():
        return None
    digest = hashlib.sha256(presented.encode()).hexdigest()
    row = bearers.find(digest, now)
    if row is None or all(key.id != row.key for key in keys.live(row.client, now)):
        return None
    return row


def own_id(id_: str) -> str:
    """*id_* if it is one of ours: anything else in an address may be somebody's number."""
    try:
        return id_ if str(uuid.UUID(id_)) == id_ else ""
    except ValueError:
        return ""
