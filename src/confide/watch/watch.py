"""The watch: journal entries go in, in their order, and findings come out. It does nothing but remember.

In memory for a simulation; ``rounds`` feeds one from the journal and keeps what it remembers in rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from confide.audit.journal import Entry
from confide.watch.detectors import Scene, detect
from confide.watch.events import Batch, batch
from confide.watch.findings import Code, Finding, begin
from confide.watch.memory import Memory, Norm, take
from confide.watch.rungs import Rung, rung_of
from confide.watch.traits import Bare, Traits

QUIET_DAYS: Final = 30
"""For so long what somebody has explained is not said again."""

_AGAIN: Final = timedelta(minutes=10)


class Watch:
    """What is remembered, and the findings that nobody has answered.

    Args:
        traits: Tells of patients; without, only what entries say is known.

    Attributes:
        memories: By owner.
        norms: By practice and role; the role of all of a practice is empty.
        open: The findings, by practice, owner and detector.
    """

    def __init__(self, traits: Traits | None = None) -> None:
        self._traits = traits or Bare()
        self.memories: defaultdict[str, Memory] = defaultdict(Memory)
        self.norms: defaultdict[tuple[str, str], Norm] = defaultdict(Norm)
        self.open: dict[tuple[str, str, Code], Finding] = {}

    def feed(self, entries: Iterable[tuple[int, Entry]], now: datetime) -> list[Finding]:
        """Take in entries.

        Args:
            entries: Ids and entries, in the journal's order; none of them twice.
            now: Aware UTC.

        Returns:
            The findings that are new, or have grown, as they stand now; one for each practice, owner and
            detector.
        """
        return self.take(batch(entries), now)

    def take(self, batches: Iterable[Batch], now: datetime) -> list[Finding]:
        """Take in what `feed` makes of entries: batches."""
        grown: dict[tuple[str, str, Code], None] = {}
        for each in batches:
            grown.update(dict.fromkeys(self._see(each, now)))
        return [self.open[key] for key in grown]

    def answer(self, finding: Finding, now: datetime, *, explained: bool) -> None:
        """Close a finding, because somebody has looked at it.

        Args:
            finding: As `feed` returned it.
            now: Aware UTC.
            explained: There was a reason; for 30 days the detector says of this login in this practice only
                what weighs more.
        """
        self.open.pop((finding.practice, finding.owner, finding.code), None)
        if explained:
            name = _answered(finding.practice, finding.code)
            self.memories[finding.owner].answers[name] = now.toordinal() + QUIET_DAYS, finding.weight

    def rung(self, owner: str, now: datetime) -> Rung:
        """Say which rung of the ladder an owner's open findings have reached."""
        return rung_of([each for each in self.open.values() if each.owner == owner], now)

    def _see(self, each: Batch, now: datetime) -> list[tuple[str, str, Code]]:
        memory = self.memories[each.owner]
        role, practice = self.norms[each.practice, each.role], self.norms[each.practice, ""]
        traits = self._traits.about(each, now)
        take(memory, role, each, traits)
        if each.opening:
            practice.pass_hour(each.at.hour, len(each.seen))
        keys = []
        for signal in detect(Scene(each, traits, memory, role, practice)):
            until, weight = memory.answers.get(_answered(each.practice, signal.code), (0, 0))
            if until >= memory.day and signal.weight <= weight:
                continue
            key = (each.practice, each.owner, signal.code)
            there = self.open.get(key)
            if there is None:
                self.open[key] = begin(each.practice, each.owner, each.credential, signal, each.at)
            elif signal.weight <= there.weight and abs(each.at - there.at) < _AGAIN:
                continue  # told lately, and no worse
            else:
                self.open[key] = there.grow(signal, each.credential, each.at)
            keys.append(key)
        return keys


def _answered(practice: str, code: Code) -> str:
    """Under which name an answer is remembered: one practice answers for no other."""
    return f"{practice}:{code}"
