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
from confide.audit.terminal import Event as Deed
from confide.audit.terminal import entries_at, entry_at
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


def make_account(
    journal: Journal, username: str, password: str, display_name: str, practice: str, now: datetime
) -> Account:
    """Make an account at the terminal, for a person of a practice.

    Raises:
        JournalUnavailable: It cannot be written down, so there is no such account.
    """
    with transaction.atomic():
        made = Account.objects.create_user(username, password, display_name=display_name)
        journal.append([entry_at(Deed.ACCOUNT, "Account", made.pk, now, practice=practice)])
    return made


def name_practitioner(journal: Journal, row: Membership, practitioner: str, now: datetime) -> None:
    """Say which Practitioner of the records a person is: it opens the charts of whom that one treats.

    Raises:
        JournalUnavailable: It cannot be written down, so nothing was said.
    """
    with transaction.atomic():
        row.practitioner = practitioner
        row.save(update_fields=["practitioner"])
        about = [f"person:{row.account_id}", f"practitioner:{practitioner}"]
        event = Deed.PRACTITIONER
        journal.append(entries_at(event, "Membership", about, now, practice=row.practice_id))


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
