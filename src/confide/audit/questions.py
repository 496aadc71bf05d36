"""Questions to the journal: by person, patient, element, time, purpose, outcome. Asking is an entry too."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, router, transaction
from django.db.models import Q, QuerySet

from confide.access import pulse
from confide.access.decide import Grant
from confide.access.roles import Action
from confide.audit.journal import LIMIT, Journal, Line, entry_for, line_of
from confide.audit.models import JournalEntry
from confide.errors import GrantMismatch, Invalid, JournalUnavailable

RESOURCE: Final = "AuditEvent"
"""What the journal calls itself where it is read."""

_LETTERS: Final = {
    "C": Q(action=Action.IMPORT) | Q(action=Action.WRITE, version__lte=1) & ~Q(body_sha256=b""),
    "R": Q(action__in=[Action.READ, Action.REVEAL], version__gt=0)
    | Q(action__in=[Action.EXPORT, Action.JOURNAL_READ, "disclose"]),
    "U": Q(action=Action.WRITE, version__gt=1) & ~Q(body_sha256=b""),
    "D": Q(action=Action.WRITE, version__gt=0, body_sha256=b""),
}
LETTERS: Final = ("C", "R", "U", "D", "E")
"""The actions of FHIR's AuditEvent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for; None asks for all.

    Attributes:
        ids: Only these entries.
        patient: Only about this patient.
        actor: Only of this account or program.
        credential: Only of this session or token.
        element: Only where this element was shown, asked by or written; its code.
        since: Not before this moment, aware UTC.
        until: Before this moment, aware UTC.
        purpose: Only for this purpose.
        outcomes: Only with one of these outcomes.
        actions: Only of these actions, as the journal calls them.
        letters: Only of these actions, as FHIR calls them: ``C``, ``R``, ``U``, ``D``, ``E``.
        resource: Only about this: its type and its id; an empty type is any. A patient stands in each
            entry about any of their records.
        before: Only entries with a smaller id: the last id of a page asks for the next page.
        limit: 0 to 1000.
    """

    ids: Collection[int] | None = None
    patient: str | None = None
    actor: str | None = None
    credential: str | None = None
    element: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    purpose: str | None = None
    outcomes: Collection[str] | None = None
    actions: Collection[str] | None = None
    letters: Collection[str] | None = None
    resource: tuple[str, str] | None = None
    before: int | None = None
    limit: int = 100


def find(journal: Journal, grant: Grant, question: Question, now: datetime) -> list[Line]:
    """Return what the grant's practice's journal answers, newest first; the asking is an entry itself.

    Args:
        journal: Where the asking is written.
        grant: For ``JOURNAL_READ``.
        question: What is asked for.
        now: Aware UTC.

    Raises:
        GrantMismatch: The grant is for something else.
        GrantExpired: The grant is too old.
        Invalid: The limit is out of range.
        JournalUnavailable: The journal cannot be read, or this asking cannot be recorded.
    """
    if not 0 <= question.limit <= LIMIT:
        raise Invalid(f"limit must be from 0 to {LIMIT}")
    with asking(journal, grant, now, patient=question.patient or ""):
        rows = entries(grant.practice, question).order_by("-id")
        return [line_of(row) for row in rows[: question.limit]]


@contextmanager
def asking(
    journal: Journal, grant: Grant, now: datetime, *, patient: str = "", what: str = ""
) -> Iterator[None]:
    """Let the journal be read inside, in one transaction with the entry that says so.

    Args:
        journal: Where it is written.
        grant: For ``JOURNAL_READ``.
        now: Aware UTC.
        patient: About whom alone it is read; empty if it is about more.
        what: Which view of it, in fixed words.

    Raises:
        GrantMismatch, GrantExpired: The grant is not for this.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    grant.require(Action.JOURNAL_READ, patient or None, now)
    if grant.actor.kind == "system":
        raise GrantMismatch("the journal is read by people")
    pulse.recheck(grant)
    try:
        with transaction.atomic(using=router.db_for_write(JournalEntry), durable=True):
            yield
            journal.append([entry_for(grant, now, patient=patient, resource_type=RESOURCE, resource_id=what)])
    except DatabaseError as error:
        raise JournalUnavailable(f"the journal cannot be read ({type(error).__name__})") from None


def entries(practice: str, question: Question) -> QuerySet[JournalEntry]:
    """Return the rows of a practice that answer; for use inside of `asking`."""
    chosen = JournalEntry.objects.filter(practice=practice)
    for condition, value in (
        ("id__in", question.ids),
        ("patient", question.patient),
        ("actor", question.actor),
        ("credential", question.credential),
        ("elements__has_key", question.element),
        ("at__gte", question.since),
        ("at__lt", question.until),
        ("purpose", question.purpose),
        ("outcome__in", question.outcomes),
        ("action__in", question.actions),
        ("id__lt", question.before),
    ):
        if value is not None:
            chosen = chosen.filter(**{condition: value})
    if question.resource is not None:
        kind, id_ = question.resource
        about = Q(resource_id=id_, **({"resource_type": kind} if kind else {}))
        chosen = chosen.filter(about | Q(patient=id_) if kind in {"", "Patient"} else about)
    return chosen if question.letters is None else chosen.filter(_lettered(question.letters))


def _lettered(letters: Collection[str]) -> Q:
    """Entries that FHIR calls by these letters; whatever none of the others means is an execution."""
    known = [_LETTERS[letter] for letter in letters if letter in _LETTERS]
    wanted = Q(pk__in=[])
    for condition in known:
        wanted |= condition
    if "E" in letters:
        rest = Q()
        for condition in _LETTERS.values():
            rest &= ~condition
        wanted |= rest
    return wanted
