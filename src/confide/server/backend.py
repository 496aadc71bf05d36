"""A name and a password become an account: with one hash, whatever the name."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from confide.access import passwords, terminal
from confide.access.models import Account


class Backend(AuthenticationBackend):  # type: ignore[misc] # allauth has no annotations
    """Allauth's backend hashes as often as a name could be meant, so that time tells who has an account."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Account | None:  # noqa: ARG002 - Django passes it
        """Return the account, also a stopped one: whoever knows its password is told so, after this."""
        name = credentials.get("username") or credentials.get("email")
        password = credentials.get("password")
        if not isinstance(name, str) or not isinstance(password, str) or not password:
            return None
        person = terminal.find(name)
        # No password is longer, so a megabyte need not be hashed to see that it is wrong.
        return person if terminal.prove(person, password[: passwords.LONGEST + 1]) else None
