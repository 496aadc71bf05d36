"""A practice lets a vendor's program in, or sends it away; and writes it down, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from django.db import DatabaseError, transaction

from confide.access import raises, reach
from confide.access.models import Account, Client
from confide.access.reach import Reach
from confide.audit.journal import Entry, Journal, Outcome
from confide.audit.terminal import entry_at
from confide.errors import AccessDenied, Unavailable


class Event(StrEnum):
    """What the journal says was done."""

    ADMIT = "client-admit"
    DISMISS = "client-dismiss"


def admit(journal: Journal, account: Account, practice: str, client: Client, now: datetime) -> Reach:
    """Let a program into a practice; a refusal is written down, too.

    Args:
        journal: Where it is written.
        account: Who answers for the practice, and has proved who they are.
        practice: The practice's id.
        client: The program.
        now: Aware UTC.

    Raises:
        AccessDenied: It is not theirs to approve.
        Invalid: The program acts there already.
        JournalUnavailable: It cannot be written down, so nothing was approved.
    """
    return _act(
        journal,
        account,
        practice,
        client,
        now,
        Event.ADMIT,
        lambda: reach.open_to(client.pk, practice, account.pk, now),
    )


def dismiss(journal: Journal, account: Account, practice: str, client: Client, now: datetime) -> Reach:
    """Send a program away from a practice, with its tokens there; a refusal is written down, too.

    Raises:
        AccessDenied: It is not theirs to say.
        Unknown: No word of the practice lets it in.
        JournalUnavailable: It cannot be written down, so it still acts there.
    """
    return _act(
        journal,
        account,
        practice,
        client,
        now,
        Event.DISMISS,
        lambda: reach.close_to(client.pk, practice, now),
    )


def _act(
    journal: Journal,
    account: Account,
    practice: str,
    client: Client,
    now: datetime,
    event: Event,
    work: Callable[[], Reach],
) -> Reach:
    def entry(outcome: Outcome, role: str = "") -> Entry:
        return entry_at(
            event, "Client", client.pk, now, practice=practice, by=account, role=role, outcome=outcome
        )

    try:
        with transaction.atomic():
            role = raises.require_approver(account, practice, now)
            done = work()
            journal.append([entry(Outcome.SUCCESS, role.value)])
    except AccessDenied:
        with transaction.atomic():
            journal.append([entry(Outcome.MINOR_FAILURE)])
        raise
    except DatabaseError as problem:
        raise Unavailable(f"this cannot be stored ({type(problem).__name__})") from None
    return done
