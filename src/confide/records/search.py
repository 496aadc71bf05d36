"""Search: asking is telling. What identifies is asked of the in-memory index, and paid for.

A caller filters only by what its grant shows clear. Public codes are found by terms; dates within one
patient after opening. Which resources match is decided on the resource, never by an index alone.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.errors import AccessDenied, BudgetSpent, InvalidResource, Issue, Unknown
from confide.fhir import json, search
from confide.protect.elements import Element
from confide.records import hits, identities, terms
from confide.records.asking import Asking, Narrowed, Test
from confide.records.charts import Charts
from confide.records.matching import holds, spans
from confide.records.models import Cursor, Resource
from confide.records.query import Filter, Query, parse
from confide.records.rows import View, is_kept, is_unpaid, some
from confide.vault.door import Clock
from confide.vault.index import IdentityIndex, Key

CURSOR_LIFETIME = timedelta(minutes=30)
_MOST_RESULTS = 50_000
Indexes = Callable[[str], IdentityIndex]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search.

    Attributes:
        total: Of all pages.
        next_cursor: Names the rest; empty on the last page.
        withheld: How many the budget did not cover, so that they hold stand-ins; and one more if it has no
            room for anybody new, who may match or not.
        kept: How many hold stand-ins because their patients have asked for it.
    """

    views: list[View]
    total: int
    next_cursor: str
    withheld: int
    kept: int = 0


class Search:
    """Searches of all practices' charts."""

    def __init__(self, charts: Charts, indexes: Indexes, clock: Clock) -> None:
        self._charts = charts
        self._indexes = indexes
        self._clock = clock
        self._asking = Asking(charts.vault)

    def search(self, grant: Grant, kind: str, params: Iterable[tuple[str, str]]) -> Page:
        """Find resources of one type.

        Raises:
            InvalidResource: A parameter is not supported, or has no such value.
            AccessDenied: The grant does not show an element that was asked by.
        """
        query = parse(kind, params)
        self._refuse_hidden_sort(grant, query)
        spent, start, name = False, 0, ""
        if query.cursor:
            name, _, offset = query.cursor.partition(".")
            ids, start = self._resume(grant, query, name), int(offset) if _OFFSET(offset) else 0
        else:
            ids, spent = self._ids(grant, query, Operation.SEARCH)
        total, end = len(ids), start + query.count
        if query.only_count:
            return Page([], total, "", int(spent))
        page = ids[start:end]
        rows = Resource.objects.filter(practice=grant.practice, type=kind, deleted=False)
        found = {row.pk: row for row in some(rows, page)}
        views = self._charts.views(grant, [found[i] for i in page if i in found], operation=Operation.RESULTS)
        withheld = sum(1 for v in views if is_unpaid(grant, v))
        kept = sum(1 for v in views if is_kept(grant, v))
        if not page or end >= total:
            return Page(views, total, "", withheld + spent, kept)
        rest = f"{name or self._keep(grant, kind, ids)}.{end}"
        return Page(views, total, rest, withheld + spent, kept)

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
        self._refuse_hidden_sort(grant, query)
        ids, spent = self._ids(grant, query, Operation.COHORT)
        if spent:
            msg = "the exposure budget does not cover learning who matches"
            raise BudgetSpent(msg)
        return ids

    # Candidates

    def _ids(self, grant: Grant, query: Query, operation: Operation) -> tuple[list[uuid.UUID], bool]:
        """What matches, in order; and whether the budget has no room for anybody new."""
        by_identity = [f for f in query.filters if query.type == "Patient" and _identity(f)]
        others = [f for f in query.filters if f not in by_identity]
        plain = [f for f in others if self._is_plain(query, f)]
        opened = [f for f in others if f not in plain]
        table = Resource.objects.filter(practice=grant.practice, type=query.type, deleted=False)
        if not others and not query.sort.endswith("date"):
            table = table.only("updated")
        rows, spent = None, False
        if plain or not by_identity:
            candidates = self._by_id(plain, self._by_terms(grant, query.type, plain))
            rows = _passing(plain, _listed(table, candidates))
        if by_identity:
            named = any(f.parameter.name == "_id" for f in plain)
            rows, spent = self._people(grant, query, operation, by_identity, table, rows, named=named)
        assert rows is not None  # noqa: S101 - one of the two has found them
        if opened and rows:
            rows = self._opened(grant, query, opened, rows)
        if query.sort.endswith("date"):
            rows = self._by_date(grant, rows, query.sort)
        else:
            rows = _sorted(rows, query.sort)
        return [row.pk for row in rows], spent

    def _is_plain(self, query: Query, f: Filter) -> bool:
        """Whether a filter asks by what is no secret: codes, ids, when a resource was written."""
        if (
            f.parameter.name in {"_id", "_lastUpdated"}
            or query.type in self._charts.vault.plan.policy.kept_types
        ):
            return True
        return f.parameter.kind in {"token", "reference"} and f.parameter.name != "identifier"

    def _refuse_hidden_sort(self, grant: Grant, query: Query) -> None:
        """Refuse to sort by what the grant does not show, whoever would be sorted."""
        if not query.sort.endswith("date"):
            return
        if "date" not in search.parameters(query.type):
            text = f"{query.type} cannot be sorted by date"
            raise InvalidResource([Issue("_sort", "not-supported", text)])
        if Element.DATE not in grant.clear:
            msg = "sorting by date is for those who may see dates"
            raise AccessDenied(msg)

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

    def _people(
        self,
        grant: Grant,
        query: Query,
        operation: Operation,
        filters: Iterable[Filter],
        table: QuerySet[Resource],
        rows: list[Resource] | None,
        *,
        named: bool,
    ) -> tuple[list[Resource], bool]:
        """Those who match and are paid for, and whether the budget has no room for anybody new.

        Args:
            grant: For searching.
            query: The whole search.
            operation: How it is asked.
            filters: By what identifies.
            table: Where patients are.
            rows: Who is left by the rest of the search; None is anybody.
            named: The search names them by their ids.
        """
        index = self._indexes(grant.practice)
        index.catch_up()
        tests = [self._test(grant, index, f) for f in filters]
        found = {str(row.pk): row for row in rows or ()}

        def in_order(ids: Collection[str]) -> list[str]:
            if rows is None:
                found.update((str(row.pk), row) for row in some(table, map(uuid.UUID, ids)))
            return [str(row.pk) for row in _sorted([found[i] for i in ids if i in found], query.sort)]

        among = None if rows is None else Narrowed(frozenset(found), named=named)
        answer = self._asking.ask(grant, operation, tests, among=among, order=in_order)
        return [found[i] for i in answer.ids], answer.spent

    def _test(self, grant: Grant, index: IdentityIndex, f: Filter) -> Test:
        if f.modifier not in {"", "exact"}:
            text = f"this modifier is not supported on {f.parameter.name}"
            raise InvalidResource([Issue(f.parameter.name, "not-supported", text)])
        test = hits.any_of(self._one(grant, index, f, value) for value in f.values)
        if not test.elements <= grant.clear:
            msg = f"asking by {f.parameter.name} is for those who may see it"
            raise AccessDenied(msg)
        return test

    def _one(self, grant: Grant, index: IdentityIndex, f: Filter, value: str) -> Test:
        name, exact = f.parameter.name, f.modifier == "exact"
        if name == "identifier":
            return self._by_identifier(grant, index, value)
        if name == "birthdate":
            return hits.by_birth(index, value)
        if name == "telecom":
            email = hits.by_text(index, Key.EMAIL, _code(value), exact=True)
            return hits.any_of([hits.by_phone(index, value), email])
        key = Key(name)
        if key is Key.PHONE:
            return hits.by_phone(index, value)
        if key is Key.EMAIL:
            return hits.by_text(index, key, _code(value), exact=True)
        if key in {Key.CITY, Key.ZIP, Key.STATE}:
            return hits.by_text(index, key, value, exact=exact)
        return hits.by_words(index, key, value, exact=exact)

    def _by_identifier(self, grant: Grant, index: IdentityIndex, value: str) -> Test:
        system, bar, number = value.rpartition("|")
        vault = self._charts.vault
        known = vault.plan.policy.identifier_systems.get(system) if bar else None
        # Without a system that says what it is, only kinds that the caller may see are tried.
        kinds = frozenset({known} if known else identities.IDENTIFIERS) & grant.clear
        if not kinds:
            msg = "asking by identifier is for those who may see it"
            raise AccessDenied(msg)
        # A system that says what kind it is means the number itself, under whatever system it was recorded.
        of = system if bar and not known else None
        return hits.by_number(vault, index, grant.practice, number, kinds, of)

    # The resource decides

    def _opened(
        self, grant: Grant, query: Query, filters: list[Filter], rows: list[Resource]
    ) -> list[Resource]:
        """Filter by what is sealed in one patient's rows: all are paid for, also what does not match."""
        patients = {p for row in rows for p in row.patients.split()}
        if len(patients) > 1 and not _names_patient(query):
            text = "name one patient: other people's records are not opened to search in them"
            raise InvalidResource([Issue("search", "not-supported", text)])
        wanted = (
            frozenset({Element.DATE})
            if all(f.parameter.kind == "date" for f in filters)
            else frozenset(Element)
        )
        if not wanted & grant.clear or any(grant.keeps(wanted, patient) for patient in patients):
            msg = "asking by a date is for those who may see it"
            raise AccessDenied(msg)
        views = self._charts.views(grant, rows, wanted, Operation.TEST)
        if any(v.hidden & wanted & grant.clear for v in views):
            msg = "the exposure budget does not cover opening what has to be searched"
            raise BudgetSpent(msg)
        bodies = {row.pk: v.body for row, v in zip(rows, views, strict=True)}
        return [r for r in rows if all(holds(f, r.pk, bodies[r.pk]) for f in filters)]

    def _by_date(self, grant: Grant, rows: list[Resource], sort: str) -> list[Resource]:
        if not rows:
            return rows
        parameter = search.parameters(rows[0].type)["date"]
        if len({p for row in rows for p in row.patients.split()}) > 1:
            text = "sorting by date is within one patient"
            raise InvalidResource([Issue("_sort", "not-supported", text)])
        if any(grant.keeps({Element.DATE}, patient) for row in rows for patient in row.patients.split()):
            msg = "sorting by date is kept from this purpose"
            raise AccessDenied(msg)
        views = self._charts.views(grant, rows, frozenset({Element.DATE}), Operation.SORT)
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


def _listed(table: QuerySet[Resource], candidates: set[uuid.UUID] | None) -> list[Resource]:
    if candidates is None:
        rows = list(table.order_by("pk")[: _MOST_RESULTS + 1])
    else:
        rows = list(some(table, candidates))
    if len(rows) > _MOST_RESULTS:
        text = f"more than {_MOST_RESULTS} match; narrow the search"
        raise InvalidResource([Issue("search", "too-long", text)])
    return rows


def _passing(filters: Iterable[Filter], rows: list[Resource]) -> list[Resource]:
    """Those of *rows* that pass what is asked of their stored form."""
    listed = list(filters)
    if not listed:
        return rows
    bodies = {row.pk: _body(row) for row in rows}
    return [row for row in rows if all(holds(f, row.pk, bodies[row.pk]) for f in listed)]


def _sorted(rows: Iterable[Resource], sort: str) -> list[Resource]:
    listed = sorted(rows, key=lambda row: row.pk, reverse=sort == "-_id")
    if "_lastUpdated" in sort:
        listed.sort(key=lambda row: row.updated, reverse=sort.startswith("-"))
    return listed


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
