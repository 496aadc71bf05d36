"""Search by type, by GET and by POST, and its pages.

Source:
    FHIR R4 4.0.1, Search (http://hl7.org/fhir/R4/search.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse

from confide.access.roles import Action
from confide.fhir import search as definitions
from confide.records.outcomes import note
from confide.records.search import Page
from confide.server import bodies
from confide.server.fhir.answers import Declined, send
from confide.server.fhir.exchange import Exchange, own_id
from confide.server.fhir.resources import HIDDEN, entry
from confide.server.pace import pace

FORM = "application/x-www-form-urlencoded"
# How the answer is presented; nothing is found or left out by them.
_PRESENTATION = frozenset({"_format", "_pretty", "_total", "_totalMethod"})
# Parameters whose values are public codes or our own random ids. Only these come back in a link: an address
# is written down by browsers, proxies and programs.
_HARMLESS = frozenset(
    {
        "_count", "_sort", "_summary", "active", "category", "class", "clinical-status", "code", "gender",
        "intent", "status", "type", "verification-status",
    }
)  # fmt: skip
KEPT = "some of these patients have asked that values be kept from this purpose; they are shown as stand-ins"
WITHHELD = f"{HIDDEN}, and others may match or not"


def search(exchange: Exchange, kind: str) -> HttpResponse:
    """Answer ``GET Type?...``."""
    exchange.allow(kind, "s")
    return _search(exchange, kind, bodies.parse_fields(_query(exchange)))


def post_search(exchange: Exchange, kind: str) -> HttpResponse:
    """Answer ``POST Type/_search``."""
    exchange.allow(kind, "s")
    if bodies.media_type(exchange.request) != FORM:
        raise Declined(415, "not-supported", "a search by POST is a form: application/x-www-form-urlencoded")
    fields = bodies.parse_fields(_query(exchange)) + bodies.read_form(exchange.request)
    return _search(exchange, kind, fields)


def _query(exchange: Exchange) -> bytes:
    query: str = exchange.request.META.get("QUERY_STRING", "")
    return query.encode("latin-1")


def _search(exchange: Exchange, kind: str, fields: Iterable[tuple[str, str]]) -> HttpResponse:
    pace.keep(exchange.actor)
    asked = [(name, value) for name, value in fields if name not in _PRESENTATION]
    page = exchange.system.search.search(exchange.grant(Action.SEARCH), kind, asked)
    return send(searchset(exchange, kind, page, asked))


def searchset(
    exchange: Exchange, kind: str, page: Page, asked: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Write a page of results as a Bundle.

    Args:
        exchange: Whose page it is.
        kind: The type that was searched.
        page: What was found.
        asked: The parameters; the harmless ones stand in the link to itself.
    """
    asked = list(asked)
    address = f"{exchange.base}/{kind}"
    shown = [(name, value) for name, value in asked if _harmless(kind, name, value)]
    links = [{"relation": "self", "url": f"{address}?{urlencode(shown)}" if shown else address}]
    if page.next_cursor:
        rest = [("_cursor", page.next_cursor), *((n, v) for n, v in asked if n == "_count")]
        links.append({"relation": "next", "url": f"{address}?{urlencode(rest)}"})
    entries = [entry(exchange, view) for view in page.views]
    if page.withheld:
        entries.append({"resource": note("throttled", WITHHELD), "search": {"mode": "outcome"}})
    if page.kept:
        entries.append({"resource": note("suppressed", KEPT), "search": {"mode": "outcome"}})
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": page.total,
        "link": links,
    }
    if entries:
        bundle["entry"] = entries
    return bundle


def _harmless(kind: str, name: str, value: str) -> bool:
    name = name.partition(":")[0]
    if name in _HARMLESS:
        return True
    parameter = definitions.parameters(kind).get(name)
    is_id = name == "_id" or (parameter is not None and parameter.kind == "reference")
    return is_id and own_id(value.rpartition("/")[2]) != ""
