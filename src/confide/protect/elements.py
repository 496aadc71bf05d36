"""The catalogue of data elements: the kinds of protected field, and what each weighs.

Source:
    Elements follow 45 CFR 164.514(b)(2)(i); weights are Confide's own (docs/decisions).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Element(StrEnum):
    """A kind of protected field. The value is the public code, used in grants and the journal."""

    NAME = "name"
    BIRTH_DATE = "birth-date"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    SSN = "ssn"
    MRN = "mrn"
    LICENCE = "licence"
    PASSPORT = "passport"
    MEMBER_ID = "member-id"
    ACCOUNT = "account"
    CARD = "card"
    IDENTIFIER = "identifier"
    CONTACT = "contact"
    PHOTO = "photo"
    DATE = "date"
    CLINICAL = "clinical"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the catalogue says of one element.

    Attributes:
        label: What a person reads.
        weight: Units of exposure when shown clear.
        masked_weight: Units of exposure when shown masked.
        unique_to_person: One person has one, so an exact keyed index at rest is allowed.
        step_up: A fresh second factor is asked for (weight 10 and more).
    """

    label: str
    weight: int
    masked_weight: int = 0
    unique_to_person: bool = False

    @property
    def step_up(self) -> bool:
        return self.weight >= 10


CATALOGUE: dict[Element, Kind] = {
    Element.NAME: Kind("Name", 1, 1),
    Element.BIRTH_DATE: Kind("Birth date", 1, 0),
    Element.PHONE: Kind("Phone", 1, 1),
    Element.EMAIL: Kind("E-mail", 1, 1),
    Element.ADDRESS: Kind("Address", 2, 1),
    Element.SSN: Kind("Social Security number", 10, 5, unique_to_person=True),
    Element.MRN: Kind("Medical record number", 1, 1, unique_to_person=True),
    Element.LICENCE: Kind("Driver's licence", 10, 5, unique_to_person=True),
    Element.PASSPORT: Kind("Passport number", 10, 5, unique_to_person=True),
    Element.MEMBER_ID: Kind("Member id", 3, 1),
    Element.ACCOUNT: Kind("Account number", 10, 5),
    Element.CARD: Kind("Card number", 10, 5),
    Element.IDENTIFIER: Kind("Other identifier", 3, 1),
    Element.CONTACT: Kind("Contact person", 2, 1),
    Element.PHOTO: Kind("Photo", 2, 2),
    Element.DATE: Kind("Date of service", 1, 0),
    Element.CLINICAL: Kind("Clinical text", 2, 2),
    Element.DOCUMENT: Kind("Document or narrative", 2, 2),
}
