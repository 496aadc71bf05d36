"""A stolen session cookie of the front desk, used from the same machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confide.drill import browser

if TYPE_CHECKING:
    from confide.drill.outcome import Outcome
    from confide.drill.venue import Venue

CODE: Final = "session"
TITLE: Final = "A stolen session cookie"


def run(venue: Venue) -> Outcome:
    """Ask as fast as it goes, and open few charts."""
    return browser.rob(venue, CODE, TITLE, patience=140, charts=1)
