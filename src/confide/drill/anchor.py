"""What is published of the incident that Confide is designed against; a report shows it beside the drill."""

from __future__ import annotations

from typing import Final

PERSONS: Final = 1_049_375

FACTS: Final = (
    ("persons of whom something got out", f"{PERSONS:,}"),
    ("of these in Maine, in Texas", "3,913, 131,815"),
    ("practices reached by one credential", "about 1,600"),
    ("what got out", "names, birth dates, addresses, Social Security numbers"),
    ("first alert", "on the second day"),
    ("the actor stayed", "15 more days (29 March to 14 April 2023)"),
    ("could the logs say what left", "the vendor would not say"),
)
SOURCE: Final = (
    "Facts as published: the vendor's letters of 28 April 2023 and its filings with the attorneys general of "
    "Maine and Texas, and press reports of them."
)
