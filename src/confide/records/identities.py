"""Exact search by the identifiers that one person has: keyed digests, the same for equal values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of, normalise
from confide.vault.door import Vault

SEARCHABLE = tuple(e for e in Element if CATALOGUE[e].unique_to_person)


def digest(vault: Vault, practice: str, element: Element, value: str) -> bytes:
    """Return the digest by which an identifier is found, 16 bytes."""
    return vault.digest(practice, "identifier", element, normalise(value))


def digests(vault: Vault, practice: str, patient: Mapping[str, Any]) -> list[bytes]:
    """Return the digests of a Patient's identifiers; none of any other resource."""
    found = []
    for identifier in patient.get("identifier", ()) if patient["resourceType"] == "Patient" else ():
        element = element_of(identifier, vault.plan.policy, Element.IDENTIFIER)
        value = identifier.get("value")
        if element in SEARCHABLE and isinstance(value, str) and normalise(value):
            found.append(digest(vault, practice, element, value))
    return list(dict.fromkeys(found))
