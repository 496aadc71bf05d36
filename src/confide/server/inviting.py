"""Inviting and resetting: who may, what is taken away at once, and the words that are given out of band."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import router, transaction

from confide.access import invitations, sessions, terminal
from confide.access.entrances import Session
from confide.access.invitations import Opens
from confide.access.models import Account
from confide.audit.entrances import Event, entries_of
from confide.errors import Invalid
from confide.server import factors, throttle
from confide.server.apps import system


@dataclass(frozen=True, slots=True)
class By:
    """Who invites: a person of a practice, in a session."""

    account: Account
    practice: str
    credential: str
    address: str


def invite(account: Account, now: datetime, *, by: By | None = None) -> str:
    """Invite somebody to a first factor; to a password, too, if they have none.

    Args:
        account: Whom.
        now: Aware UTC.
        by: Who answers for it; None is the operator at the terminal.

    Returns:
        The words, to be given out of band; they are nowhere else.

    Raises:
        AccessDenied: It is not theirs to invite this person.
        Invalid: They have a factor already, so that this would be a reset.
    """
    if factors.enrolled(account):
        raise Invalid("this person has a second factor already (to make it anew is a reset)")
    opens = Opens.FACTOR if account.has_usable_password() else Opens.BOTH
    return _give(account, opens, now, by)


def reset(account: Account, now: datetime, *, by: By | None = None) -> str:
    """Take a person's password and factors away at once, end their sessions, and invite them anew.

    Raises:
        AccessDenied: It is not theirs to reset this person.
    """
    return _give(account, Opens.BOTH, now, by)


def _give(account: Account, opens: Opens, now: datetime, by: By | None) -> str:
    with transaction.atomic(using=router.db_for_write(Session)):
        if by is not None:
            role = invitations.require_inviter(by.account, account, by.practice, now)
            places = [(by.practice, role.value)]
        else:
            places = throttle.places(account)
        told = [(Event.INVITED, f"{opens}:{account.pk}")]
        if opens is Opens.BOTH:
            told += [(Event.FACTOR_REMOVED, f"{gone}:{account.pk}") for gone in factors.remove_all(account)]
            account.set_unusable_password()
            account.save(update_fields=["password"])
            if sessions.end_all(account):
                told.append((Event.SESSION_END, "reset"))
        words = invitations.invite(account, opens, by.account if by else None, now)
        system().journal.append(
            [
                entry
                for event, reason in told
                for entry in entries_of(
                    event,
                    places,
                    now,
                    account=by.account.pk if by else account.pk,
                    credential=by.credential if by else terminal.CREDENTIAL,
                    reason=reason,
                    address=by.address if by else "",
                )
            ]
        )
    return words
