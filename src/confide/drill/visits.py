"""When a person came to the practice, and why: the skeleton on which a chart hangs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from confide.drill.dice import YEAR, Dice, age, anniversary, instant, workday
from confide.drill.vocabulary import Json, Problem, clinic

if TYPE_CHECKING:
    from confide.drill.people import Person
    from confide.drill.practice import Member

# Ages in days at which infants are seen.
_INFANT = (4, 14, 31, 61, 122, 183, 274, 366, 457, 549)


@dataclass(slots=True, eq=False)
class Visit:
    """One encounter."""

    uuid: str
    day: date
    minute: int
    clinician: Member
    illness: Problem | None = None

    @property
    def url(self) -> str:
        return f"urn:uuid:{self.uuid}"

    def link(self) -> Json:
        return {"reference": self.url}

    @property
    def check(self) -> bool:
        return self.illness is None

    @property
    def start(self) -> str:
        return instant(self.day, self.minute)

    @property
    def end(self) -> str:
        return instant(self.day, self.minute + 20)


@dataclass(slots=True, eq=False)
class Finding:
    """A long-lasting problem of one person, and since when."""

    uuid: str
    problem: Problem
    since: date


def visits(
    person: Person, usual: Member, others: tuple[Member, ...], dice: Dice, last: date, burden: int
) -> list[Visit]:
    """Visits in order of time, all between birth and ``last``; more of them, the more problems there are."""
    found: list[Visit] = []
    for day in _days(person, dice, last, dice.between(3, 4) + min(burden, 2)):
        years = age(person.birth, day)
        illness = None
        if years >= 1 and dice.chance(0.24):
            fitting = [each for each in clinic().illnesses if each.suits(person.sex, years)]
            illness = dice.pick(fitting)
        clinician = dice.pick(others) if illness else usual
        slot = dice.between(0, 23)
        minute = 8 * 60 + slot * 20 + (60 if slot > 11 else 0)
        found.append(Visit(dice.uuid(), day, minute, clinician, illness))
    return found


def _days(person: Person, dice: Dice, last: date, most: int) -> list[date]:
    lived = (last - person.birth).days
    if lived < 550:
        infant = [person.birth + timedelta(days=day) for day in _INFANT if day <= lived]
        return infant[-4:] or [last]
    day = workday(last - timedelta(days=dice.between(3, 150)))
    days: list[date] = []
    for _ in range(most):
        if day <= person.birth + timedelta(days=30):
            break
        days.append(day)
        day = workday(day - timedelta(days=dice.between(110, 430)))
    return days[::-1] or [last]


def problems(person: Person, dice: Dice, last: date) -> list[Finding]:
    """Long-lasting problems; each began after birth, at an age at which it occurs."""
    years = age(person.birth, last)
    found: list[Finding] = []
    keys: set[str] = set()
    for problem in clinic().problems:
        if not problem.suits(person.sex, years) or not dice.chance(problem.share):
            continue
        if problem.key == "prediabetes" and "diabetes" in keys:
            continue
        earliest = anniversary(person.birth, problem.ages[0])
        earliest = max(earliest, last - timedelta(days=int(12 * YEAR)))
        found.append(Finding(dice.uuid(), problem, dice.day(earliest, last - timedelta(days=20))))
        keys.add(problem.key)
        if len(found) == 5:
            break
    for finding in found:
        finding.since = max(finding.since, person.birth)
    return found
