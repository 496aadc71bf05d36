"""Search: asking is telling. What identifies is asked of the in-memory index, and paid for.

A caller filters only by what its grant shows clear. Public codes are found by terms; dates within one
patient after opening. Which resources match is decided on the resource, never by an index alone.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confide.access.decide import Grant
from confide.errors import AccessDenied, BudgetSpent, InvalidResource, Issue, Unknown
from confide.fhir import json, search
from confide.protect.elements import Element
from confide.protect.identifiers import normalise
from confide.records import identities, terms
from confide.records.charts import Charts
from confide.records.matching import holds, spans
from confide.records.models import Cursor, IdentifierDigest, Resource
from confide.records.query import Filter, Query, parse, span, split_prefix
from confide.records.rows import View, some
from confide.vault.door import Clock
from confide.vault.index import IdentityIndex, Key, digits, fold, number_key, words

CURSOR_LIFETIME = timedelta(minutes=30)
_MOST_RESULTS = 50_000
Indexes = Callable[[str], IdentityIndex]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search.

    Attributes:
        total: Of all pages.
        next_cursor: Names the rest; empty on the last page.
        withheld: How many the budget did not cover: they hold stand-ins, or are not told at all.
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
        unpaid, start, name = 0, 0, ""
        if query.cursor:
            name, _, offset = query.cursor.partition(".")
            ids, start = self._resume(grant, query, name), int(offset) if _OFFSET(offset) else 0
        else:
            ids, unpaid = self._ids(grant, query)
        total, end = len(ids), start + query.count
        if query.only_count:
            return Page([], total, "", int(bool(unpaid)))
        page = ids[start:end]
        rows = Resource.objects.filter(practice=grant.practice, type=kind, deleted=False)
        found = {row.pk: row for row in some(rows, page)}
        views = self._charts.views(grant, [found[i] for i in page if i in found])
        withheld = sum(1 for v in views if v.hidden & grant.clear)
        if not page or end >= total:
            return Page(views, total, "", withheld + bool(unpaid))
        return Page(views, total, f"{name or self._keep(grant, kind, ids)}.{end}", withheld + bool(unpaid))

    def every(self, grant: Grant, kind: str, params: Iterable[tuple[str, str]]) -> list[uuid.UUID]:
        """Find all that match, and show nothing of them: for a cohort.

        Raises:
            InvalidResource: A parameter is not supported, or has no such value.
            AccessDenied: The grant does not show an element that was asked by.
            BudgetSpent: The budget does not cover learning who they are.
        """
        query = parse(kind, params)
        if query.cursor:
            raise InvalidResource([Issue("_cursor", "not-supported", "a cohort is asked for as a whole")])
        ids, unpaid = self._ids(grant, query)
        if unpaid:
            msg = "the exposure budget does not cover learning who matches"
            raise BudgetSpent(msg)
        return ids

    # Candidates

    def _ids(self, grant: Grant, query: Query) -> tuple[list[uuid.UUID], int]:
        """What matches, in order; and how many more the budget does not let the caller know of."""
        by_identity = [f for f in query.filters if query.type == "Patient" and _identity(f)]
        others = [f for f in query.filters if f not in by_identity]
        candidates = self._by_terms(grant, query.type, others)
        if by_identity:
            people = self._people(grant, by_identity)
            candidates = people if candidates is None else candidates & people
        candidates = self._by_id(others, candidates)
        rows = Resource.objects.filter(practice=grant.practice, type=query.type, deleted=False)
        if not others and not query.sort.endswith("date"):
            rows = rows.only("updated")
        if candidates is None:
            listed = list(rows.order_by("pk")[: _MOST_RESULTS + 1])
        else:
            listed = list(some(rows, candidates))
        if len(listed) > _MOST_RESULTS:
            text = f"more than {_MOST_RESULTS} match; narrow the search"
            raise InvalidResource([Issue("search", "too-long", text)])
        listed = self._checked(grant, query, others, listed)
        listed.sort(key=lambda row: row.pk)
        if "_lastUpdated" in query.sort:
            listed.sort(key=lambda row: row.updated, reverse=query.sort.startswith("-"))
        elif query.sort.endswith("date"):
            listed = self._by_date(grant, listed, query.sort)
        elif query.sort == "-_id":
            listed.reverse()
        ids = [row.pk for row in listed]
        paid = self._paid(grant, by_identity, ids) if by_identity else len(ids)
        return ids[:paid], len(ids) - paid

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
            if f.modifier not in {"", "exact"}:
                text = f"this modifier is not supported on {f.parameter.name}"
                raise InvalidResource([Issue(f.parameter.name, "not-supported", text)])
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
            return self._by_identifier(grant, index, value)
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

    def _by_identifier(self, grant: Grant, index: IdentityIndex, value: str) -> set[str]:
        system, bar, number = value.rpartition("|")
        vault = self._charts.vault
        known = vault.plan.policy.identifier_systems.get(system) if bar else None
        # Without a system that says what it is, only kinds that the caller may see are tried.
        kinds = frozenset({known} if known else identities.IDENTIFIERS) & grant.clear
        if not kinds:
            msg = "asking by identifier is for those who may see it"
            raise AccessDenied(msg)
        if not normalise(number):
            return set()
        # A system that says what kind it is means the number itself, under whatever system it was recorded.
        of = system if bar and not known else None
        found: set[str] = set()
        for e in kinds.difference(identities.SEARCHABLE):
            found |= index.prefix(Key.IDENTIFIER, number_key(e, number, of))
        wanted = [
            identities.digest(vault, grant.practice, e, number, of)
            for e in kinds.intersection(identities.SEARCHABLE)
        ]
        rows = IdentifierDigest.objects.filter(practice=grant.practice, digest__in=wanted)
        return found | {str(i) for i in rows.values_list("patient", flat=True)}

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
            rows = [row for row in rows if all(holds(f, row.pk, bodies[row.pk]) for f in public)]
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
        if stored:
            bodies: dict[uuid.UUID, Mapping[str, Any] | None] = {row.pk: _body(row) for row in rows}
        else:
            views = self._charts.views(grant, rows, wanted)
            if any(v.hidden & wanted & grant.clear for v in views):
                msg = "the exposure budget does not cover opening what has to be searched"
                raise BudgetSpent(msg)
            bodies = {row.pk: v.body for row, v in zip(rows, views, strict=True)}
        return [r for r in rows if all(holds(f, r.pk, bodies[r.pk]) for f in filters)]

    def _by_date(self, grant: Grant, rows: list[Resource], sort: str) -> list[Resource]:
        parameter = search.parameters(rows[0].type).get("date") if rows else None
        if parameter is None:
            return rows
        if len({p for row in rows for p in row.patients.split()}) > 1 or Element.DATE not in grant.clear:
            text = "sorting by date is within one patient, for those who may see dates"
            raise InvalidResource([Issue("_sort", "not-supported", text)])
        views = self._charts.views(grant, rows, frozenset({Element.DATE}))
        if any(Element.DATE in v.hidden for v in views):
            msg = "the exposure budget does not cover opening what has to be sorted"
            raise BudgetSpent(msg)
        keyed = [
            (min((low for low, _ in spans(v.body, parameter)), default=""), r)
            for r, v in zip(rows, views, strict=True)
        ]
        keyed.sort(key=lambda pair: pair[0], reverse=sort.startswith("-"))
        return [row for _, row in keyed]

    # The rest of a result

    def _keep(self, grant: Grant, kind: str, ids: list[uuid.UUID]) -> str:
        now = self._clock()
        Cursor.objects.filter(expires__lt=now).delete()
        name = secrets.token_urlsafe(32)
        Cursor.objects.create(
            id=name, practice=grant.practice, owner=grant.actor.owner, type=kind,
            ids=[str(i) for i in ids], total=len(ids), expires=now + CURSOR_LIFETIME,
        )  # fmt: skip
        return name

    def _resume(self, grant: Grant, query: Query, name: str) -> list[uuid.UUID]:
        if query.filters:
            raise InvalidResource(
                [Issue("_cursor", "invariant", "a cursor stands alone, with _count at most")]
            )
        row = None
        if _NAME(name):  # anything else is not asked for: a database may write down what it is asked
            row = Cursor.objects.filter(
                pk=name,
                practice=grant.practice,
                owner=grant.actor.owner,
                type=query.type,
                expires__gt=self._clock(),
            ).first()
        if row is None:
            msg = "the page has expired; search again"
            raise Unknown(msg)
        return [uuid.UUID(i) for i in row.ids]


def _body(row: Resource) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.parse(bytes(row.body))
    return body


_NAME = re.compile(r"[\w-]{43}", re.ASCII).fullmatch
_OFFSET = re.compile(r"[0-9]{1,6}", re.ASCII).fullmatch
_IDENTITY = frozenset(str(k) for k in Key) | {"telecom"}


def _identity(f: Filter) -> bool:
    return f.parameter.name in _IDENTITY


def _asked(f: Filter) -> frozenset[Element]:
    """The elements that are learned about whoever matches."""
    name = f.parameter.name
    if name == "identifier":
        return frozenset(identities.IDENTIFIERS)
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
