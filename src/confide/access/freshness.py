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

JUST: Final = timedelta(minutes=1)
"""From the proof on, for whatever signs in ever after: to add a factor, or to take one away."""


def is_fresh(proved_at: datetime | None, now: datetime, within: timedelta = FRESH) -> bool:
    """Tell whether a second factor was proved lately.

    Args:
        proved_at: When it was last proved in this session, aware UTC; None if never.
        now: Aware UTC; a proof from later than now is none.
        within: For how long a proof counts.
    """
    return proved_at is not None and timedelta(0) <= now - proved_at < within


def require_fresh(proved_at: datetime | None, now: datetime, within: timedelta = FRESH) -> None:
    """Refuse where a second factor was not proved lately.

    Args:
        proved_at: As for ``is_fresh``, as are the others.
        now: Aware UTC.
        within: For how long a proof counts.

    Raises:
        StepUpNeeded: It was not; whoever proves one again may go on.
    """
    if not is_fresh(proved_at, now, within):
        raise StepUpNeeded("prove a second factor again (a passkey, or a code)")
