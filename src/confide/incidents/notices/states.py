"""How a mailing leaves, which letter it is, and how far it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

LIFETIME: Final = timedelta(days=30)
"""How long an approval, or a request that nobody has approved yet, is good for."""


class Channel(StrEnum):
    """How letters leave."""

    LETTERS = "letters"
    RECORDS = "records"
    EMAIL = "email"


class Round(StrEnum):
    """Which letter: the notice, or the second one for those whose state lets the first say less."""

    NOTICE = "notice"
    FEDERAL = "federal"


class State(StrEnum):
    """How far a mailing is. ``LAPSED`` is never stored: time alone makes it."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RUNNING = "running"
    FINISHED = "finished"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


def at(stored: str, since: datetime, now: datetime) -> State:
    """How far a mailing is at *now*.

    Args:
        stored: As its row says.
        since: When it was approved, or else asked for.
        now: Aware UTC.
    """
    state = State(stored)
    return State.LAPSED if state in {State.REQUESTED, State.APPROVED} and now >= since + LIFETIME else state
