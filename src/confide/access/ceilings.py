"""Ceilings: what all credentials of a practice, and all of the host, may see together in an hour and a day.

They count what each owner of a credential sees: a patient who is seen by three people counts three times.
Where the configuration says nothing they follow the staff: half of the largest budget for each active person,
and of every program what it may see by itself. The host's are lower than the sum of the practices', because
one practice may have a busy day, but not all at once.

SQLite's transactions are serial, so counting is enough. On PostgreSQL a reveal must not wait for every other
one of the host. So it takes one of a few *lanes*, which stands for so many patients under way that the count
does not show yet. Far from the ceiling a lane is enough; close to it, one takes all of them, and counts
exactly.
"""

from __future__ import annotations

import time
from binascii import crc32
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access import reach
from confide.access.limits import LIMITS, UNITS_PER_PATIENT, Limits, Sum, limits_of
from confide.access.models import Client, Membership
from confide.access.roles import Role
from confide.access.statements import Query, as_json
from confide.access.totals import DAY, HOUR, MONTH, TOGETHER_DAY, TOGETHER_HOUR, Book
from confide.errors import Unavailable

PATIENTS_PER_PERSON: Final = max(limits.day_patients for limits in LIMITS.values()) // 2
"""What a practice's ceiling of a day has for each active person: on average they see far fewer."""

PATIENTS_PER_PERSON_OF_HOST: Final = PATIENTS_PER_PERSON * 4 // 5
LEAST_OF_PRACTICE: Final = 3 * 2 * PATIENTS_PER_PERSON
"""What a small practice has for its people at least: one of them, raised threefold, can do the work."""

LEAST_OF_HOST: Final = 1000
LANE: Final = Sum(10, 10 * UNITS_PER_PATIENT)
"""What may be under way in one lane."""

_HOUR_SHARE: Final = 5, 2  # two fifths of a day, as in the budgets
_WINDOWS: Final = (TOGETHER_HOUR, TOGETHER_DAY)
_LOCKS: Final = 0x0EC6  # keeps these advisory locks apart from others
_PATIENCE: Final = 60.0  # seconds for which the number of the staff is believed


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget or a ceiling.

    Attributes:
        words: What people call it.
        book: Where what was seen is counted; under a ceiling its names are the lanes.
        find_limits: Returns what may be seen, for each of the book's windows; with True the staff is counted
            anew.
    """

    words: str
    book: Book
    find_limits: Callable[[bool], tuple[Sum, ...]]

    def limits(self, *, anew: bool = False) -> tuple[Sum, ...]:
        """Return what may be seen, for each of the book's windows."""
        return self.find_limits(anew)

    def choose_lanes(self, sums: Sequence[Sum], gains: Sequence[Sum]) -> tuple[str, ...]:
        """Return the lanes that are needed for *gains*: all of them, unless the ceiling is far away."""
        lanes = self.book.names
        needed = max(max(-(-gain.patients // LANE.patients), -(-gain.units // LANE.units)) for gain in gains)
        if needed >= len(lanes) or not self.is_far(sums, 2 * len(lanes)):
            return lanes
        return lanes[: max(needed, 1)]

    def written_to(self, lane: str) -> Bound:
        """Return it, with this one of its lanes as the one that what is seen now is written to."""
        others = [each for each in self.book.names if each != lane]
        return replace(self, book=Book((lane, *others), self.book.windows))

    def is_far(self, sums: Sequence[Sum], lanes: int) -> bool:
        """Tell whether so many full lanes more would fit below the ceiling."""
        return all(
            total.patients + lanes * LANE.patients <= limit.patients
            and total.units + lanes * LANE.units <= limit.units
            for total, limit in zip(sums, self.limits(), strict=True)
        )


@lru_cache(maxsize=4096)
def bound_of(owner: str, own: Limits) -> Bound:
    """Return the own budget of *owner*, who may see what *own* says."""
    sums = own.hour, own.day, own.month
    return Bound("the exposure budget", Book((owner,), (HOUR, DAY, MONTH)), lambda _: sums)


def ceilings_of(connection: BaseDatabaseWrapper, practice: str, owner: str) -> tuple[Bound, Bound]:
    """Return the practice's ceiling and the host's, for what *owner* sees in *practice*."""
    parallel = connection.vendor == "postgresql"
    return (
        Bound(
            "the practice's ceiling",
            Book(_lanes(f"practice:{practice}", owner, 8 if parallel else 1), _WINDOWS),
            lambda anew: _sums(_limits_of_practice(practice, anew=anew)),
        ),
        Bound(
            "the ceiling of all practices",
            Book(_lanes("host", owner, 16 if parallel else 1), _WINDOWS),
            lambda anew: _sums(_limits_of_host(anew=anew)),
        ),
    )


def _sums(limits: Limits) -> tuple[Sum, ...]:
    return limits.hour, limits.day


def _lanes(name: str, owner: str, count: int) -> tuple[str, ...]:
    return _lanes_from(name, crc32(owner.encode()) % count, count)


@lru_cache(maxsize=4096)
def _lanes_from(name: str, home: int, count: int) -> tuple[str, ...]:
    return tuple(f"{name}/{(home + i) % count}" for i in range(count))


def taking(lanes: Sequence[str]) -> Query:
    """Hold *lanes* until the end of the transaction, always in one order."""
    keys = sorted(map(_key, lanes))
    return "SELECT pg_advisory_xact_lock(%s, lane) FROM unnest(%s::int[]) lane", [_LOCKS, keys]


def trying(wanted: Sequence[tuple[Sequence[str], int]]) -> Query:
    """Hold so many of each of these lanes as nobody else holds, until the end of the transaction.

    Nobody waits. `taken` reads the answer.
    """
    asked = [
        {"i": i, "lanes": [_key(lane) for lane in lanes], "many": many}
        for i, (lanes, many) in enumerate(wanted)
    ]
    return _TRY, [as_json(asked), _LOCKS]


def taken(
    wanted: Sequence[tuple[Sequence[str], int]], rows: Sequence[tuple[Any, ...]]
) -> list[list[str]] | None:
    """Return the lanes that `trying` holds; None where somebody else holds too many of them."""
    held: list[list[str]] = [[] for _ in wanted]
    for i, key in rows:
        held[i].append(next(lane for lane in wanted[i][0] if _key(lane) == key))
    enough = all(len(some) >= many for some, (_, many) in zip(held, wanted, strict=True))
    return held if enough else None


# By LIMIT no more of them are tried than are needed.
_TRY: Final = (
    "SELECT w.i, l.lane FROM json_to_recordset(%s::json) w(i int, lanes json, many int)"
    " CROSS JOIN LATERAL (SELECT one::int AS lane FROM json_array_elements_text(w.lanes) one"
    " WHERE pg_try_advisory_xact_lock(%s, one::int) LIMIT w.many) l"
)


@lru_cache(maxsize=4096)
def _key(lane: str) -> int:
    return crc32(lane.encode()) - 2**31


def require_far(ceiling: Bound, lanes: Sequence[str], sums: Sequence[Sum]) -> None:
    """Refuse to go on with some of the lanes where, by now, all would be needed.

    Raises:
        Unavailable: While a lane was waited for, the others came close to the ceiling; ask again.
    """
    if len(lanes) < len(ceiling.book.names) and not ceiling.is_far(sums, len(ceiling.book.names)):
        raise Unavailable(f"{ceiling.words} is near, and many ask at once (ask again)")


# What may be seen

_known: Final[dict[str, tuple[float, Limits]]] = {}


def _limits_of_practice(practice: str, *, anew: bool) -> Limits:
    configured = getattr(settings, "CONFIDE_PRACTICE_DAY_PATIENTS", None)
    if configured is not None:
        return _in_a_day(configured)
    return _remember(
        practice,
        lambda: _by_staff(practice, PATIENTS_PER_PERSON, LEAST_OF_PRACTICE),
        anew=anew,
    )


def _limits_of_host(*, anew: bool) -> Limits:
    configured = getattr(settings, "CONFIDE_HOST_DAY_PATIENTS", None)
    if configured is not None:
        return _in_a_day(configured)
    return _remember("", lambda: _by_staff(None, PATIENTS_PER_PERSON_OF_HOST, LEAST_OF_HOST), anew=anew)


def _remember(name: str, find: Callable[[], Limits], *, anew: bool) -> Limits:
    until, limits = _known.get(name, (0.0, Limits(0, 0, 0, 0)))
    if anew or time.monotonic() >= until:
        limits = find()
        _known[name] = time.monotonic() + _PATIENCE, limits
    return limits


def _in_a_day(patients: int) -> Limits:
    whole, part = _HOUR_SHARE
    hour = -(-patients * part // whole)
    return Limits(patients, hour, patients * UNITS_PER_PATIENT, hour * UNITS_PER_PATIENT)


def _by_staff(practice: str | None, per_person: int, least: int) -> Limits:
    """Return what the people and programs of a practice, or of all, may see together."""
    people = Membership.objects.filter(active=True, account__is_active=True)
    programs = Client.objects.filter(active=True, frozen_at__isnull=True)
    if practice is not None:
        people, programs = people.filter(practice=practice), programs.filter(reach.inside(practice))
    count = people.values("account").distinct().count()
    every = [_in_a_day(max(least, per_person * count))]
    every += [limits_of(Role.INTEGRATOR, *own) for own in programs.values_list("day_patients", "day_units")]
    return Limits(
        sum(limits.day_patients for limits in every),
        sum(limits.hour_patients for limits in every),
        sum(limits.day_units for limits in every),
        sum(limits.hour_units for limits in every),
    )
