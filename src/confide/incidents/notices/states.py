"""How a mailing leaves, which letter it is, and how far it is."""

from __future__ import annotations

from enum import StrEnum


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
