"""What people have agreed to, by the journal: a row elsewhere can be written over, an entry cannot."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import DatabaseError

from confide.audit.models import JournalEntry
from confide.errors import JournalUnavailable


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
