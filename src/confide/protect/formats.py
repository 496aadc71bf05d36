"""The form of a token: a random text that looks like the value, and is not taken for a real number.

Digits stay digits and letters stay letters of the same case, within their script where it is a common one.
Punctuation, symbols and spaces stay where they were. A letter that has no alphabet here, such as one with an
accent, becomes a Latin one; so does a vowel sign, because it belongs to the word.

A token of nine digits is never a Social Security number that anybody has, and one as long as a card number
never passes the check of card numbers.

Source:
    Social Security Administration, "Social Security Number Randomization": areas 000, 666 and 900-999 stay
    unassigned. In the 900s the Internal Revenue Service issues ITINs, groups 50-65, 70-88, 90-92 and 94-99
    (Publication 1915), and ATINs, group 93. ISO/IEC 7812-1, Annex B: Luhn's check.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Final

from confide.errors import DomainTooSmall, Invalid

LONGEST: Final = 256
"""Characters of a value."""

SMALLEST: Final = 1_000_000
"""Possible tokens; with fewer, guessing one is too easy, and a recipient's tokens would soon be used up."""

# First and last character of each alphabet, those of digits first.
_RANGES: Final = (
    "09", "٠٩", "۰۹", "०९", "০৯", "０９",
    "AZ", "az", "ΑΩ", "αω", "ЀЯ", "аџ", "את", "ءي", "अह", "ぁゖ", "ァヺ", "一\u9fff", "가힣",
)  # fmt: skip
_SCRIPTS_OF_DIGITS: Final = 6

# In a pattern private characters stand for the alphabets. In a value they are letters like any other.
_ALL_MARKS: Final = "".join(chr(0xF000 + i) for i in range(len(_RANGES)))
_DIGIT_MARKS: Final = _ALL_MARKS[:_SCRIPTS_OF_DIGITS]
_DIGIT, _CAPITAL, _SMALL = (_ALL_MARKS[_RANGES.index(ends)] for ends in ("09", "AZ", "az"))
_REFUSED: Final = "\uf8ff"

_ALPHABETS: Final = {
    mark: "".join(
        letter
        for letter in map(chr, range(ord(ends[0]), ord(ends[1]) + 1))
        if unicodedata.category(letter) in {"Nd", "Lu", "Ll", "Lo"}
    )
    for mark, ends in zip(_ALL_MARKS, _RANGES, strict=True)
}


def _mark(character: str) -> str:
    """What stands for *character* in a pattern."""
    for mark, ends in zip(_ALL_MARKS, _RANGES, strict=True):
        if ends[0] <= character <= ends[1]:
            return mark
    kind = unicodedata.category(character)
    if kind in {"Cc", "Cs"}:
        return _REFUSED
    if kind[0] in "PSZ" or kind == "Cf":
        return character
    if kind[0] == "N":
        return _DIGIT
    return _CAPITAL if kind in {"Lu", "Lt"} else _SMALL


class _Marks(dict[int, str]):
    """For ``str.translate``. A character that is not there is worked out each time: values fill no memory."""

    def __missing__(self, code: int) -> str:
        return _mark(chr(code))


_MARKS: Final = _Marks({code: _mark(chr(code)) for code in range(0x80)})


@dataclass(frozen=True, slots=True)
class _Field:
    """Some places of a token that are filled together.

    Attributes:
        places: In the order in which they are written.
        size: In how many ways they can be filled.
        write: The way of a number below *size*: a character for each place.
    """

    places: list[int]
    size: int
    write: Callable[[int], str]


class Format:
    """What the tokens of one shape look like. Threads may share one.

    Attributes:
        size: How many there are to draw from. Of those as long as a card number a tenth is drawn anew.
    """

    __slots__ = ("_card", "_fields", "_pieces", "size")

    def __init__(self, pattern: str) -> None:
        """Only :func:`format_of` makes one, of a value whose letters and digits are replaced by marks."""
        digits = [place for place, mark in enumerate(pattern) if mark in _DIGIT_MARKS]
        self._fields = list(_fields(pattern, digits))
        self._card = digits if len(digits) in _CARD_DIGITS else None
        self._pieces = list(_pieces(pattern, [place for field in self._fields for place in field.places]))
        self.size = prod(field.size for field in self._fields)

    def draw(self) -> str:
        """Draw a token; each that there is is as likely as any other."""
        while True:
            number = secrets.randbelow(self.size)
            drawn = ""
            for field in self._fields:
                number, way = divmod(number, field.size)
                drawn += field.write(way)
            token = "".join([drawn[piece] if isinstance(piece, slice) else piece for piece in self._pieces])
            if self._card is None or not _passes_luhn([int(token[place]) for place in self._card]):
                return token


def _pieces(pattern: str, drawn: list[int]) -> Iterator[slice | str]:
    """Say how a token is put together: what stays, and slices of what is drawn for the places *drawn*."""
    index = {place: i for i, place in enumerate(drawn)}
    start = 0
    while start < len(pattern):
        first, end = index.get(start), start + 1
        if first is None:
            yield pattern[start]
        else:
            while index.get(end) == first + end - start:
                end += 1
            yield slice(first, first + end - start)
        start = end


def format_of(value: str) -> Format:
    """Return the form of the tokens for *value*.

    Args:
        value: At most 256 characters.

    Raises:
        Invalid: It is longer, or has a control character or half a surrogate pair.
        DomainTooSmall: There are fewer than one million tokens of its form.
    """
    if len(value) > LONGEST:
        raise Invalid(f"a value for a token has at most {LONGEST} characters")
    form = _compiled(value.translate(_MARKS))
    if form.size < SMALLEST:
        raise DomainTooSmall(
            "there are fewer than one million tokens of this form: too few to hide a value in"
        )
    return form


def is_plain(text: str) -> bool:
    """Tell whether *text* has neither control characters nor half a surrogate pair: a token has none."""
    return _REFUSED not in text.translate(_MARKS)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Format:
    if _REFUSED in pattern:
        raise Invalid("a value for a token has no control characters")
    return Format(pattern)


def _fields(pattern: str, digits: list[int]) -> Iterator[_Field]:
    """Divide the places of a pattern: what looks like a Social Security number, and the rest."""
    likely = [
        [place for place in range(*found.span()) if pattern[place] in _DIGIT_MARKS]
        for found in _LIKE_SSN.finditer(pattern)
    ]
    free = set(digits)
    for places in [digits] if len(digits) == _SSN_DIGITS else likely:
        yield _digit_field(pattern, places, _NEVER_ISSUED, _never_issued)
        free.difference_update(places)
    for mark, alphabet in _ALPHABETS.items():
        places = [
            place for place, m in enumerate(pattern) if m == mark and (m not in _DIGIT_MARKS or place in free)
        ]
        if places:
            yield _Field(places, len(alphabet) ** len(places), _speller(alphabet, len(places)))


def _speller(alphabet: str, length: int) -> Callable[[int], str]:
    """Write numbers below ``len(alphabet) ** length`` in the alphabet's letters."""
    radix = len(alphabet)

    def spell(way: int) -> str:
        letters = []
        for _ in range(length):
            way, numeral = divmod(way, radix)
            letters.append(alphabet[numeral])
        return "".join(letters)

    return (lambda way: f"{way:0{length}d}") if alphabet == _ALPHABETS[_DIGIT] else spell


def _digit_field(pattern: str, places: list[int], size: int, number: Callable[[int], str]) -> _Field:
    """A field that *number* writes in ASCII digits, each place in the digits of its script."""
    scripts = [_ALPHABETS[pattern[place]] for place in places]
    if set(scripts) == {_ALPHABETS[_DIGIT]}:
        return _Field(places, size, number)

    def write(way: int) -> str:
        return "".join(script[int(digit)] for script, digit in zip(scripts, number(way), strict=True))

    return _Field(places, size, write)


# Numbers that nobody has

_SSN_DIGITS: Final = 9
_CARD_DIGITS: Final = range(12, 20)
_LIKE_SSN: Final = re.compile(
    "(?<!D)DDD[^A]?DD[^A]?DDDD(?!D)".replace("D", f"[{_DIGIT_MARKS}]").replace("A", _ALL_MARKS)
)
"""Nine digits, alone or divided as 3-2-4, inside something longer."""

_GROUPS: Final = [*range(50), *range(66, 70), 89]
_IN_900S: Final = 100 * len(_GROUPS) * 10_000
_NEVER_ISSUED: Final = _IN_900S + 2 * 1_000_000


def _never_issued(way: int) -> str:
    """One of the 57 million Social Security numbers that were never issued and are no taxpayer's either."""
    if way >= _IN_900S:
        area, rest = divmod(way - _IN_900S, 1_000_000)
        return f"{(0, 666)[area]:03d}{rest:06d}"
    rest, serial = divmod(way, 10_000)
    area, group = divmod(rest, len(_GROUPS))
    return f"{900 + area}{_GROUPS[group]:02d}{serial:04d}"


def _passes_luhn(digits: list[int]) -> bool:
    doubled = (2 * digit for digit in digits[-2::-2])
    return (sum(digits[::-2]) + sum(d - 9 * (d > 9) for d in doubled)) % 10 == 0
