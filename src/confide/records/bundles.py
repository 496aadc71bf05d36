"""Transaction and batch bundles: references between entries resolved, all or nothing.

Source:
    FHIR R4 4.0.1, http://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from confide.access.decide import Grant
from confide.access.roles import Action
from confide.errors import ConfideError, Damaged, InvalidResource, Issue, TooFast, Unavailable
from confide.fhir import tables
from confide.records import checks
from confide.records.charts import Charts
from confide.records.outcomes import etag, outcome, status_of
from confide.records.rows import View
from confide.records.search import Page, Search
from confide.records.writer import Draft

GrantFor = Callable[[Action], Grant]
SearchSet = Callable[[str, Page], dict[str, Any]]
_MOST_ENTRIES = 20_000


@dataclass(slots=True)
class _Entry:
    path: str
    method: str
    url: str
    full_url: str
    resource: Any
    if_match: int | None


class Bundles:
    """Executes bundles."""

    def __init__(self, charts: Charts, search: Search) -> None:
        self._charts = charts
        self._search = search

    def execute(
        self,
        grant_for: GrantFor,
        bundle: Any,
        searchset: SearchSet,
        allow: Callable[[Any], None] = lambda _: None,
        refused: Callable[[ConfideError], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Carry out a transaction (all or nothing) or a batch (entry by entry).

        Args:
            grant_for: Gives the caller's grant for an action.
            bundle: As it came.
            searchset: Writes the result of a GET entry that searches.
            allow: Raises where the caller's scopes do not cover an entry; asked before anything is done.
            refused: Is told why an entry of a batch failed; the answer says so as well.

        Raises:
            InvalidResource: An entry of a transaction breaks a rule; nothing was stored.
        """
        listed = _listed(bundle)
        if bundle["type"] == "batch":
            done = [self._alone(grant_for, e, i, searchset, allow, refused) for i, e in enumerate(listed)]
            return {"resourceType": "Bundle", "type": "batch-response", "entry": done}
        for entry in listed:
            allow(entry)
        entries = [_entry(e, f"Bundle.entry[{i}]") for i, e in enumerate(listed)]
        _refuse_duplicates(entries)
        done = self._together(grant_for, entries, searchset)
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": done}

    def _alone(
        self,
        grant_for: GrantFor,
        entry: Any,
        position: int,
        searchset: SearchSet,
        allow: Callable[[Any], None],
        refused: Callable[[ConfideError], None],
    ) -> dict[str, Any]:
        try:
            allow(entry)
            return self._together(grant_for, [_entry(entry, f"Bundle.entry[{position}]")], searchset)[0]
        except TooFast as problem:  # of this entry; what came before it is done
            return _failed(problem)
        except (Damaged, Unavailable):
            raise
        except ConfideError as problem:
            refused(problem)
            return _failed(problem)

    def _together(
        self, grant_for: GrantFor, entries: list[_Entry], searchset: SearchSet
    ) -> list[dict[str, Any]]:
        writing = [e for e in entries if e.method != "GET"]
        responses: dict[int, dict[str, Any]] = {}
        if writing:
            grant = grant_for(Action.WRITE)
            drafts = _drafts(self._charts, grant, writing)
            views = self._charts.write(grant, drafts, [e.path for e in writing])
            for entry, draft, view in zip(writing, drafts, views, strict=True):
                responses[id(entry)] = _written(draft, view)
        for entry in entries:
            if entry.method != "GET":
                continue
            try:
                responses[id(entry)] = self._get(grant_for, entry, searchset)
            except ConfideError as problem:
                if not writing:
                    raise
                # What was to be written is stored by now, and the answer must say so.
                responses[id(entry)] = _failed(problem)
        return [responses[id(entry)] for entry in entries]

    def _get(self, grant_for: GrantFor, entry: _Entry, searchset: SearchSet) -> dict[str, Any]:
        address, _, query = entry.url.partition("?")
        kind, _, id_ = address.partition("/")
        if kind not in tables.RESOURCES or "/" in id_:
            raise _refuse(entry, "not-supported", "only Type/id and Type?search can be read in a bundle")
        if id_:
            view = self._charts.read(grant_for(Action.READ), kind, id_)
            return {
                "resource": view.body,
                "response": {
                    "status": "200 OK",
                    "etag": etag(view.version),
                    "lastModified": view.updated.isoformat(),
                },
            }
        page = self._search.search(grant_for(Action.SEARCH), kind, parse_qsl(query, keep_blank_values=True))
        return {"resource": searchset(kind, page), "response": {"status": "200 OK"}}


def _refuse(entry: _Entry, kind: str, text: str, member: str = "request.url") -> InvalidResource:
    return InvalidResource([Issue(f"{entry.path.removesuffix('.resource')}.{member}", kind, text)])


def _listed(bundle: Any) -> list[Any]:
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise InvalidResource([Issue("Bundle", "structure", "a Bundle is expected here")])
    if bundle.get("type") not in ("transaction", "batch"):
        raise InvalidResource(
            [Issue("Bundle.type", "value", "only transaction and batch bundles are carried out")]
        )
    listed = bundle.get("entry", [])
    if not isinstance(listed, list) or len(listed) > _MOST_ENTRIES:
        raise InvalidResource(
            [Issue("Bundle.entry", "too-long", f"at most {_MOST_ENTRIES} entries in one bundle")]
        )
    return listed


def _entry(entry: Any, path: str) -> _Entry:
    request = entry.get("request") if isinstance(entry, Mapping) else None
    if not isinstance(request, Mapping):
        raise InvalidResource(
            [Issue(f"{path}.request", "required", "each entry says with a request what to do")]
        )
    method, url = request.get("method"), request.get("url")
    if method not in ("GET", "POST", "PUT", "DELETE") or not isinstance(url, str):
        raise InvalidResource(
            [Issue(f"{path}.request", "not-supported", "GET, POST, PUT or DELETE, and a url")]
        )
    if "ifNoneExist" in request or "ifNoneMatch" in request or (method != "GET" and "?" in url):
        text = "conditional requests in bundles are not supported"
        raise InvalidResource([Issue(f"{path}.request", "not-supported", text)])
    full_url = entry.get("fullUrl", "")
    match = request.get("ifMatch")
    if not isinstance(full_url, str) or not (match is None or isinstance(match, str)):
        raise InvalidResource([Issue(path, "structure", "fullUrl and ifMatch are strings")])
    return _Entry(
        f"{path}.resource",
        method,
        url,
        full_url,
        entry.get("resource"),
        version_of(match, f"{path}.request.ifMatch"),
    )


def version_of(match: str | None, where: str = "If-Match") -> int | None:
    """The version that ``If-Match: W/"3"`` names.

    Raises:
        InvalidResource: It is not such a tag.
    """
    if match is None:
        return None
    digits = match.removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidResource([Issue(where, "value", 'a version tag is written W/"3"')])
    return int(digits)


def _refuse_duplicates(entries: list[_Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.method == "GET":
            continue
        names = {entry.full_url} - {""}
        if entry.method != "POST":
            names.add(entry.url)
        elif isinstance(entry.resource, Mapping) and isinstance(entry.resource.get("id"), str):
            names.add(f"{entry.resource.get('resourceType')}/{entry.resource['id']}")
        if names & seen:
            raise _refuse(entry, "duplicate", "another entry of this bundle has the same id", "fullUrl")
        seen |= names


def _drafts(charts: Charts, grant: Grant, entries: list[_Entry]) -> list[Draft]:
    resources = [_checked(e) for e in entries]
    ids = [uuid.uuid4() for _ in entries]
    new: dict[str, str] = {}
    for entry, resource, id_ in zip(entries, resources, ids, strict=True):
        if entry.method == "POST" and resource is not None:
            ours = f"{resource['resourceType']}/{id_}"
            if entry.full_url:
                new[entry.full_url] = ours
            if "id" in resource:
                new[f"{resource['resourceType']}/{resource['id']}"] = ours
        elif entry.method == "PUT" and entry.full_url:
            new[entry.full_url] = entry.url
    drafts = []
    for entry, resource, id_ in zip(entries, resources, ids, strict=True):
        if resource is not None:
            _rewrite(resource, new)
        if entry.method == "POST" and resource is not None:
            drafts.append(Draft(resource["resourceType"], id_, resource))
        else:
            kind, _, named = entry.url.partition("/")
            if resource is not None and (resource["resourceType"], resource.get("id")) != (kind, named):
                raise _refuse(entry, "invariant", "type and id must be those of the resource")
            drafts.append(charts.replacing(grant, kind, named, resource, entry.if_match))
    return drafts


def _checked(entry: _Entry) -> dict[str, Any] | None:
    if entry.method == "DELETE":
        return None
    resource = checks.valid(entry.resource, entry.path)
    if entry.method == "POST" and entry.url != resource["resourceType"]:
        raise _refuse(entry, "invariant", "a POST goes to the type of its resource")
    return resource


def _rewrite(resource: dict[str, Any], new: Mapping[str, str]) -> None:
    for member in checks.holders(resource):
        ours = new.get(member["reference"])
        if ours is not None:
            member["reference"] = ours


def _failed(problem: ConfideError) -> dict[str, Any]:
    return {"response": {"status": str(status_of(problem)), "outcome": outcome(problem)}}


def _written(draft: Draft, view: View) -> dict[str, Any]:
    status = "200 OK" if draft.replaces else "201 Created"
    if draft.resource is None:
        status = "204 No Content"
    return {
        "response": {
            "status": status,
            "location": f"{view.type}/{view.id}/_history/{view.version}",
            "etag": etag(view.version),
            "lastModified": view.updated.isoformat(),
        }
    }
