"""One person, and those who live at one address with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from confide.drill.dice import Dice
from confide.drill.vocabulary import Origin


@dataclass(slots=True, eq=False)
class Person:
    """One patient, or (in ``contact``) someone close to them who is none."""

    given: tuple[str, ...]
    family: str
    sex: str
    birth: date
    origin: Origin
    died: date | None = None
    marital: str = ""
    former: tuple[str, str] | None = None
    renamed: date | None = None
    nickname: str = ""
    multiple: int = 0
    race: str = ""
    contact: Contact | None = None

    @property
    def name(self) -> str:
        return " ".join((*self.given, self.family)).strip()

    @property
    def called(self) -> str:
        return self.given[0] if self.given else self.family


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call: a person who need not be a patient."""

    relation: str
    given: str
    family: str
    phone: str


@dataclass(slots=True, eq=False)
class Household:
    """People at one address, with one telephone at home."""

    kind: str
    people: list[Person]
    line: list[str]
    city: str
    state: str
    zip: str
    phone: str
    area: str
    dice: Dice = field(repr=False)
    parents: int = 0
