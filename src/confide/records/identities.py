"""Exact search by the identifiers that one person has: keyed digests, the same for equal values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of, normalise
from confide.vault.door import Vault

SEARCHABLE = tuple(e for e in Element if CATALOGUE[e].unique_to_person)
"""One person has one, so an exact keyed index at rest is allowed."""
IDENTIFIERS = (*SEARCHABLE, Element.MEMBER_ID, Element.ACCOUNT, Element.CARD, Element.IDENTIFIER)
"""All that an Identifier can be; those without an index at rest are in the one in memory."""


def digest(vault: Vault, practice: str, element: Element, value: str, system: str | None = None) -> bytes:
    """Return the digest by which an identifier is found, 16 bytes: of one *system*, or whatever it is."""
    return _digest(vault, practice, element, normalise(value), system)


def _digest(vault: Vault, practice: str, element: Element, normal: str, system: str | None) -> bytes:
    if system is None:
        return vault.digest(practice, "identifier", element, normal)
    return vault.digest(practice, "identifier of", element, normal, system)


def digests(vault: Vault, practice: str, patient: Mapping[str, Any]) -> list[bytes]:
    """Return the digests of a Patient's identifiers; none of any other resource."""
    found = []
    for identifier in patient.get("identifier", ()) if patient["resourceType"] == "Patient" else ():
        element = element_of(identifier, vault.plan.policy, Element.IDENTIFIER)
        value = identifier.get("value")
        if element in SEARCHABLE and isinstance(value, str) and (normal := normalise(value)):
            system = identifier.get("system", "")
            found += [_digest(vault, practice, element, normal, s) for s in (None, system)]
    return list(dict.fromkeys(found))
