"""What the journal says of commands at the terminal: one maker for all of them.

A person who has proved who they are is named. The operator, who has the machine in hand, has proved nothing
but that: the entry names the user of the operating system and the machine, as its device.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from functools import cache

from confide.access import terminal
from confide.access.models import Account
from confide.access.roles import Purpose, Role
from confide.audit.journal import Entry, Outcome

OPERATOR = "confide"
"""Stands for who acts where nobody has proved who they are."""

_LONGEST_DEVICE = 64


class Event(StrEnum):
    """What was done at the terminal, where no other part of the journal has a name for it."""

    PRACTICE = "practice-founded"
    ACCOUNT = "account-made"
    PRACTITIONER = "practitioner-named"
    CLIENT = "client-made"
    CLIENT_CHANGED = "client-changed"
    KEY_ADDED = "client-key-added"
    KEY_RETIRED = "client-key-retired"


def entry_at(
    event: str,
    resource: str,
    about: str,
    now: datetime,
    *,
    practice: str,
    by: Account | None = None,
    role: str = "",
    outcome: Outcome = Outcome.SUCCESS,
    credential: str = terminal.CREDENTIAL,
    address: str = "",
) -> Entry:
    """Return the entry of something that is about no patient, done by a person or by the operator.

    Args:
        event: The code of what was done.
        resource: What kind of thing it was done to.
        about: Its id, or fixed words; never anything typed about a patient.
        now: Aware UTC.
        practice: In which; empty where it concerns none.
        by: Who did it, and has proved who they are; None is the operator.
        role: In which role of the practice; the operator has one of their own.
        outcome: How it ended.
        credential: The public name of what was presented.
        address: The network address that it came from; empty at the terminal.
    """
    return Entry(
        at=now,
        practice=practice,
        actor_kind="person" if by else "system",
        actor=by.pk if by else OPERATOR,
        credential=credential,
        role=role if by else role or Role.OPERATOR.value,
        action=event,
        purpose=Purpose.HOPERAT.value if by else Purpose.SYSADMIN.value,
        elements={},
        resource_type=resource,
        resource_id=about,
        outcome=outcome.value,
        address=address,
        device=machine() if credential == terminal.CREDENTIAL else "",
    )


def entries_at(
    event: str, resource: str, about: Iterable[str], now: datetime, *, practice: str
) -> list[Entry]:
    """Return an operator's entries, one for each thing that it was done to."""
    return [entry_at(event, resource, each, now, practice=practice) for each in about]


@cache
def machine() -> str:
    """Return the user of the operating system and the machine here, such as ``root@desk``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may have a number without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:_LONGEST_DEVICE]
