"""Create, read, update, delete, history: one resource at a time.

Source:
    FHIR R4 4.0.1, RESTful API (http://hl7.org/fhir/R4/http.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.http import HttpResponse

from confide.access.decide import Grant
from confide.access.roles import Action
from confide.errors import ConfideError, Gone, InvalidResource, Issue, Unknown
from confide.records.bundles import version_of
from confide.records.outcomes import etag, note
from confide.records.rows import View, is_kept, is_unpaid
from confide.server import smart
from confide.server.fhir.answers import KEPT, WITHHELD, Declined, instant, send, send_view, tags
from confide.server.fhir.exchange import Exchange

MOST_OF_A_CHART = 1000
HIDDEN = "the exposure budget does not cover all of these; what it does not cover is shown as stand-ins"


def create(exchange: Exchange, kind: str) -> HttpResponse:
    """Answer ``POST Type``."""
    exchange.allow(kind, "c")
    if "If-None-Exist" in exchange.request.headers:
        raise Declined(412, "not-supported", "conditional creates are not supported; search first")
    resource = exchange.body()
    _same_type(kind, resource)
    view = exchange.system.charts.create(exchange.grant(Action.WRITE), resource)
    location = {"Location": f"{exchange.base}/{kind}/{view.id}/_history/{view.version}"}
    return _written(exchange, view, 201, location)


def update(exchange: Exchange, kind: str, id_: str) -> HttpResponse:
    """Answer ``PUT Type/id``."""
    exchange.allow(kind, "u", id_)
    seen = version_of(exchange.request.headers.get("If-Match"))
    resource = exchange.body()
    _same_type(kind, resource)
    grant = exchange.grant(Action.WRITE)
    return _written(exchange, exchange.system.charts.update(grant, kind, id_, resource, seen), 200, {})


def delete(exchange: Exchange, kind: str, id_: str) -> HttpResponse:
    """Answer ``DELETE Type/id``."""
    exchange.allow(kind, "d", id_)
    seen = version_of(exchange.request.headers.get("If-Match"))
    with suppress(Gone):  # deleted before: what was asked for is so
        exchange.system.charts.delete(exchange.grant(Action.WRITE), kind, id_, seen)
    return HttpResponse(status=204)


def read(exchange: Exchange, kind: str, id_: str) -> HttpResponse:
    """Answer ``GET Type/id``."""
    exchange.allow(kind, "r", id_)
    grant = exchange.grant(Action.READ)
    return _shown(grant, exchange.system.charts.read(grant, kind, id_))


def read_version(exchange: Exchange, kind: str, id_: str, version: str) -> HttpResponse:
    """Answer ``GET Type/id/_history/version``."""
    exchange.allow(kind, "r", id_)
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise Unknown("there is no such version")
    grant = exchange.grant(Action.READ)
    return _shown(grant, exchange.system.charts.vread(grant, kind, id_, int(version)))


def history(exchange: Exchange, kind: str, id_: str) -> HttpResponse:
    """Answer ``GET Type/id/_history``."""
    exchange.allow(kind, "r", id_)
    grant = exchange.grant(Action.READ)
    views = exchange.system.charts.history(grant, kind, id_)
    entries = [_past(exchange, view, grant) for view in views]
    bundle = {"resourceType": "Bundle", "type": "history", "total": len(views), "entry": entries}
    return send(bundle, headers=_warning(grant, views))


def everything(exchange: Exchange, id_: str) -> HttpResponse:
    """Answer ``Patient/{id}/$everything``: a whole chart, on one page."""
    exchange.allow("*", "r", id_)
    if set(exchange.request.GET) - {"_format"}:
        raise Declined(400, "not-supported", "$everything takes no parameters here; search by type instead")
    grant = exchange.grant(Action.READ)
    views = exchange.system.charts.chart(grant, id_)
    if len(views) > MOST_OF_A_CHART:
        raise InvalidResource(
            [Issue("$everything", "too-costly", "the chart is too long for one page; search by type")]
        )
    entries = [entry(exchange, view) for view in views]
    if any(is_unpaid(grant, view) for view in views):
        entries.append({"resource": note("throttled", HIDDEN), "search": {"mode": "outcome"}})
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(views),
        "entry": entries,
    }
    return send(bundle, headers=_warning(grant, views))


def entry(exchange: Exchange, view: View) -> dict[str, Any]:
    """A resource as an entry of a searchset."""
    full_url = f"{exchange.base}/{view.type}/{view.id}"
    return {"fullUrl": full_url, "resource": view.body, "search": {"mode": "match"}}


def _past(exchange: Exchange, view: View, grant: Grant) -> dict[str, Any]:
    address = f"{view.type}/{view.id}"
    if view.body is None:
        method, status = "DELETE", "204 No Content"
    elif view.version == 1:
        method, status, address = "POST", "201 Created", view.type
    else:
        method, status = "PUT", "200 OK"
    written: dict[str, Any] = {"fullUrl": f"{exchange.base}/{view.type}/{view.id}"}
    if view.body is not None:
        written["resource"] = view.body
    written["request"] = {"method": method, "url": address}
    written["response"] = {"status": status, "etag": etag(view.version), "lastModified": instant(view)}
    if is_unpaid(grant, view):
        written["response"]["outcome"] = note("throttled", HIDDEN)
    return written


def _shown(grant: Grant, view: View) -> HttpResponse:
    return send_view(view, headers=_warning(grant, [view]))


def _warning(grant: Grant, views: Sequence[View]) -> dict[str, str]:
    """Say why something is covered that the client is registered for."""
    said = [
        text
        for text, tells in ((WITHHELD, is_unpaid), (KEPT, is_kept))
        if any(tells(grant, view) for view in views)
    ]
    return {"Warning": ", ".join(said)} if said else {}


def _written(exchange: Exchange, view: View, status: int, headers: dict[str, str]) -> HttpResponse:
    """Answer a write as the caller prefers: with the resource, an outcome, or nothing."""
    headers = {**tags(view), **headers}
    prefer = exchange.request.headers.get("Prefer", "").replace(" ", "").lower()
    if "return=operationoutcome" in prefer:
        return send(note("informational", "stored"), status, headers)
    if "return=minimal" not in prefer and smart.allows(exchange.scopes, view.type, "r"):
        try:
            grant = exchange.grant(Action.READ)
            back = exchange.system.charts.vread(grant, view.type, view.id, view.version)
        except ConfideError:
            pass  # it is stored, and that is what has to be answered
        else:
            return send_view(back, status, {**headers, **_warning(grant, [back])})
    return HttpResponse(status=status, headers=headers)


def _same_type(kind: str, resource: Any) -> None:
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise InvalidResource([Issue(kind, "invariant", "the resource is of another type than the address")])
