"""Findings: what a detector says, of whom, why, and on which entries it rests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from confide.watch.thresholds import EVIDENCE, LOOK, WEIGHTS


class Code(StrEnum):
    """Which detector said it."""

    HONEY = "honey"
    ENUMERATION = "enumeration"
    PAGING = "paging"
    UNEXPLAINED = "unexplained"
    SELF_MADE = "self-made"
    BREADTH = "breadth"
    HOUR = "hour"
    PLACE = "place"
    DEVICE = "device"
    TWO_PLACES = "two-places"
    ELEMENTS = "elements"
    FAMILY = "family"
    VIP = "vip"
    OWN_RECORD = "own-record"
    BULK = "bulk"
    DORMANT = "dormant"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]


_LABELS = {
    Code.HONEY: "A bait was touched",
    Code.ENUMERATION: "Charts opened in order",
    Code.PAGING: "Lists read to their end",
    Code.UNEXPLAINED: "Charts without an explanation",
    Code.SELF_MADE: "Reasons made by themselves",
    Code.BREADTH: "Far more people than usual",
    Code.HOUR: "An unusual hour",
    Code.PLACE: "A new network",
    Code.DEVICE: "A new device",
    Code.TWO_PLACES: "In two places at once",
    Code.ELEMENTS: "Sensitive numbers",
    Code.FAMILY: "A relative or neighbour",
    Code.VIP: "A well-known person",
    Code.OWN_RECORD: "Their own record",
    Code.BULK: "Many found, few opened",
    Code.DORMANT: "A sleeping login is busy",
}


@dataclass(frozen=True, slots=True)
class Signal:
    """What one detector says of one login at one moment.

    Attributes:
        code: Which detector.
        weight: How much it counts, 1 to 10.
        sentence: One plain sentence; figures, and no value.
        evidence: Ids of journal entries, in their order.
    """

    code: Code
    weight: int
    sentence: str
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """All that one detector has said of one login in one practice, until somebody answers it.

    Attributes:
        practice: The practice's id.
        owner: Whose: ``person:...`` or ``client:...``.
        credentials: Public names of the sessions or tokens, sorted.
        weight: The most that a signal weighed.
        sentence: Of the newest signal.
        evidence: Ids of entries, the first and the newest.
        signals: How often the detector said it.
        since: When first.
        at: When last.
    """

    practice: str
    owner: str
    code: Code
    credentials: tuple[str, ...]
    weight: int
    sentence: str
    evidence: tuple[int, ...]
    signals: int
    since: datetime
    at: datetime

    @property
    def look(self) -> bool:
        """Whether an officer must look at it."""
        return self.weight >= LOOK

    def grow(self, signal: Signal, credential: str, at: datetime) -> Finding:
        """Take in one more signal of the same detector."""
        return replace(
            self,
            credentials=_joined(self.credentials, credential),
            weight=max(self.weight, signal.weight),
            sentence=signal.sentence,
            evidence=trim(sorted({*self.evidence, *signal.evidence})),
            signals=self.signals + 1,
            at=at,
        )


_MOST_CREDENTIALS = 20


def _joined(there: tuple[str, ...], credential: str) -> tuple[str, ...]:
    if not credential or credential in there or len(there) >= _MOST_CREDENTIALS:
        return there
    return tuple(sorted((*there, credential)))


def begin(practice: str, owner: str, credential: str, signal: Signal, at: datetime) -> Finding:
    """Return the finding that begins with *signal*."""
    return Finding(
        practice,
        owner,
        signal.code,
        (credential,) if credential else (),
        signal.weight,
        signal.sentence,
        trim(signal.evidence),
        1,
        at,
        at,
    )


def trim(evidence: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """Keep the first half and the newest of what is too much."""
    half = EVIDENCE // 2
    return tuple(evidence) if len(evidence) <= EVIDENCE else (*evidence[:half], *evidence[-half:])


def weigh(name: str) -> int:
    """Return what a finding weighs; *name* is that of a detector, or of one of its degrees."""
    return WEIGHTS[name]
