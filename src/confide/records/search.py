"""Search: asking is telling. What identifies is asked of the in-memory index, and paid for.

A caller filters only by what its grant shows clear. Public codes are found by terms; dates within one
patient after opening. Which resources match is decided on the resource, never by an index alone.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confide.access.decide import Grant
from confide.errors import AccessDenied, InvalidResource, Issue, Unknown
from confide.fhir import json, search
from confide.protect.elements import Element
from confide.protect.identifiers import normalise
from confide.records import identities, terms
from confide.records.charts import Charts
from confide.records.models import Cursor, IdentifierDigest, Resource
from confide.records.query import Filter, Query, matches, parse, span, split_prefix
from confide.records.rows import View, some
from confide.vault.door import Clock
from confide.vault.index import IdentityIndex, Key, digits, fold, words

CURSOR_LIFETIME = timedelta(minutes=30)
_MOST_RESULTS = 10_000
Indexes = Callable[[str], IdentityIndex]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search.

    Attributes:
        total: Of all pages.
        next_cursor: Names the rest; empty on the last page.
        withheld: How many views the budget did not cover: they hold stand-ins.
    """

    views: list[View]
    total: int
    next_cursor: str
    withheld: int


class Search:
    """Searches of all practices' charts."""

    def __init__(self, charts: Charts, indexes: Indexes, clock: Clock) -> None:
        self._charts = charts
        self._indexes = indexes
        self._clock = clock

    def search(self, grant: Grant, kind: str, params: Iterable[tuple[str, str]]) -> Page:
        """Find resources of one type.

        Raises:
            InvalidResource: A parameter is not supported, or has no such value.
            AccessDenied: The grant does not show an element that was asked by.
        """
        query = parse(kind, params)
        if query.cursor:
            ids, total = self._resume(grant, query)
        else:
            ids = self._ids(grant, query)
            total = len(ids)
        if query.only_count:
            return Page([], total, "", 0)
        page, rest = ids[: query.count], ids[query.count :]
        rows = Resource.objects.filter(practice=grant.practice, type=kind, deleted=False)
        found = {row.pk: row for row in some(rows, page)}
        views = self._charts.views(grant, [found[i] for i in page if i in found])
        withheld = sum(1 for v in views if v.hidden & grant.clear)
        return Page(views, total, self._keep(grant, kind, rest, total) if rest and page else "", withheld)

    # Candidates

    def _ids(self, grant: Grant, query: Query) -> list[uuid.UUID]:
        by_identity = [f for f in query.filters if query.type == "Patient" and _identity(f)]
        others = [f for f in query.filters if f not in by_identity]
        candidates = self._by_terms(grant, query.type, others)
        if by_identity:
            people = self._people(grant, by_identity)
            candidates = people if candidates is None else candidates & people
        if query.type != "Patient":
            candidates = self._by_id(others, candidates)
        rows = Resource.objects.filter(practice=grant.practice, type=query.type, deleted=False)
        listed = list(some(rows, candidates)) if candidates is not None else list(rows[:_MOST_RESULTS])
        listed = self._checked(grant, query, others, listed)
        listed.sort(key=lambda row: row.pk)
        if "_lastUpdated" in query.sort:
            listed.sort(key=lambda row: row.updated, reverse=query.sort.startswith("-"))
        elif query.sort.endswith("date"):
            listed = self._by_date(grant, listed, query.sort)
        elif query.sort == "-_id":
            listed.reverse()
        ids = [row.pk for row in listed]
        if by_identity:
            ids = ids[: self._paid(grant, by_identity, ids)]
        return ids

    def _by_terms(self, grant: Grant, kind: str, filters: Iterable[Filter]) -> set[uuid.UUID] | None:
        groups = []
        for f in filters:
            by = (
                terms.term_name(kind, f.parameter.name)
                if f.parameter.kind in {"token", "reference"}
                else None
            )
            if by is not None and f.modifier != "not":
                values = [_term_value(f, v) for v in f.values]
                if all(values):
                    groups.append([terms.term(grant.practice, kind, by, v) for v in values])
        return terms.with_all(groups)

    @staticmethod
    def _by_id(filters: Iterable[Filter], candidates: set[uuid.UUID] | None) -> set[uuid.UUID] | None:
        for f in filters:
            if f.parameter.name == "_id":
                ids = {i for v in f.values if (i := _uuid(v)) is not None}
                candidates = ids if candidates is None else candidates & ids
        return candidates

    # Identity: only for Patient

    def _people(self, grant: Grant, filters: Iterable[Filter]) -> set[uuid.UUID]:
        index = self._indexes(grant.practice)
        index.catch_up()
        found: set[str] | None = None
        for f in filters:
            missing = _asked(f) - grant.clear
            if missing and f.parameter.name != "identifier":
                msg = f"asking by {f.parameter.name} is for those who may see it"
                raise AccessDenied(msg)
            hits = set().union(*(self._hits(grant, index, f, v) for v in f.values))
            found = hits if found is None else found & hits
        return {uuid.UUID(i) for i in found or ()}

    def _hits(self, grant: Grant, index: IdentityIndex, f: Filter, value: str) -> set[str]:
        name = f.parameter.name
        if name == "identifier":
            return self._by_identifier(grant, value)
        if name == "_id":
            return {value}
        if name == "birthdate":
            return _born(index, value)
        key = Key(name) if name in set(Key) else Key.PHONE
        if name == "telecom":
            return index.exact(Key.PHONE, digits(value)[-10:]) | index.exact(Key.EMAIL, fold(_code(value)))
        if key is Key.PHONE:
            return index.exact(key, digits(value)[-10:])
        if key is Key.EMAIL:
            return index.exact(key, fold(_code(value)))
        if key in {Key.CITY, Key.ZIP, Key.STATE}:
            return index.exact(key, fold(value)) if f.modifier == "exact" else index.prefix(key, fold(value))
        look = index.exact if f.modifier == "exact" else index.prefix
        hits = [look(key, w) for w in words(value)]
        return set.intersection(*hits) if hits else set()

    def _by_identifier(self, grant: Grant, value: str) -> set[str]:
        system, bar, number = value.rpartition("|")
        policy = self._charts.vault.plan.policy
        known = policy.identifier_systems.get(system) if bar else None
        # Without a system that says what it is, only kinds that the caller may see are tried.
        kinds = [known] if known in identities.SEARCHABLE else list(identities.SEARCHABLE)
        if not normalise(number) or not set(kinds) & grant.clear:
            if set(kinds) & grant.clear:
                return set()
            msg = "asking by identifier is for those who may see it"
            raise AccessDenied(msg)
        vault = self._charts.vault
        wanted = [identities.digest(vault, grant.practice, e, number) for e in kinds if e in grant.clear]
        rows = IdentifierDigest.objects.filter(practice=grant.practice, digest__in=wanted)
        return {str(i) for i in rows.values_list("patient", flat=True)}

    def _paid(self, grant: Grant, filters: Iterable[Filter], ids: list[uuid.UUID]) -> int:
        elements = frozenset().union(*(_asked(f) for f in filters)) & grant.clear
        return self._charts.vault.asked(grant, [str(i) for i in ids], elements)

    # The resource decides

    def _checked(
        self, grant: Grant, query: Query, filters: list[Filter], rows: list[Resource]
    ) -> list[Resource]:
        public = [
            f
            for f in filters
            if f.parameter.kind in {"token", "reference"} and f.parameter.name != "identifier"
        ]
        opened = [f for f in filters if f not in public]
        if public:
            bodies = {row.pk: _body(row) for row in rows}
            rows = [row for row in rows if all(_holds(f, row.pk, bodies[row.pk]) for f in public)]
        if opened and rows:
            rows = self._opened(grant, query, opened, rows)
        return rows

    def _opened(
        self, grant: Grant, query: Query, filters: list[Filter], rows: list[Resource]
    ) -> list[Resource]:
        """Filter by what lies in the seal: within one patient, or in types that are kept."""
        patients = {p for row in rows for p in row.patients.split()}
        # What is not sealed in the stored form is asked there, and tells nothing of a person.
        stored = all(f.parameter.name == "_lastUpdated" for f in filters) or (
            query.type in self._charts.vault.plan.policy.kept_types
        )
        if not stored and len(patients) > 1 and not _names_patient(query):
            text = "name one patient: other people's records are not opened to search in them"
            raise InvalidResource([Issue("search", "not-supported", text)])
        wanted = (
            frozenset({Element.DATE})
            if all(f.parameter.kind == "date" for f in filters)
            else frozenset(Element)
        )
        if not stored and not wanted & grant.clear:
            msg = "asking by a date is for those who may see it"
            raise AccessDenied(msg)
        bodies = (
            {row.pk: _body(row) for row in rows}
            if stored
            else {
                row.pk: v.body
                for row, v in zip(rows, self._charts.views(grant, rows, wanted), strict=True)
                if not v.hidden & wanted & grant.clear
                and not (wanted == {Element.DATE} and v.hidden & wanted)
            }
        )
        return [r for r in rows if r.pk in bodies and all(_holds(f, r.pk, bodies[r.pk]) for f in filters)]

    def _by_date(self, grant: Grant, rows: list[Resource], sort: str) -> list[Resource]:
        parameter = search.parameters(rows[0].type).get("date") if rows else None
        if parameter is None:
            return rows
        if len({p for row in rows for p in row.patients.split()}) > 1 or Element.DATE not in grant.clear:
            text = "sorting by date is within one patient, for those who may see dates"
            raise InvalidResource([Issue("_sort", "not-supported", text)])
        views = self._charts.views(grant, rows, frozenset({Element.DATE}))
        keyed = [
            (min((low for low, _ in _spans(v.body, parameter)), default=""), r)
            for r, v in zip(rows, views, strict=True)
        ]
        keyed.sort(key=lambda pair: pair[0], reverse=sort.startswith("-"))
        return [row for _, row in keyed]

    # The rest of a result

    def _keep(self, grant: Grant, kind: str, ids: list[uuid.UUID], total: int) -> str:
        now = self._clock()
        Cursor.objects.filter(expires__lt=now).delete()
        name = secrets.token_urlsafe(32)
        Cursor.objects.create(
            id=name, practice=grant.practice, owner=grant.actor.owner, type=kind,
            ids=[str(i) for i in ids], total=total, expires=now + CURSOR_LIFETIME,
        )  # fmt: skip
        return name

    def _resume(self, grant: Grant, query: Query) -> tuple[list[uuid.UUID], int]:
        if query.filters:
            raise InvalidResource(
                [Issue("_cursor", "invariant", "a cursor stands alone, with _count at most")]
            )
        row = Cursor.objects.filter(
            pk=query.cursor,
            practice=grant.practice,
            owner=grant.actor.owner,
            type=query.type,
            expires__gt=self._clock(),
        ).first()
        if row is None:
            msg = "the page has expired; search again"
            raise Unknown(msg)
        return [uuid.UUID(i) for i in row.ids], row.total


def _body(row: Resource) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.parse(bytes(row.body))
    return body


_IDENTITY = frozenset(str(k) for k in Key) | {"identifier", "telecom", "_id"}


def _identity(f: Filter) -> bool:
    return f.parameter.name in _IDENTITY


def _asked(f: Filter) -> frozenset[Element]:
    """The elements that are learned about whoever matches."""
    name = f.parameter.name
    if name == "_id":
        return frozenset()
    if name == "identifier":
        return frozenset(identities.SEARCHABLE)
    if name == "telecom":
        return frozenset({Element.PHONE, Element.EMAIL})
    return frozenset({Key(name).element})


def _names_patient(query: Query) -> bool:
    return any(f.parameter.name in {"patient", "subject"} and len(f.values) == 1 for f in query.filters)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _code(value: str) -> str:
    return value.rpartition("|")[2]


def _term_value(f: Filter, value: str) -> str:
    if f.parameter.kind == "reference":
        return value.rsplit("/", maxsplit=1)[-1] if "/_history/" not in value else ""
    return _code(value)


def _born(index: IdentityIndex, value: str) -> set[str]:
    prefix, text = split_prefix(value)
    asked = span(text)
    match prefix:
        case "eq" | "ap":
            return index.between(Key.BIRTH_DATE, asked.low, asked.high)
        case "ge":
            return index.between(Key.BIRTH_DATE, asked.low, "~")
        case "gt" | "sa":
            return index.between(Key.BIRTH_DATE, asked.high, "~")
        case "lt" | "eb":
            return index.between(Key.BIRTH_DATE, "", asked.low)
        case "le":
            return index.between(Key.BIRTH_DATE, "", asked.high)
        case _:
            return index.between(Key.BIRTH_DATE, "", "~") - index.between(
                Key.BIRTH_DATE, asked.low, asked.high
            )


def _holds(f: Filter, id_: uuid.UUID, body: Mapping[str, Any] | None) -> bool:
    if body is None:
        return False
    if f.parameter.name == "_id":
        return str(id_) in f.values
    values = search.values(body, f.parameter)
    held = any(_one(f, want, value) for want in f.values for value in values)
    return held != (f.modifier == "not")


def _one(f: Filter, want: str, value: Any) -> bool:
    match f.parameter.kind:
        case "token":
            return _token_matches(want, value)
        case "reference":
            return terms.target(value) == want.rsplit("/", maxsplit=1)[-1] and (
                "/" not in want or value["reference"].startswith(want)
            )
        case "date":
            prefix, text = split_prefix(want)
            return any(matches(prefix, span(text), low, high) for low, high in _span_of(value))
        case "string":
            return _string_matches(f.modifier, want, value)
        case _:
            return isinstance(value, str) and value == want


def _token_matches(want: str, value: Any) -> bool:
    system, bar, code = want.rpartition("|")
    if isinstance(value, dict) and ("value" in value and "code" not in value):
        return (not bar or value.get("system", "") == system) and normalise(str(value["value"])) == normalise(
            code
        )
    if code not in terms.codes(value):
        return False
    if not bar or not isinstance(value, dict):
        return True
    codings = [value, *value.get("coding", ())]
    return any(c.get("code") == code and c.get("system", "") == system for c in codings)


def _string_matches(modifier: str, want: str, value: Any) -> bool:
    texts = [value] if isinstance(value, str) else _texts(value)
    if modifier == "exact":
        return want in texts
    if modifier == "contains":
        return any(fold(want) in fold(t) for t in texts)
    return any(fold(t).startswith(fold(want)) for t in texts)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for v in value.values() for t in _texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [value] if isinstance(value, str) else []


def _spans(body: Mapping[str, Any] | None, parameter: search.SearchParameter) -> list[tuple[str, str]]:
    return [s for v in search.values(body, parameter) for s in _span_of(v)] if body else []


def _span_of(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        s = span(value)
        return [(s.low, s.high)]
    if isinstance(value, dict) and ("start" in value or "end" in value):
        low = span(value["start"]).low if "start" in value else ""
        high = span(value["end"]).high if "end" in value else "~"
        return [(low, high)]
    if isinstance(value, dict) and "event" in value:
        return [s for v in value["event"] for s in _span_of(v)]
    return []
