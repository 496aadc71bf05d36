"""A dump of the databases: both, whole, without the key file."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Final

from confide.drill import copies
from confide.drill.outcome import Outcome
from confide.drill.scanner import Scanner

if TYPE_CHECKING:
    from confide.drill.venue import Venue

CODE: Final = "dump"
TITLE: Final = "A dump of the database"


def run(venue: Venue) -> Outcome:
    """Dump, and look for everybody in it."""
    started = time.monotonic()
    venue.tell("looking for everybody in all bytes")
    scanner = Scanner(venue.people)
    hits = scanner.scan(chain(copies.dump("default"), copies.dump("keys")))
    checks, figures = copies.judge(hits, scanner, venue)
    return Outcome(
        CODE,
        TITLE,
        "in process: all bytes of both databases, and every stored record",
        time.monotonic() - started,
        0 if all(each.holds for each in checks) else None,
        figures=figures,
        checks=checks,
        notes=(
            "A stand-in has its value's format, so some turn up by chance, as do as many never entered.",
            "What is still learned is not de-identified in the sense of 45 CFR 164.514(b).",
        ),
    )
