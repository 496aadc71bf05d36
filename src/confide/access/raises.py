"""Raising a budget: a second person's word, threefold at most, for 24 hours at most.

It holds for one person or program in one practice, and for all their windows. Of several the highest holds;
they do not multiply. The practice's and the host's ceilings stay where they are. ``audit.raises`` writes it
into the journal.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, connections, router

from confide.access import reach
from confide.access.approvers import require_settled
from confide.access.memberships import WORKS
from confide.access.models import Account, BudgetRaise, Client, Membership
from confide.access.roles import Role
from confide.access.statements import Column
from confide.errors import AccessDenied, Invalid, Unavailable, Unknown

MOST_TIMES: Final = 3
MOST_HOURS: Final = 24
APPROVERS: Final = (Role.PRIVACY_OFFICER, Role.PRACTICE_MANAGER)


_RUNNING: Final = (
    "(SELECT {} FROM access_budgetraise"
    " WHERE owner = %s AND practice_id = %s AND approved_at <= %s AND expires_at > %s"
    " ORDER BY times DESC, expires_at DESC LIMIT 1)"
)


def columns(owner: str, practice: str, now: datetime) -> tuple[Column, Column]:
    """Return two columns for a query of facts: how many times the budget of *owner* is raised in *practice*
    now, and until when; both are empty if it is not.
    """
    moment = connections[router.db_for_read(BudgetRaise)].ops.adapt_datetimefield_value(now)
    parameters = (owner, practice, moment, moment)
    return (_RUNNING.format("times"), parameters), (_RUNNING.format("expires_at"), parameters)


def times_of(owner: str, practice: str, now: datetime) -> int:
    """Return by how much the budget of *owner* is raised in *practice* now; 1 is not at all."""
    running = BudgetRaise.objects.filter(
        owner=owner, practice=practice, approved_at__lte=now, expires_at__gt=now
    )
    return running.order_by("-times").values_list("times", flat=True).first() or 1


def require_approver(account: Account, practice: str, now: datetime) -> Role:
    """Return in which role *account* may approve a raise.

    Raises:
        AccessDenied: It is not theirs to approve, or their account is too new.
    """
    roles = set(
        Membership.objects.filter(WORKS, account=account, practice=practice, role__in=APPROVERS).values_list(
            "role", flat=True
        )
    )
    if not roles:
        raise AccessDenied("a budget is raised by a privacy officer or practice manager of the practice")
    require_settled(account, now)
    return next(role for role in APPROVERS if role in roles)


def approve(
    account: Account, practice: str, subject: Account | Client, times: int, hours: int, now: datetime
) -> BudgetRaise:
    """Raise a budget. Call it in the transaction that journals it.

    Args:
        account: The second person, who has proved who they are.
        practice: In which it holds; its id.
        subject: The person or program whose budget it is.
        times: 2 or 3.
        hours: 1 to 24.
        now: Aware UTC.

    Raises:
        AccessDenied: It is not theirs to approve: another role, their own budget, too new an account.
        Invalid: More than threefold or 24 hours, or nothing at all.
        Unknown: The person or program is not of this practice.
        Unavailable: It cannot be stored.
    """
    if not 1 < times <= MOST_TIMES:
        raise Invalid(f"a budget is raised twofold to {MOST_TIMES} times, no more")
    if not 1 <= hours <= MOST_HOURS:
        raise Invalid(f"a budget is raised for 1 to {MOST_HOURS} hours")
    try:
        require_approver(account, practice, now)
        if isinstance(subject, Client):
            owner, there = f"client:{subject.pk}", subject.active and reach.reaches(subject.pk, practice)
        else:
            owner = f"person:{subject.pk}"
            there = Membership.objects.filter(account=subject, practice=practice, active=True).exists()
            if subject.pk == account.pk:
                raise AccessDenied("nobody raises their own budget (a second person must)")
        if not there:
            raise Unknown("there is no such person or program in this practice")
        return BudgetRaise.objects.create(
            practice_id=practice,
            owner=owner,
            times=times,
            approved_by=account,
            approved_at=now,
            expires_at=now + timedelta(hours=hours),
        )
    except DatabaseError as problem:
        raise Unavailable(f"the raise cannot be stored ({type(problem).__name__})") from None
