"""How much a long drill does: a short version in the suite, the whole of it in ``make drill``."""

from __future__ import annotations

import os

WHOLE = bool(os.environ.get("CONFIDE_WHOLE_DRILLS"))
AGAIN = "DATABASE_URL" in os.environ
"""Whether this is the run on PostgreSQL, after that on SQLite."""


def scale(whole: int, short: int) -> int:
    """Return how many there are in this run."""
    return whole if WHOLE else short
