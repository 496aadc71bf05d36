"""Transactions and batches, sent to the base address. Each entry needs the scope that it would need alone.

Source:
    FHIR R4 4.0.1, http://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from confide.errors import ConfideError, Refused
from confide.server.fhir.answers import send
from confide.server.fhir.exchange import Exchange
from confide.server.fhir.searches import searchset
from confide.server.pace import pace

_LETTERS = {"POST": "c", "PUT": "u", "DELETE": "d"}


def execute(exchange: Exchange) -> HttpResponse:
    """Answer ``POST`` to the base address: a transaction or a batch."""

    def refused(problem: ConfideError) -> None:
        if isinstance(problem, Refused):
            exchange.journal(problem)

    return send(
        exchange.system.bundles.execute(
            exchange.grant,
            exchange.body(),
            lambda kind, page: searchset(exchange, kind, page),
            lambda entry: _allow(exchange, entry),
            refused,
        )
    )


def _allow(exchange: Exchange, entry: Any) -> None:
    """Ask the scopes; an entry that cannot be read is left to `Bundles.execute`, which refuses it."""
    request = entry.get("request") if isinstance(entry, dict) else None
    url = request.get("url") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(url, str):
        return
    kind, _, id_ = url.partition("?")[0].partition("/")
    letter = _LETTERS.get(str(request.get("method")), "r" if id_ else "s")
    exchange.allow(kind, letter, id_)
    if letter == "s":
        pace.keep(exchange.actor)
