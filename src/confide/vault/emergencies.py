"""Emergencies: what was typed is sealed, and every step is in the journal before anything opens.

A typed reason may name a patient. It is sealed under a key that is derived from the practice's journal key,
bound to its emergency, and stands in the entry as it is stored: sealed. It is opened for whoever reads the
journal, after an entry of that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction

from confide.access import glass, pulse
from confide.access.containment import Emergency
from confide.access.decide import Actor, Grant
from confide.access.glass import Verdict
from confide.access.models import Account
from confide.access.roles import Action, Purpose
from confide.audit.journal import Entry, Journal, Outcome, entry_for
from confide.errors import AccessDenied, Unavailable
from confide.vault.desk import durable
from confide.vault.door import Clock, Vault
from confide.vault.reasons import Reasons

RESOURCE: Final = "Emergency"
"""What the journal calls one."""

BREAK, ASK, ALLOW, REVIEW = "break-glass", "break-glass-asked", "break-glass-allowed", "break-glass-review"
"""The actions of their entries."""


@dataclass(frozen=True, slots=True)
class Told:
    """An emergency with what was typed, opened."""

    row: Emergency
    reason: str = field(repr=False)
    note: str = field(repr=False, default="")


class Emergencies:
    """The emergencies of all practices of one installation.

    Args:
        vault: Whose keys seal what is typed.
        journal: Where every step is written.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Clock) -> None:
        self._reasons = Reasons(vault, "emergency")
        self._journal = journal
        self._clock = clock

    def break_glass(self, actor: Actor, patient: str, reason: str) -> Emergency:
        """Break the glass for one patient; from the fourth in a shift on, ask a second person for it.

        Args:
            actor: A person, in a session.
            patient: The id of a patient of the actor's practice: the caller has seen to that.
            reason: As typed.

        Returns:
            The emergency; without ``begins_at`` it waits for a second person.

        Raises:
            AccessDenied, Frozen, StepUpNeeded: See `glass.require_may`; written down.
            Invalid: The reason says too little.
            JournalUnavailable: It cannot be written down, so nothing opens.
        """
        said, now, id_ = glass.read_reason(reason), self._clock(), str(uuid.uuid4())
        sealed = self._reasons.seal(actor.practice, id_, "reason", said)
        try:
            with durable():
                degraded = glass.require_may(actor, now)
                made = glass.break_one(actor, id_, patient, sealed, now, degraded=degraded)
                action = BREAK if made.begins_at else ASK
                self._journal.append([_entry(actor, action, now, made, sealed)])
        except AccessDenied:
            with durable():
                refused = Emergency(id=id_, patient=patient)
                self._journal.append([_entry(actor, BREAK, now, refused, sealed, Outcome.MINOR_FAILURE)])
            raise
        return made

    def allow(self, actor: Actor, by: Account, emergency: Emergency) -> None:
        """Let an emergency begin that waits for a second person.

        Raises:
            AccessDenied: It is not theirs to allow.
            Invalid: It does not wait any more.
        """
        now = self._clock()

        def act() -> None:
            glass.require_second(by, emergency, now)
            glass.allow(emergency, by, now)

        self._record(actor, ALLOW, emergency, now, act)

    def review(self, actor: Actor, by: Account, emergency: Emergency, verdict: Verdict, note: str) -> None:
        """Review an emergency, with a note.

        Raises:
            AccessDenied: It is not theirs to review.
            Invalid: The note says too little, or it was reviewed before.
        """
        said, now = glass.read_reason(note), self._clock()
        sealed = self._reasons.seal(emergency.practice_id, emergency.pk, "note", said)

        def act() -> None:
            glass.require_reviewer(by, emergency, now)
            glass.review(emergency, by, verdict, sealed, now)

        self._record(actor, REVIEW, emergency, now, act, sealed)

    def read(self, grant: Grant, rows: Sequence[Emergency]) -> list[Told]:
        """Open what was typed, for whoever reads the journal; the reading is an entry itself.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: The reading cannot be written down; nothing was opened.
        """
        now = self._clock()
        grant.require(Action.JOURNAL_READ, None, now)
        mine = [row for row in rows if row.practice_id == grant.practice]
        with durable():
            pulse.recheck(grant)
            self._journal.append([entry_for(grant, now, resource_type=RESOURCE)])
        return [
            Told(
                row,
                self._reasons.unseal(row.practice_id, row.pk, "reason", bytes(row.reason_sealed)),
                self._reasons.unseal(row.practice_id, row.pk, "note", bytes(row.note_sealed))
                if row.verdict
                else "",
            )
            for row in mine
        ]

    def _record(
        self,
        actor: Actor,
        action: str,
        emergency: Emergency,
        now: datetime,
        act: Callable[[], None],
        sealed: bytes = b"",
    ) -> None:
        """Do a step and write it down, both or neither; a refusal is written down, too."""
        try:
            with transaction.atomic():
                act()
                self._journal.append([_entry(actor, action, now, emergency, sealed)])
        except AccessDenied:
            with transaction.atomic():
                refused = _entry(actor, action, now, emergency, sealed, Outcome.MINOR_FAILURE)
                self._journal.append([refused])
            raise
        except DatabaseError as problem:
            raise Unavailable(f"it cannot be stored now ({type(problem).__name__})") from None


def _entry(
    actor: Actor,
    action: str,
    now: datetime,
    emergency: Emergency,
    sealed: bytes,
    outcome: Outcome = Outcome.SUCCESS,
) -> Entry:
    return Entry(
        at=now,
        practice=actor.practice,
        actor_kind=actor.kind,
        actor=actor.id,
        credential=actor.credential,
        role=actor.role.value,
        action=action,
        purpose=Purpose.BTG.value if action in {BREAK, ASK} else Purpose.HOPERAT.value,
        patient=emergency.patient,
        elements={},
        resource_type=RESOURCE,
        resource_id=emergency.pk,
        outcome=outcome.value,
        address=actor.address,
        reason_sealed=sealed,
        device=actor.device,
    )
