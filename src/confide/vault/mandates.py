"""What two people agreed to about a mailing: the words, the place, and for each batch whom it holds."""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from confide.access.models import Destination
from confide.cipher.derive import frame
from confide.protect.elements import Element

PRINTED: Final = frozenset({Element.NAME, Element.BIRTH_DATE, Element.ADDRESS, Element.CONTACT})
"""What addresses a letter on paper; a birth date tells who is a child, a contact whose child or kin it is."""

MAILED: Final = frozenset({Element.NAME, Element.BIRTH_DATE, Element.EMAIL})
"""What addresses an e-mail."""

_PERSON: Final = struct.Struct(">16sI")
SHA256: Final = 32
"""Bytes of a digest."""

_BITS: Final = {element: 1 << place for place, element in enumerate(Element)}

Person = tuple[str, frozenset[Element]]
"""A patient's id, and what was shown of them."""


def pack(people: Iterable[Person]) -> bytes:
    """Write people as they are kept: 16 bytes of id and 4 of what was shown, each."""
    return b"".join(
        _PERSON.pack(uuid.UUID(patient).bytes, sum(_BITS[element] for element in shown))
        for patient, shown in people
    )


def unpack(packed: bytes) -> list[Person]:
    """Read what :func:`pack` wrote."""
    return [
        (str(uuid.UUID(bytes=id_)), frozenset(element for element, bit in _BITS.items() if bits & bit))
        for id_, bits in _PERSON.iter_unpack(packed)
    ]


@dataclass(frozen=True, slots=True)
class Mandate:
    """What two people agreed to.

    Attributes:
        id: Of the mailing.
        terms: SHA-256 over the notice, the frozen scope, and whatever else was agreed to.
        batches: The SHA-256 of each batch's packed people, one after the other.
        elements: ``PRINTED`` or ``MAILED``.
        destination: The print house; None for e-mail.
        people: The accounts that asked for it and approved it.
        said: Ids of the journal's entries in which they did.
        lead: The practice to which both belong, where it is a vendor's mailing for another one; else empty.
    """

    practice: str
    id: str
    terms: bytes
    batches: bytes
    elements: frozenset[Element]
    destination: Destination | None
    people: tuple[str, str] = ("", "")
    said: tuple[int, int] = (0, 0)
    lead: str = ""

    @property
    def home(self) -> str:
        """The practice whose people and whose destination these are."""
        return self.lead or self.practice

    @property
    def digest(self) -> bytes:
        """SHA-256 over all of it, 32 bytes: what both entries have."""
        place = self.destination
        told = frame(*sorted(self.elements))
        there = frame(place.id, place.recipient, place.folder) if place is not None else b""
        led = (self.lead,) if self.lead else ()
        return hashlib.sha256(
            frame("mailing", self.practice, self.id, self.terms, self.batches, told, there, *led)
        ).digest()


@dataclass(frozen=True, slots=True)
class Whole:
    """The mailings of all practices of an incident, which two people agree to as one.

    Attributes:
        lead: The practice that leads the incident.
        incident: The incident's id.
        mandates: One for each practice.
    """

    lead: str
    incident: str
    mandates: tuple[Mandate, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 over all of them, 32 bytes: none can be changed, taken out or put in."""
        listed = sorted(self.mandates, key=lambda each: each.id)
        parts = (part for each in listed for part in (each.practice, each.id, each.digest))
        return hashlib.sha256(frame("mailings", self.lead, self.incident, *parts)).digest()
