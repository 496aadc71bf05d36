"""The catalogue of column elements: what a column may hold, and how each is protected.

A value of an FF1 element is read as numerals of one alphabet, fixed per element: digits for SSN,
phone, card and NPI, digits and capital letters for the others. It is not chosen value by value,
because a stand-in must say by itself how it comes back: one that happens to have no letter would
come back under the wrong alphabet. A column of another kind of writing names its alphabet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from confide.errors import Invalid
from confide.protect.identifiers import ALPHABETS, LONGEST, SEPARATORS

MIN_DOMAIN: Final = 1_000_000


class ColumnElement(StrEnum):
    """What a column holds. The value is the public code, as in ``confide protect`` and its TOML."""

    SSN = "ssn"
    MRN = "mrn"
    LICENCE = "licence"
    PASSPORT = "passport"
    PHONE = "phone"
    MEMBER_ID = "member-id"
    ACCOUNT = "account"
    CARD = "card"
    NPI = "npi"
    IDENTIFIER = "identifier"
    NAME = "name"
    BIRTH_DATE = "birth-date"
    DATE = "date"
    EMAIL = "email"
    ADDRESS = "address"
    ZIP = "zip"
    TEXT = "text"


class Method(StrEnum):
    """How a column is protected."""

    FF1 = "ff1"
    SEAL = "seal"
    PSEUDONYM = "pseudonym"
    GENERALISE = "generalise"
    KEEP = "keep"
    DROP = "drop"
    """Of a file's columns only."""


class Malformed(StrEnum):
    """What becomes of values that are not what the element asks for."""

    REFUSE = "refuse"
    NULL = "null"
    SEAL = "seal"


class Check(StrEnum):
    """The check digit that an element ends with."""

    NONE = ""
    LUHN = "luhn"
    NPI = "npi"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the catalogue says of one element.

    Attributes:
        label: What a person reads.
        method: The one that is used unless another is asked for.
        others: Those that may be asked for besides ``seal`` and ``keep``, which fit every element.
        alphabet: A name in ``identifiers.ALPHABETS``; "" where FF1 does not fit.
        least: The fewest letters and digits.
        most: The most.
        check: The check digit.
    """

    label: str
    method: Method = Method.FF1
    others: frozenset[Method] = frozenset()
    alphabet: str = ""
    least: int = 1
    most: int = LONGEST
    check: Check = Check.NONE

    @property
    def fixed(self) -> bool:
        """Whether every value has the same number of digits, so that numbers can stand for them."""
        return self.least == self.most


_YEARS: Final = frozenset({Method.GENERALISE})

KINDS: Final[Mapping[ColumnElement, Kind]] = {
    ColumnElement.SSN: Kind("Social Security number", alphabet="10", least=9, most=9),
    ColumnElement.MRN: Kind("Medical record number", alphabet="36U"),
    ColumnElement.LICENCE: Kind("Driver's licence", alphabet="36U"),
    ColumnElement.PASSPORT: Kind("Passport number", alphabet="36U"),
    ColumnElement.PHONE: Kind("Phone", alphabet="10", least=7, most=15),
    ColumnElement.MEMBER_ID: Kind("Member id", alphabet="36U"),
    ColumnElement.ACCOUNT: Kind("Account number", alphabet="36U"),
    ColumnElement.CARD: Kind("Card number", alphabet="10", least=12, most=19, check=Check.LUHN),
    ColumnElement.NPI: Kind(
        "National Provider Identifier", alphabet="10", least=10, most=10, check=Check.NPI
    ),
    ColumnElement.IDENTIFIER: Kind("Other identifier", alphabet="36U"),
    ColumnElement.NAME: Kind("Name", Method.SEAL, frozenset({Method.PSEUDONYM})),
    ColumnElement.BIRTH_DATE: Kind("Birth date", Method.SEAL, _YEARS),
    ColumnElement.DATE: Kind("Date", Method.SEAL, _YEARS),
    ColumnElement.EMAIL: Kind("E-mail", Method.SEAL),
    ColumnElement.ADDRESS: Kind("Address", Method.SEAL),
    ColumnElement.ZIP: Kind("ZIP code", Method.SEAL, _YEARS),
    ColumnElement.TEXT: Kind("Free text", Method.SEAL),
}


def element_of(name: str) -> ColumnElement:
    """The element of that code.

    Raises:
        Invalid: There is none.
    """
    try:
        return ColumnElement(name)
    except ValueError:
        pass  # the error of the standard library would repeat what was given
    raise Invalid(f"no such column element (there are: {', '.join(ColumnElement)})")


def method_of(element: ColumnElement, method: str | None = None) -> Method:
    """The method for a column of *element*: the one asked for, or the catalogue's.

    Raises:
        Invalid: There is no such method, or it does not fit the element.
    """
    kind = KINDS[element]
    if method is None:
        return kind.method
    fitting = {kind.method, *kind.others, Method.SEAL, Method.KEEP}
    try:
        asked = Method(method)
    except ValueError:
        asked = None
    if asked is Method.DROP:
        raise Invalid("a column is dropped by leaving it out; only files have the method drop")
    if asked not in fitting:
        raise Invalid(f"{kind.label}: the methods are {', '.join(sorted(fitting))}")
    return asked


def malformed_of(choice: str) -> Malformed:
    """The choice of that name.

    Raises:
        Invalid: There is none.
    """
    try:
        return Malformed(choice)
    except ValueError:
        pass
    raise Invalid(f"malformed values: the choices are {', '.join(Malformed)}")


@dataclass(frozen=True, slots=True)
class Writing:
    """How the values of one FF1 column are written.

    Attributes:
        characters: The alphabet; the first character is numeral 0.
        least: The fewest numerals that an element of this kind has and FF1 accepts.
        most: The most.
        check: The check digit.
        separators: What stays where it was.
    """

    characters: str
    least: int
    most: int
    check: Check
    separators: frozenset[str]

    @property
    def domain(self) -> str:
        """What a well-formed value is, for people."""
        how_many = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        digits = "digits" if self.characters == ALPHABETS["10"] else "characters of the alphabet"
        check = ", the last a right check digit" if self.check else ""
        return f"{how_many} {digits}{check}"


def writing(element: ColumnElement, alphabet: str | None = None) -> Writing:
    """How the values of an FF1 element are written.

    Args:
        element: One whose method is FF1.
        alphabet: A name ("10", "36U", "36L", "62") or the characters themselves, 2 to 65,536 different
            ones; the element's own when absent. A separator that is in it is a separator no more.

    Raises:
        Invalid: FF1 does not fit the element, or the alphabet does not.
    """
    kind = KINDS[element]
    if not kind.alphabet:
        raise Invalid(f"{kind.label}: FF1 does not fit, so there is no alphabet")
    if alphabet is not None and not isinstance(alphabet, str):
        raise Invalid("an alphabet is a text of different characters, or the name of one")
    characters = kind.alphabet if alphabet is None else alphabet
    characters = ALPHABETS.get(characters, characters)
    if not 2 <= len(characters) <= 1 << 16 or len(set(characters)) != len(characters):
        raise Invalid("an alphabet has 2 to 65,536 characters, no two of them alike")
    if kind.check and characters != ALPHABETS["10"]:
        raise Invalid(f"{kind.label}: with a check digit there is no other alphabet than the digits 0 to 9")
    if kind.alphabet == "10" and len(characters) != 10:
        raise Invalid(f"{kind.label}: an alphabet for it has 10 characters")
    least, domain = 1, len(characters)
    while domain < MIN_DOMAIN:
        least, domain = least + 1, domain * len(characters)
    return Writing(
        characters, max(least, kind.least), kind.most, kind.check, SEPARATORS.difference(characters)
    )
