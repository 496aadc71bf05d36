"""Where exports may go: registered by one person, approved by another, usable 72 hours later.

Mass flows are pushed, never pulled: whoever steals a credential can send nothing to a place of their own
before somebody had three days to see it. A destination is never changed. Another key, or another folder, is
another destination, which waits and is approved anew.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import DatabaseError, IntegrityError, transaction

from confide.access.approvers import require_settled_id
from confide.access.decide import Grant
from confide.access.models import Approval, Destination
from confide.access.roles import Action
from confide.errors import AccessDenied, Invalid, Unavailable, Unknown

WAIT: Final = timedelta(hours=72)
"""From its registration until a destination can be used."""

APPROVALS: Final = 2
"""People who must have agreed; whoever registered it is one of them."""

_LONGEST_NAME: Final = 100
_LONGEST_FOLDER: Final = 1000


class Use(StrEnum):
    """What may go to a destination. Whoever agrees to one agrees to that alone."""

    EXPORT = "export"
    DOWNTIME = "downtime"
    MAILING = "mailing"


@dataclass(frozen=True, slots=True)
class State:
    """How far a destination is.

    Attributes:
        approved_by: Ids of the accounts that agreed, the registrar's first.
        usable_from: When the wait ends, aware UTC.
        retired: It is out of use for good.
        usable: It may be used now.
    """

    approved_by: tuple[str, ...]
    usable_from: datetime
    retired: bool
    usable: bool


def parse_recipient(text: str) -> str:
    """Check an age public key.

    Args:
        text: An X25519 recipient, ``age1`` and 58 characters of Bech32.

    Returns:
        The key as it is always written.

    Raises:
        Invalid: It is none, or nothing can be encrypted to it. The message does not repeat it: somebody may
            have pasted the private key.
        Unavailable: The package that reads it is not installed.

    Source:
        The age file encryption format, version 1, section "The X25519 recipient type".
    """
    try:
        import pyrage
        from pyrage import x25519
    except ModuleNotFoundError:
        raise Unavailable("age encryption is not installed (pip install 'confide[server]')") from None
    try:
        recipient = x25519.Recipient.from_str(text.strip())
        pyrage.encrypt_io(io.BytesIO(b""), io.BytesIO(), [recipient])
    except (pyrage.RecipientError, pyrage.EncryptError):
        raise Invalid("this is not an age public key (it begins with age1; see age-keygen -y)") from None
    return str(recipient)


def fingerprint(recipient: str) -> str:
    """Return what people compare: 16 hexadecimal digits of the SHA-256 of the public key as it is written."""
    return hashlib.sha256(recipient.encode()).hexdigest()[:16]


def register(
    grant: Grant, name: str, recipient: str, folder: str, now: datetime, use: Use = Use.EXPORT
) -> Destination:
    """Register a destination; it counts as the registrar's approval.

    Call it in the transaction that journals it.

    Args:
        grant: A person's, for exporting.
        name: 1 to 100 characters; free among those in use.
        recipient: An age public key.
        folder: Absolute path.
        now: Aware UTC.
        use: What may go there.

    Raises:
        AccessDenied: The registrar's account is too new: to register is to approve.
        Invalid: A name, key or folder that cannot be used.
    """
    _require_person(grant, now)
    require_settled_id(grant.actor.id, now)
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise Invalid(f"a destination's name has 1 to {_LONGEST_NAME} characters")
    if not folder.startswith("/") or len(folder) > _LONGEST_FOLDER:
        raise Invalid("a destination's folder is an absolute path")
    try:
        with transaction.atomic():
            made = Destination.objects.create(
                practice_id=grant.practice,
                name=name,
                use=use,
                recipient=parse_recipient(recipient),
                folder=folder,
                registered_by_id=grant.actor.id,
                registered_at=now,
            )
            Approval.objects.create(destination=made, account_id=grant.actor.id, at=now)
    except IntegrityError:
        raise Invalid("there is a destination of that name already (retire it first)") from None
    except DatabaseError as problem:
        raise Unavailable(f"the destination cannot be stored ({type(problem).__name__})") from None
    return made


def approve(grant: Grant, destination: Destination, now: datetime) -> None:
    """Add a person's approval.

    Raises:
        AccessDenied: They have given theirs already, their account is too new, or it is out of use.
    """
    _require_mine(grant, destination, now)
    require_settled_id(grant.actor.id, now)
    if destination.retired_at is not None:
        raise AccessDenied("the destination is retired (register it anew)")
    try:
        with transaction.atomic():
            Approval.objects.create(destination=destination, account_id=grant.actor.id, at=now)
    except IntegrityError:
        raise AccessDenied("this person has approved already (a second person must)") from None
    except DatabaseError as problem:
        raise Unavailable(f"the approval cannot be stored ({type(problem).__name__})") from None


def retire(grant: Grant, destination: Destination, now: datetime) -> None:
    """Take a destination out of use for good; one person is enough for that.

    Raises:
        AccessDenied: It is out of use already.
    """
    _require_mine(grant, destination, now)
    there = Destination.objects.filter(pk=destination.pk, retired_at__isnull=True)
    if not there.update(retired_by_id=grant.actor.id, retired_at=now):
        raise AccessDenied("the destination is retired already")


def state(destination: Destination, now: datetime) -> State:
    """Say how far a destination is; asks the database who has approved it by now."""
    people = tuple(destination.approvals.order_by("at", "pk").values_list("account_id", flat=True))
    retired = Destination.objects.filter(pk=destination.pk, retired_at__isnull=False).exists()
    usable_from = destination.registered_at + WAIT
    enough = len(set(people)) >= APPROVALS
    return State(people, usable_from, retired, enough and now >= usable_from and not retired)


def require_usable(destination: Destination, use: Use, now: datetime) -> None:
    """Refuse what must not be used yet, or no more.

    Raises:
        AccessDenied: It is for something else, is retired, lacks an approval, or its wait is not over.
    """
    if destination.use != use:
        raise AccessDenied(f"the destination was not registered for this (but for: {Use(destination.use)})")
    found = state(destination, now)
    if found.retired:
        raise AccessDenied("the destination is retired")
    if len(set(found.approved_by)) < APPROVALS:
        raise AccessDenied("a second person must approve the destination (confide destination approve)")
    if not found.usable:
        raise AccessDenied(
            f"the destination can be used from {found.usable_from:%Y-%m-%d %H:%M} UTC, 72 hours after its"
            " registration"
        )


def find(practice: str, name: str) -> Destination:
    """Return the destination that *name* means: a name in use, or an id.

    Raises:
        Unknown: There is none.
    """
    listed = Destination.objects.filter(practice=practice).order_by("registered_at")
    for each in listed:
        if each.pk == name or (each.name == name and each.retired_at is None):
            return each
    raise Unknown("there is no such destination (see confide destination list)")


def _require_person(grant: Grant, now: datetime) -> None:
    grant.require(Action.EXPORT, None, now)
    if grant.actor.kind != "person":
        raise AccessDenied("destinations are for people to register and approve")


def _require_mine(grant: Grant, destination: Destination, now: datetime) -> None:
    _require_person(grant, now)
    if destination.practice_id != grant.practice:
        raise Unknown("there is no such destination (see confide destination list)")
