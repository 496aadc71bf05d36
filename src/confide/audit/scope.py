"""Whose record, and which elements of it, somebody has seen in a window: what a thief could have taken.

Made for a journal of fifty million entries: it reads one covering index, and no entry.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, QuerySet

from confide.access.decide import Grant
from confide.access.roles import Action, Form
from confide.audit.journal import Journal, Outcome
from confide.audit.models import Checkpoint, JournalEntry
from confide.audit.questions import asking
from confide.errors import Invalid

SEEING = (Action.READ.value, Action.SEARCH.value, Action.REVEAL.value, Action.EXPORT.value)
"""Actions by which something is seen."""

_NOTHING = frozenset({Form.STAND_IN.value, Form.REFUSED.value})


@dataclass(frozen=True, slots=True)
class Scope:
    """What was seen.

    Attributes:
        patients: For each patient the elements that were shown or asked by, each in its clearest form.
        elements: For each element the number of patients of whom it was.
    """

    patients: Mapping[str, Mapping[str, str]]
    elements: Mapping[str, int]


def scope(
    journal: Journal,
    grant: Grant,
    since: datetime,
    until: datetime,
    now: datetime,
    *,
    actor: str = "",
    credential: str = "",
    nobody: Collection[str] = (),
) -> Scope:
    """Say what one login, session or token has seen in a window; the asking is an entry itself.

    Args:
        journal: Where that is written.
        grant: For ``JOURNAL_READ``.
        since: Aware UTC.
        until: The first moment that does not count, aware UTC.
        now: Aware UTC.
        actor: The account's or program's id; all its sessions and tokens.
        credential: The session or token; with an *actor*, only that one of theirs.
        nobody: Ids of synthetic patients, who are left out.

    Raises:
        Invalid: Neither is named.
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    if not actor and not credential:
        raise Invalid("a scope is that of a login, a session or a token")
    with asking(journal, grant, now, what="scope"):
        return gather(rows(grant.practice, since, until, actor=actor, credential=credential), nobody)


def rows(
    practice: str, since: datetime, until: datetime, *, actor: str = "", credential: str = ""
) -> QuerySet[JournalEntry, tuple[str, dict[str, str]]]:
    """Return the distinct pairs of a patient and what was seen of them; for use inside of ``asking``."""
    chosen = JournalEntry.objects.filter(
        practice=practice, at__gte=since, at__lt=until, outcome=Outcome.SUCCESS, action__in=SEEING
    ).exclude(patient="")
    if actor:
        chosen = chosen.filter(actor=actor)
    if credential:
        chosen = chosen.filter(credential=credential)
    return chosen.order_by().values_list("patient", "elements").distinct()


def gather(pairs: QuerySet[JournalEntry, tuple[str, dict[str, str]]], nobody: Collection[str] = ()) -> Scope:
    """Put the pairs together, without synthetic patients, who are *nobody*."""
    patients: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for patient, elements in pairs.iterator(chunk_size=5000):
        if patient in nobody:
            continue
        seen = patients[patient]
        for element, form in elements.items():
            if form not in _NOTHING and seen.get(element) != Form.CLEAR:
                seen[element] = form
    shown = {patient: seen for patient, seen in patients.items() if seen}
    return Scope(shown, Counter(element for seen in shown.values() for element in seen))


# For an incident, over one practice or all of a host; its caller writes the entry of the asking


def showing(
    practices: Sequence[str], since: datetime, until: datetime, column: str, names: Sequence[str]
) -> QuerySet[JournalEntry]:
    """Return the entries by which somebody was shown something about a patient.

    Args:
        practices: Only theirs; none is all of the host's.
        since: Aware UTC.
        until: The first moment that does not count, aware UTC.
        column: By what they are chosen: ``actor``, ``credential`` or ``address``.
        names: Of these.
    """
    rows = _about(practices).filter(at__gte=since, at__lt=until, action__in=SEEING)
    return rows.filter(**{f"{column}__in": list(names)})


def exporting(practices: Sequence[str], exports: Sequence[str]) -> QuerySet[JournalEntry]:
    """Return the entries of what left with these exports."""
    return _about(practices).filter(
        resource_type="Export", resource_id__in=list(exports), action=Action.EXPORT.value
    )


def knows(practices: Sequence[str], column: str, name: str) -> bool:
    """Tell whether the journal has ever seen an actor, a credential or an address."""
    rows = JournalEntry.objects.filter(**{column: name})
    return (rows.filter(practice__in=list(practices)) if practices else rows).exists()


def signed() -> int:
    """Return how many entries the journal's newest signed tree has."""
    return int(Checkpoint.objects.aggregate(top=Max("size"))["top"] or 0)


def _about(practices: Sequence[str]) -> QuerySet[JournalEntry]:
    rows = JournalEntry.objects.filter(outcome=Outcome.SUCCESS).exclude(patient="")
    return rows.filter(practice__in=list(practices)) if practices else rows


def actors(practices: Sequence[str], credentials: Sequence[str]) -> set[str]:
    """Return whose sessions and tokens these were: ids of accounts and programs."""
    rows = JournalEntry.objects.filter(credential__in=list(credentials))
    rows = rows.filter(practice__in=list(practices)) if practices else rows
    return set(rows.order_by().values_list("actor", flat=True).distinct())
