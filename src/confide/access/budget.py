"""The exposure budget: how many patients, and how much of them, the owner of a credential may see.

Two limits, distinct patients and weighted units, over a rolling day and a rolling hour, for the person or
client behind a credential over all practices. A (patient, element) counts once per window, with the weight
of the heavier form. Moments are rounded up to five minutes, so that looking again at what was just paid for
writes nothing: the count may be too high for five minutes, never too low.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connections, router, transaction

from confide.access.decide import Actor, Grant
from confide.access.exposure import Change, Charge, Exposures, Sight, Totals
from confide.access.models import Client, Exposure
from confide.access.roles import Form, Role
from confide.errors import BudgetSpent, GrantExpired, Unavailable
from confide.protect.elements import Element

CLIENT_CEILING: Final = 150
"""Patients a day that an operator may give a client at most, where the configuration says nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the owner of a credential may see: distinct patients and weighted units, in a day and an hour."""

    day_patients: int
    hour_patients: int
    day_units: int
    hour_units: int

    def cover(self, totals: Totals) -> bool:
        return (
            totals.day_patients <= self.day_patients
            and totals.hour_patients <= self.hour_patients
            and totals.day_units <= self.day_units
            and totals.hour_units <= self.hour_units
        )


_NOTHING: Final = Limits(0, 0, 0, 0)
_UNITS_PER_PATIENT: Final = 30  # a whole identity with its masks and one page of the chart

# A full working day with room to spare (a front desk looks up about 80 people), and never more than 150.
LIMITS: Final[dict[Role, Limits]] = {
    Role.FRONT_DESK: Limits(150, 60, 4500, 1800),
    Role.NURSE: Limits(120, 50, 3600, 1500),
    Role.CLINICIAN: Limits(120, 50, 3600, 1500),
    Role.BILLER: Limits(150, 60, 4500, 1800),
    Role.PRACTICE_MANAGER: Limits(100, 40, 3000, 1200),
    Role.PRIVACY_OFFICER: Limits(60, 30, 200, 100),
    Role.AUDITOR: _NOTHING,
    Role.INTEGRATOR: Limits(150, 150, 4500, 4500),
    Role.OPERATOR: _NOTHING,
    Role.SYSTEM: _NOTHING,  # not budgeted: it may only index and import, and neither shows a value to anyone
}


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
        BudgetSpent: The budget does not cover it; nothing was paid, and nothing may be shown.
        GrantExpired: The grant is too old.
        Unavailable: There is no transaction to pay in, or the database refused.
    """
    groups = _group(charges)
    if _pay(grant, groups, now, partly=False) < len(groups):
        raise BudgetSpent("the exposure budget does not cover this")


def reserve(grant: Grant, charges: Iterable[Charge], now: datetime) -> int:
    """Pay for a page in order, as far as the budget goes.

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
    return _pay(grant, _group(charges), now, partly=True)


def today(actor: Actor, now: datetime) -> Usage:
    """Report what the owner of the actor's credential has seen in the last 24 hours."""
    try:
        own: tuple[int | None, int | None] | None = None
        if actor.kind == "client":
            own = Client.objects.filter(pk=actor.id).values_list("day_patients", "day_units").first()
        limits = limits_of(actor.role, *(own or (None, None)))
        totals = Exposures(connections[router.db_for_read(Exposure)], actor.owner, now).count()
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be read ({type(error).__name__})") from None
    return Usage(totals.day_patients, totals.day_units, limits.day_patients, limits.day_units)


def limits_of(role: Role, day_patients: int | None = None, day_units: int | None = None) -> Limits:
    """Return the limits of a role; a client's own stand in for them, up to the configured ceiling."""
    limits = LIMITS[role]
    if role is not Role.INTEGRATOR:
        return limits
    patients = min(limits.day_patients if day_patients is None else day_patients, client_ceiling())
    units = patients * _UNITS_PER_PATIENT if day_units is None else day_units
    return replace(limits, day_patients=patients, hour_patients=patients, day_units=units, hour_units=units)


def client_ceiling() -> int:
    """Return how many patients a day a client may be given at most."""
    return int(getattr(settings, "CONFIDE_CLIENT_CEILING_PATIENTS", CLIENT_CEILING))


_Group = tuple[str, dict[Element, Form]]


def _group(charges: Iterable[Charge]) -> list[_Group]:
    """Gather neighbours of one patient; of an element's forms the heavier one stays."""
    groups: list[_Group] = []
    for patient, run in groupby(charges, key=itemgetter(0)):
        shown: dict[Element, Form] = {}
        for _, element, form in run:
            if form is Form.CLEAR or (form is Form.MASKED and element not in shown):
                shown[element] = form
        groups.append((patient, shown))
    return groups


def _pay(grant: Grant, groups: Sequence[_Group], now: datetime, *, partly: bool) -> int:
    if now >= grant.expires:
        raise GrantExpired("the grant has expired")
    if grant.actor.role is Role.SYSTEM or not any(shown for _, shown in groups):
        return len(groups)
    connection = transaction.get_connection(router.db_for_write(Exposure))
    if not connection.in_atomic_block:
        raise Unavailable("a budget is spent inside the transaction of what it pays for")
    patients = sorted({patient for patient, shown in groups if shown})
    try:
        exposures = Exposures(connection, grant.actor.owner, now)
        sight = exposures.look(grant.practice, patients)
        if not any(_find_stale(sight, patient, shown) for patient, shown in groups):
            return len(groups)
        if connection.vendor == "postgresql":
            exposures.lock()
            sight = exposures.look(grant.practice, patients)
        paid, charges, change = _fit(grant, groups, sight, exposures)
        if charges and (partly or paid == len(groups)):
            exposures.record(grant.practice, charges, change)
    except DatabaseError as error:
        raise Unavailable(f"the exposure budget cannot be charged ({type(error).__name__})") from None
    return paid


def _find_stale(sight: Sight, patient: str, shown: dict[Element, Form]) -> dict[Element, Form]:
    """Return what is not yet recorded for the present slot."""
    return {element: form for element, form in shown.items() if not sight.is_fresh(patient, element, form)}


def _fit(
    grant: Grant, groups: Sequence[_Group], sight: Sight, exposures: Exposures
) -> tuple[int, list[Charge], Change]:
    """Add group after group while the limits hold.

    Returns:
        How many groups fit, what to record of them, and what that does to the totals.
    """
    limits = limits_of(grant.actor.role, grant.day_patients, grant.day_units)
    totals: Totals | None = None
    charges: list[Charge] = []
    sum_of_changes: Change = defaultdict(lambda: [0, 0])
    for position, (patient, shown) in enumerate(groups):
        stale = _find_stale(sight, patient, shown)
        change = sight.see(patient, stale)
        gain = _sum(change, exposures.day_begin) + _sum(change, exposures.hour_begin)
        if any(more > 0 for more in gain):
            totals = totals or exposures.count()
            totals = Totals(*(was + more for was, more in zip(astuple(totals), gain, strict=True)))
            if not limits.cover(totals):
                return position, charges, sum_of_changes
        elif totals is not None:
            totals = Totals(*(was + more for was, more in zip(astuple(totals), gain, strict=True)))
        charges.extend((patient, element, form) for element, form in stale.items())
        for slot, (patients, units) in change.items():
            sum_of_changes[slot][0] += patients
            sum_of_changes[slot][1] += units
    return len(groups), charges, sum_of_changes


def _sum(change: Change, begin: int) -> tuple[int, int]:
    """Return what a window that begins after slot *begin* gains: patients and units."""
    within = [gain for slot, gain in change.items() if slot > begin]
    return sum(patients for patients, _ in within), sum(units for _, units in within)
