"""The name that a person gets in the stored form: one that can be said aloud, and is nobody's."""

from __future__ import annotations

from confide.cipher.derive import digest

_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "dr")
_VOWELS = ("a", "e", "i", "o")
_SYLLABLES = tuple(onset + vowel for onset in _ONSETS for vowel in _VOWELS)
_GIVEN, _FAMILY = 4, 6


def pseudonym(key: bytes, patient: str) -> tuple[str, str]:
    """Return (given, family) for a patient's random id.

    Ten syllables of 6 bits each: among a million patients of a practice, two share a pseudonym
    with a chance of less than one in two million.

    Args:
        key: The practice's pseudonym key, 32 bytes.
        patient: The random id.
    """
    bits = digest(key, patient.encode())
    syllables = [_SYLLABLES[byte % len(_SYLLABLES)] for byte in bits[: _GIVEN + _FAMILY]]
    return "".join(syllables[:_GIVEN]).capitalize(), "".join(syllables[_GIVEN:]).capitalize()
