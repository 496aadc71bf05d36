"""What the name of a column says of what it may hold. The values decide; a name only tips the balance."""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from typing import Any, Final

WORDS: Final[dict[str, Any]] = tomllib.loads(
    resources.files("confide.protect.files").joinpath("words.toml").read_text(encoding="utf-8")
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


class Hint(StrEnum):
    """What a name hints at."""

    SSN = "ssn"
    NPI = "npi"
    MRN = "mrn"
    MEMBER_ID = "member-id"
    ACCOUNT = "account"
    CARD = "card"
    LICENCE = "licence"
    PASSPORT = "passport"
    PHONE = "phone"
    EMAIL = "email"
    NAME = "name"
    ADDRESS = "address"
    PLACE = "place"
    ZIP = "zip"
    BIRTH = "birth"
    DATE = "date"
    SEX = "sex"
    STATE = "state"
    AGE = "age"
    GROUP = "group"
    PERSON = "person"
    KEY = "key"
    CODE = "code"
    TEXT = "text"


_OF: Final = {word: Hint(hint) for hint, words in reversed(WORDS["hints"].items()) for word in words.split()}
_THINGS: Final = frozenset(WORDS["things"]["words"].split())


def hints(name: str) -> frozenset[Hint]:
    """What the name of a column hints at."""
    words = [word.lower() for word in _WORDS.findall(name)]
    words += [first + second for first, second in pairwise(words)]
    found = {_OF[word] for word in words if word in _OF}
    if words in (["first"], ["last"]):
        found.add(Hint.NAME)
    if Hint.NAME in found and _THINGS.intersection(words):
        found.discard(Hint.NAME)
    return frozenset(found)
