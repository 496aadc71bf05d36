"""Whose a login elsewhere is: connected by its owner or at the terminal, and by nothing else.

An e-mail address connects nothing: whoever runs an identity provider writes into it what they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import router, transaction

from confide.access import sessions, terminal
from confide.access.models import Account, Membership, Practice
from confide.audit.entrances import Event, entries_of
from confide.audit.journal import Journal
from confide.errors import AccessDenied, Invalid
from confide.server import idtoken, throttle
from confide.server.issuers import Issuer


@dataclass(frozen=True, slots=True)
class Connection:
    """A login elsewhere, as its owner reads it."""

    issuer: Issuer
    since: datetime


def owner(issuer: Issuer, uid: str) -> Account | None:
    """Return whose login it is, if the provider may sign that person in.

    Args:
        issuer: The identity provider that spoke.
        uid: Of whom, as ``idtoken.uid_of`` writes it.
    """
    row = SocialAccount.objects.filter(provider=issuer.id, uid=uid).select_related("user").first()
    if row is None or not speaks_for(issuer, row.user):
        return None
    account: Account = row.user
    return account


def speaks_for(issuer: Issuer, account: Account) -> bool:
    """Tell whether all the person's practices are the provider's: none opens another practice's doors."""
    theirs = set(
        Membership.objects.filter(account=account, active=True).values_list("practice_id", flat=True)
    )
    if issuer.practices:
        return theirs <= set(issuer.practices)
    return Practice.objects.count() == 1


def listed(account: Account) -> list[Connection]:
    """The person's logins elsewhere."""
    rows = SocialAccount.objects.filter(user=account).order_by("pk")
    known = {each.id: each for each in settings.CONFIG.issuers}
    return [Connection(known[row.provider], row.date_joined) for row in rows if row.provider in known]


def offered(account: Account) -> list[Issuer]:
    """Identity providers that the person may connect, and has not."""
    there = {each.issuer.id for each in listed(account)}
    return [each for each in settings.CONFIG.issuers if each.id not in there and speaks_for(each, account)]


def connect(
    journal: Journal,
    account: Account,
    issuer: Issuer,
    uid: str,
    now: datetime,
    *,
    credential: str = "",
    address: str = "",
) -> bool:
    """Let a login elsewhere sign a person in; its owner has just proved a factor of their own.

    Args:
        journal: Where it is written down, in the same transaction.
        account: Whose it is.
        issuer: Who knows it.
        uid: Of whom, as ``idtoken.uid_of`` writes it.
        now: Aware UTC.
        credential: With what it is done, by its public name.
        address: From where.

    Returns:
        Whether it is new.

    Raises:
        AccessDenied: It is another person's, or the provider is not one of the person's practices.
        JournalUnavailable: It cannot be written down, so nothing was connected.
    """
    if not speaks_for(issuer, account):
        raise AccessDenied("this identity provider is not one of all the person's practices")
    with transaction.atomic(using=router.db_for_write(SocialAccount)):
        row, new = SocialAccount.objects.get_or_create(
            provider=issuer.id, uid=uid, defaults={"user": account}
        )
        if row.user_id != account.pk:
            raise AccessDenied("this login is connected with another person")
        if new and SocialAccount.objects.filter(user=account, provider=issuer.id).count() > 1:
            raise AccessDenied("the person has a login there already (disconnect it first)")
        if new:
            _tell(
                journal, Event.LOGIN_CONNECTED, account, issuer, now, credential=credential, address=address
            )
    return bool(new)


def connect_at_terminal(
    journal: Journal, account: Account, issuer: Issuer, subject: str, now: datetime
) -> bool:
    """Connect a login elsewhere for a person who is not asked. It counts as a reset of theirs.

    Args:
        journal: Where it is written down.
        account: Whose it is.
        issuer: Who knows it.
        subject: The ``sub`` by which the issuer knows the person.
        now: Aware UTC.

    Returns:
        Whether it is new.

    Raises:
        Invalid: *subject* is none.
        AccessDenied: As for ``connect``.
    """
    if not 0 < len(subject) <= 255 or not subject.isascii() or not subject.isprintable():
        raise Invalid("a subject has 1 to 255 printable ASCII characters")
    with transaction.atomic(using=router.db_for_write(SocialAccount)):
        uid = idtoken.uid_of(issuer, subject)
        new = connect(journal, account, issuer, uid, now, credential=terminal.CREDENTIAL)
        if new:
            account.reset_at = now
            account.save(update_fields=["reset_at"])
    return new


def disconnect(
    journal: Journal,
    account: Account,
    issuer: Issuer,
    now: datetime,
    *,
    credential: str = "",
    address: str = "",
) -> bool:
    """Let a login elsewhere sign nobody in any more, and end the person's sessions.

    Returns:
        Whether there was one.
    """
    with transaction.atomic(using=router.db_for_write(SocialAccount)):
        gone, _ = SocialAccount.objects.filter(user=account, provider=issuer.id).delete()
        if gone:
            sessions.end_all(account)
            _tell(
                journal,
                Event.LOGIN_DISCONNECTED,
                account,
                issuer,
                now,
                credential=credential,
                address=address,
            )
    return bool(gone)


def _tell(
    journal: Journal,
    event: Event,
    account: Account,
    issuer: Issuer,
    now: datetime,
    *,
    credential: str = "",
    address: str = "",
) -> None:
    places = throttle.places(account)
    journal.append(
        entries_of(
            event,
            places,
            now,
            account=account.pk,
            credential=credential,
            reason=issuer.id,
            address=address,
        )
    )
