"""Raising a budget and writing it down, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction

from confide.access import raises
from confide.access.models import Account, BudgetRaise, Client
from confide.audit.journal import Entry, Journal, Outcome
from confide.audit.terminal import entry_at
from confide.errors import AccessDenied, Unavailable

ACTION: Final = "raise"
RESOURCE: Final = "BudgetRaise"
"""What the journal calls it."""


def grant_raise(
    journal: Journal,
    account: Account,
    practice: str,
    subject: Account | Client,
    times: int,
    hours: int,
    now: datetime,
) -> BudgetRaise:
    """Raise a budget; a refusal is written down, too.

    Args:
        journal: Where it is written.
        account: The second person, who has proved who they are.
        practice: In which it holds; its id.
        subject: The person or program whose budget it is.
        times: 2 or 3.
        hours: 1 to 24.
        now: Aware UTC.

    Raises:
        AccessDenied: It is not theirs to approve.
        Invalid: More than threefold or 24 hours.
        Unknown: The person or program is not of this practice.
        JournalUnavailable: It cannot be written down, so nothing was raised.
    """

    def entry(outcome: Outcome, role: str = "", made: str = "") -> Entry:
        about = made or subject.pk
        return entry_at(
            ACTION, RESOURCE, about, now, practice=practice, by=account, role=role, outcome=outcome
        )

    try:
        with transaction.atomic():
            role = raises.require_approver(account, practice, now)
            made = raises.approve(account, practice, subject, times, hours, now)
            journal.append([entry(Outcome.SUCCESS, role.value, made.pk)])
    except AccessDenied:
        with transaction.atomic():
            journal.append([entry(Outcome.MINOR_FAILURE)])
        raise
    except DatabaseError as problem:
        raise Unavailable(f"the raise cannot be stored ({type(problem).__name__})") from None
    return made
