"""How much the owner of a credential may see: by role, and for a program by its registration.

Three windows, each with two limits: distinct patients and weighted units. The day's come first. They hold a
full working day with room to spare (a front desk looks up about 80 people), and never more than 150 patients.
An hour has two fifths of a day, so that a thief cannot take the whole day at once. Thirty days have ten days'
worth: about 21 of them are worked, but most people are looked up several times (they call, they come, they
are billed) and count once. Who takes all of every day is stopped on the eleventh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from django.conf import settings

from confide.access.roles import Role

CLIENT_CEILING: Final = 150
"""Patients a day that an operator may give a client at most, where the configuration says nothing."""

DAYS_IN_MONTH: Final = 10
"""What thirty days may hold, in days' worth."""

UNITS_PER_PATIENT: Final = 30
"""A whole identity with its masks and one page of the chart."""


class Sum(NamedTuple):
    """Distinct patients, and weighted units."""

    patients: int
    units: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be seen: distinct patients and weighted units, in a day and an hour; and in thirty days."""

    day_patients: int
    hour_patients: int
    day_units: int
    hour_units: int

    @property
    def hour(self) -> Sum:
        return Sum(self.hour_patients, self.hour_units)

    @property
    def day(self) -> Sum:
        return Sum(self.day_patients, self.day_units)

    @property
    def month(self) -> Sum:
        return Sum(self.day_patients * DAYS_IN_MONTH, self.day_units * DAYS_IN_MONTH)


_NOTHING: Final = Limits(0, 0, 0, 0)

LIMITS: Final[dict[Role, Limits]] = {
    Role.FRONT_DESK: Limits(150, 60, 4500, 1800),
    Role.NURSE: Limits(120, 50, 3600, 1500),
    Role.CLINICIAN: Limits(120, 50, 3600, 1500),
    Role.BILLER: Limits(150, 60, 4500, 1800),
    Role.PRACTICE_MANAGER: Limits(100, 40, 3000, 1200),
    Role.PRIVACY_OFFICER: Limits(60, 30, 200, 100),
    Role.AUDITOR: _NOTHING,
    Role.INTEGRATOR: Limits(150, 150, 4500, 4500),  # a feed comes in one go
    Role.OPERATOR: _NOTHING,
    Role.SYSTEM: _NOTHING,  # not budgeted: it may only index and import, and neither shows a value to anyone
}


def limits_of(
    role: Role, day_patients: int | None = None, day_units: int | None = None, *, times: int = 1
) -> Limits:
    """Return the limits of a role.

    Args:
        role: In which the credential acts.
        day_patients: A client's own, up to the configured ceiling; None is the default.
        day_units: The same in weighted units.
        times: By how much a second person has raised them.
    """
    return _limits_of(role, LIMITS[role], day_patients, day_units, times, client_ceiling())


@lru_cache(maxsize=1024)
def _limits_of(
    role: Role, limits: Limits, day_patients: int | None, day_units: int | None, times: int, ceiling: int
) -> Limits:
    if role is Role.INTEGRATOR:
        patients = min(limits.day_patients if day_patients is None else day_patients, ceiling)
        units = patients * UNITS_PER_PATIENT if day_units is None else day_units
        limits = Limits(patients, patients, units, units)
    return Limits(
        limits.day_patients * times,
        limits.hour_patients * times,
        limits.day_units * times,
        limits.hour_units * times,
    )


MISSES_OF_PERSON: Final = 120
"""Questions of an hour that nobody matched: typing errors, and people who are not there yet."""

MISSES_OF_PROGRAM: Final = 300
"""The same for a program, which looks for people before it writes them."""


def misses_of(role: Role) -> int:
    """Return how many questions within an hour nobody may match."""
    return MISSES_OF_PROGRAM if role is Role.INTEGRATOR else MISSES_OF_PERSON


def client_ceiling() -> int:
    """Return how many patients a day a client may be given at most."""
    return int(getattr(settings, "CONFIDE_CLIENT_CEILING_PATIENTS", CLIENT_CEILING))
