"""Rounds: what the journal tells since the last one is read once, in order, and acted upon.

A round is one transaction: how far it has read, what it remembers, what it found and what it did about it are
there together or not at all. Any process may do it, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Protocol

from django.db import DatabaseError, router, transaction

from confide.audit import stream
from confide.audit.findings import entry_of_finding
from confide.audit.journal import Journal
from confide.errors import Damaged, Unavailable
from confide.vault.keepsakes import Keepsakes
from confide.watch import containment, notices, shelf
from confide.watch.containment import Done
from confide.watch.events import Batch, batch
from confide.watch.findings import Finding
from confide.watch.models import Cursor, Found
from confide.watch.policy import Policy
from confide.watch.shelf import Shelf
from confide.watch.traits import Traits
from confide.watch.watch import Watch

AT_ONCE: Final = 2000
"""Positions of the journal that one round reads at most."""

LATE: Final = timedelta(hours=24)
"""For what is older when it is read no measure is taken any more; people are told, and an incident opens."""

_FORGET: Final = timedelta(days=30)
_TURN: Final = 0x77617463  # "watc": the advisory lock of who is at it


class Opener(Protocol):
    """Opens an incident; the layer above has one, ``wiring`` gives it."""

    def __call__(self, row: Found, now: datetime) -> str:
        """Open an incident for a finding, or go on with its login's, in the caller's transaction.

        Returns:
            The incident's id; empty where a finding of its weight opens none.
        """


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read in one round: the positions from ``begin`` to before ``end``, and whether more follow."""

    begin: int
    end: int
    batches: list[Batch]
    more: bool


class Rounds:
    """Feeds a watch from the journal. Threads may share one.

    Args:
        journal: Where findings and measures are written.
        traits: Tells of patients.
        seals: Seals what is remembered.
        policy: Returns how far Confide goes by itself.
        opener: Opens incidents.
    """

    def __init__(
        self,
        journal: Journal,
        traits: Traits,
        seals: Keepsakes,
        policy: Callable[[], Policy],
        opener: Opener,
    ) -> None:
        self._journal = journal
        self._traits = traits
        self._seals = seals
        self._policy = policy
        self._opener = opener
        self._lock = Lock()
        self._anew()

    def _anew(self) -> None:
        self._watch = Watch(self._traits)
        self._shelf = Shelf(self._seals, self._watch)

    def run(self, now: datetime) -> list[Finding]:
        """Read on to the end of the journal, round by round; nothing where another process is at it.

        Args:
            now: Aware UTC.

        Returns:
            Findings that are new or have grown.

        Raises:
            Unavailable: The rows cannot be read or written; the round is done again later.
            KeyUnavailable, SealBroken: What is remembered cannot be opened.
            Damaged: Less is known of a practice's patients; all has been looked at as far as it is known.
        """
        found: list[Finding] = []
        damaged = ""
        with self._lock:
            while (part := self._next()) is not None:
                damaged = self._traits.prepare(part.batches, now) or damaged
                try:
                    with transaction.atomic(using=router.db_for_write(Cursor), durable=True):
                        done = self._round(part, now) if take_turn(wait=False) else None
                except BaseException as problem:
                    self._anew()  # what it holds may be more than what is written
                    if isinstance(problem, DatabaseError):
                        raise Unavailable(f"the watch cannot go on ({type(problem).__name__})") from None
                    raise
                if done is None:
                    break
                found += done
                if not part.more:
                    break
        if damaged:
            raise Damaged(damaged)
        return found

    @staticmethod
    def _next() -> _Part | None:
        """Read what comes next; None if there is nothing."""
        try:
            begin, size = shelf.read_position(), stream.size()
            end = min(size, begin + AT_ONCE)
            if end <= begin:
                return None
            return _Part(begin, end, list(batch(stream.read(begin, end))), size > end)
        except DatabaseError as problem:
            raise Unavailable(f"the watch cannot go on ({type(problem).__name__})") from None

    def _round(self, part: _Part, now: datetime) -> list[Finding]:
        batches = part.batches
        owners = dict.fromkeys(each.owner for each in batches)
        norms = dict.fromkeys(
            key for each in batches for key in ((each.practice, each.role), (each.practice, ""))
        )
        if self._shelf.fetch(owners, norms) != part.begin:
            return []  # another process has read it meanwhile
        before = {key: each.weight for key, each in self._watch.open.items()}
        grown = self._watch.take(batches, now)
        for each in grown:
            self._tell(each, before.get((each.practice, each.owner, each.code), 0), now)
        self._shelf.store(owners, norms, part.end)
        if now.hour == 0:
            shelf.expire(now - _FORGET, now)
        return grown

    def _tell(self, finding: Finding, before: int, now: datetime) -> None:
        """Write a finding that weighed *before*, and do what its owner's findings ask for together."""
        row, new = shelf.write(finding)
        if new:
            self._journal.append([entry_of_finding(finding.practice, row.pk, finding.code.value, now)])
        policy, done, late = self._policy(), Done(), now - finding.at > LATE
        if not late:
            findings = [each for each in self._watch.open.values() if each.owner == finding.owner]
            done = containment.contain(self._journal, finding, findings, policy.automatic, now)
        incident = self._opener(row, now)
        # Light findings may add up to a measure: of that, and of one withheld, somebody is always told.
        # What is late takes no measure that would tell of it as it grows heavier.
        if done.rung or done.withheld or (finding.look and (new or (late and finding.weight > before))):
            notices.put(policy.ways, finding, row.pk, done, now, incident)


def take_turn(*, wait: bool) -> bool:
    """Let one process at a time change what the watch keeps, until the transaction ends.

    SQLite has one writer at a time from the beginning of a transaction.

    Args:
        wait: Until the other is done; else come back without.

    Returns:
        Whether it is one's turn.
    """
    connection = transaction.get_connection(router.db_for_write(Cursor))
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_TURN])
        return bool(cursor.fetchone()[0])
