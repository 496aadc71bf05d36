"""Alphabets: which characters a column is written in, and the numeral that each of them stands for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.columns.digits import Writer, numeral_type
from confide.cipher.ff1 import MAX_RADIX, MIN_RADIX
from confide.errors import AlphabetMismatch, Invalid

Codes = NDArray[np.uint8] | NDArray[np.uint32]
"""Unicode code points; one byte each where none is above 255."""

TYPES: Final = (np.dtype(np.uint8), np.dtype(np.uint32))

FEW_RUNS: Final = 4
"""Up to so many stretches of neighbours are told by comparing, which is faster than a table."""


class Alphabet:
    """Characters in the order of their numerals: the first writes 0. Threads may share one.

    Attributes:
        characters: 2 to 65,536 different characters, each one Unicode code point.
        radix: How many they are.
    """

    __slots__ = ("_codes", "_numerals", "_runs", "_writer", "characters", "radix")

    def __init__(self, characters: str) -> None:
        """Take the characters.

        Args:
            characters: 2 to 65,536 different ones, in the order of their numerals.

        Raises:
            Invalid: They are fewer or more, or one comes twice.
        """
        if not MIN_RADIX <= len(characters) <= MAX_RADIX:
            raise Invalid("an alphabet has 2 to 65,536 characters")
        if len(set(characters)) != len(characters):
            raise Invalid("an alphabet has no character twice")
        self.characters = characters
        self.radix = radix = len(characters)
        self._codes = codes = np.array([ord(character) for character in characters], np.uint32)
        self._runs = _runs(codes)
        # One place more than the highest code point needs: all beyond is looked up there. An absent
        # character has the numeral radix, which is none.
        self._numerals = np.full(int(codes.max()) + 2, radix, numeral_type(radix))
        self._numerals[codes] = np.arange(radix)
        self._writer: Writer | None = None

    def __repr__(self) -> str:
        return f"Alphabet(radix={self.radix})"

    def contains(self, codes: Codes) -> NDArray[np.bool_]:
        """Say of each code point whether it is a character of the alphabet.

        Args:
            codes: One or more dimensions.

        Returns:
            An array of the same shape.

        Raises:
            Invalid: The array is not of uint8 or uint32.
        """
        return np.asarray(self._look_up(codes) < self.radix)

    def read(self, codes: Codes, out: NDArray[Any]) -> None:
        """Turn code points into numerals.

        Args:
            codes: One or more dimensions.
            out: Takes the numerals: the same shape, of an unsigned type that holds the radix too.

        Raises:
            AlphabetMismatch: A code point is no character of the alphabet.
            Invalid: The array is not of uint8 or uint32.
        """
        numerals = self._look_up(codes, out)
        if numerals.size and numerals.max() >= self.radix:
            raise AlphabetMismatch("a character is outside the alphabet")
        if numerals is not out:
            np.copyto(out, numerals, casting="unsafe")

    def writer(self, dtype: np.dtype[Any]) -> Writer:
        """What writes numbers in these characters, for a matrix of *dtype*: in that type or in a smaller one.

        Raises:
            Invalid: The type is not uint8 or uint32, or cannot hold every character.
        """
        least = np.min_scalar_type(self._codes.max())
        if dtype not in TYPES or dtype.itemsize < least.itemsize:
            raise Invalid(f"an array of {dtype} cannot hold the characters of this alphabet")
        if self._writer is None:  # two threads may make it at once; either will do
            self._writer = Writer(self._codes.astype(least))
        return self._writer

    def _look_up(self, codes: Codes, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Numerals, and at least the radix where a code point is none; in *out* if that costs nothing."""
        if codes.dtype not in TYPES:
            raise Invalid("code points are an array of uint8 or uint32")
        few = len(self._runs) <= FEW_RUNS and self.radix < 256
        if not few or self._codes.max() > np.iinfo(codes.dtype).max:
            return np.take(self._numerals, codes, mode="clip")
        if len(self._runs) == 1:  # what comes before the first wraps to above the last
            fits = out is not None and out.dtype == codes.dtype
            return np.subtract(codes, codes.dtype.type(self._codes[0]), out=out if fits else None)
        after = np.zeros(codes.shape, codes.dtype)  # numeral + 1, so that 0 stays for what is none
        for first, count, numeral in self._runs:
            place = codes - codes.dtype.type(first)
            inside = place < count
            place += codes.dtype.type(numeral + 1)
            place *= inside
            after += place
        after -= codes.dtype.type(1)
        return after


def _runs(codes: NDArray[np.uint32]) -> list[tuple[int, int, int]]:
    """Stretches of neighbours in Unicode: the first code point, how many, and the first numeral."""
    starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1] + 1) + 1).tolist(), len(codes)]
    return [(int(codes[start]), stop - start, start) for start, stop in pairwise(starts)]
