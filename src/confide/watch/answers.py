"""What people answer to findings: somebody was asked, it was explained, it was misuse. Words are sealed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import DatabaseError, router, transaction

from confide.access import raises
from confide.access.models import Account
from confide.audit.findings import entry_of_answer
from confide.audit.journal import Journal
from confide.errors import AccessDenied, Invalid, Unavailable, Unknown
from confide.vault.keepsakes import Keepsakes
from confide.vault.reasons import Reasons
from confide.watch.models import Found
from confide.watch.rounds import take_turn
from confide.watch.shelf import Shelf, finding_of
from confide.watch.watch import Watch

LONGEST: Final = 1000
"""Characters of a note."""


class Answer(StrEnum):
    """What became of a finding. ``ASKED``: it stays open until there is one of the others."""

    ASKED = "asked"
    EXPLAINED = "explained"
    MISUSE = "misuse"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]


_LABELS: Final = {
    Answer.ASKED: "They were asked",
    Answer.EXPLAINED: "It is explained",
    Answer.MISUSE: "It was misuse",
}


class Answers:
    """Takes answers, and reads them to those who may.

    Args:
        journal: Where each is written.
        reasons: Seals what was typed.
        seals: Opens what the watch remembers.
    """

    def __init__(self, journal: Journal, reasons: Reasons, seals: Keepsakes) -> None:
        self._journal = journal
        self._reasons = reasons
        self._seals = seals

    def answer(
        self, id_: str, answer: Answer, note: str, by: Account, practice: str, now: datetime, credential: str
    ) -> None:
        """Answer a finding of a practice.

        Args:
            id_: Of the finding.
            answer: What became of it.
            note: As typed, at most 1000 characters; for what is explained, or misuse, it is needed.
            by: Who answers, and has proved who they are.
            practice: For which practice; its id.
            now: Aware UTC.
            credential: The public name of what they presented.

        Raises:
            AccessDenied: It is about themselves, or not theirs to answer.
            Invalid: The note is missing, too long, or there was an answer already.
            Unknown: There is no such finding in this practice.
            JournalUnavailable: It cannot be written down, so nothing was answered.
        """
        text = note.strip()
        if len(text) > LONGEST:
            raise Invalid(f"a note has at most {LONGEST} characters")
        if not text and answer is not Answer.ASKED:
            raise Invalid("say in a few words what the reason was")
        role = raises.require_approver(by, practice, now).value
        try:
            with transaction.atomic(using=router.db_for_write(Found)):
                take_turn(wait=True)
                row = Found.objects.filter(pk=id_, practice=practice).first()
                if row is None:
                    raise Unknown("there is no such finding in this practice")
                if row.owner == f"person:{by.pk}":
                    raise AccessDenied("nobody answers a finding about themselves")
                if row.closed_at is not None:
                    raise Invalid("this finding was answered already")
                row.answer, row.answered_by, row.answered_at = answer.value, by.pk, now
                if text:
                    row.note_sealed = self._reasons.seal(practice, row.pk, "note", text)
                if answer is not Answer.ASKED:
                    row.closed_at = now
                row.save()
                if answer is Answer.EXPLAINED:
                    self._excuse(row, now)
                entry = entry_of_answer(
                    practice, row.pk, answer, bytes(row.note_sealed), now,
                    by=by, role=role, credential=credential,
                )  # fmt: skip
                self._journal.append([entry])
        except DatabaseError as problem:
            raise Unavailable(f"the answer cannot be stored ({type(problem).__name__})") from None

    def note_of(self, row: Found) -> str:
        """Return what was typed with an answer, or nothing; the caller has journalled the reading.

        Raises:
            SealBroken: It is not as it was stored.
        """
        sealed = bytes(row.note_sealed)
        return self._reasons.unseal(row.practice, row.pk, "note", sealed) if sealed else ""

    def _excuse(self, row: Found, now: datetime) -> None:
        """Let the detector be silent about this login for a while."""
        watch = Watch()
        shelf = Shelf(self._seals, watch)
        shelf.fetch([row.owner], [])
        watch.answer(finding_of(row), now, explained=True)
        shelf.store([row.owner], [])
