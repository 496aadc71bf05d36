"""Looks for people in bytes: an independent reader that knows who was entered, not how it is stored.

Over all bytes some values turn up by chance, for a stand-in has the format of what it stands for. So the same
number of values of the same shape that were never entered is looked for, too: of what was entered, no more
values must be found than of those. How often each is found does not count: digits in the id of a practice
stand in all of its rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt
from random import Random
from typing import Final

from confide.drill import papers
from confide.drill.papers import Named
from confide.drill.population import NUMBERS, Population, format_ssn
from confide.fhir import json

KINDS: Final = ("Social Security number", "phone", "birth date", "record or member number", "name")
_LONGEST: Final = 64
_SHORT: Final = 4
_DIGITS: Final = re.compile(rb"(?<![0-9])[0-9][0-9-]{6,11}[0-9](?![0-9])")
_WORD: Final = re.compile(rb"(?<![A-Za-z])[A-Z][a-z]{5,14}(?![a-z])")
_TOKEN: Final = re.compile(rb"[0-9A-Za-z'-]+")
_EPOCH: Final = date(1970, 1, 1)
_LATER: Final = 60_000
"""Days by which dates are moved that nobody was born on."""


@dataclass(slots=True)
class Wanted:
    """Values as they would be written, by kind; all people's who were entered, or as many others'."""

    numbers: dict[bytes, str] = field(default_factory=dict)
    names: frozenset[bytes] = frozenset()

    def add(self, kind: str, *texts: str) -> None:
        """Look for *texts*."""
        for text in texts:
            self.numbers[text.encode()] = kind


@dataclass(slots=True)
class Hits:
    """How many different values were found.

    Attributes:
        entered: By kind, of those that were entered.
        never: Of those that never were.
        scanned: Bytes.
    """

    entered: Counter[str] = field(default_factory=Counter)
    never: Counter[str] = field(default_factory=Counter)
    scanned: int = 0
    _known: set[bytes] = field(default_factory=set)

    def add(self, found: Counter[str], kind: str, text: bytes) -> None:
        """Count a value, unless it was found before; none is both entered and never entered."""
        if text not in self._known:
            self._known.add(text)
            found[kind] += 1

    def beyond(self) -> list[str]:
        """Kinds that were found more often than by chance: beyond four standard deviations."""
        return [kind for kind in KINDS if exceeds(self.entered[kind], self.never[kind])]


def exceeds(found: int, control: int) -> bool:
    """Is this more than chance: beyond four standard deviations of what has no reason to be there?"""
    return found - control > 4 * sqrt(found + control) + 1


class Scanner:
    """Scans bytes for a population."""

    def __init__(self, people: Population) -> None:
        self._own_words = _template()
        self.entered, self.never = Wanted(), Wanted()
        families: set[str] = set()
        count = len(people)
        used = set(people.ssn.tolist())
        fresh = iter(range(NUMBERS))
        for one in papers.read(people, 0, count):
            self.entered.add(KINDS[0], one.ssn, one.ssn.replace("-", ""))
            self.entered.add(KINDS[1], one.phone, one.phone.replace("-", ""))
            self.entered.add(KINDS[2], one.born, one.born.replace("-", ""))
            self.entered.add(KINDS[3], one.mrn, one.member[1:])
            families.update((one.family, *one.given))
            number = format_ssn(next(n for n in fresh if n not in used))
            self.never.add(KINDS[0], number, number.replace("-", ""))
            phone = one.phone.replace("-555-", "-557-")
            self.never.add(KINDS[1], phone, phone.replace("-", ""))
            later = (date.fromisoformat(one.born) + timedelta(days=_LATER)).isoformat()
            self.never.add(KINDS[2], later, later.replace("-", ""))
            self.never.add(KINDS[3], _other(one.mrn), _other(one.member[1:]))
        for text in list(self.entered.numbers):
            self.never.numbers.pop(text, None)
        self.entered.numbers.pop(b"", None)
        self.never.numbers.pop(b"", None)
        known = frozenset(name.encode() for name in families if len(name) >= 6 and name.isascii())
        self.entered.names = known - self._own_words
        dice = Random(f"decoys/{count}")
        self.never.names = (
            frozenset(_shuffled(name, dice) for name in sorted(known)) - known - self._own_words
        )

    def scan(self, chunks: Iterable[bytes]) -> Hits:
        """Look through all bytes; what lies across two chunks is found as well."""
        hits = Hits()
        rest = b""
        for chunk in chunks:
            hits.scanned += len(chunk)
            data = rest + chunk
            # What ends in the tail is counted with the next chunk, where it is whole.
            end = max(len(data) - _LONGEST, 0)
            self._count(data, end, hits)
            rest = data[end:]
        self._count(rest, len(rest) + 1, hits)
        return hits

    def _count(self, data: bytes, end: int, hits: Hits) -> None:
        for match in _DIGITS.finditer(data):
            if match.start() >= end:
                break
            text = match.group()
            for wanted, found in ((self.entered, hits.entered), (self.never, hits.never)):
                kind = wanted.numbers.get(text)
                if kind is not None:
                    hits.add(found, kind, text)
        for match in _WORD.finditer(data):
            if match.start() >= end:
                break
            text = match.group()
            if text in self.entered.names:
                hits.add(hits.entered, KINDS[4], text)
            elif text in self.never.names:
                hits.add(hits.never, KINDS[4], text)

    def own(self, one: Named, body: bytes, seal: bytes = b"") -> list[str]:
        """Which direct identifiers of its own person a stored record holds: their kinds.

        A seal's bytes are as random as they come, so that two letters stand alone in one of 70,000: words of
        up to four letters are not looked for there. `short` counts them, to be compared with somebody else's.
        """
        said = set(_TOKEN.findall(body)) - self._own_words
        sealed = set(_TOKEN.findall(seal))
        values = {
            "name": (one.family, *one.given),
            "birth date": (one.born, one.born.replace("-", "")),
            "Social Security number": (one.ssn, one.ssn.replace("-", "")),
            "record number": (one.mrn,),
            "member id": (one.member, one.member[1:]),
            "phone": (one.phone, one.phone.replace("-", "")),
            "ZIP code": (one.zip,),
            "city": one.city.split(" "),
        }
        found = [
            kind
            for kind, texts in values.items()
            if any(t.encode() in said or (len(t) > _SHORT and t.encode() in sealed) for t in texts if t)
        ]
        line = one.line.encode()
        return [*found, "street"] if line in body or line in seal else found

    @staticmethod
    def short(one: Named, seal: bytes) -> bool:
        """Does a word of up to four letters from somebody's name or city stand in a seal?"""
        words = {
            each.encode() for each in (one.family, *one.given, *one.city.split(" ")) if len(each) <= _SHORT
        }
        return bool(words) and not words.isdisjoint(_TOKEN.findall(seal))


def _template() -> frozenset[bytes]:
    """Words that stand in every record, whoever it is of."""
    nobody = Named(0, 0, "", ("",), "", True, "", "", "", "", "", "", "", "", "")  # noqa: FBT003
    written = json.format(papers.patient(nobody)) + json.format(papers.coverage(nobody))
    return frozenset(_TOKEN.findall(written)) | frozenset(_WORD.findall(written))


def _other(number: str) -> str:
    """A number of the same length that is another's at most by chance."""
    return number[:1] + "".join(str((int(c) * 7 + i + 3) % 10) for i, c in enumerate(number[1:]))


def _shuffled(name: bytes, dice: Random) -> bytes:
    letters = list(name.decode().lower())
    dice.shuffle(letters)
    return "".join(letters).capitalize().encode()
