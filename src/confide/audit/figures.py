"""Figures over the journal: how many people's records were opened, by how many, in which hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import DatabaseError, router, transaction

from confide.access.decide import Grant
from confide.access.roles import Action
from confide.audit.journal import Journal, entry_for
from confide.audit.models import JournalEntry
from confide.errors import JournalUnavailable

MOST: Final = 50_000
"""Entries that are looked at, at most, from the newest back."""

_SHOWING: Final = frozenset({Action.READ.value, Action.SEARCH.value, Action.REVEAL.value})


@dataclass(frozen=True, slots=True)
class Openings:
    """How many distinct people's records were opened since a moment; numbers only.

    Attributes:
        patients: Distinct patients.
        actors: Distinct people and clients who opened them.
        by_hour: Distinct patients for each hour of the day in UTC, 24 numbers.
    """

    patients: int
    actors: int
    by_hour: tuple[int, ...]


def count_openings(journal: Journal, grant: Grant, since: datetime, now: datetime) -> Openings:
    """Count the openings in the grant's practice since *since*; the counting is an entry itself.

    Args:
        journal: Where it is recorded.
        grant: For ``JOURNAL_READ`` on the whole practice.
        since: Aware UTC.
        now: Aware UTC.

    Raises:
        GrantMismatch: The grant is for something else.
        GrantExpired: The grant is too old.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    grant.require(Action.JOURNAL_READ, None, now)
    patients: set[str] = set()
    actors: set[str] = set()
    hours: list[set[str]] = [set() for _ in range(24)]
    newest = JournalEntry.objects.filter(practice=grant.practice).order_by("-id")
    try:
        with transaction.atomic(using=router.db_for_write(JournalEntry)):
            rows = newest.values_list("at", "actor_kind", "actor", "action", "patient")[:MOST]
            for at, kind, actor, action, patient in rows.iterator():
                if at < since:
                    break
                if kind != "system" and action in _SHOWING and patient:
                    patients.add(patient)
                    actors.add(actor)
                    hours[at.astimezone(UTC).hour].add(patient)
            journal.append([entry_for(grant, now, resource_type="AuditEvent")])
    except DatabaseError as error:
        raise JournalUnavailable(f"the journal cannot be read ({type(error).__name__})") from None
    return Openings(len(patients), len(actors), tuple(map(len, hours)))
