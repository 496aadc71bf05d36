"""What the journal says was stored: type, id, version and the hash of each body, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from confide.access.roles import Action
from confide.audit.models import JournalEntry

_AT_ONCE: Final = 500
_WRITING: Final = (Action.WRITE.value, Action.IMPORT.value)

REMEDY: Final = "Remedy"
"""The resource type of the entries of a remedy, one for each person; its id is the remedy's."""


class Renewing(StrEnum):
    """What a remedy does to a stored record; actions of entries.

    ``RESEAL`` says which body a version has from then on: its stand-ins are others, and nothing else is.
    """

    REKEY = "rekey"
    RENUMBER = "renumber"
    RESEAL = "reseal"


@dataclass(frozen=True, slots=True)
class Write:
    """One version of a resource, as an entry tells of it; a resource of several patients has several.

    Attributes:
        id: The entry's.
        type: FHIR type.
        resource: The resource's id.
        version: From 1.
        sha256: Of the stored body, 32 bytes; empty where it was deleted.
    """

    id: int
    type: str
    resource: str
    version: int
    sha256: bytes


def count() -> int:
    """Return how many there are."""
    return int(_chosen().count())


def read(at_once: int) -> Iterator[Write]:
    """Return all of them, in order.

    Args:
        at_once: How many rows are held.
    """
    rows = (
        _chosen().order_by("id").values_list("id", "resource_type", "resource_id", "version", "body_sha256")
    )
    for id_, kind, resource, version, sha256 in rows.iterator(at_once):
        yield Write(id_, kind, resource, version, bytes(sha256))


def resealed() -> dict[tuple[str, int], bytes]:
    """Return the last hash of each body that was sealed anew, by resource and version."""
    rows = JournalEntry.objects.filter(action=Renewing.RESEAL.value).order_by("id")
    columns = rows.values_list("resource_id", "version", "body_sha256")
    return {(resource, version): bytes(sha256) for resource, version, sha256 in columns.iterator()}


def announced(act: Renewing, remedy: str, entries: Sequence[int]) -> frozenset[str]:
    """Return the patients whom entries of a remedy name; ids that are none of its entries name nobody."""
    found: set[str] = set()
    for start in range(0, len(entries), _AT_ONCE):
        rows = JournalEntry.objects.filter(
            pk__in=entries[start : start + _AT_ONCE],
            action=act.value,
            resource_type=REMEDY,
            resource_id=remedy,
        )
        found |= set(rows.values_list("patient", flat=True))
    return frozenset(found)


def tells_of(resource: str, version: int) -> bool:
    """Does any entry say that this version was written?"""
    return bool(_chosen().filter(resource_id=resource, version=version).exists())


def _chosen() -> Any:
    return JournalEntry.objects.filter(action__in=_WRITING, version__gt=0)
