"""People with a second factor: an authenticator app of theirs, and browsers in which they are signed in."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.test import Client as Http

STEP = 30


def code_of(secret: str, at: datetime) -> str:
    """What an authenticator app shows: RFC 6238 with SHA-1, six digits, written here once more."""
    counter = int(at.timestamp()) // STEP
    mac = hmac.new(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


@dataclass
class App:
    """An authenticator app with one secret."""

    secret: str
    recovery: list[str]

    def code(self, at: datetime | None = None) -> str:
        return code_of(self.secret, at or datetime.now(UTC))


def enrol(account: Any, at: datetime | None = None) -> App:
    """Give somebody an app, as if they had enrolled it some time ago."""
    from confide.server import factors

    now = at or datetime.now(UTC)
    secret = factors.new_secret()
    earlier = now - timedelta(hours=1)
    factors.add_totp(account, secret, int(earlier.timestamp()) // STEP, earlier)
    return App(secret, factors.renew_codes(account, earlier))


def sign_in(http: Http, account: Any, *, proved: datetime | None = None) -> Http:
    """Sign somebody in without the pages; how these do it is tested in ``test_factors``.

    Args:
        http: A browser.
        account: Who.
        proved: When they last proved a factor; now unless said otherwise.
    """
    from confide.access.entrances import Session
    from confide.server import keeper

    http.force_login(account, settings.AUTHENTICATION_BACKENDS[0])
    Session.objects.filter(pk=http.session[keeper.KEY]).update(
        factor="totp", proved_at=proved or datetime.now(UTC)
    )
    return http


def second(http: Http, name: str, **more: str) -> Any:
    """Take the second step after a password, with a recovery code; return the answer."""
    from confide.access.models import Account
    from confide.server import factors

    account = Account.objects.get(username=name)
    code = factors.renew_codes(account, datetime.now(UTC))[0]
    return http.post("/sign-in/factor", {"prove-code": code, **more})
