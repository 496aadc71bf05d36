"""What patients have asked to be kept from a purpose, by the rows that their Consents left.

Source:
    45 CFR 164.522(a)(1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import DatabaseError

from confide.access import relationships
from confide.access.actors import registered_elements
from confide.access.relationships import Sealed
from confide.access.roles import Purpose
from confide.access.steps import ALL
from confide.access.ties import Restriction
from confide.errors import Unavailable
from confide.protect.elements import Element

Kept = Mapping[str, frozenset[Element]]
"""By patient, the elements that a purpose is not to have."""

RestrictionRow = tuple[str, str, str, int, str]
"""Patient, elements, resource, version, and the sealed days in hexadecimal."""


def hold(
    practice: str, purpose: Purpose, rows: Iterable[RestrictionRow], now: datetime, sealed: Sealed
) -> dict[str, frozenset[Element]]:
    """Return what *rows* keep from *purpose* today.

    Args:
        practice: The practice's id.
        purpose: Of all of the rows.
        rows: As they are stored.
        now: Aware UTC.
        sealed: Opens their days.

    Raises:
        Damaged: A row's sealed days are not as they were written.
    """
    kept: dict[str, frozenset[Element]] = {}
    for patient, codes, resource, version, days in rows:
        if days:
            bound = relationships.bound_restriction(patient, purpose, codes, resource, version)
            if not relationships.holds(sealed.open_days(practice, bytes.fromhex(days), *bound), now):
                continue
        what = registered_elements(codes.split()) if codes else ALL
        kept[patient] = kept.get(patient, frozenset()) | what
    return kept


def read(practice: str, purpose: Purpose, now: datetime, sealed: Sealed) -> Kept:
    """Return what all patients of a practice keep from *purpose* today: for what is pushed, not asked for.

    Raises:
        Damaged: A row's sealed days are not as they were written.
        Unavailable: The rows cannot be read now, so nothing may leave.
    """
    chosen = Restriction.objects.filter(practice=practice, purpose=purpose.value)
    try:
        found = list(chosen.values_list("patient", "elements", "resource", "version", "days"))
    except DatabaseError as problem:
        raise Unavailable(f"restrictions cannot be read now ({type(problem).__name__})") from None
    rows = [(patient, codes, of, version, bytes(days).hex()) for patient, codes, of, version, days in found]
    return hold(practice, purpose, rows, now, sealed)
