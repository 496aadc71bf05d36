"""Who may work, and who was invited: written down in the transaction that makes it so."""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, transaction

from confide.access import memberships, terminal
from confide.access.memberships import Standing
from confide.access.models import Account, Membership, Practice
from confide.access.roles import Role
from confide.audit.entrances import Event, entries_of
from confide.audit.journal import Entry, Journal, Outcome
from confide.errors import AccessDenied, Unavailable

_EVENTS = {
    Standing.FOUNDED: Event.ROLE_FOUNDED,
    Standing.PENDING: Event.ROLE_ASKED,
    Standing.FREE: Event.ROLE_ASKED,
}


def join(
    journal: Journal, account: Account, practice: Practice, role: Role, now: datetime
) -> tuple[Membership, bool]:
    """Give a person a role from the terminal; see ``memberships.join``.

    Returns:
        The membership, and whether it is new.
    """
    with transaction.atomic():
        row, new = memberships.join(account, practice, role, now)
        if new:
            journal.append(_joined(row, now))
    return row, new


def found(
    journal: Journal, account: Account, practice: Practice, role: Role, now: datetime
) -> tuple[Membership, bool]:
    """Give a person a role in a practice that is being founded at the terminal.

    Returns:
        The membership, and whether it is new.
    """
    with transaction.atomic():
        row, new = memberships.found(account, practice, role, now)
        if new:
            journal.append(_joined(row, now))
    return row, new


def _joined(row: Membership, now: datetime) -> list[Entry]:
    return entries_of(
        _EVENTS[memberships.standing(row)],
        [(row.practice_id, row.role)],
        now,
        account=row.account_id,
        credential=terminal.CREDENTIAL,
        reason=row.role,
    )


def approve(
    journal: Journal,
    approver: Account,
    practice: str,
    membership: int,
    now: datetime,
    *,
    credential: str = terminal.CREDENTIAL,
    address: str = "",
) -> Membership:
    """Approve a role; a refusal is written down, too.

    Raises:
        AccessDenied: It is not theirs to approve.
        Unknown: Nothing of this practice waits under that id.
        JournalUnavailable: It cannot be written down, so nothing was approved.
    """

    def entries(reason: str, outcome: Outcome = Outcome.SUCCESS) -> list[Entry]:
        return entries_of(
            Event.ROLE_APPROVED,
            [(practice, Role.PRIVACY_OFFICER.value)],
            now,
            account=approver.pk,
            credential=credential,
            reason=reason,
            address=address,
            outcome=outcome,
        )

    try:
        with transaction.atomic():
            row = memberships.approve(approver, practice, membership, now)
            journal.append(entries(f"{row.role}:{row.account_id}"))
    except AccessDenied:
        with transaction.atomic():
            journal.append(entries("", Outcome.MINOR_FAILURE))
        raise
    except DatabaseError as problem:
        raise Unavailable(f"the approval cannot be stored ({type(problem).__name__})") from None
    return row
