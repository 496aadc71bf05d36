"""An insider at the front desk, who opens charts as far as the login goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confide.drill import browser

if TYPE_CHECKING:
    from confide.drill.outcome import Outcome
    from confide.drill.venue import Venue

CODE: Final = "insider"
TITLE: Final = "An insider at the front desk"


def run(venue: Venue) -> Outcome:
    """Search a little, and open and uncover every chart that the finder shows."""
    return browser.rob(venue, CODE, TITLE, patience=40, charts=12)
