"""What the journal says of signing in: who came in, who was turned away, and by which rule. About no patient.

A try on a name that no account has belongs to no practice: its entry has the practice ``""``, and says only
from where. Every privacy officer reads those; what concerns a practice's own people, only its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import DatabaseError, router, transaction

from confide.access import terminal
from confide.access.decide import Grant
from confide.access.roles import Action, Purpose
from confide.audit.journal import LIMIT, Entry, Journal, Line, Outcome, entry_for, line_of
from confide.audit.models import JournalEntry
from confide.audit.terminal import machine
from confide.errors import GrantMismatch, Invalid, JournalUnavailable

HOST: Final = ""
"""Stands for the practice where none is concerned."""

RESOURCE: Final = "SignIn"


class Event(StrEnum):
    """What happened at the entrance: the action of its entry."""

    SIGN_IN = "sign-in"
    FAILED = "sign-in-failed"
    STOPPED = "sign-in-stopped"
    NEW_DEVICE = "new-device"
    OWN_DEVICE = "own-device"
    SIGN_OUT = "sign-out"
    SESSION_END = "session-end"
    INVITED = "invited"
    INVITATION_USED = "invitation-used"
    FACTOR_ADDED = "factor-added"
    FACTOR_REMOVED = "factor-removed"
    CODES_MADE = "codes-made"
    PASSWORD_SET = "password-set"  # noqa: S105 - the name of an event
    LOGIN_CONNECTED = "login-connected"
    LOGIN_DISCONNECTED = "login-disconnected"
    STEP_UP = "step-up"
    ROLE_ASKED = "role-asked"
    ROLE_FOUNDED = "role-founded"
    ROLE_APPROVED = "role-approved"


_OUTCOMES: Final = {Event.FAILED: Outcome.MINOR_FAILURE, Event.STOPPED: Outcome.SERIOUS_FAILURE}


def entries_of(
    event: Event,
    places: Iterable[tuple[str, str]],
    now: datetime,
    *,
    kind: str = "person",
    account: str = "",
    credential: str = "",
    reason: str = "",
    address: str = "",
    device: str = "",
    outcome: Outcome | None = None,
) -> list[Entry]:
    """Return the entries that tell of *event*, one for each practice.

    Args:
        event: What happened.
        places: Practices, each with the person's role in it; both empty for the host.
        now: Aware UTC.
        kind: ``person`` or ``client``.
        account: Whose name it was; empty if nobody's.
        credential: The public name of the session or device.
        reason: Fixed words, such as the rule; never anything typed.
        address: The network address that it came from.
        device: The browser's id; at the terminal the machine is named anyway.
        outcome: How it ended, where the event itself does not say so.
    """
    return [
        Entry(
            at=now,
            practice=practice,
            actor_kind=kind,
            actor=account,
            credential=credential,
            role=role,
            action=event.value,
            purpose=Purpose.SYSADMIN.value,
            elements={},
            resource_type=RESOURCE,
            resource_id=reason,
            outcome=(outcome or _OUTCOMES.get(event, Outcome.SUCCESS)).value,
            address=address[:64],
            device=machine() if credential == terminal.CREDENTIAL else device,
        )
        for practice, role in places
    ]


def read_entrances(
    journal: Journal,
    grant: Grant,
    now: datetime,
    *,
    actor: str | None = None,
    before: int | None = None,
    limit: int = LIMIT,
) -> Sequence[Line]:
    """Read what happened at the entrance, newest first; the reading is an entry itself.

    Args:
        journal: Where the reading is recorded.
        grant: For ``JOURNAL_READ`` on the whole practice.
        now: Aware UTC.
        actor: Only of this account; then nothing of the host.
        before: Only entries with a smaller id.
        limit: 1 to 1000.

    Raises:
        GrantMismatch: The grant is for something else.
        GrantExpired: The grant is too old.
        Invalid: *limit* is out of range.
        JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
    """
    grant.require(Action.JOURNAL_READ, None, now)
    if grant.actor.kind == "system":
        raise GrantMismatch("the journal is read by people")
    if not 1 <= limit <= LIMIT:
        raise Invalid(f"limit must be from 1 to {LIMIT}")
    chosen = JournalEntry.objects.filter(patient="", action__in=[event.value for event in Event])
    if before is not None:
        chosen = chosen.filter(id__lt=before)
    own = chosen.filter(practice=grant.practice)
    # Two readings of one index each: a database would sort all that there ever was of the two together.
    parts = [own.filter(actor=actor)] if actor is not None else [own, chosen.filter(practice=HOST)]
    try:
        with transaction.atomic(using=router.db_for_write(JournalEntry)):
            lines = [line_of(row) for part in parts for row in part.order_by("-id")[:limit]]
            journal.append([entry_for(grant, now, resource_type="AuditEvent", resource_id=RESOURCE)])
    except DatabaseError as error:
        raise JournalUnavailable(f"the journal cannot be read ({type(error).__name__})") from None
    return sorted(lines, key=lambda line: line.id, reverse=True)[:limit]
