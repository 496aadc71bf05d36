"""Somebody more in the pages' practice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from confide.access.models import Account, Membership
from tests.server import factored
from tests.server.pages.surgery import _hash


def hire(surgery: Any, name: str, role: str) -> Account:
    """Make an account with a second factor, old enough to approve."""
    account = Account.objects.create(username=name, password=_hash(), display_name=name.title())
    Account.objects.filter(pk=account.pk).update(created_at=timezone.now() - timedelta(days=30))
    factored.enrol(account)
    Membership.objects.create(
        approved_at=timezone.now(), account=account, practice=surgery.practice, role=role
    )
    return account
