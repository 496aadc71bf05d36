"""Exact search by the identifiers that one person has: keyed digests, the same for equal values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of, normalise
from confide.protect.keyring import Keyring
from confide.protect.keystore import KeyUse
from confide.protect.policy import Policy
from confide.vault.digests import keyed_digest

SEARCHABLE = tuple(e for e in Element if CATALOGUE[e].unique_to_person)


def digest(keyring: Keyring, element: Element, value: str) -> bytes:
    """Return the digest by which an identifier is found, 16 bytes."""
    return keyed_digest(keyring.use(KeyUse.INDEX), "identifier", element, normalise(value))


def digests(keyring: Keyring, *, policy: Policy, patient: Mapping[str, Any]) -> list[bytes]:
    """Return the digests of a Patient's identifiers; none of any other resource."""
    found = []
    for identifier in patient.get("identifier", ()) if patient["resourceType"] == "Patient" else ():
        element = element_of(identifier, policy, Element.IDENTIFIER)
        value = identifier.get("value")
        if element in SEARCHABLE and isinstance(value, str) and normalise(value):
            found.append(digest(keyring, element, value))
    return list(dict.fromkeys(found))
