"""Slow and low: a stolen login reads twenty patients a day for seventeen days, below every budget."""

from __future__ import annotations

import copy
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Final

from confide.access.roles import Role
from confide.drill import honest, outcome
from confide.drill.clinic import FIRST, Clinic, number_of
from confide.drill.outcome import Outcome

if TYPE_CHECKING:
    from confide.audit.journal import Entry
    from confide.drill.clinic import Member
    from confide.watch.watch import Watch

CODE: Final = "slow"
TITLE: Final = "Slow and low: twenty patients a day for seventeen days"
RUNS: Final = 200
CLINICS: Final = 4
"""Different clinics over which the runs are spread."""
DAYS: Final = 17
A_DAY: Final = 20
_LEARNED: Final = 63  # days that the watch has seen before
_VICTIMS: Final = (Role.CLINICIAN, Role.NURSE, Role.FRONT_DESK, Role.BILLER)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one.

    Attributes:
        found_by: The detector that found it; empty where none did.
        day: On which day, from 1; 0 where never.
        patients: Whom the attacker had read until then.
    """

    role: str
    found_by: str
    day: int
    patients: int


def attack(clinic: Clinic, watch: Watch, victim: Member, number: int) -> Run:
    """Read with the victim's login, from the victim's browser, while the victim goes on working.

    The attacker does not know whose patients they are, and reads whom the finder shows: by chance an
    appointment or the care team explains some of them. All is done within the victim's hours; nothing else is
    to be noticed.
    """
    from confide.watch.findings import Code

    telling = {Code.UNEXPLAINED, Code.SELF_MADE, Code.HONEY}
    dice = Random(f"slow/{clinic.seed}/{number}")
    first = FIRST + timedelta(days=_LEARNED)
    read: set[str] = set()
    owner = f"person:{victim.id}"
    for day_number in range(DAYS):
        day = first + timedelta(days=day_number)
        entries = [each for each in clinic.day(day) if each.actor == victim.id]
        for _ in range(A_DAY):
            patient = clinic.stray(dice)
            read.add(patient)
            entries += _read(clinic, victim, day_number, patient, dice)
        entries.sort(key=lambda each: each.at)
        now = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=14)
        for found in watch.feed(clinic.numbered(entries), now):
            if found.owner == owner and found.look and found.code in telling:
                return Run(victim.role.value, found.code.label, day_number + 1, len(read))
    return Run(victim.role.value, "", 0, len(read))


def _read(clinic: Clinic, victim: Member, day_number: int, patient: str, dice: Random) -> list[Entry]:
    day = FIRST + timedelta(days=_LEARNED + day_number)
    number = number_of(patient)
    related = number >= 0 and clinic.is_explained(victim, number, day)
    at = datetime.combine(day, datetime.min.time(), UTC)
    at += timedelta(hours=14, minutes=dice.random() * 500, microseconds=dice.randrange(10**6))
    why = "appointment" if related else ""
    return list(clinic.open(victim, at, patient, "203.0.113.10", f"{victim.device} main", why))


def attacks(seed: int, runs: int, clinics: int = CLINICS) -> list[Run]:
    """Attack *runs* times, in clinics whose people the watch knows by now."""
    from confide.watch.traits import Bare
    from confide.watch.watch import Watch

    done = []
    for number in range(clinics):
        clinic = Clinic(honest.ACCEPTANCE + seed * 100 + number)
        watch = Watch(Bare(clinic.honey))
        honest.live(clinic, watch, _LEARNED)
        staff = [each for each in clinic.staff if each.role in _VICTIMS and each.begins == FIRST]
        dice = Random(f"victims/{clinic.seed}")
        for each in range(number, runs, clinics):
            victim = dice.choice(staff)
            done.append(attack(clinic, copy.deepcopy(watch), victim, each))
    return done


def run(seed: int, runs: int = RUNS, clinics: int = CLINICS) -> Outcome:
    """Attack again and again, and count how often it is found."""
    started = time.monotonic()
    done = attacks(seed, runs, clinics)
    found = [each for each in done if each.found_by]
    by = Counter(each.found_by for each in found)
    roles = Counter(each.role for each in done)
    missed = Counter(each.role for each in done if not each.found_by)
    return Outcome(
        CODE,
        TITLE,
        f"in memory, {runs} seeded runs in {clinics} clinics",
        time.monotonic() - started,
        round(median(each.patients for each in done)),
        figures=(
            ("patients read, half of the runs at most", f"{median(each.patients for each in done):,.0f}"),
            ("found on day, half of the runs", f"{median(e.day for e in found):.0f}" if found else "-"),
            *((f"found by: {label}", f"{n:,}") for label, n in by.most_common()),
            *((f"missed as {role}", f"{missed[role]} of {n}") for role, n in sorted(roles.items())),
        ),
        checks=(outcome.least("found, of all runs", 100 * len(found) / len(done), 90, "%"),),
        notes=(
            "Found is: by accesses that nothing explains, or by a bait; other findings do not count here.",
            "The attacker reads at random; some of the patients are explained by chance.",
        ),
    )
