"""What Confide asks of allauth: nobody signs up by themselves, a frozen account does not sign in, every try
is counted, and who signs in with a password from a list of breached ones must change it first.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

from confide.access import attempts, passwords, sessions
from confide.access.attempts import Kind
from confide.access.models import Account
from confide.errors import GrantMismatch, Unavailable
from confide.server import keeper, throttle
from confide.server.validators import blocklists
from confide.wiring import utc_now

_log = logging.getLogger(__name__)


class Adapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no annotations
    """The rules of signing in."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth passes it
        """Staff are added by their practice."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count nothing here, in the memory of one process: ``authenticate`` does, in the database."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Account | None:
        """Count the try, and look a right password up in the lists of breached ones.

        It may have turned up since it was set.
        """
        name = str(credentials.get("username") or credentials.get("email") or "")
        with throttle.trying(request, name, Kind.PASSWORD) as this:
            user: Account | None = super().authenticate(request, **credentials)
            if user is not None:
                this.succeed()
        password = credentials.get("password")
        if user is not None and user.password_found_at is None and isinstance(password, str):
            try:
                found = passwords.is_breached(password, blocklists())
            except Unavailable as problem:
                # Care goes on: the built-in list has been asked, and the next sign-in asks again.
                _log.warning("a sign-in was not checked against all lists of breached passwords: %s", problem)
                found = False
            if found:
                user.password_found_at = utc_now()
                user.save(update_fields=["password_found_at"])
        return user

    def set_password(self, user: Account, password: str) -> None:
        """Set a password that has passed the rules; whatever was found of the old one is past."""
        user.password_found_at = None
        super().set_password(user, password)
        attempts.forgive((user.username, user.email))
        sessions.end_all(user, keeper.device_of(self.request) if self.request else "")

    def get_login_stages(self) -> list[str]:
        """Nobody comes in without a second factor; the first one takes an invitation."""
        return ["confide.server.stages.Enrolment", "confide.server.stages.Proof"]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth passes it
        """Lead to the sign-in: every session of the account has ended."""
        return resolve_url(settings.LOGIN_URL)

    def pre_login(self, request: HttpRequest, user: Account, **others: Any) -> HttpResponse | None:
        """Stop a frozen account at the door, as an inactive one is stopped."""
        stopped: HttpResponse | None = super().pre_login(request, user, **others)
        if stopped is None and user.frozen_at is not None:
            stopped = self.respond_user_inactive(request, user)
        return stopped


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # as above
    """What Confide asks of allauth's second factors."""

    def encrypt(self, text: str) -> str:  # noqa: ARG002 - allauth passes it
        """Refuse: ``factors`` seals each secret for its account, and allauth is to store none by itself."""
        raise GrantMismatch("the secrets of second factors are stored by Confide alone")

    def decrypt(self, encrypted_text: str) -> str:  # noqa: ARG002 - as above
        """Refuse, as ``encrypt`` does."""
        raise GrantMismatch("the secrets of second factors are opened by Confide alone")

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Name this server to the authenticator, which shows it to the person."""
        return {**super().get_public_key_credential_rp_entity(), "name": "Confide"}

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing: the journal and the other browsers tell of it."""
