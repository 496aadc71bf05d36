"""How many patients and units were seen in a window: totals by slot, kept beside the rows of ``exposure``.

Time is counted in slots of five minutes, rounded up, so that a count may be too high for a while and never
too low. A window that looks far back has coarser slots: thirty days are counted in slots of six hours, and
what everybody saw together in slots of a quarter of an hour. So no count reads more than a few hundred rows,
however much was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.limits import Sum
from confide.access.statements import Insert, Query, Rows, ask

SLOT: Final = timedelta(minutes=5)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Change = defaultdict[int, list[int]]
"""For each slot of five minutes: patients and units that its totals gain or lose."""


def slot_of(now: datetime) -> int:
    """Return the slot of five minutes that *now* is in, rounded up."""
    return -((_EPOCH - now) // SLOT)


@dataclass(frozen=True, slots=True)
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
        return (now - self.length - _EPOCH) // (SLOT * self.span)

    def slot(self, fine: int) -> int:
        """Return which of this window's slots a slot of five minutes is in."""
        return -(-fine // self.span)

    def gain(self, change: Change, now: datetime) -> Sum:
        """Return what the window gains by *change*."""
        begin = self.begin(now)
        within = [gain for fine, gain in change.items() if self.slot(fine) > begin]
        return Sum(sum(patients for patients, _ in within), sum(units for _, units in within))


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

    def begins(self, now: datetime) -> dict[int, int]:
        """For each span of slots the last one that no window looks at any more."""
        begins: dict[int, int] = {}
        for window in self.windows:
            begins[window.span] = min(window.begin(now), begins.get(window.span, slot_of(now)))
        return begins


@dataclass(frozen=True, slots=True)
class Counted:
    """A book's totals, by window; and the newest slot that its last window knows of."""

    sums: tuple[Sum, ...]
    newest: int | None


def counting(books: Sequence[Book], now: datetime) -> Query:
    """Ask what *books* say, in one query; `counted` reads the answer."""
    parts: list[str] = []
    parameters: list[str | int] = []
    for book in books:
        for window in book.windows:
            parts.append(_COUNT.format(", ".join(["%s"] * len(book.names))))
            parameters += [len(parts), *book.names, window.span, window.begin(now)]
    return " UNION ALL ".join(parts), parameters


def counted(books: Sequence[Book], rows: Iterable[tuple[Any, ...]]) -> list[Counted]:
    """Return what `counting` has found."""
    ordered = iter(sorted(rows))
    found = []
    for book in books:
        own = [next(ordered) for _ in book.windows]
        sums = tuple(Sum(int(patients), int(units)) for _, patients, units, _ in own)
        found.append(Counted(sums, own[-1][3]))
    return found


def count(connection: BaseDatabaseWrapper, books: Sequence[Book], now: datetime) -> list[Counted]:
    """Count what *books* say."""
    return counted(books, ask(connection, [counting(books, now)])[0])


def adding(books: Sequence[Book], change: Change, now: datetime) -> tuple[Insert, Rows]:
    """Return the rows that say what *change* does to the totals of *books*."""
    rows: defaultdict[tuple[str, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for book in books:
        begins = book.begins(now)
        for window in {window.span: window for window in book.windows}.values():
            for fine, (patients, units) in change.items():
                if window.slot(fine) > begins[window.span]:
                    row = rows[book.names[0], window.span, window.slot(fine)]
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
_PRUNE: Final = "DELETE FROM access_exposuretotal WHERE owner = %s AND span = %s AND slot <= %s"
_ADD: Final = Insert(
    "access_exposuretotal",
    {"owner": "text", "span": "int", "slot": "int", "patients": "int", "units": "int"},
    "ON CONFLICT (owner, span, slot) DO UPDATE"
    " SET patients = access_exposuretotal.patients + excluded.patients,"
    " units = access_exposuretotal.units + excluded.units",
)
