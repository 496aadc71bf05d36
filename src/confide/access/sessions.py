"""Known devices and sessions: who is signed in where, since when, and for how long without a request.

Source:
    NIST SP 800-63B-4 section 2.2.3 (AAL2): inactivity at most 1 hour, 24 hours over all; 45 CFR
    164.312(a)(2)(iii), automatic logoff. Confide is stricter: 12 hours over all, and by default 15 minutes
    where somebody's role opens clear values.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings

from confide.access.attempts import tag_network
from confide.access.entrances import Device, Session
from confide.access.factors import Factor
from confide.access.memberships import OPENING
from confide.access.models import Account, Membership
from confide.access.roles import Role

LONGEST: Final = timedelta(hours=12)
IDLE_WITHOUT_CLEAR_VALUES: Final = 60
"""Minutes, for roles that see stand-ins at most."""

_TICK: Final = timedelta(minutes=1)
_TOKEN_CHARACTERS: Final = 43
_BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("iPhone", "an iPhone"), ("iPad", "an iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
    ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


class End(StrEnum):
    """Why a session is over."""

    UNPROVED = "unproved"
    IDLE = "idle"
    LONG = "long"
    ENDED = "ended"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has begun.

    Attributes:
        token: The cookie of the browser; new if it had none.
    """

    session: Session
    token: str


def name_device(agent: str) -> str:
    """Return what a person reads for a browser; the browser's own words are not kept."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def know(account: Account | None, token: str) -> Device | None:
    """Return the device, if the account knows the browser that holds *token*."""
    if not token:
        return None
    return Device.objects.filter(account_id=account.pk if account else "", digest=_digest(token)).first()


def begin(
    account: Account, token: str, agent: str, address: str, now: datetime, *, factor: Factor | None
) -> Begun:
    """Begin a session, and know its device from now on; in the caller's transaction.

    Args:
        account: Who has signed in, with every factor that is asked for.
        token: The cookie of the browser, or anything else that it sent in its place.
        agent: What the browser calls itself.
        address: The network address that it came from.
        now: Aware UTC.
        factor: The second factor that was proved just now; a session without one is worth nothing.
    """
    # Locked: whoever freezes the account does so before, and is seen; or afterwards, and sees the session.
    frozen_at = Account.objects.select_for_update().values_list("frozen_at", flat=True).get(pk=account.pk)
    digest, network = _digest(token), tag_network(address)
    # A cookie that we did not make is not taken over: who planted it would hold it, too.
    if len(token) != _TOKEN_CHARACTERS or not Device.objects.filter(digest=digest).exists():
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
    first = not Device.objects.filter(account=account).exists()
    device, new = Device.objects.get_or_create(
        account=account,
        digest=digest,
        defaults={
            "name": name_device(agent),
            "network": network,
            "address": address,
            "first_at": now,
            "last_at": now,
            "confirmed_at": now if first else None,
        },
    )
    if not new:
        Device.objects.filter(pk=device.pk).update(network=network, last_at=now, name=name_device(agent))
    session = Session.objects.create(
        account=account,
        device=device,
        network=network,
        address=address,
        began_at=now,
        seen_at=now,
        idle_minutes=idle_minutes(account),
        began_on_new_device=new and not first,
        factor=factor or "",
        proved_at=now if factor else None,
        frozen_at=frozen_at,
    )
    Session.objects.filter(account=account, began_at__lt=now - LONGEST).delete()
    return Begun(session, token)


def idle_minutes(account: Account) -> int:
    """How long the account's sessions may idle: shorter where one of its roles opens clear values."""
    roles = Membership.objects.filter(account=account, active=True).values_list("role", flat=True)
    if any(Role(role) in OPENING for role in roles):
        return min(int(settings.CONFIDE_IDLE_MINUTES), IDLE_WITHOUT_CLEAR_VALUES)
    return IDLE_WITHOUT_CLEAR_VALUES


def resume(session: str, account: str, now: datetime, *, by_itself: bool = False) -> Session | End:
    """Return the live session, or why there is none; one that has run out is removed.

    Args:
        session: Its id.
        account: Whose it must be.
        now: Aware UTC.
        by_itself: A page asked without its reader: that keeps no session from idling.

    One that was frozen stays until its time is over, so that every click in it can be told why.
    """
    row = Session.objects.filter(pk=session, account_id=account).select_related("account").first()
    if row is None:
        return End.ENDED
    if not row.factor:
        row.delete()
        return End.UNPROVED
    if now - row.began_at >= LONGEST:
        row.delete()
        return End.LONG
    if now - row.seen_at >= timedelta(minutes=row.idle_minutes):
        row.delete()
        return End.IDLE
    if row.frozen_at is not None or row.account.frozen_at is not None:
        return End.FROZEN
    if now - row.seen_at >= _TICK and not by_itself:
        Session.objects.filter(pk=row.pk).update(seen_at=now)
    return row


def prove(session: Session, factor: Factor, now: datetime) -> None:
    """Write that *factor* was proved in a session just now; in the caller's transaction."""
    Session.objects.filter(pk=session.pk).update(factor=factor, proved_at=now)
    session.factor, session.proved_at = factor, now


def live(account: Account, now: datetime) -> list[Session]:
    """The account's sessions that have not run out and are not frozen, the newest first."""
    rows = Session.objects.filter(account=account, began_at__gt=now - LONGEST, frozen_at__isnull=True)
    rows = rows.select_related("device")
    return [
        row for row in rows.order_by("-began_at") if now - row.seen_at < timedelta(minutes=row.idle_minutes)
    ]


def end(account: Account, session: str) -> Session | None:
    """End one session, and forget its device: signing in there again is signing in on a new one."""
    row = Session.objects.filter(pk=session, account=account).select_related("device").first()
    if row is not None:
        row.device.delete()
    return row


def end_all(account: Account, but_device: str = "") -> int:
    """End every session of an account, and forget its devices, but for the one that is named.

    Returns:
        How many sessions have ended.
    """
    ended, _ = Session.objects.filter(account=account).delete()
    Device.objects.filter(account=account).exclude(pk=but_device).delete()
    return ended


def take_back(network: str, since: datetime) -> Sequence[Session]:
    """End the sessions that began in *network* since then on devices that were new; forget the devices."""
    rows = list(
        Session.objects.filter(network=network, began_at__gt=since, device__first_at__gt=since)
        .select_related("account", "device")
        .order_by("pk")
    )
    Device.objects.filter(pk__in=[row.device_id for row in rows]).delete()
    return rows


def unconfirmed(account: Account, here: str) -> list[Device]:
    """New devices that the person has not spoken of yet, as told on a device that came before them."""
    mine = Device.objects.filter(account=account, pk=here).first()
    if mine is None:
        return []
    rows = Device.objects.filter(account=account, confirmed_at__isnull=True, first_at__gt=mine.first_at)
    return list(rows.order_by("-first_at")[:3])


def confirm(account: Account, here: str, device: str, now: datetime) -> bool:
    """Take a person's word, given on an older device, that a new one is theirs."""
    named = [each.pk for each in unconfirmed(account, here)]
    if device not in named:
        return False
    return Device.objects.filter(pk=device).update(confirmed_at=now) > 0


def _digest(token: str) -> str:
    return hashlib.sha256(f"device {token}".encode()).hexdigest()
