"""Identifiers keep their format: FF1 over the letters and digits, separators where they were."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

from confide.cipher.ff1 import FF1
from confide.errors import Damaged
from confide.protect.elements import Element
from confide.protect.policy import Policy

#: The alphabets, smallest first; a value gets the first that has all its letters and digits.
ALPHABETS: Mapping[str, str] = {
    "10": string.digits,
    "36U": string.digits + string.ascii_uppercase,
    "36L": string.digits + string.ascii_lowercase,
    "62": string.digits + string.ascii_uppercase + string.ascii_lowercase,
}
_NUMERALS = {name: {c: i for i, c in enumerate(alphabet)} for name, alphabet in ALPHABETS.items()}
_SMALLEST_DOMAIN = 1_000_000
#: Longer ones are not identifiers that a person has; FF1's cost grows with the square of the length.
LONGEST = 128
_TEN_DIGITS = re.compile(r"[0-9]{10}").fullmatch
_FEWEST = 12
"""Strings of one length below which columns take longer than going one by one."""
#: What may stand between letters and digits, and stays where it was.
SEPARATORS = frozenset(" -./()+_:#*^|,")
_NO_SEPARATORS = str.maketrans(dict.fromkeys(SEPARATORS))


@dataclass(frozen=True, slots=True)
class Reading:
    """An identifier as FF1 takes it.

    Attributes:
        shape: As it was written; its separators stay.
        alphabet: The name of the smallest one that has all its letters and digits.
        numerals: Their places in it.
    """

    shape: str = field(repr=False)
    alphabet: str
    numerals: list[int] = field(repr=False)


class StandIns:
    """Makes and undoes stand-ins under one FF1 key (one practice, one version)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._ff1 = {name: FF1(key, len(alphabet)) for name, alphabet in ALPHABETS.items()}

    def protect(self, value: str, tweak: bytes) -> tuple[str, str] | None:
        """Return (stand-in, alphabet's name), or None where the value must be sealed instead.

        Args:
            value: The clear identifier with its separators.
            tweak: 16 bytes, from the patient's data key and the element.
        """
        value_read = read(value)
        return (
            None if value_read is None else (self.protect_all([value_read], [tweak])[0], value_read.alphabet)
        )

    def protect_all(self, values: Sequence[Reading], tweaks: Sequence[bytes]) -> list[str]:
        """The stand-ins of many values, each with its tweak: those that are alike in columns."""
        return self._permuted(values, tweaks, self._encrypt_all)

    def reveal_all(self, stand_ins: Sequence[tuple[str, str]], tweaks: Sequence[bytes]) -> list[str]:
        """Undo :meth:`protect_all`.

        Args:
            stand_ins: Each with the name of its alphabet.
            tweaks: One for each.

        Raises:
            Damaged: One of them is not of its alphabet.
        """
        readings = [Reading(shape, name, _numerals(shape, name)) for shape, name in stand_ins]
        return self._permuted(readings, tweaks, self._decrypt_all)

    def _permuted(
        self,
        values: Sequence[Reading],
        tweaks: Sequence[bytes],
        permute: Callable[[str, Sequence[list[int]], Sequence[bytes]], Iterable[list[int]]],
    ) -> list[str]:
        made = [""] * len(values)
        alike: dict[tuple[str, int], list[int]] = {}
        for i, value in enumerate(values):
            alike.setdefault((value.alphabet, len(value.numerals)), []).append(i)
        for (name, _), rows in alike.items():
            strings = [values[i].numerals for i in rows]
            permuted = permute(name, strings, [tweaks[i] for i in rows])
            for i, numerals in zip(rows, permuted, strict=True):
                made[i] = _refill(values[i].shape, ALPHABETS[name], numerals)
        return made

    def _encrypt_all(
        self, name: str, strings: Sequence[list[int]], tweaks: Sequence[bytes]
    ) -> Iterable[list[int]]:
        """Encrypt strings of one length under tweaks of one length: in columns, if they are many."""
        if len(strings) < _FEWEST or not _has_numpy():
            return map(self._ff1[name].encrypt, strings, tweaks)
        from confide.cipher.ff1_columns import encrypt_lists

        return encrypt_lists(self._key, len(ALPHABETS[name]), strings, tweaks)

    def _decrypt_all(
        self, name: str, strings: Sequence[list[int]], tweaks: Sequence[bytes]
    ) -> Iterable[list[int]]:
        """Invert :meth:`_encrypt_all`."""
        if len(strings) < _FEWEST or not _has_numpy():
            return map(self._ff1[name].decrypt, strings, tweaks)
        from confide.cipher.ff1_columns import decrypt_lists

        return decrypt_lists(self._key, len(ALPHABETS[name]), strings, tweaks)

    def reveal(self, stand_in: str, alphabet: str, tweak: bytes) -> str:
        """Undo :meth:`protect`.

        Raises:
            Damaged: The stand-in is not one of this alphabet.
        """
        numerals = _numerals(stand_in, alphabet)
        return _refill(stand_in, ALPHABETS[alphabet], self._ff1[alphabet].decrypt(numerals, tweak))


def _numerals(stand_in: str, alphabet: str) -> list[int]:
    table = _NUMERALS[alphabet]
    try:
        return [table[c] for c in stand_in if c not in SEPARATORS]
    except KeyError:
        msg = "a stand-in has a character that its alphabet does not have"
        raise Damaged(msg) from None


def read(value: str) -> Reading | None:
    """Read an identifier; None where it has no stand-in and must be sealed instead."""
    if len(value) > LONGEST:
        return None
    characters = value.translate(_NO_SEPARATORS)
    # An import reads some identifiers of each person: text is looked at whole before letter by letter.
    if not characters.isascii() or (characters and not characters.isalnum()):
        return None
    if not characters or characters.isdigit():
        name = "10"
    elif characters.isupper():
        name = "36U"
    else:
        name = "36L" if characters.islower() else "62"
    if len(ALPHABETS[name]) ** len(characters) < _SMALLEST_DOMAIN:
        return None
    return Reading(value, name, list(map(_NUMERALS[name].__getitem__, characters)))


@cache
def _has_numpy() -> bool:
    return find_spec("numpy") is not None


def fits(stand_in: str, alphabet: str) -> bool:
    """Whether :meth:`StandIns.protect` could have given this stand-in with this alphabet's name."""
    table = _NUMERALS.get(alphabet)
    if table is None or len(stand_in) > LONGEST:
        return False
    characters = [c for c in stand_in if c not in SEPARATORS]
    return all(c in table for c in characters) and len(table) ** len(characters) >= _SMALLEST_DOMAIN


def _refill(shape: str, alphabet: str, numerals: list[int]) -> str:
    rest = iter(numerals)
    return "".join(c if c in SEPARATORS else alphabet[next(rest)] for c in shape)


def element_of(identifier: Mapping[str, object], policy: Policy, default: Element) -> Element | None:
    """Which data element an Identifier is; None where it is a public number (an NPI)."""
    system = identifier.get("system")
    if isinstance(system, str) and system in policy.identifier_systems:
        named = policy.identifier_systems[system]
        return default if named is None and not _is_npi(identifier.get("value", "")) else named
    kind = identifier.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        element = policy.identifier_types.get(coding.get("code", "")) if isinstance(coding, dict) else None
        if element is not None:
            return element
    return default


def _is_npi(value: object) -> bool:
    """Whether it has the shape of an NPI: anything else may have been typed into the wrong box.

    Source:
        45 CFR 162.406 and CMS, "Requirements for NPI and NPI check digit": ten digits, the last a Luhn digit
        over the others with the prefix 80840, which adds 24.
    """
    if not isinstance(value, str) or _TEN_DIGITS(value) is None:
        return value == ""
    doubled = [2 * int(c) for c in value[-2::-2]]
    return (24 + sum(int(c) for c in value[-1::-2]) + sum(d - 9 * (d > 9) for d in doubled)) % 10 == 0


def normalise(value: str) -> str:
    """The form in which identifiers are compared: letters and digits only, upper case."""
    upper = value.upper()
    return upper if upper.isalnum() else "".join(filter(str.isalnum, upper))
