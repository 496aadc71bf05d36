"""The exposure budget: how many patients, and how much of them, the owner of a credential may see.

Two limits, distinct patients and weighted units, over a rolling hour, day and 30 days (``limits``), for the
person or client behind a credential over all practices: ten sessions of one person share one budget. A
(patient, element) counts once per window, with the weight of the heavier form. Beside it stand the ceilings
of the practice and the host (``ceilings``). All are counted in the transaction that pays. Moments are rounded
up to five minutes, so that looking again at what was just paid for writes nothing: the count may be too high
for five minutes, never too low.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from operator import itemgetter
from typing import Final

from django.db import DatabaseError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access import ceilings, pulse, raises, totals
from confide.access.care import CARE
from confide.access.ceilings import Bound
from confide.access.decide import Actor, Grant
from confide.access.exposure import Charge, Exposures
from confide.access.groups import Group, Step, add_up, exceeds, gain_of, gather, plus, see
from confide.access.limits import LIMITS, Limits, Sum, client_ceiling, limits_of, misses_of
from confide.access.models import Client, Exposure
from confide.access.relationships import NONE
from confide.access.roles import Form, Role
from confide.access.statements import ask, write
from confide.access.totals import DAY, HOUR, MONTH, Book, Change, Window
from confide.errors import BudgetSpent, GrantExpired, GrantMismatch, Unavailable
from confide.protect.elements import Element

__all__ = [
    "LIMITS",
    "Learned",
    "Limits",
    "Usage",
    "client_ceiling",
    "explain",
    "is_own",
    "learn",
    "limits_of",
    "reserve",
    "reserve_care",
    "spend",
    "today",
]

_ADVICE: Final = (
    "wait, or have it raised by a second person",
    "all its people and programs together have seen as much as they may; call the privacy officer",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What has been seen in the last 24 hours, and what may be: the ring beside a person's name."""

    patients: int
    units: int
    patient_limit: int
    unit_limit: int


def spend(grant: Grant, charges: Iterable[Charge], now: datetime) -> None:
    """Pay for all of *charges*, or for none.

    Args:
        grant: Whose budget it is.
        charges: What is about to be shown, or learned by asking: patient, element, form.
        now: Aware UTC.

    Raises:
        BudgetSpent: The budget, or a ceiling, does not cover it; nothing was paid, and nothing may be shown.
        GrantExpired: The grant is too old.
        Frozen: The credential was stopped since the grant was made.
        Unavailable: There is no transaction to pay in, or the database refused.
    """
    if not all(_pay(grant, gather(charges), now, Manner.WHOLE)):
        raise BudgetSpent(explain(grant, now))


def reserve(grant: Grant, charges: Iterable[Charge], now: datetime) -> int:
    """Pay for a page in order, as far as the budget and the ceilings go.

    Args:
        grant: Whose budget it is.
        charges: What the page would show, in its order. Neighbours of one patient are one group, which is
            paid for as a whole or not at all; a group in which nothing is shown costs nothing.
        now: Aware UTC.

    Returns:
        The number of leading groups that fit and were paid; what is beyond stays a stand-in.

    Raises:
        GrantExpired: The grant is too old.
        Unavailable: There is no transaction to pay in, or the database refused.
    """
    return sum(_pay(grant, gather(charges), now, Manner.IN_ORDER))


def reserve_care(grant: Grant, charges: Iterable[Charge], now: datetime) -> int:
    """Pay, where a ceiling is reached, for what care needs of today's patients: from the own budget alone.

    It is counted under the ceilings all the same.

    Args:
        grant: Whose budget it is.
        charges: As in `reserve`; of today's patients, by a relationship that the person did not make.
        now: Aware UTC.

    Returns:
        The number of leading groups that fit and were paid.

    Raises:
        GrantMismatch: One of them is no care of today's patients.
        GrantExpired, Frozen, Unavailable: See `reserve`.
    """
    listed = list(charges)
    for patient, element, form in listed:
        needed = form is Form.CLEAR and any(element in elements for elements in CARE.values())
        if not needed or not grant.relations.get(patient, NONE).today:
            raise GrantMismatch("the ceilings give way to the care of today's patients alone")
    return sum(_pay(grant, gather(listed), now, Manner.CARE))


@dataclass(frozen=True, slots=True)
class Learned:
    """What was paid of what asking tells.

    Attributes:
        paid: The patients who are paid for: of them the answer may speak, of nobody else.
        spent: The budget has no room for one patient more who was never seen. It depends on the budget alone,
            so that saying so does not tell whether anybody else matches.
    """

    paid: frozenset[str]
    spent: bool


def learn(grant: Grant, charges: Iterable[Charge], asked: Collection[Element], now: datetime) -> Learned:
    """Pay for what is learned by asking: for each patient who is covered, in order.

    Whoever was seen before costs nothing, also when the budget is spent. A question by which nobody is paid
    for is a miss: there is a limit on those of an hour, because they tell something, too.

    Args:
        grant: Whose budget it is.
        charges: Whom the answer is about, and the elements that were asked by.
        asked: The elements that were asked by.
        now: Aware UTC.

    Raises:
        BudgetSpent: There were too many misses within the hour; nothing is answered, whoever matches.
        GrantExpired: The grant is too old.
        Frozen: The credential was stopped since the grant was made.
        Unavailable: There is no transaction to pay in, or the database refused.
    """
    groups = gather(charges)
    connection = _paying_connection(grant, now)
    missed = Book((f"?{grant.actor.owner}",), (HOUR,))
    try:
        exposures = Exposures(connection, grant.actor.owner, now)
        *_, rows = ask(connection, [*exposures.locking(), totals.counting(connection, [missed], now)])
        [counted] = totals.counted([missed], rows)
        if counted.sums[0].patients >= misses_of(grant.actor.role):
            raise BudgetSpent("too many questions within one hour that nobody matched (wait, or ask less)")
        *covered, room = _pay(grant, [*groups, _stranger(asked)], now, Manner.EACH)
        paid = frozenset(patient for (patient, _), fits in zip(groups, covered, strict=True) if fits)
        if not paid:
            change: Change = defaultdict(lambda: [0, 0], {totals.slot_of(now): [1, 0]})
            write(connection, [totals.adding([missed], change, now)])
            totals.prune(connection, [missed], now)
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be charged ({type(error).__name__})") from None
    return Learned(paid, not room)


def today(actor: Actor, now: datetime) -> Usage:
    """Report what the owner of the actor's credential has seen in the last 24 hours."""
    try:
        own: tuple[int | None, int | None] | None = None
        if actor.kind == "client":
            own = Client.objects.filter(pk=actor.id).values_list("day_patients", "day_units").first()
        times = raises.times_of(actor.owner, actor.practice, now)
        limits = limits_of(actor.role, *(own or (None, None)), times=times)
        [counted] = totals.count(_connection(), [Book((actor.owner,), (DAY,))], now)
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be read ({type(error).__name__})") from None
    [day] = counted.sums
    return Usage(day.patients, day.units, limits.day_patients, limits.day_units)


def explain(grant: Grant, now: datetime) -> str:
    """Say which limit is nearest to its end, for somebody to whom something was refused."""
    try:
        bound, window, own = _find_nearest(grant, now)
    except DatabaseError:
        return "the exposure budget does not cover this"
    return f"{bound.words} for {window.words} does not cover this ({_ADVICE[not own]})"


def is_own(grant: Grant, now: datetime) -> bool:
    """Tell whether it is the own budget that is nearest to its end, and no ceiling of many.

    Raises:
        Unavailable: It cannot be read now.
    """
    try:
        return _find_nearest(grant, now)[2]
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be read ({type(error).__name__})") from None


def _find_nearest(grant: Grant, now: datetime) -> tuple[Bound, Window, bool]:
    """The limit that is nearest to its end, and whether it is the own budget's."""
    bounds = bounds_of(grant, _connection())
    counted = totals.count(_connection(), [bound.book for bound in bounds], now)
    left = [
        (_share_left(total, limit), bound, window)
        for bound, found in zip(bounds, counted, strict=True)
        for window, total, limit in zip(bound.book.windows, found.sums, bound.limits(), strict=True)
    ]
    _, bound, window = min(left, key=itemgetter(0))
    return bound, window, bound is bounds[0]


def bounds_of(grant: Grant, connection: BaseDatabaseWrapper) -> list[Bound]:
    """What bounds the owner of a grant: their own budget first."""
    return [own_of(grant), *ceilings.ceilings_of(connection, grant.practice, grant.actor.owner)]


def own_of(grant: Grant) -> Bound:
    """The own budget of the owner of a grant."""
    own = limits_of(grant.actor.role, grant.day_patients, grant.day_units, times=grant.raised)
    return ceilings.bound_of(grant.actor.owner, own)


def _connection() -> BaseDatabaseWrapper:
    return connections[router.db_for_read(Exposure)]


def _share_left(total: Sum, limit: Sum) -> float:
    return min((most - seen) / most if most else 0.0 for seen, most in zip(total, limit, strict=True))


# Paying


class Manner(Enum):
    """Which of the groups are paid for."""

    WHOLE = auto()  # all, or none
    IN_ORDER = auto()  # the leading ones, as far as it goes
    CARE = auto()  # the leading ones, as far as the own budget goes, whatever the ceilings say
    EACH = auto()  # each that fits; the last is `_stranger`, who is never paid for


def _stranger(asked: Collection[Element]) -> Group:
    """Somebody who was never seen: is there room for one?"""
    return "", dict.fromkeys(asked, Form.CLEAR)


def _paying_connection(grant: Grant, now: datetime) -> BaseDatabaseWrapper:
    if now >= grant.expires:
        raise GrantExpired("the grant has expired")
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(Exposure))
    if not connection.in_atomic_block:
        raise Unavailable("a budget is spent inside the transaction of what it pays for")
    return connection


def _pay(grant: Grant, groups: Sequence[Group], now: datetime, manner: Manner) -> list[bool]:
    """Say for each group whether it is covered, and pay for what is."""
    every = [True] * len(groups)
    if grant.actor.role is Role.SYSTEM or not any(shown for _, shown in groups):
        if now >= grant.expires:
            raise GrantExpired("the grant has expired")
        return every
    connection = _paying_connection(grant, now)
    patients = sorted({patient for patient, shown in groups if shown and patient})
    try:
        exposures = Exposures(connection, grant.actor.owner, now)
        looking = exposures.looking(grant.practice, patients)
        acting, seen = ask(connection, [pulse.asking(grant.actor), looking])
        pulse.require_unchanged(acting, grant)  # it may have been frozen since the grant was made
        sight = exposures.sight(seen)
        stale = any(sight.find_stale(patient, shown) for patient, shown in groups)
        if not stale and manner is not Manner.EACH:
            return every
        bounds = bounds_of(grant, connection)
        books = [bound.book for bound in bounds]
        *_, seen, rows = ask(
            connection, [*exposures.locking(), looking, totals.counting(connection, books, now)]
        )
        sight = exposures.sight(seen)
        steps = [see(sight, patient, shown) for patient, shown in groups]
        counted = totals.counted(books, rows)
        covered = _cover(connection, bounds, counted, steps, now, manner)
        paying = [step for step, fits in zip(steps, covered, strict=True) if fits]
        if manner is Manner.EACH and covered[-1]:
            paying.pop()
        if manner is not Manner.WHOLE or all(covered):
            charges = [charge for step in paying for charge in step.charges]
            write(
                connection,
                [exposures.recording(grant.practice, charges), totals.adding(books, add_up(paying), now)],
            )
            if (counted[0].newest or 0) < MONTH.slot(totals.slot_of(now)):  # for the first time in six hours
                exposures.prune()
                totals.prune(connection, books, now)
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be charged ({type(error).__name__})") from None
    return covered


def _cover(
    connection: BaseDatabaseWrapper,
    bounds: Sequence[Bound],
    counted: Sequence[totals.Counted],
    steps: Sequence[Step],
    now: datetime,
    manner: Manner,
) -> list[bool]:
    """Say which steps are covered by the budget and below the ceilings."""
    own, *above = bounds
    covered = [True] * len(steps)
    if not any(max(gain_of(steps, window, now)) > 0 for window in _windows(bounds)):
        return covered
    covered = fit(own, counted[0].sums, steps, covered, now, manner)
    if manner is Manner.CARE:
        return covered
    together = counted[1:]
    if connection.vendor == "postgresql" and any(covered):
        fitting = [step for step, fits in zip(steps, covered, strict=True) if fits]
        together = _count_in_lanes(connection, above, together, fitting, now)
    for bound, found in zip(above, together, strict=True):
        covered = fit(bound, found.sums, steps, covered, now, manner)
    return covered


def _windows(bounds: Iterable[Bound]) -> list[Window]:
    return [window for bound in bounds for window in bound.book.windows]


def _count_in_lanes(
    connection: BaseDatabaseWrapper,
    above: Sequence[Bound],
    counted: Sequence[totals.Counted],
    steps: Sequence[Step],
    now: datetime,
) -> list[totals.Counted]:
    """Count what is under the ceilings while others wait, as far as they must."""
    lanes: list[tuple[str, ...]] = []
    for bound, book in zip(above, counted, strict=True):
        gains = [gain_of(steps, window, now) for window in bound.book.windows]
        lanes.append(bound.choose_lanes(book.sums, gains))
    books = [bound.book for bound in above]
    taking = ceilings.taking([lane for some in lanes for lane in some])
    _, rows = ask(connection, [taking, totals.counting(connection, books, now)])
    found = totals.counted(books, rows)
    for bound, some, book in zip(above, lanes, found, strict=True):
        ceilings.require_far(bound, some, book.sums)
    return found


def fit(
    bound: Bound,
    sums: Sequence[Sum],
    steps: Sequence[Step],
    covered: Sequence[bool],
    now: datetime,
    manner: Manner,
) -> list[bool]:
    """Add step after step, of those that are still covered, while the limits hold."""
    fitting: list[bool] = []
    for anew in (False, True):
        limits, running, fitting, open_ = bound.limits(anew=anew), list(sums), [], True
        for step, was_covered in zip(steps, covered, strict=True):
            gains = [window.gain(step.change, now) for window in bound.book.windows]
            more = [plus(total, gain) for total, gain in zip(running, gains, strict=True)]
            fits = open_ and was_covered and not any(map(exceeds, more, gains, limits))
            fitting.append(fits)
            if fits:
                running = more
            elif manner is not Manner.EACH:
                open_ = False
        if fitting == list(covered):  # else the staff may have grown since it was counted
            break
    return fitting
