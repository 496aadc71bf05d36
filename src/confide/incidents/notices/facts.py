"""What the letters of one breach say: written once by the officer, in a file that counsel reads, too."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from confide.errors import Invalid
from confide.incidents.notices.readability import Language

MONTHS: Final = 24
"""How long protection is offered where nothing else is said."""

_LONGEST: Final = 100_000
_ENGLISH: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_SPANISH: Final = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
    "noviembre", "diciembre",
)  # fmt: skip


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said in one language.

    Attributes:
        description: What happened, in a few short sentences.
        steps: What is done about it.
        hours: When somebody answers the telephone.
    """

    description: str
    steps: str
    hours: str


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protection that is offered free of charge.

    Attributes:
        provider: Who gives it.
        at: The web address for enrolment.
        phone: The telephone number for it.
        until: The last day on which a code can be used.
        months: How long it lasts.
    """

    provider: str
    at: str
    phone: str
    until: date
    months: int = MONTHS


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it.

    Attributes:
        practice: The name under which the letters go out.
        sender: The lines of the address on the letter's head.
        phone: Toll-free (45 CFR 164.404(c)(1)(E)).
        web: Where the notice is posted.
        first: First day of the breach.
        last: Last day of it.
        discovered: The day of its discovery.
        dated: The day on the letters.
    """

    practice: str
    sender: tuple[str, ...]
    phone: str
    email: str
    web: str
    first: date
    last: date
    discovered: date
    dated: date
    en: Words
    es: Words | None = None
    offer: Offer | None = None

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Invalid("the breach ends before it begins (first, last)")
        if self.discovered < self.first:
            raise Invalid("the breach was discovered before it began (discovered, first)")
        if self.dated < self.discovered:
            raise Invalid("the letters are dated before the discovery (dated, discovered)")
        if not self.sender or not all([self.practice, self.phone, self.email, self.web]):
            raise Invalid(
                "the letters need a practice, a sender, a phone, an e-mail address and a web address"
            )
        if self.offer is not None and not (0 < self.offer.months <= 120 and self.offer.until > self.dated):
            raise Invalid("the offer lasts 1 to 120 months, and its codes can be used after the letters' day")

    @property
    def languages(self) -> tuple[Language, ...]:
        return ("en",) if self.es is None else ("en", "es")

    @property
    def months(self) -> int:
        """How long protection is offered; 0 where none is."""
        return 0 if self.offer is None else self.offer.months

    def words(self, language: Language) -> Words:
        """What is said in a language; English where nothing is said in it."""
        return self.es if language == "es" and self.es is not None else self.en

    def values(self, language: Language) -> dict[str, str]:
        """Return the fields of a template that are the same for everybody."""
        words = self.words(language)
        told = {
            "practice": self.practice,
            "phone": self.phone,
            "email": self.email,
            "web": self.web,
            "address": ", ".join(self.sender),
            "description": words.description,
            "steps": words.steps,
            "hours": words.hours,
            "happened": happened(self.first, self.last, language),
            "discovered": spell(self.discovered, language),
            "date": spell(self.dated, language),
        }
        if self.offer is not None:
            told |= {
                "provider": self.offer.provider,
                "months": str(self.offer.months),
                "enrol_at": self.offer.at,
                "enrol_phone": self.offer.phone,
                "enrol_by": spell(self.offer.until, language),
            }
        return told


def spell(day: date, language: Language) -> str:
    """Write a day as people do."""
    if language == "es":
        return f"{day.day} de {_SPANISH[day.month - 1]} de {day.year}"
    return f"{_ENGLISH[day.month - 1]} {day.day}, {day.year}"


def happened(first: date, last: date, language: Language) -> str:
    """Write the days of a breach as part of a sentence."""
    one, other = spell(first, language), spell(last, language)
    if first == last:
        return f"el {one}" if language == "es" else f"on {one}"
    return f"del {one} al {other}" if language == "es" else f"from {one} to {other}"


def load(path: Path) -> Facts:
    """Read the facts from a TOML file.

    Raises:
        Invalid: It cannot be read, or a field is missing, unknown or malformed; the message says which, and
            never repeats what stands in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"{path} cannot be read as UTF-8") from None
    try:
        return read(tomllib.loads(text[:_LONGEST]))
    except tomllib.TOMLDecodeError as problem:
        where = str(problem).rpartition("(at ")[2].rstrip(")")
        raise Invalid(f"{path} is not TOML (at {where})") from None


def read(found: object) -> Facts:
    """Read the facts from what a TOML or JSON file holds."""
    try:
        return msgspec.convert(found, Facts, strict=False)
    except msgspec.ValidationError as problem:
        said = str(problem)
        if isinstance(problem.__cause__, Invalid):
            raise problem.__cause__ from None
        raise Invalid(
            f"the facts of the letters are malformed: {said.partition(' - at ')[2] or said}"
        ) from None
