"""How long the proof of a second factor counts for what is sensitive ("step-up").

Source:
    NIST SP 800-63B-4 section 5.2, reauthentication; 45 CFR 164.312(d), person or entity authentication.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from confide.errors import StepUpNeeded

FRESH: Final = timedelta(minutes=10)
"""From the proof on. Elements of weight 10 and more ask for one (``Kind.step_up``)."""


def is_fresh(proved_at: datetime | None, now: datetime) -> bool:
    """Tell whether a second factor was proved lately.

    Args:
        proved_at: When it was last proved in this session, aware UTC; None if never.
        now: Aware UTC; a proof from later than now is none.
    """
    return proved_at is not None and timedelta(0) <= now - proved_at < FRESH


def require_fresh(proved_at: datetime | None, now: datetime) -> None:
    """Refuse where a second factor was not proved lately.

    Raises:
        StepUpNeeded: It was not; whoever proves one again may go on.
    """
    if not is_fresh(proved_at, now):
        raise StepUpNeeded("prove a second factor again (a passkey, or a code)")
