"""An administrator edits the journal: past its triggers, with the database's own rights."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

from confide.drill import outcome
from confide.drill.outcome import Check, Outcome
from confide.errors import Unavailable

if TYPE_CHECKING:
    from confide.drill.venue import Venue

CODE: Final = "tamper"
TITLE: Final = "An administrator edits the journal"
_TABLES: Final = ("journalentry", "leaf", "checkpoint")


class _Undone(Exception):
    """Takes back what was done."""


def run(venue: Venue) -> Outcome:
    """Change the journal in several ways, each by itself, and verify; all is taken back afterwards."""
    started = time.monotonic()
    venue.system.sequencer.seal(venue.system.clock())
    venue.tell("verifying the journal as it is")
    before = _wrong(venue)
    dice = Random(f"tamper/{venue.seed}")
    found: list[tuple[str, str]] = []
    for name, act in _ACTS.items():
        venue.tell(f"verifying after: {name}")
        found.append((name, _attempt(venue, act, dice)))
    missed = [name for name, said in found if not said]
    return Outcome(
        CODE,
        TITLE,
        "in process, on the venue's database; each change is rolled back",
        time.monotonic() - started,
        figures=tuple((name, said or "NOT FOUND") for name, said in found),
        checks=(
            Check("the journal as it was", before or "right", "right", not before),
            outcome.least("changes that verify finds", len(found) - len(missed), len(found)),
            Check("the journal afterwards", _wrong(venue) or "right", "right", not _wrong(venue)),
        ),
    )


def _attempt(venue: Venue, act: Callable[[Any, Random], None], dice: Random) -> str:
    """Do it, verify, take it back; what verify says."""
    from django.db import connection, transaction

    said = ""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _disarm(cursor, connection.vendor)
            act(cursor, dice)
            said = _wrong(venue)
            raise _Undone
    except _Undone:
        return said


def _wrong(venue: Venue) -> str:
    """The first thing that verify finds wrong; empty where nothing is."""
    from confide.audit.verdict import verify

    sealer = venue.system.sequencer
    found = verify(sealer.key, (), sealer.tiles, (), venue.system.clock(), patience=0.0)
    return f"{found.wrong[0].where}: {found.wrong[0].what}" if found.wrong else ""


def _disarm(cursor: Any, vendor: str) -> None:
    """Drop the triggers that refuse changes, as an administrator would."""
    if vendor == "postgresql":
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER")
        return
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'")
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP TRIGGER {name}")


def _pick(cursor: Any, dice: Random) -> int:
    cursor.execute("SELECT min(id), max(id) FROM audit_journalentry")
    low, high = cursor.fetchone()
    if low is None:
        raise Unavailable("the journal is empty, so there is nothing to change")
    cursor.execute("SELECT min(id) FROM audit_journalentry WHERE id >= %s", [dice.randint(low, high)])
    return int(cursor.fetchone()[0])


def _blame_another(cursor: Any, dice: Random) -> None:
    at = _pick(cursor, dice)
    cursor.execute("UPDATE audit_journalentry SET actor = 'somebody-else' WHERE id = %s", [at])


def _hide_patient(cursor: Any, dice: Random) -> None:
    at = _pick(cursor, dice)
    cursor.execute("UPDATE audit_journalentry SET patient = '' WHERE id = %s AND patient <> ''", [at])
    cursor.execute("UPDATE audit_journalentry SET action = 'nothing' WHERE id = %s", [at])


def _delete(cursor: Any, dice: Random) -> None:
    at = _pick(cursor, dice)
    cursor.execute("DELETE FROM audit_journalentry WHERE id = %s", [at])


def _cut(cursor: Any, dice: Random) -> None:
    at = _pick(cursor, dice)
    cursor.execute("DELETE FROM audit_journalentry WHERE id >= %s", [at])


def _swap_hash(cursor: Any, dice: Random) -> None:
    at = _pick(cursor, dice)
    cursor.execute("UPDATE audit_journalentry SET leaf = %s WHERE id = %s", [dice.randbytes(32), at])


_ACTS: Final[dict[str, Callable[[Any, Random], None]]] = {
    "blame somebody else": _blame_another,
    "hide whose record it was": _hide_patient,
    "delete an entry": _delete,
    "cut off the end": _cut,
    "change a hash": _swap_hash,
}
