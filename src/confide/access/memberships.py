"""Roles that open clear values work once the privacy officer has approved them. Nobody approves themselves.

Somebody must be the first. What `confide init` founds at the terminal, and the first privacy officer of a
practice, are approved by founding: approved at a moment, by nobody. In the first seven days of a practice
that founded officer approves roles although the account is new; a new account approves nothing else.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Q

from confide.access import approvers
from confide.access.models import Account, Membership, Practice
from confide.access.roles import FORMS, Action, Form, Role
from confide.errors import AccessDenied, Unknown

OPENING: Final = frozenset(
    role
    for (role, action, _), row in FORMS.items()
    if action in {Action.READ, Action.SEARCH, Action.REVEAL} and Form.CLEAR in row.values()
)
"""Roles with a clear cell."""

WORKS: Final = Q(active=True) & (Q(approved_at__isnull=False) | ~Q(role__in=sorted(OPENING)))
"""Memberships in which somebody may act, for a query."""


class Standing(StrEnum):
    """How a membership came to be as it is."""

    FREE = "free"
    FOUNDED = "founded"
    APPROVED = "approved"
    PENDING = "pending"


def standing(membership: Membership) -> Standing:
    """Say whether a membership works, and why."""
    if membership.approved_at is not None:
        return Standing.APPROVED if membership.approved_by_id else Standing.FOUNDED
    return Standing.PENDING if Role(membership.role) in OPENING else Standing.FREE


def join(account: Account, practice: Practice, role: Role, now: datetime) -> tuple[Membership, bool]:
    """Give a person a role; one that opens clear values waits for the privacy officer.

    The first privacy officer of a practice is founded: who else could approve them? Call it in the
    transaction that journals it.

    Returns:
        The membership, and whether it is new.
    """
    row, new = Membership.objects.get_or_create(account=account, practice=practice, role=role.value)
    # Any earlier one counts, also one who has left: a practice has its first privacy officer once.
    first = not Membership.objects.filter(
        practice=practice, role=Role.PRIVACY_OFFICER, approved_at__isnull=False
    ).exists()
    if new and role is Role.PRIVACY_OFFICER and first:
        _write(row, None, now)
    return row, new


def found(account: Account, practice: Practice, role: Role, now: datetime) -> tuple[Membership, bool]:
    """Give a person a role in a practice that is being founded at the terminal; it works at once.

    Returns:
        The membership, and whether it is new.
    """
    row, new = Membership.objects.get_or_create(account=account, practice=practice, role=role.value)
    if new:
        _write(row, None, now)
    return row, new


def pending(practice: str) -> list[Membership]:
    """The memberships of a practice that wait for the privacy officer, the oldest first."""
    rows = Membership.objects.filter(practice=practice, active=True, approved_at__isnull=True)
    return list(rows.filter(role__in=sorted(OPENING)).select_related("account", "practice").order_by("pk"))


def approve(approver: Account, practice: str, membership: int, now: datetime) -> Membership:
    """Let a membership work. Call it in the transaction that journals it.

    Args:
        approver: A privacy officer of the practice, who has proved who they are.
        practice: The practice's id.
        membership: The id of the membership.
        now: Aware UTC.

    Raises:
        AccessDenied: It is not theirs to approve: another role, their own, or too new an account.
        Unknown: Nothing of this practice waits under that id.
    """
    require_approver(approver, practice, now)
    row = next((each for each in pending(practice) if each.pk == membership), None)
    if row is None:
        raise Unknown("no such role waits for approval in this practice")
    if row.account_id == approver.pk:
        raise AccessDenied("nobody approves a role of their own (another privacy officer must)")
    _write(row, approver, now)
    return row


def require_approver(account: Account, practice: str, now: datetime) -> None:
    """Refuse who is no settled privacy officer of the practice, nor the one who was founded with it.

    Raises:
        AccessDenied: Roles are not theirs to approve.
    """
    mine = Membership.objects.filter(
        WORKS, account=account, practice=practice, role=Role.PRIVACY_OFFICER
    ).first()
    if mine is None:
        raise AccessDenied("roles are approved by a privacy officer of the practice")
    begins = mine.practice.created_at
    founding = standing(mine) is Standing.FOUNDED and now - begins < approvers.SETTLED
    if founding and account.reset_at is None:
        approvers.require_trusted(account)
    else:
        approvers.require_settled(account, now)


def _write(row: Membership, approver: Account | None, now: datetime) -> None:
    row.approved_by, row.approved_at = approver, now
    row.save(update_fields=["approved_by", "approved_at"])
