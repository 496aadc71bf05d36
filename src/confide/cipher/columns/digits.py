"""From numerals, a matrix with one row a value, to numbers, an array for some of its columns; and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LANES: Final = 8
"""Numerals of one byte that one uint64 holds."""

Scratch = list[NDArray[np.uint64]]
"""Three arrays (rows,) for what stands between two passes; nobody keeps anything in them."""

LARGEST_TABLE: Final = 1 << 16
"""Entries of the tables that write several characters at once: they stay in a core's own cache."""


def numeral_type(radix: int) -> np.dtype[Any]:
    """The least unsigned type that holds every numeral and one value more, for what is no numeral."""
    return np.min_scalar_type(radix)


class Reader:
    """Holds the numerals of one chunk and reads numbers from stretches of their columns.

    Attributes:
        numerals: (rows, n), to be filled by the caller.
    """

    def __init__(self, radix: int, rows: int, n: int, scratch: Scratch) -> None:
        dtype = numeral_type(radix)
        self._radix = radix
        # Numerals of one byte are read eight at a time, ending at the last one wanted: the first row has
        # something before it too.
        self._memory = np.zeros(LANES + rows * n, dtype)
        self.numerals = self._memory[LANES:].reshape(rows, n)
        self._x, self._t = scratch[:2]

    def number(self, start: int, stop: int, out: NDArray[np.uint64]) -> None:
        """Put the number that columns *start* to *stop* write, below 2^64, into *out*."""
        if self.numerals.dtype != np.uint8:
            out[:] = 0
            for column in range(start, stop):
                np.multiply(out, np.uint64(self._radix), out=out)
                np.add(out, self.numerals[:, column], out=out)
            return
        # The first group is the one with fewer than 8 numerals.
        first = start + ((stop - start) % LANES or LANES)
        self._eight(start, first, out)
        for end in range(first + LANES, stop + 1, LANES):
            np.multiply(out, np.uint64(self._radix**LANES), out=out)
            self._eight(end - LANES, end, self._x)
            np.add(out, self._x, out=out)

    def _eight(self, start: int, stop: int, out: NDArray[np.uint64]) -> None:
        """Up to eight numerals of one byte: neighbours join to pairs, fours and eights within one uint64."""
        rows, n = self.numerals.shape
        width = stop - start
        # Little-endian, so the first numeral is in the lowest byte and the last in the highest.
        np.copyto(out, np.ndarray(rows, "<u8", self._memory.data, stop, (n,)))
        if width < LANES:  # what stands before the first is not ours
            np.bitwise_and(out, np.uint64((1 << 64) - (1 << 8 * (LANES - width))), out=out)
        base = self._radix
        for bits, mask in ((8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0x00000000FFFFFFFF)):
            if bits == 32 and width <= LANES // 2:  # the lower four are empty
                np.right_shift(out, np.uint64(bits), out=out)
            elif base <= 1 << bits // 2:
                # Every lane times base into the lane above, all at once: the sums stay within their lanes.
                np.multiply(out, np.uint64(base << bits | 1), out=out)
                np.right_shift(out, np.uint64(bits), out=out)
                if bits < 32:
                    np.bitwise_and(out, np.uint64(mask), out=out)
            else:
                np.bitwise_and(out, np.uint64(mask), out=self._t)
                np.multiply(self._t, np.uint64(base), out=self._t)
                np.right_shift(out, np.uint64(bits), out=out)
                np.bitwise_and(out, np.uint64(mask), out=out)
                np.add(out, self._t, out=out)
            base *= base


class Writer:
    """Writes numbers as characters into stretches of columns, by tables of several characters at once.

    Holds no state, so threads may share one.
    """

    def __init__(self, codes: NDArray[Any]) -> None:
        """Take what writes each numeral: (radix,), of the type of the matrix to be written."""
        self.codes = codes
        self.dtype = codes.dtype
        self._radix = radix = len(codes)
        self._tables: list[tuple[int, NDArray[Any]]] = []
        for width in (8, 4, 2, 1):
            if radix**width <= LARGEST_TABLE and width * codes.itemsize <= 8:
                numbers = np.arange(radix**width)
                places = np.stack([numbers // radix ** (width - 1 - j) % radix for j in range(width)], axis=1)
                written = codes[places].view(f"u{width * codes.itemsize}")
                self._tables.append((width, written.ravel()))

    def write(
        self, number: NDArray[np.uint64], matrix: NDArray[Any], start: int, stop: int, scratch: Scratch
    ) -> None:
        """Write *number*, below radix^(stop - start), into columns *start* to *stop*.

        Args:
            number: (rows,); overwritten.
            matrix: (rows, n), contiguous.
            start: The first column.
            stop: The column after the last.
            scratch: Overwritten.
        """
        rows, n = matrix.shape
        low, t, written = scratch
        while start < stop:
            width, table = next((w, table) for w, table in self._tables if w <= stop - start)
            stop -= width
            if start < stop:
                base = np.uint64(self._radix**width)
                np.floor_divide(number, base, out=t)
                np.multiply(t, base, out=low)
                np.subtract(number, low, out=low)
                number, t = t, number
            else:
                low = number
            # "wrap" because NumPy's check of each index takes longer; every one is within the table.
            characters = written.view(table.dtype)[:rows]
            np.take(table, low.view(np.int64), mode="wrap", out=characters)
            size = matrix.itemsize
            np.copyto(np.ndarray(rows, table.dtype, matrix.data, stop * size, (n * size,)), characters)
