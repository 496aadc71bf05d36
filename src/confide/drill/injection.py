"""SQL injection: somebody reads the records' database with the server's own rights, but may not write."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

from confide.drill import copies, outcome, papers
from confide.drill.outcome import Check, Outcome
from confide.drill.scanner import Scanner

if TYPE_CHECKING:
    from confide.drill.venue import Venue

CODE: Final = "injection"
TITLE: Final = "SQL injection: reading the database"
_READ_ONLY: Final = {"postgresql": "SET TRANSACTION READ ONLY", "sqlite": "PRAGMA query_only = ON"}
_AGAIN: Final = {"postgresql": "", "sqlite": "PRAGMA query_only = OFF"}


def run(venue: Venue) -> Outcome:
    """Read every table, count what is equal, and look up people whose numbers are known from elsewhere."""
    from django.db import connection, transaction

    started = time.monotonic()
    venue.tell("reading the database as an intruder")
    scanner = Scanner(venue.people)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_READ_ONLY[connection.vendor])
        try:
            hits = scanner.scan(copies.dump("default"))
            repeated = _repeated(cursor)
            looked_up = _look_up(cursor, venue)
        finally:
            if _AGAIN[connection.vendor]:
                cursor.execute(_AGAIN[connection.vendor])
    checks, figures = copies.judge(hits, scanner, venue)
    twice = int((venue.people.double >= 0).sum())
    return Outcome(
        CODE,
        TITLE,
        "in process: read access to the records' database (SQL)",
        time.monotonic() - started,
        0 if all(each.holds for each in checks) else None,
        figures=figures,
        checks=(
            *checks,
            outcome.most(
                "digests that two patients share, beyond those registered twice", repeated, 2 * twice
            ),
            Check(
                "people found by numbers that are known from elsewhere", f"{looked_up}", "none", not looked_up
            ),
        ),
        notes=(
            "Digests are keyed by practice; whoever has no key can neither make one nor compare practices.",
        ),
    )


def _repeated(cursor: Any) -> int:
    """Counting: values that several people share would show as equal digests."""
    cursor.execute(
        "SELECT count(*) FROM (SELECT 1 FROM records_identifier"
        " GROUP BY digest HAVING count(DISTINCT patient) > 1) AS repeated"
    )
    return int(cursor.fetchone()[0])


def _look_up(cursor: Any, venue: Venue) -> int:
    """Ask for numbers that the intruder has bought elsewhere, by their plain hashes."""
    found = 0
    for one in papers.read(venue.people, 0, min(len(venue.people), 200)):
        for text in (one.ssn, one.ssn.replace("-", ""), one.mrn):
            digest = hashlib.sha256(text.encode()).digest()[:16]
            cursor.execute("SELECT count(*) FROM records_identifier WHERE digest = %s", [digest])
            found += int(cursor.fetchone()[0])
    return found
