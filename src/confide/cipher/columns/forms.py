"""The forms in which a column comes to FF1 and leaves it: strings of numerals or characters, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from confide.cipher.columns.chunks import Space
from confide.cipher.columns.digits import Writer, numeral_type
from confide.cipher.ff1 import MAX_LENGTH
from confide.errors import AlphabetMismatch, Invalid


class Script(Protocol):
    """What numerals look like in a matrix."""

    radix: int

    def read(self, codes: NDArray[Any], out: NDArray[Any]) -> object:
        """Write the numerals of *codes* into *out*, or raise AlphabetMismatch."""

    def writer(self, dtype: np.dtype[Any]) -> Writer:
        """What writes numbers into a matrix of *dtype*, or into one that is then cast to it."""


class Plain:
    """Numerals that are written as themselves, in any integer type."""

    def __init__(self, radix: int) -> None:
        self.radix = radix
        self._writer: Writer | None = None

    def read(self, codes: NDArray[Any], out: NDArray[Any]) -> None:
        if codes.size and not (codes.min() >= 0 and codes.max() < self.radix):
            raise AlphabetMismatch(f"a numeral is outside 0 to {self.radix - 1}")
        np.copyto(out, codes, casting="unsafe")

    def writer(self, dtype: np.dtype[Any]) -> Writer:
        if np.iinfo(dtype).max < self.radix - 1:
            raise Invalid(f"{dtype} cannot hold every numeral of radix {self.radix}")
        if self._writer is None:  # two threads may make it at once; either will do
            self._writer = Writer(np.arange(self.radix, dtype=numeral_type(self.radix)))
        return self._writer


class Strings:
    """A matrix of strings of one length, one a row.

    Attributes:
        out: What the rows become; a new array of the same shape and type.
    """

    def __init__(self, source: NDArray[Any], script: Script) -> None:
        if source.ndim != 2:
            raise Invalid("a column of strings is an array (rows, n)")
        self.rows, self.n = source.shape
        if self.n > MAX_LENGTH:
            raise Invalid("FF1 takes fewer than 2^32 numerals")
        self.out = np.empty(source.shape, source.dtype)
        self._source = source
        self._script = script
        self._writer = script.writer(source.dtype)

    def check(self) -> None:
        """Raise AlphabetMismatch where a row is not of the alphabet."""
        self._read(slice(None))

    def load(self, chunk: slice, space: Space) -> None:
        """Put the halves of these rows into the work space."""
        self._script.read(self._source[chunk], space.reader.numerals)
        for start, stop, number in space.stretches():
            space.reader.number(start, stop, number)

    def store(self, chunk: slice, space: Space) -> None:
        """Write the halves that are in the work space as these rows."""
        part, dtype = self.out[chunk], self._writer.dtype
        written = part if part.dtype == dtype else np.empty(part.shape, dtype)
        for start, stop, number in space.stretches():
            self._writer.write(number, written, start, stop, space.scratch)
        if written is not part:
            np.copyto(part, written)

    def one(self, row: int) -> list[int]:
        """The numerals of one row."""
        numerals: list[int] = self._read(slice(row, row + 1))[0].tolist()
        return numerals

    def put(self, row: int, numerals: Sequence[int]) -> None:
        """Write numerals as one row."""
        self.out[row] = self._writer.codes[np.asarray(numerals)]

    def _read(self, chunk: slice) -> NDArray[Any]:
        codes = self._source[chunk]
        numerals = np.empty(codes.shape, numeral_type(self._script.radix))
        self._script.read(codes, numerals)
        return numerals


class Numbers:
    """Numbers below radix^n, one a row, where that is at most 2^64.

    Attributes:
        out: What the rows become; a new array of uint64.
    """

    def __init__(self, source: NDArray[Any], radix: int, n: int) -> None:
        n = index(n)  # a number of NumPy's would overflow in a power
        if source.ndim != 1:
            raise Invalid("a column of numbers is an array (rows,)")
        if source.dtype.kind not in "iu":
            raise AlphabetMismatch("a number is not an integer")
        # From 65 numerals on even radix 2 is beyond: no need to form the power.
        if not (0 <= n <= 64 and radix**n <= 1 << 64):
            raise Invalid("the numbers of a column are below 2^64, and so is radix^length")
        self.rows, self.n = len(source), n
        self.out = np.empty(self.rows, np.uint64)
        self._source = source
        self._largest = radix**n - 1
        self._half = np.uint64(radix ** (n - n // 2))

    def check(self) -> None:
        """Raise AlphabetMismatch where a number is out of range."""
        self._read(slice(None))

    def load(self, chunk: slice, space: Space) -> None:
        """Put the halves of these rows into the work space."""
        numbers = self._read(chunk)
        (A,), (B,) = space.halves
        np.floor_divide(numbers, self._half, out=A)
        np.multiply(A, self._half, out=B)
        np.subtract(numbers, B, out=B)

    def store(self, chunk: slice, space: Space) -> None:
        """Write the halves that are in the work space as these rows."""
        (A,), (B,) = space.halves
        part = self.out[chunk]
        np.multiply(A, self._half, out=part)
        np.add(part, B, out=part)

    def _read(self, chunk: slice) -> NDArray[np.uint64]:
        numbers = self._source[chunk]
        if numbers.size and not (numbers.min() >= 0 and numbers.max() <= self._largest):
            raise AlphabetMismatch(f"a number is outside 0 to {self._largest}")
        return np.asarray(numbers, np.uint64)
