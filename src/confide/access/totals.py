"""How many patients and units were seen in a window: totals by slot, kept beside the rows of ``exposure``.

Time is counted in slots of five minutes, rounded up, so that a count may be too high for a while and never
too low. A window that looks far back has coarser slots: thirty days are counted in slots of six hours, and
what everybody saw together in slots of a quarter of an hour. So no count reads more than a few hundred rows,
however much was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.limits import Sum
from confide.access.statements import Insert, Query, Rows, as_json, ask

SLOT: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Change = defaultdict[int, list[int]]
"""For each slot of five minutes: patients and units that its totals gain or lose."""


def slot_of(now: datetime) -> int:
    """Return the slot of five minutes that *now* is in, rounded up."""
    return -((_EPOCH - now) // SLOT)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A rolling window.

    Attributes:
        words: What people call it.
        length: How far it looks back.
        span: Of how many slots of five minutes one of its slots consists.
    """

    words: str
    length: timedelta
    span: int = 1

    def begin(self, now: datetime) -> int:
        """Return the slot, of this window's, after which what is seen is within it."""
        return _begin(self, now)

    def slot(self, fine: int) -> int:
        """Return which of this window's slots a slot of five minutes is in."""
        return -(-fine // self.span)

    def gain(self, change: Change, now: datetime) -> Sum:
        """Return what the window gains by *change*."""
        begin, span = self.begin(now), self.span
        patients = units = 0
        for fine, (more_patients, more_units) in change.items():
            if -(-fine // span) > begin:
                patients += more_patients
                units += more_units
        return Sum(patients, units)


def gains(windows: Sequence[Window], change: Change, now: datetime) -> list[Sum]:
    """Return what each window gains by *change*."""
    if len(change) == 1 and slot_of(now) in change:  # it is in every window
        [(patients, units)] = change.values()
        return [Sum(patients, units)] * len(windows)
    return [window.gain(change, now) for window in windows]


@lru_cache(maxsize=256)
def _begin(window: Window, now: datetime) -> int:
    """Who asks for many at one moment asks this again and again."""
    return (now - window.length - _EPOCH) // (SLOT * window.span)


HOUR: Final = Window("one hour", timedelta(hours=1))
DAY: Final = Window("24 hours", timedelta(hours=24))
MONTH: Final = Window("30 days", timedelta(days=30), 72)
TOGETHER_HOUR: Final = Window("one hour", timedelta(hours=1), 3)
TOGETHER_DAY: Final = Window("24 hours", timedelta(hours=24), 3)


@dataclass(frozen=True, slots=True)
class Book:
    """Whose totals.

    Attributes:
        names: The names under which they are kept; what is seen now is written under the first.
        windows: In which they are looked at.
    """

    names: tuple[str, ...]
    windows: tuple[Window, ...]

    def begins(self, now: datetime) -> Mapping[int, int]:
        """For each span of slots the last one that no window looks at any more."""
        return _begins(self.windows, now)


@lru_cache(maxsize=64)
def _begins(windows: tuple[Window, ...], now: datetime) -> Mapping[int, int]:
    begins: dict[int, int] = {}
    for window in windows:
        begins[window.span] = min(window.begin(now), begins.get(window.span, slot_of(now)))
    return begins


@dataclass(frozen=True, slots=True)
class Counted:
    """A book's totals, by window; and the newest slot that its last window knows of."""

    sums: tuple[Sum, ...]
    newest: int | None


def counting(connection: BaseDatabaseWrapper, books: Sequence[Book], now: datetime) -> Query:
    """Ask what *books* say, in one query; `counted` reads the answer."""
    asked = [(book.names, window.span, window.begin(now)) for book in books for window in book.windows]
    if connection.vendor == "postgresql":  # one text, and so one plan, whatever is asked
        wanted = (
            {"i": i, "owner": name, "span": span, "begin": begin}
            for i, (names, span, begin) in enumerate(asked)
            for name in names
        )
        return _COUNT_ALL, [as_json(wanted)]
    parts = [_COUNT.format(", ".join(["%s"] * len(names))) for names, _, _ in asked]
    parameters = [each for i, (names, span, begin) in enumerate(asked) for each in (i, *names, span, begin)]
    return " UNION ALL ".join(parts), parameters


def counted(books: Sequence[Book], rows: Iterable[tuple[Any, ...]]) -> list[Counted]:
    """Return what `counting` has found."""
    ordered = iter(sorted(rows))
    found = []
    for book in books:
        own = [next(ordered) for _ in book.windows]
        sums = tuple([Sum(patients, units) for _, patients, units, _ in own])
        found.append(Counted(sums, own[-1][3]))
    return found


def count(connection: BaseDatabaseWrapper, books: Sequence[Book], now: datetime) -> list[Counted]:
    """Count what *books* say."""
    return counted(books, ask(connection, [counting(connection, books, now)])[0])


def adding(books: Sequence[Book], change: Change, now: datetime) -> tuple[Insert, Rows]:
    """Return the rows that say what *change* does to the totals of *books*."""
    rows: dict[tuple[str, int, int], list[int]] = {}
    for book in books:
        name = book.names[0]
        for span, begin in book.begins(now).items():
            for fine, (patients, units) in change.items():
                slot = -(-fine // span)
                if slot > begin:
                    row = rows.setdefault((name, span, slot), [0, 0])
                    row[0] += patients
                    row[1] += units
    return _ADD, [(*key, *gain) for key, gain in sorted(rows.items()) if any(gain)]


def prune(connection: BaseDatabaseWrapper, books: Sequence[Book], now: datetime) -> None:
    """Remove the totals that no window looks at any more."""
    with connection.cursor() as cursor:
        for book in books:
            for span, begin in book.begins(now).items():
                cursor.execute(_PRUNE, [book.names[0], span, begin - MARGIN // span])


MARGIN: Final = timedelta(days=1) // SLOT
"""How much longer than needed rows stay: the clocks of two servers may differ."""

_COUNT: Final = (
    "SELECT %s, COALESCE(SUM(patients), 0), COALESCE(SUM(units), 0), MAX(slot)"
    " FROM access_exposuretotal WHERE owner IN ({}) AND span = %s AND slot > %s"
)
_COUNT_ALL: Final = (
    "SELECT w.i, COALESCE(SUM(t.patients), 0), COALESCE(SUM(t.units), 0), MAX(t.slot)"
    " FROM json_to_recordset(%s::json) w(i int, owner text, span int, begin int)"
    " LEFT JOIN access_exposuretotal t ON t.owner = w.owner AND t.span = w.span AND t.slot > w.begin"
    " GROUP BY w.i"
)
_PRUNE: Final = "DELETE FROM access_exposuretotal WHERE owner = %s AND span = %s AND slot <= %s"
_ADD: Final = Insert(
    "access_exposuretotal",
    {"owner": "text", "span": "int", "slot": "int", "patients": "int", "units": "int"},
    "ON CONFLICT (owner, span, slot) DO UPDATE"
    " SET patients = access_exposuretotal.patients + excluded.patients,"
    " units = access_exposuretotal.units + excluded.units",
)
