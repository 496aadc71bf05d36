"""Identifiers keep their format: FF1 over the letters and digits, separators where they were."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

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
#: What may stand between letters and digits, and stays where it was.
SEPARATORS = frozenset(" -./()+_:#*^|,")


class StandIns:
    """Makes and undoes stand-ins under one FF1 key (one practice, one version)."""

    def __init__(self, key: bytes) -> None:
        self._ff1 = {name: FF1(key, len(alphabet)) for name, alphabet in ALPHABETS.items()}

    def protect(self, value: str, tweak: bytes) -> tuple[str, str] | None:
        """Return (stand-in, alphabet's name), or None where the value must be sealed instead.

        Args:
            value: The clear identifier with its separators.
            tweak: 16 bytes, from the patient's data key and the element.
        """
        if len(value) > LONGEST:
            return None
        characters = [c for c in value if c not in SEPARATORS]
        name = next(
            (name for name, table in _NUMERALS.items() if all(map(table.__contains__, characters))), None
        )
        if name is None or len(ALPHABETS[name]) ** len(characters) < _SMALLEST_DOMAIN:
            return None
        table = _NUMERALS[name]
        stand_in = self._ff1[name].encrypt([table[c] for c in characters], tweak)
        return _refill(value, ALPHABETS[name], stand_in), name

    def reveal(self, stand_in: str, alphabet: str, tweak: bytes) -> str:
        """Undo :meth:`protect`.

        Raises:
            Damaged: The stand-in is not one of this alphabet.
        """
        table = _NUMERALS[alphabet]
        try:
            numerals = [table[c] for c in stand_in if c not in SEPARATORS]
        except KeyError:
            msg = "a stand-in has a character that its alphabet does not have"
            raise Damaged(msg) from None
        return _refill(stand_in, ALPHABETS[alphabet], self._ff1[alphabet].decrypt(numerals, tweak))


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
    return "".join(c for c in value.upper() if c.isalnum())
