"""What Confide asks of allauth: nobody signs up by themselves, and a frozen account does not sign in."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse

from confide.access.models import Account


class Adapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no annotations
    """The rules of signing in."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth passes it
        """Staff are added by their practice."""
        return False

    def pre_login(self, request: HttpRequest, user: Account, **others: Any) -> HttpResponse | None:
        """Stop a frozen account at the door, as an inactive one is stopped."""
        stopped: HttpResponse | None = super().pre_login(request, user, **others)
        if stopped is None and user.frozen_at is not None:
            stopped = self.respond_user_inactive(request, user)
        return stopped
