"""Days of work at a practice as journal entries, made by chance from a seed; for the detectors alone."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from confide.audit.journal import Entry

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def patients(number: int, seed: int = 1) -> list[str]:
    dice = random.Random(seed)
    return [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(number)]


def entry(at: datetime, actor: str, patient: str, **changes: Any) -> Entry:
    told: dict[str, Any] = {
        "practice": "elm",
        "actor_kind": "person",
        "credential": f"session:{actor}",
        "role": "clinician",
        "action": "read",
        "purpose": "TREAT",
        "elements": {"name": "clear"},
        "address": "192.0.2.7",
        "device": f"desk-{actor}",
        "relationship": "appointment",
    }
    return Entry(at=at, actor=actor, patient=patient, **{**told, **changes})


class Journal:
    """Numbers entries."""

    def __init__(self) -> None:
        self.last = 0

    def lines(self, entries: Any) -> list[tuple[int, Entry]]:
        found = []
        for each in entries:
            self.last += 1
            found.append((self.last, each))
        return found


def shift(
    dice: random.Random, day: datetime, actor: str, whole: list[str], number: int, bare: float, **changes: Any
) -> Iterator[Entry]:
    """One person's day: so many charts, the part *bare* of them without an explanation."""
    at = day + timedelta(hours=14)
    for patient in dice.sample(whole, number):
        at += timedelta(seconds=dice.uniform(60, 600))
        why = "" if dice.random() < bare else "appointment"
        yield entry(at, actor, patient, relationship=why, **changes)
