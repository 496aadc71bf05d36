"""Who is settled enough to approve anything: a thief's new account, or one taken over, waits seven days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError

from confide.access.models import Account
from confide.errors import AccessDenied, Unavailable

SETTLED: Final = timedelta(days=7)
"""From the making of an account, and from every reset of its password or factors, to its first approval."""


def is_settled(account: Account, now: datetime) -> bool:
    """Tell whether the account is neither new nor lately reset."""
    since = account.created_at if account.reset_at is None else max(account.created_at, account.reset_at)
    return now - since >= SETTLED


def require_trusted(account: Account) -> None:
    """Refuse an account that is frozen, suspect or inactive.

    Raises:
        AccessDenied: It is.
    """
    if not account.is_active or account.frozen_at is not None or account.suspect_at is not None:
        raise AccessDenied("the account is frozen, suspect or inactive")


def require_settled(account: Account, now: datetime) -> None:
    """Refuse the word of an account that is new, lately reset, frozen or inactive.

    Raises:
        AccessDenied: It approves nothing now.
    """
    require_trusted(account)
    if not is_settled(account, now):
        raise AccessDenied("an account made or reset within the last 7 days approves nothing")


def require_settled_id(account: str, now: datetime) -> None:
    """Refuse as ``require_settled`` does, by the id of the account.

    Raises:
        AccessDenied: It approves nothing now, or there is no such account.
        Unavailable: It cannot be read now.
    """
    try:
        row = Account.objects.filter(pk=account).first()
    except DatabaseError as problem:
        raise Unavailable(f"accounts cannot be read now ({type(problem).__name__})") from None
    if row is None:
        raise AccessDenied("there is no such account")
    require_settled(row, now)
