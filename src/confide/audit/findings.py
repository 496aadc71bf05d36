"""What the watch found, and what people answered, in the journal: the finding's id, and codes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from confide.access.models import Account
from confide.access.roles import Role
from confide.audit.journal import Entry
from confide.audit.terminal import entry_at

RESOURCE: Final = "Finding"
"""What the journal calls it."""


class Event(StrEnum):
    """What was done: the action of its entry."""

    FOUND = "watch-finding"
    ANSWERED = "watch-answer"
    PLANTED = "watch-setup"


def entry_of_finding(practice: str, finding: str, code: str, now: datetime) -> Entry:
    """Return the entry of a new finding."""
    about = f"{finding}:{code}"
    return entry_at(
        Event.FOUND, RESOURCE, about, now, practice=practice, role=Role.SYSTEM.value, credential=""
    )


def entry_of_answer(
    practice: str,
    finding: str,
    answer: str,
    note_sealed: bytes,
    now: datetime,
    *,
    by: Account,
    role: str,
    credential: str,
) -> Entry:
    """Return the entry of what somebody has said of a finding; their words are sealed."""
    about = f"{finding}:{answer}"
    entry = entry_at(
        Event.ANSWERED, RESOURCE, about, now, practice=practice, by=by, role=role, credential=credential
    )
    return replace(entry, reason_sealed=note_sealed)
