"""Pieces of evidence: each is kept sealed, under its hash, and cannot be changed or removed.

A piece may be anything that a person has at hand, a part of what leaked among it. So none is kept in clear.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

from confide.incidents.cases import Cases
from confide.incidents.models import Exhibit, Incident

LARGEST: Final = 64 * 2**20
"""Bytes of a piece."""


class Kind(StrEnum):
    """What a piece of evidence is."""

    PROOF = "proof"
    EXPORT = "journal-export"
    FINDING = "finding"
    OTHER = "other"


def keep(
    cases: Cases, incident: Incident, name: str, kind: Kind, content: bytes, by: str, now: datetime
) -> Exhibit:
    """Seal a piece and keep it, in the caller's transaction.

    Args:
        cases: Whose key it is sealed under.
        incident: Of which it is evidence.
        name: Of the file; it stays in clear.
        kind: What it is.
        content: The piece.
        by: Who keeps it.
        now: Aware UTC.
    """
    sha256 = hashlib.sha256(content)
    return Exhibit.objects.create(
        incident=incident, name=name, kind=kind, sha256=sha256.digest(), added_by=by, added_at=now,
        content=cases.seal_bytes(incident, incident.pk, _place(sha256.hexdigest()), content),
    )  # fmt: skip


def read(cases: Cases, exhibit: Exhibit) -> bytes:
    """Return a piece as it was kept.

    Raises:
        SealBroken: It is not as it was kept.
    """
    stored, sha256 = bytes(exhibit.content), bytes(exhibit.sha256)
    if hashlib.sha256(stored).digest() == sha256:
        return stored  # kept before pieces were sealed
    return cases.unseal_bytes(exhibit.incident, exhibit.incident_id, _place(sha256.hex()), stored)


def _place(sha256: str) -> str:
    return f"evidence {sha256}"
