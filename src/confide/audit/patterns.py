"""Patterns in the journal: who sees most, in which hours, on which days, and what is unusual about it.

The server knows no wall, so hours are UTC; an hour is unusual where the practice itself hardly ever works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Count, QuerySet
from django.db.models.functions import ExtractHour, TruncDate

from confide.access.decide import Grant
from confide.audit.journal import Journal, Outcome
from confide.audit.models import JournalEntry
from confide.audit.questions import Question, asking, entries
from confide.audit.scope import SEEING

RARE: Final = 0.01
"""An hour with a smaller part of all openings is unusual."""

_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Seer:
    """How much one login has seen.

    Attributes:
        patients: Different patients.
        entries: Entries of the journal.
    """

    actor_kind: str
    actor: str
    patients: int
    entries: int


@dataclass(frozen=True, slots=True)
class Night:
    """What one login saw on one day in hours in which hardly anybody works.

    Attributes:
        hours: The hours of the day, UTC, in their order.
    """

    day: date
    actor_kind: str
    actor: str
    hours: Sequence[int]
    patients: int


@dataclass(frozen=True, slots=True)
class Patterns:
    """A window of the journal in figures.

    Attributes:
        seers: Who saw most, the most first.
        hours: For each hour of the day, UTC, the openings in it: 24 numbers.
        unusual: Hours that are unusual, in their order.
        nights: What was seen in them, the newest first.
        days: For each day of the window the number of different patients whose records were opened.
    """

    seers: Sequence[Seer]
    hours: Sequence[int]
    unusual: Sequence[int]
    nights: Sequence[Night]
    days: Sequence[tuple[date, int]]


def find_patterns(
    journal: Journal, grant: Grant, since: datetime, until: datetime, now: datetime
) -> Patterns:
    """Look at a window of the practice's journal; the looking is an entry itself.

    Args:
        journal: Where that is written.
        grant: For ``JOURNAL_READ`` on the whole practice.
        since: Aware UTC.
        until: The first moment that does not count, aware UTC.
        now: Aware UTC.

    Raises:
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    with asking(journal, grant, now, what="patterns"):
        seen = _seen(grant.practice, since, until)
        counted = seen.values_list("actor_kind", "actor").annotate(
            patients=Count("patient", distinct=True), number=Count("id")
        )
        seers = [Seer(*row) for row in counted.order_by("-patients", "-number")[:_MOST]]
        by_hour = dict(
            seen.annotate(hour=ExtractHour("at", tzinfo=UTC))
            .values_list("hour")
            .annotate(number=Count("id"))
            .order_by()
        )
        hours = [by_hour.get(hour, 0) for hour in range(24)]
        unusual = rare(hours)
        nights = _nights(seen, unusual)
        days = _days(seen, since, until)
    return Patterns(seers, hours, unusual, nights, days)


def count_days(
    journal: Journal, grant: Grant, question: Question, since: datetime, until: datetime, now: datetime
) -> list[tuple[date, int]]:
    """Count the entries that answer a question, day by day; the counting is an entry itself.

    Raises:
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    with asking(journal, grant, now, patient=question.patient or "", what="timeline"):
        chosen = entries(grant.practice, question).filter(at__gte=since, at__lt=until)
        counted = chosen.annotate(day=TruncDate("at", tzinfo=UTC)).values_list("day")
        found = dict(counted.annotate(number=Count("id")).order_by())
    return fill(found, since, until)


def rare(hours: Sequence[int]) -> list[int]:
    """Return the hours of which there is something, but hardly anything."""
    whole = sum(hours)
    return [hour for hour, number in enumerate(hours) if 0 < number < whole * RARE]


def fill(found: Mapping[date, int], since: datetime, until: datetime) -> list[tuple[date, int]]:
    """Return a figure for every day from *since* to before *until*."""
    first, days = since.date(), (until - timedelta(microseconds=1)).date() - since.date()
    return [(day, found.get(day, 0)) for day in (first + timedelta(n) for n in range(days.days + 1))]


def _seen(practice: str, since: datetime, until: datetime) -> QuerySet[JournalEntry]:
    window = Question(since=since, until=until, actions=SEEING, outcomes=[Outcome.SUCCESS])
    return entries(practice, window).exclude(patient="").exclude(actor_kind="system").order_by()


def _nights(seen: QuerySet[JournalEntry], unusual: Sequence[int]) -> list[Night]:
    if not unusual:
        return []
    rows = (
        seen.annotate(hour=ExtractHour("at", tzinfo=UTC), day=TruncDate("at", tzinfo=UTC))
        .filter(hour__in=list(unusual))
        .values_list("day", "actor_kind", "actor", "hour", "patient")
        .distinct()
    )
    groups: dict[tuple[date, str, str], tuple[set[int], set[str]]] = {}
    for day, kind, actor, hour, patient in rows.iterator():
        hours, patients = groups.setdefault((day, kind, actor), (set(), set()))
        hours.add(hour)
        patients.add(patient)
    nights = [
        Night(day, kind, actor, sorted(hours), len(patients))
        for (day, kind, actor), (hours, patients) in groups.items()
    ]
    return sorted(nights, key=lambda each: (each.day, each.patients), reverse=True)[:_MOST]


def _days(seen: QuerySet[JournalEntry], since: datetime, until: datetime) -> list[tuple[date, int]]:
    counted = seen.annotate(day=TruncDate("at", tzinfo=UTC)).values_list("day")
    return fill(dict(counted.annotate(number=Count("patient", distinct=True))), since, until)
