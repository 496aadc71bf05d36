"""Counting who was seen, in the database: a million are counted where they are, and no row is carried out.

Three queries: which combinations of elements there are; who was shown which of them, first and last; how many
of these live where. Combinations are few, so that persons are numbers to the second query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec
from django.db import DatabaseError, connections, router
from django.db.models import QuerySet

from confide.errors import JournalUnavailable
from confide.incidents import halves
from confide.incidents.forms import pack, unpack
from confide.incidents.models import Exposed
from confide.protect.elements import Element


@cache
def _told(shown: int) -> tuple[tuple[str, str], ...]:
    """There are few combinations, and many cells that have them."""
    return tuple((element.value, form.value) for element, form in unpack(shown).items())


@dataclass(slots=True)
class Cell:
    """What is counted of one practice in one state.

    Attributes:
        elements: For each element how many records in each form.
    """

    records: int = 0
    elements: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, records: int, shown: int) -> None:
        self.records += records
        for element, form in _told(shown):
            forms = self.elements.setdefault(element, {})
            forms[form] = forms.get(form, 0) + records


@dataclass(slots=True)
class Count:
    """Who was seen, in numbers.

    Attributes:
        cells: By practice and state (two letters, or empty).
        first: When the first of them was seen.
        last: When the last was.
    """

    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, where: tuple[str, str], records: int, shown: int, first: datetime, last: datetime) -> None:
        self.cells.setdefault(where, Cell()).add(records, shown)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    @property
    def records(self) -> int:
        return sum(cell.records for cell in self.cells.values())

    @property
    def practices(self) -> list[str]:
        return sorted({practice for practice, _ in self.cells})

    @property
    def states(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, state), cell in sorted(self.cells.items(), key=lambda each: each[0][1]):
            found[state] = found.get(state, 0) + cell.records
        return found

    @property
    def elements(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for cell in self.cells.values():
            for element, forms in cell.elements.items():
                into = found.setdefault(element, {})
                for form, number in forms.items():
                    into[form] = into.get(form, 0) + number
        return {element.value: found[element.value] for element in Element if element.value in found}


@dataclass(frozen=True, slots=True)
class Seen:
    """A query whose rows are (practice, patient, shown, first, last), one for each record.

    Attributes:
        sql: For one vendor.
        params: Its parameters.
        halved: ``halves.MARK`` stands in it where its rows can be divided by patient.
    """

    sql: str
    params: tuple[Any, ...]
    halved: bool = False


class BitOr:
    """What PostgreSQL calls ``bit_or``, for SQLite."""

    def __init__(self) -> None:
        self._value = 0

    def step(self, value: int | None) -> None:
        self._value |= value or 0

    def finalize(self) -> int:
        return self._value


def seen(rows: QuerySet[Any], honey: Sequence[str] = ()) -> Seen:
    """Return the query of who was shown something by these entries.

    Args:
        rows: Entries about patients; the window and the credentials are in it.
        honey: Ids that are nobody's; left out.
    """
    if honey:
        rows = rows.exclude(patient__in=list(honey))
    inner, params = _inner(rows.values("practice", "patient", "elements", "at"))
    forms: tuple[Any, ...] = ()
    if _connection().vendor == "sqlite":
        shown, join = "confide_shown(elements)", ""
    else:
        combinations = _combinations(rows)
        # A window in which nothing was shown has no combination, and needs a row of the right types.
        listed = combinations or [("{}", 0)]
        values = ", ".join(["(%s::jsonb, %s::bigint)"] * len(listed))
        shown, join = "form.shown", f" JOIN (VALUES {values}) AS form(elements, shown) USING (elements)"
        forms = tuple(part for each in listed for part in each)
    sql = (
        f"SELECT practice, patient, bit_or({shown}) AS shown, min(at) AS first, max(at) AS last"  # noqa: S608 - parts of our own
        f" FROM ({inner}) AS entry{join}{halves.MARK} GROUP BY practice, patient HAVING bit_or({shown}) <> 0"
    )
    return Seen(sql, (*params, *forms), halved=True)


def copied(
    practices: Sequence[str], shown: int, since: datetime, before: datetime, honey: Sequence[str]
) -> Seen:
    """Return the query of whom a copy of the stored records holds.

    Args:
        practices: Whose; none is all of the host's.
        shown: What of each.
        since: When the copy was made at the earliest.
        before: When at the latest: who came later is not in it.
        honey: Ids that are nobody's; left out.
    """
    from confide.records.models import Resource, Superseded

    parts: list[str] = []
    params: list[Any] = []
    for model in (Resource, Superseded):
        # Who was deleted before the copy was made is not in it; a later deletion does not take anybody out.
        rows: Any = model.objects.filter(type="Patient", updated__lt=before).exclude(
            deleted=True, updated__lt=since
        )
        if practices:
            rows = rows.filter(practice__in=list(practices))
        if honey:
            rows = rows.exclude(id__in=list(honey))
        sql, some = _inner(rows.values("practice", "id"))
        parts.append(sql)
        params += some
    patient, at = "id::text", "%s::timestamptz"
    if _connection().vendor == "sqlite":
        parts_of = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        patient, at = "||'-'||".join(f"substr(id, {start}, {size})" for start, size in parts_of), "%s"
    adapt = _connection().ops.adapt_datetimefield_value
    sql = (
        f"SELECT DISTINCT practice, {patient} AS patient, {int(shown)} AS shown, {at} AS first, {at} AS last"  # noqa: S608
        f" FROM ({' UNION '.join(parts)}) AS stored"
    )
    return Seen(sql, (adapt(since), adapt(before - timedelta(microseconds=1)), *params))


def join(legs: Sequence[Seen]) -> Seen:
    """Return one query of several: whoever is in more than one of them is one record."""
    if len(legs) == 1:
        return legs[0]
    inner = " UNION ALL ".join(f"SELECT * FROM ({leg.sql}) AS leg{i}" for i, leg in enumerate(legs))  # noqa: S608
    sql = (
        "SELECT practice, patient, bit_or(shown) AS shown, min(first) AS first, max(last) AS last"  # noqa: S608
        f" FROM ({inner}) AS legs GROUP BY practice, patient"
    )
    halved = all(leg.halved for leg in legs)
    return Seen(sql, tuple(param for leg in legs for param in leg.params), halved=halved)


def count(who: Seen) -> Count:
    """Count records by practice, state and elements.

    Raises:
        JournalUnavailable: The database does not answer.
    """
    sql = (
        "SELECT seen.practice, coalesce(home.state, '') AS state, shown, count(*), min(first), max(last)"  # noqa: S608
        f" FROM ({who.sql}) AS seen LEFT JOIN incidents_residence AS home"
        f" ON home.patient = seen.patient{halves.HOME}"
        " GROUP BY seen.practice, coalesce(home.state, ''), shown"
    )
    found = Count()
    with asking() as cursor:
        rows = halves.count(_connection(), sql, who.params) if who.halved else None
        if rows is None:
            halves.widen(cursor)
            cursor.execute(sql, who.params)
            rows = cursor.fetchall()
        for practice, state, shown, records, first, last in rows:
            found.add((practice, state), records, shown, moment(first), moment(last))
    return found


def people(who: Seen) -> Iterator[tuple[str, str]]:
    """Return practice and patient of each record, practice by practice."""
    sql = f"SELECT practice, patient FROM ({who.sql}) AS seen ORDER BY practice, patient"  # noqa: S608
    with asking() as cursor:
        cursor.execute(sql, who.params)
        yield from [(practice, patient) for practice, patient in cursor.fetchall()]


def keep(who: Seen, scope: int) -> int:
    """Write each record of a scope down; return how many.

    Raises:
        JournalUnavailable: The database does not answer.
    """
    sql = (
        "INSERT INTO incidents_exposed (scope, practice, patient, shown, state, first, last)"  # noqa: S608
        f" SELECT {int(scope)}, seen.practice, seen.patient, shown, coalesce(home.state, ''), first, last"
        f" FROM ({who.sql}) AS seen LEFT JOIN incidents_residence AS home ON home.patient = seen.patient"
    )
    with asking() as cursor:
        halves.widen(cursor)
        cursor.execute(sql, who.params)
        return int(cursor.rowcount)


def recount(scope: int) -> Count:
    """Count again what was written down."""
    sql = (
        "SELECT practice, state, shown, count(*), min(first), max(last) FROM incidents_exposed"
        " WHERE scope = %s GROUP BY practice, state, shown"
    )
    found = Count()
    with asking() as cursor:
        cursor.execute(sql, (scope,))
        for practice, state, shown, records, first, last in cursor.fetchall():
            found.add((practice, state), records, shown, moment(first), moment(last))
    return found


def differ(old: int, new: int) -> dict[str, int]:
    """Return how many records came, went and changed from one frozen scope to another."""
    only = (
        "SELECT count(*) FROM incidents_exposed AS one LEFT JOIN incidents_exposed AS other"
        " ON other.scope = %s AND other.practice = one.practice AND other.patient = one.patient"
        " WHERE one.scope = %s AND other.patient IS NULL"
    )
    changed = (
        "SELECT count(*) FROM incidents_exposed AS one JOIN incidents_exposed AS other"
        " ON other.scope = %s AND other.practice = one.practice AND other.patient = one.patient"
        " WHERE one.scope = %s AND (one.shown <> other.shown OR one.state <> other.state)"
    )
    found = {}
    with asking() as cursor:
        for name, sql, ids in (
            ("added", only, (old, new)), ("left", only, (new, old)), ("changed", changed, (old, new)),
        ):  # fmt: skip
            cursor.execute(sql, ids)
            found[name] = int(cursor.fetchone()[0])
    return found


def moment(value: Any) -> datetime:
    """Return a moment as the database gives it, aware UTC: SQLite gives text from an aggregate."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]
    return value.astimezone(UTC)  # type: ignore[no-any-return]


@contextmanager
def asking() -> Iterator[Any]:
    """A cursor on the database that has journal and incidents.

    Raises:
        JournalUnavailable: It does not answer.
    """
    connection = _connection()
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                raw = connection.connection
                raw.create_function("confide_shown", 1, _shown, deterministic=True)
                raw.create_aggregate("bit_or", 1, BitOr)
            yield cursor
    except DatabaseError as problem:
        raise JournalUnavailable(f"the scope cannot be counted ({type(problem).__name__})") from None


@contextmanager
def streaming() -> Iterator[Any]:
    """A cursor whose rows stay in the database until they are fetched; see :func:`asking`."""
    try:
        with _connection().chunked_cursor() as cursor:
            yield cursor
    except DatabaseError as problem:
        raise JournalUnavailable(f"the scope cannot be read ({type(problem).__name__})") from None


_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


def _shown(elements: str) -> int:
    return pack(_decode(elements))


def _combinations(rows: QuerySet[Any]) -> list[tuple[str, int]]:
    """Each combination of elements and forms that there is, with its number."""
    sql, params = _inner(rows.values("elements"))
    with asking() as cursor:
        # A million are told apart as they are stored; only the few that are left become text.
        each = f"SELECT DISTINCT elements FROM ({sql}) AS entry"  # noqa: S608
        cursor.execute(f"SELECT elements::text FROM ({each}) AS one", params)  # noqa: S608
        return [(text, shown) for (text,) in cursor.fetchall() if (shown := _shown(text))]


def _inner(rows: Any) -> tuple[str, tuple[Any, ...]]:
    sql, params = rows.order_by().query.get_compiler(using=_connection().alias).as_sql()
    return sql, tuple(params)


def _connection() -> Any:
    return connections[router.db_for_write(Exposed)]
