"""Enrolling: what is set, what used the invitation up, and what the journal says, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from allauth.account.adapter import get_adapter as account_adapter
from allauth.mfa.adapter import get_adapter as mfa_adapter
from django.db import router, transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString

from confide.access import invitations
from confide.access.entrances import Invitation, Session
from confide.access.factors import Factor, tidy
from confide.access.invitations import Opens
from confide.access.models import Account
from confide.audit.entrances import Event
from confide.errors import AccessDenied, KeyUnavailable, SealBroken
from confide.server import factors, invited, keeper
from confide.server.apps import system

_PENDING: Final = "pending-app"
_KIND: Final = "pending"


# An app that is being added: its secret is sealed before it goes into the session, which lies in the database


def pending_secret(request: HttpRequest, account: Account, *, anew: bool = False) -> str:
    """Return the secret of the app that is being added in this session; made where there is none."""
    held = request.session.get(_PENDING)
    if held and not anew:
        try:
            return system().factors.open(account.pk, _KIND, str(held))
        except (SealBroken, KeyUnavailable):
            pass  # of another account, which began in this browser
    secret = factors.new_secret()
    request.session[_PENDING] = system().factors.seal(account.pk, _KIND, secret)
    return secret


def forget_pending(request: HttpRequest) -> None:
    """Remember no half-added app any more."""
    request.session.pop(_PENDING, None)


def picture(account: Account, secret: str) -> dict[str, Any]:
    """Return an app's secret as a QR code and as words, for a page that is shown once."""
    adapter = mfa_adapter()
    drawn = adapter.build_totp_svg(adapter.build_totp_url(account, secret))
    # Drawn by us from Base32 and a percent-encoded name: nothing in it is markup.
    return {
        "square": SafeString(drawn[drawn.index("<svg") :]),
        "spelled": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
    }


def check(secret: str, typed: str) -> int | None:
    """Return the step of a code that proves that the app has the secret; None if it proves nothing."""
    return factors.step_of(secret, tidy(typed), system().clock())


# With an invitation


@contextmanager
def _using(request: HttpRequest, account: Account, held: Invitation) -> Iterator[None]:
    with transaction.atomic(using=router.db_for_write(Session)):
        reset = Invitation.objects.filter(account=account, used_at__isnull=False).exists()
        now = system().clock()
        invitations.use(held, now)
        if reset or Opens(held.opens).password:
            account.reset_at = now
            account.save(update_fields=["reset_at"])
        keeper.note(request, Event.INVITATION_USED, account, reason=held.opens)
        yield
    invited.forget(request)
    forget_pending(request)


def reset_password(request: HttpRequest, account: Account, held: Invitation, password: str) -> None:
    """Set a new password by an invitation; the factors that there are go on being asked for."""
    _require(Opens(held.opens).password)
    with _using(request, account, held):
        _write_password(request, account, password)


def first_passkey(
    request: HttpRequest, account: Account, held: Invitation, credential: dict[str, Any]
) -> None:
    """Add the first factor, a passkey, by an invitation. It signs in alone: no password is asked for."""
    _require(Opens(held.opens).factor)
    with _using(request, account, held):
        add_passkey(request, account, credential, "")
    factors.record(request, account, Factor.PASSKEY)


def first_totp(
    request: HttpRequest, account: Account, held: Invitation, secret: str, step: int, password: str
) -> list[str]:
    """Add the first factor, an app, by an invitation; with a new password where that is open.

    Returns:
        The recovery codes, to be shown once.
    """
    _require(Opens(held.opens).factor)
    with _using(request, account, held):
        if password:
            _write_password(request, account, password)
        codes = add_totp(request, account, secret, step)
    factors.record(request, account, Factor.TOTP)
    return codes


def _require(opened: bool) -> None:  # noqa: FBT001 - a guard
    if not opened:
        raise AccessDenied("the invitation does not open that (ask for another one)")


def _write_password(request: HttpRequest, account: Account, password: str) -> None:
    account_adapter(request).set_password(account, password)
    keeper.note(request, Event.PASSWORD_SET, account)


# Each of these in the transaction of its caller, who has asked whether it may be


def add_passkey(request: HttpRequest, account: Account, credential: dict[str, Any], name: str) -> None:
    """Add a passkey."""
    given = name.strip() or f"Passkey of {system().clock():%-d %B %Y}"
    factors.add_passkey(account, credential, given)
    keeper.note(request, Event.FACTOR_ADDED, account, reason=Factor.PASSKEY)


def add_totp(request: HttpRequest, account: Account, secret: str, step: int) -> list[str]:
    """Add an app, or put it in the place of the one that there was; return new recovery codes."""
    now = system().clock()
    factors.add_totp(account, secret, step, now)
    keeper.note(request, Event.FACTOR_ADDED, account, reason=Factor.TOTP)
    return renew_codes(request, account)


def renew_codes(request: HttpRequest, account: Account) -> list[str]:
    """Make new recovery codes; the earlier ones are of no use any more."""
    keeper.note(request, Event.CODES_MADE, account)
    return factors.renew_codes(account, system().clock())
