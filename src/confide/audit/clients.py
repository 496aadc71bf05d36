"""A program's registration and its keys: written down in the transaction that makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from confide.access import keys
from confide.access.keys import Key
from confide.access.models import AccessToken, Client
from confide.audit.journal import Journal
from confide.audit.terminal import Event, entries_at, entry_at

RESOURCE: Final = "Client"
KEY: Final = "ClientKey"
"""What the journal calls them."""


def register(journal: Journal, client: Client, now: datetime) -> None:
    """Store a new program with its keys.

    Raises:
        JournalUnavailable: It cannot be written down, so there is no such program.
    """
    with transaction.atomic():
        client.save(force_insert=True)
        entry = entry_at(Event.CLIENT, RESOURCE, client.pk, now, practice=client.practice_id)
        journal.append([entry, *_keys(Event.KEY_ADDED, client, keys.keys_of(client), now)])


def change(journal: Journal, client: Client, changed: Mapping[str, Any], now: datetime) -> None:
    """Change what a program may do; its tokens are void.

    Args:
        journal: Where it is written.
        client: The program.
        changed: The new value of each field. The entries name the fields, never the values.
        now: Aware UTC.

    Raises:
        JournalUnavailable: It cannot be written down, so nothing was changed.
    """
    for name, value in changed.items():
        setattr(client, name, value)
    with transaction.atomic():
        client.save(update_fields=list(changed))
        AccessToken.objects.filter(client=client).delete()
        about = [f"{client.pk}:{name}" for name in sorted(changed)]
        journal.append(entries_at(Event.CLIENT_CHANGED, RESOURCE, about, now, practice=client.practice_id))


def add_keys(
    journal: Journal, client: Client, jwks: Mapping[str, Any], days: int, now: datetime
) -> list[Key]:
    """Register more keys of a program; see ``keys.add``.

    Raises:
        Invalid: A key is there already, there are too many, or the time is wrong.
        JournalUnavailable: It cannot be written down, so there is no such key.
    """
    with transaction.atomic():
        there = {key.id for key in keys.keys_of(client)}
        left = keys.add(client, jwks, days, now)
        fresh = [key for key in left if key.id not in there]
        journal.append(_keys(Event.KEY_ADDED, client, fresh, now))
    return left


def retire_key(journal: Journal, client: Client, kid: str, now: datetime) -> list[Key]:
    """Take a key of a program out of use; see ``keys.retire``.

    Raises:
        Unknown, Invalid: As said there.
        JournalUnavailable: It cannot be written down, so the key still holds.
    """
    with transaction.atomic():
        gone = [key for key in keys.keys_of(client) if key.id == kid]
        left = keys.retire(client, kid, now)
        journal.append(_keys(Event.KEY_RETIRED, client, gone, now))
    return left


def _keys(event: Event, client: Client, listed: Iterable[Key], now: datetime) -> Any:
    about = [f"{client.pk[:8]}:{key.id}"[:64] for key in listed]
    return entries_at(event, KEY, about, now, practice=client.practice_id)
