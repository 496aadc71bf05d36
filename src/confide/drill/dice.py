"""Chance and the calendar: everything random or dated in a synthetic practice comes from here."""

from __future__ import annotations

from bisect import bisect
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

YEAR: float = 365.2425


class Weighted(Generic[T]):
    """Things to choose from, some more often than others."""

    def __init__(self, things: Sequence[T], weight: Callable[[T], float]) -> None:
        self.things = tuple(things)
        self.sums = tuple(accumulate(weight(thing) for thing in self.things))


class Dice:
    """A seeded source of choices. Equal seeds give equal choices on every machine.

    Only ``random.Random.random``, ``gauss`` and ``getrandbits`` are used: they have not changed
    between Python versions, and they are fast.
    """

    def __init__(self, *seed: object) -> None:
        source = Random("/".join(str(part) for part in seed))
        self.fraction = source.random
        self.normal = source.gauss
        self._bits = source.getrandbits

    def chance(self, share: float) -> bool:
        return self.fraction() < share

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.fraction() * (high - low + 1))

    def pick(self, things: Sequence[T]) -> T:
        return things[int(self.fraction() * len(things))]

    def weighted(self, things: Weighted[T]) -> T:
        return things.things[bisect(things.sums, self.fraction() * things.sums[-1])]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        rest = list(things)
        for last in range(len(rest) - 1, 0, -1):
            other = self.between(0, last)
            rest[last], rest[other] = rest[other], rest[last]
        return rest

    def digits(self, count: int) -> str:
        return f"{int(self.fraction() * 10**count):0{count}d}"

    def uuid(self) -> str:
        """A version 4 UUID."""
        text = f"{self._bits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def day(self, first: date, last: date) -> date:
        """A day from first to last; ``last`` if they are the wrong way round."""
        span = (last - first).days
        return last if span <= 0 else first + timedelta(days=self.between(0, span))


def age(birth: date, day: date) -> int:
    """Full years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def anniversary(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def instant(day: date, minute: int) -> str:
    """A FHIR dateTime with the practice's offset (US Eastern time)."""
    return f"{day.isoformat()}T{minute // 60:02d}:{minute % 60:02d}:00{_offset(day)}"


def _offset(day: date) -> str:
    start, end = _summer(day.year)
    return "-04:00" if start <= day < end else "-05:00"


@lru_cache(maxsize=256)
def _summer(year: int) -> tuple[date, date]:
    """Second Sunday of March to first Sunday of November; no need of a time-zone database."""
    march, november = date(year, 3, 8), date(year, 11, 1)
    return (
        march + timedelta(days=(6 - march.weekday()) % 7),
        november + timedelta(days=(6 - november.weekday()) % 7),
    )


def workdays(after: date, count: int) -> list[date]:
    """The next days on which the practice is open (Monday to Friday)."""
    days: list[date] = []
    day = after
    while len(days) < count:
        day += timedelta(days=1)
        if day.weekday() < 5:
            days.append(day)
    return days


def workday(day: date) -> date:
    """The day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))
