"""A year of honest work: how often the watch is wrong, and how much it asks of a privacy officer."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from confide.drill import outcome
from confide.drill.clinic import FIRST, Clinic
from confide.drill.outcome import Outcome

if TYPE_CHECKING:
    from confide.watch.findings import Finding
    from confide.watch.watch import Watch

CODE: Final = "honest"
TITLE: Final = "A year of honest work in a clinic of forty"
ACCEPTANCE: Final = 1_000_000
"""Seeds from here on are for acceptance; thresholds were tuned with others, far below."""
DAYS: Final = 365
_ANSWERED_AFTER: Final = timedelta(days=1)


@dataclass(slots=True)
class Year:
    """What the watch said of honest people.

    Attributes:
        looks: Findings that an officer must look at, by detector.
        lighter: Those that wait in the list.
        masked: Logins that reached the rung at which they would see stand-ins, or above.
        frozen: Those that reached the highest.
        events: Batches of entries that were shown to somebody.
        cpu: Seconds that the detectors took.
    """

    looks: Counter[str] = field(default_factory=Counter)
    lighter: Counter[str] = field(default_factory=Counter)
    masked: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    events: int = 0
    cpu: float = 0.0


def live(clinic: Clinic, watch: Watch, days: int, first: date = FIRST) -> Year:
    """Let people work, and an officer answer each finding after a day: there was a reason for it."""
    from confide.watch.rungs import Rung

    year = Year()
    waiting: dict[tuple[str, str], tuple[datetime, Finding]] = {}
    for number in range(days):
        day = first + timedelta(days=number)
        entries = clinic.numbered(clinic.day(day))
        now = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=14)
        begun = time.process_time()
        found = watch.feed(entries, now)
        year.cpu += time.process_time() - begun
        year.events += len({(e.at, e.actor, e.action) for _, e in entries})
        for each in found:
            key = (each.owner, each.code.value)
            if key not in waiting:
                (year.looks if each.look else year.lighter)[each.code.label] += 1
            waiting[key] = (waiting.get(key, (now, each))[0], each)
            rung = watch.rung(each.owner, now)
            if rung.height >= Rung.MASKED.height:
                year.masked.add(each.owner)
            if rung is Rung.FROZEN:
                year.frozen.add(each.owner)
        for key, (since, each) in list(waiting.items()):
            if now - since >= _ANSWERED_AFTER:
                watch.answer(each, now, explained=True)
                del waiting[key]
    return year


def run(seed: int, days: int = DAYS) -> Outcome:
    """Simulate, and count what the watch was wrong about."""
    from confide.watch.traits import Bare
    from confide.watch.watch import Watch

    started = time.monotonic()
    clinic = Clinic(ACCEPTANCE + seed)
    year = live(clinic, Watch(Bare(clinic.honey)), days)
    weeks = days / 7
    looks = year.looks.total()
    by_detector = tuple((f"findings: {label}", f"{n:,}") for label, n in year.looks.most_common())
    return Outcome(
        CODE,
        TITLE,
        f"in memory, {days} days, seed {ACCEPTANCE + seed}",
        time.monotonic() - started,
        figures=(
            ("accesses and searches", f"{year.events:,}"),
            ("CPU of the detectors for each", f"{year.cpu / max(year.events, 1) * 1e6:,.0f} µs"),
            ("findings to look at", f"{looks:,}"),
            *by_detector,
            ("lighter findings, in the list only", f"{year.lighter.total():,}"),
        ),
        checks=(
            outcome.most("honest people masked or frozen", len(year.masked), 1),
            outcome.most("findings to look at, a week", looks / weeks, 3),
        ),
        notes=(
            "Distributions are in drill/clinic.py, with their sources; the detectors do not read them.",
            "The officer answers each finding after a day, and finds that there was a reason.",
        ),
    )
