"""Invitations: the first factor, and every reset, need a secret that was given out of band. It is used once.

A stolen password alone therefore enrols nothing. Only the SHA-256 of the words is kept; they have 72 random
bits, so that there is nothing to be gained by trying.

Source:
    NIST SP 800-63B-4 section 4.1 (binding of authenticators) and 4.2 (loss and compromise).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import DatabaseError

from confide.access import approvers, passwords
from confide.access.entrances import Invitation
from confide.access.memberships import WORKS
from confide.access.models import Account, Membership
from confide.access.roles import Role
from confide.errors import AccessDenied, Unavailable

GOOD_FOR: Final = timedelta(hours=72)
INVITERS: Final = (Role.PRACTICE_MANAGER, Role.PRIVACY_OFFICER)
_BETWEEN: Final = re.compile(r"[\W_]+")
_LONGEST: Final = 200


class Opens(StrEnum):
    """What an invitation lets its owner set."""

    FACTOR = "factor"
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    BOTH = "both"

    @property
    def password(self) -> bool:
        return self in {Opens.PASSWORD, Opens.BOTH}

    @property
    def factor(self) -> bool:
        return self in {Opens.FACTOR, Opens.BOTH}


def invite(account: Account, opens: Opens, made_by: Account | None, now: datetime) -> str:
    """Make an invitation, in the transaction that journals it. Earlier ones of the account are void.

    Args:
        account: Whom it is for.
        opens: What it lets them set.
        made_by: Who answers for it; None is the operator at the terminal.
        now: Aware UTC.

    Returns:
        The words to be given out of band; they are nowhere else.
    """
    Invitation.objects.filter(account=account, used_at__isnull=True).delete()
    words = passwords.make_words()
    Invitation.objects.create(
        account=account,
        digest=_digest(words),
        opens=opens.value,
        made_by=made_by,
        made_at=now,
        expires_at=now + GOOD_FOR,
    )
    return words


def find(account: Account | None, typed: str, now: datetime) -> Invitation | None:
    """Return the account's invitation of these words, if it is good now; capitals do not matter."""
    if account is None:
        return None
    good = Invitation.objects.filter(account=account, used_at__isnull=True, expires_at__gt=now)
    return good.filter(digest=_digest(typed)).first()


def still(account: Account, invitation: str, now: datetime) -> Invitation | None:
    """Return an invitation of the account by its id, if it is good now."""
    return Invitation.objects.filter(
        pk=invitation, account=account, used_at__isnull=True, expires_at__gt=now
    ).first()


def use(invitation: Invitation, now: datetime) -> None:
    """Use an invitation up, in the transaction of what it was needed for.

    Raises:
        AccessDenied: It was used or made void meanwhile, or has lapsed.
    """
    good = Invitation.objects.filter(pk=invitation.pk, used_at__isnull=True, expires_at__gt=now)
    if not good.update(used_at=now):
        raise AccessDenied("the invitation has been used, or has lapsed (ask for another one)")


def require_inviter(inviter: Account, account: Account, practice: str, now: datetime) -> Role:
    """Return in which role somebody may invite or reset another.

    Raises:
        AccessDenied: They are no settled practice manager or privacy officer there; it is they themselves;
            or the account works in other practices, too, for which they do not answer.
        Unavailable: It cannot be read now.
    """
    try:
        theirs = Membership.objects.filter(WORKS, account=inviter, practice=practice, role__in=INVITERS)
        roles = set(theirs.values_list("role", flat=True))
        places = set(
            Membership.objects.filter(account=account, active=True).values_list("practice_id", flat=True)
        )
    except DatabaseError as problem:
        raise Unavailable(f"access cannot be decided now ({type(problem).__name__})") from None
    if not roles:
        raise AccessDenied("people are invited by a practice manager or privacy officer of the practice")
    if inviter.pk == account.pk:
        raise AccessDenied("nobody invites or resets themselves (another person must)")
    if places != {practice}:
        raise AccessDenied("this person works elsewhere, too (the operator invites and resets them)")
    approvers.require_settled(inviter, now)
    return next(role for role in INVITERS if role in roles)


def _digest(words: str) -> str:
    plain = _BETWEEN.sub("-", words[:_LONGEST].strip().casefold()).strip("-")
    return hashlib.sha256(f"invitation {plain}".encode()).hexdigest()
