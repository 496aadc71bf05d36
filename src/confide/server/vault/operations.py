"""The four operations on bare values: tokenize, detokenize, protect, reveal.

The order is that of the FHIR API: the method, the token, its scope, and only then the body. Every refusal is
in the journal before it is answered. Only programs come here: a session's cookie opens nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from confide.access.roles import Action
from confide.errors import AccessDenied, ConfideError, Damaged, Refused, Unavailable
from confide.server import bodies, smart
from confide.server.fhir.answers import Declined
from confide.server.fhir.exchange import Exchange, authenticate
from confide.server.vault import batches
from confide.server.vault.answers import send_declined, send_problem

_log = logging.getLogger(__name__)
_JSON: Final = "application/json"
_ACTIONS: Final = {
    "tokenize": Action.TOKENIZE,
    "detokenize": Action.REVEAL,
    "protect": Action.TOKENIZE,
    "reveal": Action.REVEAL,
}
Operation = Callable[[Exchange, bytes], Sequence[Any]]


def operation(name: str, work: Operation) -> Callable[[HttpRequest], HttpResponse]:
    """Make the view of one operation; *work* gets the exchange and the body."""

    def view(request: HttpRequest) -> HttpResponse:
        exchange: Exchange | None = None
        try:
            if request.method != "POST":
                raise Declined(405, "not-supported", "values go by POST only", {"Allow": "POST"})
            exchange = authenticate(request)
            exchange.action = _ACTIONS[name]
            if not smart.allows(exchange.scopes, smart.VAULT, name):
                exchange.lacking = f"{smart.VAULT}/{name}"
                raise AccessDenied("the token's scopes do not cover this")
            if bodies.media_type(request) != _JSON:
                raise Declined(415, "not-supported", "a body is application/json in UTF-8, not compressed")
            limit = min(batches.BODY_LIMIT, settings.CONFIG.body_limit)
            return batches.send(work(exchange, bodies.read(request, limit)))
        except Declined as declined:
            return send_declined(declined)
        except ConfideError as problem:
            return _answer(exchange, problem)
        except DatabaseError:
            return send_problem(Unavailable("the database does not answer now"))

    # The token is in a header that no other site's page can make a browser send.
    return csrf_exempt(view)


def _answer(exchange: Exchange | None, problem: ConfideError) -> HttpResponse:
    if exchange is None:
        return send_problem(problem)
    if isinstance(problem, Refused):
        try:
            exchange.journal(problem)
        except ConfideError as worse:
            return send_problem(worse)
    return send_problem(problem, lacking=exchange.lacking)


def tokenize(exchange: Exchange, raw: bytes) -> Sequence[Any]:
    """Answer ``POST tokenize``: each value's token for one recipient."""
    batch = batches.read(raw, batches.Tokenize)
    expires = batches.expiry(batch)
    grant = exchange.grant(Action.TOKENIZE)
    values = exchange.system.values
    return batches.carry(
        batches.wanted(batch), lambda items: values.tokenize(grant, batch.scope, items, expires)
    )


def detokenize(exchange: Exchange, raw: bytes) -> Sequence[Any]:
    """Answer ``POST detokenize``: the value behind each token."""
    batch = batches.read(raw, batches.Detokenize)
    grant = exchange.grant(Action.REVEAL)
    results = exchange.system.values.detokenize(grant, batch.scope, [item.token for item in batch.items])
    damaged = sum(isinstance(result, Damaged) for result in results)
    if damaged:
        _log.error("%d stored tokens are not as they were written; treat it as an incident", damaged)
    return results


def protect(exchange: Exchange, raw: bytes) -> Sequence[Any]:
    """Answer ``POST protect``: what may be kept in the place of each value."""
    batch = batches.read(raw, batches.Protect)
    making, asking = exchange.grant(Action.TOKENIZE), exchange.grant(Action.SEARCH)
    values = exchange.system.values
    return batches.carry(batches.bare(batch), lambda items: values.protect(making, asking, items))


def reveal(exchange: Exchange, raw: bytes) -> Sequence[Any]:
    """Answer ``POST reveal``: the value of each stand-in or seal."""
    batch = batches.read(raw, batches.Reveal)
    grant = exchange.grant(Action.REVEAL)
    values = exchange.system.values
    return batches.carry(batches.kept(batch), lambda items: values.reveal(grant, items))
