"""What people have agreed to, by the journal: a row elsewhere can be written over, an entry cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.db import DatabaseError

from confide.audit.models import JournalEntry
from confide.errors import JournalUnavailable

_AT_ONCE: Final = 900


def agreed(practice: str, acts: Iterable[str], subject: str, sha256: bytes) -> frozenset[str]:
    """Return the accounts whose entries say that they agreed to exactly this.

    Args:
        practice: The practice's id.
        acts: Types of resource by which an entry says so.
        subject: The id of what was agreed to.
        sha256: Over all that was agreed to, 32 bytes.

    Raises:
        JournalUnavailable: The journal cannot be read.
    """
    entries = JournalEntry.objects.filter(
        practice=practice, resource_type__in=list(acts), resource_id=subject, body_sha256=sha256
    )
    try:
        return frozenset(entries.values_list("actor", flat=True))
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal cannot be read ({type(problem).__name__})") from None


def agreed_in(entry: int, practice: str, act: str, subject: str, sha256: bytes) -> str:
    """Return whose agreement one entry is; for those who know which, because a journal may be long.

    Args:
        entry: Its id.
        practice: The practice's id.
        act: The type of resource by which it says so.
        subject: The id of what was agreed to.
        sha256: Over all that was agreed to, 32 bytes.

    Returns:
        The account's id; empty if the entry does not say that.

    Raises:
        JournalUnavailable: The journal cannot be read.
    """
    found = JournalEntry.objects.filter(
        pk=entry, practice=practice, resource_type=act, resource_id=subject, body_sha256=sha256
    )
    try:
        return found.values_list("actor", flat=True).first() or ""
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal cannot be read ({type(problem).__name__})") from None


def named_in(entries: Sequence[int], practice: str, act: str, subject: str, sha256: bytes) -> list[str]:
    """Return whom entries of one kind are about, in no order; for those who know which.

    Args:
        entries: Their ids.
        practice: The practice's id.
        act: The type of resource.
        subject: The id of what was done.
        sha256: What each of them has.

    Raises:
        JournalUnavailable: The journal cannot be read.
    """
    found: list[str] = []
    try:
        for start in range(0, len(entries), _AT_ONCE):
            some = JournalEntry.objects.filter(
                pk__in=entries[start : start + _AT_ONCE],
                practice=practice,
                resource_type=act,
                resource_id=subject,
                body_sha256=sha256,
            )
            found += some.values_list("patient", flat=True)
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal cannot be read ({type(problem).__name__})") from None
    return found
