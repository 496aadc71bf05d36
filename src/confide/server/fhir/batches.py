"""Transactions and batches, sent to the base address. Each entry needs the scope that it would need alone.

Source:
    FHIR R4 4.0.1, http://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from confide.errors import ConfideError, Damaged, Refused, Unavailable
from confide.records.outcomes import outcome, status_of
from confide.server.fhir.answers import moved, send
from confide.server.fhir.exchange import Exchange
from confide.server.fhir.searches import searchset

MOST_ENTRIES = 20_000
_LETTERS = {"POST": "c", "PUT": "u", "DELETE": "d"}


def execute(exchange: Exchange) -> HttpResponse:
    """Answer ``POST`` to the base address: a transaction or a batch."""
    bundle = exchange.body()
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    if isinstance(entries, list) and bundle.get("type") == "batch" and len(entries) <= MOST_ENTRIES:
        written = [_alone(exchange, entry, i) for i, entry in enumerate(entries)]
        return send({"resourceType": "Bundle", "type": "batch-response", "entry": written})
    for entry in entries if isinstance(entries, list) else ():
        _allow(exchange, entry)
    return send(_execute(exchange, bundle))


def _execute(exchange: Exchange, bundle: Any) -> dict[str, Any]:
    return exchange.system.bundles.execute(
        exchange.grant, bundle, lambda kind, page: searchset(exchange, kind, page)
    )


def _alone(exchange: Exchange, entry: Any, position: int) -> dict[str, Any]:
    """Carry out one entry of a batch; what is wrong with it is its own answer."""
    try:
        _allow(exchange, entry)
        single = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer: dict[str, Any] = _execute(exchange, single)["entry"][0]
    except (Damaged, Unavailable):
        raise
    except ConfideError as problem:
        if isinstance(problem, Refused):
            exchange.journal(problem)
        told = outcome(moved(problem, f"Bundle.entry[{position}]"))
        return {"response": {"status": str(status_of(problem)), "outcome": told}}
    return answer


def _allow(exchange: Exchange, entry: Any) -> None:
    """Ask the scopes; an entry that cannot be read is left to `Bundles.execute`, which refuses it."""
    request = entry.get("request") if isinstance(entry, dict) else None
    url = request.get("url") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(url, str):
        return
    kind, _, id_ = url.partition("?")[0].partition("/")
    letter = _LETTERS.get(str(request.get("method")), "r" if id_ else "s")
    exchange.allow(kind, letter, id_)
