"""The one outside: who may let a practice's only clinician in again, where there is no second person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from confide.access import raises
from confide.access.approvers import is_settled
from confide.access.containment import Outsider
from confide.access.models import Account, Membership, Practice
from confide.access.roles import Role
from confide.errors import Invalid

NAMED_AHEAD: Final = timedelta(days=7)
"""How long before its first use an outsider must have been named: a thief's accomplice waits as long."""

ROLE: Final = "outsider"
"""What the journal calls the role of the one outside."""


def counts(account: Account, practice: str, now: datetime) -> bool:
    """Tell whether somebody was named, long enough ago, as the one outside, and the practice needs one."""
    if not account.is_active or account.frozen_at is not None or not is_settled(account, now):
        return False
    named = Outsider.objects.filter(
        practice=practice, account=account, ended_at__isnull=True, effective_at__lte=now
    )
    return named.exists() and clinicians(practice) <= 1


def clinicians(practice: str) -> int:
    """How many clinicians a practice has."""
    rows = Membership.objects.filter(practice=practice, role=Role.CLINICIAN, active=True)
    return rows.filter(account__is_active=True).values("account").distinct().count()


def name(account: Account, practice: str, by: Account, now: datetime) -> Outsider:
    """Name the person outside who may let a practice's only clinician in again, from a week on.

    Raises:
        AccessDenied: It is not theirs to name.
        Invalid: The practice has more than one clinician, or it is somebody of the practice.
    """
    raises.require_approver(by, practice, now)
    if clinicians(practice) > 1:
        raise Invalid("this practice has several clinicians: it needs nobody outside")
    if Membership.objects.filter(account=account, practice=practice, active=True).exists():
        raise Invalid("that is somebody of the practice: the outsider is not")
    Outsider.objects.filter(practice=practice, ended_at__isnull=True).update(ended_at=now)
    return Outsider.objects.create(
        practice_id=practice, account=account, named_by=by, named_at=now, effective_at=now + NAMED_AHEAD
    )


def practices_of(account: Account, now: datetime) -> list[Practice]:
    """The practices in which an account is the one outside, and its word counts by now."""
    rows = Outsider.objects.filter(account=account, ended_at__isnull=True, effective_at__lte=now)
    found = [row.practice for row in rows.select_related("practice").order_by("practice__name")]
    return [practice for practice in found if counts(account, practice.pk, now)]
