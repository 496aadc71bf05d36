"""A year of honest work in a clinic of forty people, as journal entries; and somebody who hides in it.

It drives the detectors in memory, without HTTP. They never see what stands here: `confide.watch` may not
import it. What is cited is cited; everything else is assumed, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import exp
from random import Random
from typing import Final

from confide.access.roles import Action, Form, Purpose, Role
from confide.audit.journal import Entry

PRACTICE: Final = "clinic"
FIRST: Final = date(2025, 1, 6)
ZONE: Final = timedelta(hours=6)  # hours of the clinic behind UTC
HONEY_SHARE: Final = 4 / 10_000

_STAFF: Final = {
    Role.CLINICIAN: 12,
    Role.NURSE: 12,
    Role.FRONT_DESK: 10,
    Role.BILLER: 5,
    Role.PRIVACY_OFFICER: 1,
}
# Physicians see about 20 patients a day.
# Source: The Physicians Foundation, "2018 Survey of America's Physicians".
_VISITS: Final = 20.2
# A panel of about 2,000 patients for each.
# Source: Altschuler et al., Annals of Family Medicine 10(5), 2012, who discuss panels of 1,947 to 2,300.
_PANEL: Final = 2_000
# Nothing explains about 6 % of accesses; how far people differ in it is assumed (a beta distribution).
# Source: Fabbri and LeFevre, "Explanation-Based Auditing", PVLDB 5(1), 2011: over 94 % are explained.
_BARE: Final = (2.0, 31.3)
# All that follows is assumed.
_OPENINGS: Final = {
    Role.CLINICIAN: 1.5,  # charts for each visit: results, refills and messages besides
    Role.NURSE: 1.4,
    Role.FRONT_DESK: 1.3,
    Role.BILLER: 1.6,
    Role.PRIVACY_OFFICER: 0.2,
}
_CALLS: Final = 2.5  # charts that whoever is on call opens in a night, from home
_CALL_BARE: Final = 0.3  # of these, for patients of others
_AWAY: Final = 0.06  # days of illness and leave
_FLOATS: Final = 4  # staff who work at another site every third day
_SEARCHED: Final = 0.4  # openings that begin with a search

_ELEMENTS: Final = {"name": Form.CLEAR.value, "birth-date": Form.CLEAR.value, "clinical": Form.CLEAR.value}
_DESK: Final = {"name": Form.CLEAR.value, "birth-date": Form.CLEAR.value, "phone": Form.CLEAR.value}
_FOUND: Final = {"name": Form.SEARCHED.value}


@dataclass(slots=True)
class Member:
    """Somebody who works there.

    Attributes:
        number: Among those of the role.
        bare: The share of their accesses that nothing explains.
        begins: Their first day of work.
    """

    id: str
    role: Role
    number: int
    bare: float
    begins: date
    floats: bool
    device: str = ""
    home: str = ""


@dataclass(slots=True)
class Clinic:
    """The staff, the patients, and what is booked.

    Args:
        seed: Equal seeds are equal years.
    """

    seed: int
    dice: Random = field(init=False)
    staff: list[Member] = field(init=False)
    honey: frozenset[str] = field(init=False)
    _booked: dict[date, list[list[int]]] = field(init=False, default_factory=dict)
    _next: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.dice = Random(f"clinic/{self.seed}")
        self.staff = list(self._hire())
        patients = _PANEL * _STAFF[Role.CLINICIAN]
        count = round(patients * HONEY_SHARE)
        self.honey = frozenset(f"honey-{self.seed}-{i}" for i in range(count))

    def _hire(self) -> Iterator[Member]:
        late = self.dice.sample(range(sum(_STAFF.values()) - 1), 3)
        total = 0
        for role, count in _STAFF.items():
            for number in range(count):
                begins = FIRST + timedelta(days=self.dice.randrange(60, 300)) if total in late else FIRST
                yield Member(
                    f"{role.value}-{number}",
                    role,
                    number,
                    self.dice.betavariate(*_BARE),
                    begins,
                    total % (sum(_STAFF.values()) // _FLOATS) == 3,
                    f"desk {number % 7}",
                    f"198.51.100.{total}",
                )
                total += 1

    # The book

    def booked(self, day: date) -> list[list[int]]:
        """Patients who are booked, for each clinician; numbers in all of the clinic's patients."""
        there = self._booked.get(day)
        if there is None:
            dice = Random(f"book/{self.seed}/{day}")
            there = []
            for clinician in range(_STAFF[Role.CLINICIAN]):
                count = _poisson(dice, _VISITS) if day.weekday() < 5 else 0
                first = clinician * _PANEL
                there.append([first + dice.randrange(_PANEL) for _ in range(count)])
            self._booked[day] = there
            for old in [each for each in self._booked if each < day - timedelta(days=70)]:
                del self._booked[old]
        return there

    def is_explained(self, member: Member, patient: int, day: date) -> bool:
        """Whether an appointment within 30 days or the care team explains that *member* opens a chart."""
        if member.role is Role.CLINICIAN:
            return patient // _PANEL == member.number
        return any(
            patient in listed for away in range(-30, 31) for listed in self.booked(day + timedelta(days=away))
        )

    # The work

    def day(self, day: date) -> list[Entry]:
        """All entries of one day, in order."""
        made: list[Entry] = []
        open_day = day.weekday() < 5
        for member in self.staff:
            if open_day and member.begins <= day and self.dice.random() >= _AWAY:
                made += self._shift(member, day)
        on_call = self.staff[(day - FIRST).days % _STAFF[Role.CLINICIAN]]
        if on_call.begins <= day:
            made += self._night(on_call, day)
        made.sort(key=lambda entry: entry.at)
        return made

    def _shift(self, member: Member, day: date) -> Iterator[Entry]:
        dice = self.dice
        away = member.floats and day.toordinal() % 3 == 0
        address = f"203.0.113.{200 if away else 10}"
        device = f"{member.device} {'north' if away else 'main'}"
        books = self.booked(day)
        if member.role is Role.CLINICIAN:
            today = books[member.number]
        elif member.role is Role.NURSE:
            today = books[member.number % len(books)]
        elif member.role is Role.BILLER:
            today = dice.choice(self.booked(day - timedelta(days=dice.randrange(1, 9))))
        else:
            today = dice.choice(books)
        usual = [patient for patient in today for _ in range(_poisson(dice, _OPENINGS[member.role]))]
        for patient in usual:
            bare = dice.random() < member.bare
            whom = (
                dice.randrange(_PANEL * _STAFF[Role.CLINICIAN]) if bare and dice.random() < 0.5 else patient
            )
            minutes = dice.triangular(0, 9.5 * 60, 4 * 60)
            at = self._moment(day, 7.5 * 60 + minutes)
            yield from self.open(member, at, _patient(whom), address, device, "" if bare else "appointment")

    def _night(self, member: Member, day: date) -> Iterator[Entry]:
        for _ in range(_poisson(self.dice, _CALLS)):
            at = self._moment(day, 18 * 60 + self.dice.random() * 13 * 60)
            own = self.dice.random() >= _CALL_BARE
            patient = self.dice.randrange(_PANEL) + (member.number * _PANEL if own else 0)
            related = "care-team" if own else ""
            yield from self.open(member, at, _patient(patient), member.home, "home", related)

    def open(
        self, member: Member, at: datetime, patient: str, address: str, device: str, related: str
    ) -> Iterator[Entry]:
        """What the journal says when somebody opens a chart, perhaps after having searched for it."""
        if self.dice.random() < _SEARCHED:
            for _ in range(1 + (self.dice.random() < 0.3)):
                yield self._entry(
                    member, at - timedelta(seconds=4), patient, address, device, related, _FOUND
                )
        shown = _DESK if member.role is Role.FRONT_DESK else _ELEMENTS
        yield self._entry(member, at, patient, address, device, related, shown)

    def _entry(
        self,
        member: Member,
        at: datetime,
        patient: str,
        address: str,
        device: str,
        related: str,
        elements: dict[str, str],
    ) -> Entry:
        action = Action.SEARCH if elements is _FOUND else Action.READ
        return Entry(
            at=at,
            practice=PRACTICE,
            actor_kind="person",
            actor=member.id,
            credential=f"{member.id} {at:%j}",
            role=member.role.value,
            action=action.value,
            purpose=(Purpose.HPAYMT if member.role is Role.BILLER else Purpose.TREAT).value,
            patient=patient,
            elements=elements,
            resource_type="Patient",
            resource_id=patient,
            address=address,
            device=device,
            relationship=related,
        )

    def _moment(self, day: date, minutes: float) -> datetime:
        begin = datetime.combine(day, time(), UTC) + ZONE
        return begin + timedelta(minutes=minutes, microseconds=self.dice.randrange(10**6))

    def numbered(self, entries: list[Entry]) -> list[tuple[int, Entry]]:
        """Give entries the next ids."""
        first = self._next + 1
        self._next += len(entries)
        return list(enumerate(entries, first))

    def stray(self, dice: Random) -> str:
        """A patient drawn from all, baits among them: as one meets them who does not know whom to read."""
        patients = _PANEL * _STAFF[Role.CLINICIAN]
        number = dice.randrange(patients + len(self.honey))
        return _patient(number) if number < patients else sorted(self.honey)[number - patients]


def number_of(patient: str) -> int:
    """The number of a patient; -1 for a bait."""
    return int(patient.removeprefix("patient-")) if patient.startswith("patient-") else -1


def _patient(number: int) -> str:
    return f"patient-{number}"


def _poisson(dice: Random, mean: float) -> int:
    """Knuth's method; for small means."""
    limit, product, count = exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count
