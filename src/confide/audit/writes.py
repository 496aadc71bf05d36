"""What the journal says was stored: type, id, version and the hash of each body, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from confide.access.roles import Action
from confide.audit.models import JournalEntry

_WRITING: Final = (Action.WRITE.value, Action.IMPORT.value)


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


def tells_of(resource: str, version: int) -> bool:
    """Does any entry say that this version was written?"""
    return bool(_chosen().filter(resource_id=resource, version=version).exists())


def _chosen() -> Any:
    return JournalEntry.objects.filter(action__in=_WRITING, version__gt=0)
