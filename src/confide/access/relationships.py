"""Is this patient any business of this person, now?

A person works with the charts of patients who come, who were just here, whom they care for, or whose claim
they were given. All else stays a stand-in. This file says which of these reasons counts for which role; the
rows are in ``ties``, written with the resources that say so.

Days are days on the practice's wall, and the server knows no wall: a day is taken as the resource writes it,
and everything that is reckoned from "today" is generous by a day rather than wrong by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from confide.access.roles import Role


class Kind(StrEnum):
    """Why a patient is somebody's business."""

    APPOINTMENT = "appointment"
    ENCOUNTER = "encounter"
    CARE_TEAM = "care-team"
    CLAIM = "claim"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason that counts for a role.

    Attributes:
        kind: What there must be.
        before: How many days before the service it counts already.
        after: How many days after the service it counts still.
        personal: It must name the person; else it is enough that it is at their practice.
    """

    kind: Kind
    before: int
    after: int
    personal: bool = False


AROUND: Final = 30
"""Days before and after an appointment: time to prepare it, and to finish what came of it."""

ESTABLISHED: Final = 3 * 365 + 1
"""Days for which somebody stays the patient of those who saw them.

Source:
    CPT, Evaluation and Management guidelines: an established patient has received professional services
    within the past three years.
"""

FILING: Final = 365
"""Days in which a claim is filed, denied and filed again.

Source:
    42 CFR 424.44: claims are filed within one calendar year after the date of service.
"""

_COMES: Final = Rule(Kind.APPOINTMENT, AROUND, AROUND)
_WASHERE: Final = Rule(Kind.ENCOUNTER, 0, AROUND)
_TREATING: Final = (
    _COMES,  # at the practice: colleagues stand in for each other, and a nurse rooms everybody's patients
    _WASHERE,
    Rule(Kind.ENCOUNTER, 0, ESTABLISHED, personal=True),  # results, refills and calls of one's own patients
    Rule(Kind.CARE_TEAM, 0, 0, personal=True),  # somebody has named them
)
RULES: Final[dict[Role, tuple[Rule, ...]]] = {
    Role.FRONT_DESK: (_COMES, _WASHERE),  # whoever comes or has just left, whichever clinician they see
    Role.NURSE: _TREATING,
    Role.CLINICIAN: _TREATING,
    Role.BILLER: (
        Rule(Kind.CLAIM, 0, FILING, personal=True),  # the claims that they were given
        _WASHERE,  # a visit becomes a charge before there is a claim to give
    ),
    Role.PRACTICE_MANAGER: (_COMES, _WASHERE, Rule(Kind.CLAIM, 0, FILING)),  # answers for both desks
}
"""Which relationships open a chart to a role. A role that is not here is bounded by other means:

- privacy officer: nothing but the name, for a patient who asks who has seen their chart (45 CFR 164.528) and
  often has no appointment; bounded by that one element, 60 patients a day, and the journal that others read;
- auditor and operator: the table shows them stand-ins, whoever the patient is;
- integrator: a program sees what its registration, scopes and network allow;
- system: shows nothing to anybody.
"""

OWN_FOR: Final = timedelta(hours=24)
"""For so long a relationship opens only elements of weight 1 to whoever made it: a thief who books is one."""

MOST_ROWS: Final = 64
"""Of one patient's rows the newest are looked at."""

YEARS: Final = 4
"""Service that ended in an earlier year than so many back cannot count by any rule."""

Row = tuple[str, str, str, int, str, int, str, int, str]
"""Patient, kind, resource, version, people, year, owner, made, and the sealed days in hexadecimal."""


class Sealed(Protocol):
    """Opens days that are sealed at rest; the layer that holds the keys implements it."""

    def open_days(self, practice: str, sealed: bytes, *bound: str | int) -> tuple[int, int]:
        """Return the first and the last day, as proleptic ordinals (1 January of the year 1 is 1).

        Args:
            practice: Whose key it is.
            sealed: What lies in the row.
            bound: All that the seal is bound to, in its order.

        Raises:
            SealBroken: It was sealed for another row, or edited.
            KeyUnavailable: The key cannot be had.
        """


class Shut:
    """Opens nothing: for decisions about no single patient, which need no days."""

    def open_days(self, practice: str, sealed: bytes, *bound: str | int) -> tuple[int, int]:
        """Answer with days that no rule counts."""
        del practice, sealed, bound
        return 1, 0


@dataclass(frozen=True, slots=True)
class Relation:
    """How a patient stands to a person now.

    Attributes:
        kinds: All that counts.
        today: They come, or are here, today, by a relationship that the person did not make.
        own: There is nothing but what the person made within 24 hours: it opens weight 1 only.
    """

    kinds: frozenset[Kind] = frozenset()
    today: bool = False
    own: bool = False

    @property
    def full(self) -> bool:
        """Whether it opens all that the role's table says."""
        return bool(self.kinds) and not self.own

    def broken(self) -> Relation:
        """The same with the glass broken: it opens all, whoever made what."""
        return Relation(self.kinds | {Kind.BREAK_GLASS}, self.today)


NONE: Final = Relation()


def relate(
    role: Role,
    owner: str,
    practitioner: str,
    rows: Iterable[Row],
    practice: str,
    sealed: Sealed,
    now: datetime,
) -> Relation:
    """Say how one patient stands to a person.

    Args:
        role: In which the person acts.
        owner: Who they are (``person:...``).
        practitioner: The Practitioner that they are in the practice's records; empty if none.
        rows: The patient's rows.
        practice: The practice's id.
        sealed: Opens the days.
        now: Aware UTC.
    """
    rules = _BY_KIND[role]
    low, high = _today(now)
    this_year = date.fromordinal(low).year
    kinds: set[str] = set()
    today, own = False, True
    for patient, kind, resource, version, people, year, maker, made, days in rows:
        named = bool(practitioner) and practitioner in people.split()
        # The year tells of most old rows that they cannot count; to open days takes longer.
        fitting = [
            rule for rule in rules.get(kind, ()) if (named or not rule[3]) and year >= this_year - rule[2]
        ]
        if not fitting or (kind in kinds and not own and (today or year < this_year)):
            continue
        first, last = sealed.open_days(
            practice,
            bytes.fromhex(days),
            *bound(patient, kind, resource, version, people, year, maker, made),
        )
        if not any(first - before <= high and last + after >= low for before, after, _, _ in fitting):
            continue
        kinds.add(kind)
        mine = maker == owner
        own &= mine and now.timestamp() - made < OWN_FOR.total_seconds()
        if kind in HERE and not mine and first <= high and last >= low:
            today = True
    return Relation(frozenset(map(Kind, kinds)), today, own) if kinds else NONE


_BY_KIND: Final[dict[Role, dict[str, list[tuple[int, int, int, bool]]]]] = {
    role: {
        kind.value: [
            (rule.before, rule.after, rule.after // 365 + 1, rule.personal)
            for rule in rules
            if rule.kind is kind
        ]
        for kind in Kind
    }
    for role, rules in RULES.items()
}
"""The same in numbers: before, after, the years that this may reach back, personal."""
HERE: Final = frozenset({Kind.APPOINTMENT, Kind.ENCOUNTER})
"""What says that somebody comes, or is here."""


def bound(
    patient: str, kind: str, resource: str, version: int, people: str, year: int, owner: str, made: int
) -> tuple[str | int, ...]:
    """Return what the seal of a relationship's days is bound to, so that no row can be edited or moved."""
    return "relationship", patient, kind, resource, version, people, year, owner, made


def bound_restriction(
    patient: str, purpose: str, elements: str, resource: str, version: int
) -> tuple[str | int, ...]:
    """The same for a restriction's days."""
    return "restriction", patient, purpose, elements, resource, version


def holds(days: tuple[int, int], now: datetime) -> bool:
    """Tell whether today is one of the days from the first to the last."""
    low, high = _today(now)
    return days[0] <= high and days[1] >= low


def _today(now: datetime) -> tuple[int, int]:
    """The days that it may be now on some wall on earth."""
    day = now.toordinal()  # walls are 12 hours behind UTC to 14 before it
    return day - (now.hour < 12), day + (now.hour >= 10)
