"""The ten rounds of FF1 on columns whose halves are numbers below 2^56: one uint64 each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.columns.prf import PRF, SPARE
from confide.cipher.ff1 import ROUNDS

Number = list[NDArray[np.uint64]]
"""One number a row, by super-digits, the least significant first; below 2^56 there is one."""

MAX_BYTES: Final = 7
"""Up to 7 bytes of B, it and i stand in the last 8 bytes of the one block that changes."""


class Halves:
    """Work space of one thread for chunks of *rows* rows. Its buffers are used again for every chunk.

    All is arithmetic on unsigned 64-bit integers, in place; one pass over the rows takes as long as a tenth
    of an AES block, so the passes are what there is to save.
    """

    def __init__(self, prf: PRF, radix: int, u: int, v: int, rows: int) -> None:
        self._prf = prf
        # radix^m of step 6.vi, by parity: 6.v is m = u or m = v
        self._modulus = (np.uint64(radix**u), np.uint64(radix**v))
        # The bits by which a number below radix^m may be shifted without leaving 64 bits.
        self._room = tuple(64 - (radix**m - 1).bit_length() for m in (u, v))
        self._blocks = np.zeros((rows, 2), np.uint64)
        self._R = np.zeros((rows + SPARE, 2), np.uint64)
        # What AES reads and writes is big-endian: NumPy turns bytes around as it copies.
        self._front = self._blocks[:, 0].view(">u8")
        self._back = self._blocks[:, 1].view(">u8")
        self._R_front = self._R[:rows, 0].view(">u8")
        self._R_back = self._R[:rows, 1].view(">u8")
        self._y = np.empty(rows, np.uint64)
        self._quotient = np.empty(rows, np.uint64)
        self._more = np.empty(rows, np.uint64)
        self._open = np.zeros(1, np.uint64)
        self._open_i = self._open

    def begin(self, tweaks: NDArray[np.uint8]) -> None:
        """Take the tweaks of the next chunk: (1, t) for all of its rows, or (rows, t)."""
        words = self._prf.open(tweaks).view(">u8").astype(np.uint64)
        np.copyto(self._front, words[:, 0])
        self._open = np.ascontiguousarray(words[:, 1])
        self._open_i = np.empty_like(self._open)

    def encrypt(self, A: Number, B: Number) -> tuple[Number, Number]:
        """Steps 6 of Algorithm 7, in place: the arrays that come back are those that went in."""
        (a,), (b,) = A, B
        y = self._y
        for i in range(ROUNDS):
            modulus = self._modulus[i & 1]
            self._round(i, b)  # 6.i to 6.iv, mod radix^m
            # 6.vi: c = (A + y) mod radix^m. Of c and c - radix^m, the second wraps where it is not wanted.
            np.add(a, y, out=a)
            np.subtract(a, modulus, out=y)
            np.minimum(a, y, out=a)
            a, b = b, a  # 6.viii and 6.ix
        return [a], [b]

    def decrypt(self, A: Number, B: Number) -> tuple[Number, Number]:
        """Steps 6 of Algorithm 8, in place."""
        (a,), (b,) = A, B
        y = self._y
        for i in reversed(range(ROUNDS)):
            modulus = self._modulus[i & 1]
            self._round(i, a)  # 6.i to 6.iv, mod radix^m
            # 6.vi: c = (B - y) mod radix^m. Where B - y wraps, adding radix^m wraps it back, below itself.
            np.subtract(b, y, out=b)
            np.add(b, modulus, out=y)
            np.minimum(b, y, out=b)
            a, b = b, a  # 6.viii and 6.ix
        return [a], [b]

    def _round(self, i: int, half: NDArray[np.uint64]) -> None:
        """Steps 6.i to 6.iv, and the reduction of y modulo radix^m, into ``_y``."""
        prf, y = self._prf, self._y
        np.bitwise_xor(self._open, np.uint64(i << 8 * prf.b), out=self._open_i)
        np.bitwise_xor(half, self._open_i, out=self._back)
        prf.ciph(self._blocks, self._R)
        # 6.iii and 6.iv: y is the number that the first d bytes of R write, and d is 8 or 12.
        np.copyto(y, self._R_front)
        self._reduce(self._modulus[i & 1])
        if prf.d > 8:
            self._append(i)

    def _reduce(self, modulus: np.uint64) -> None:
        """``_y`` modulo radix^m. NumPy divides by one number with multiplications, many rows at a time."""
        y, quotient = self._y, self._quotient
        np.floor_divide(y, modulus, out=quotient)
        np.multiply(quotient, modulus, out=quotient)
        np.subtract(y, quotient, out=y)

    def _append(self, i: int) -> None:
        """From the first 8 bytes of y, reduced, to all 12: the other 32 bits in steps that fit into 64."""
        y, more, piece = self._y, self._more, self._quotient
        np.copyto(more, self._R_back)  # those bits, on top of 32 that are not part of y
        left = 32
        while left:
            taken = min(left, self._room[i & 1])
            np.left_shift(y, np.uint64(taken), out=y)
            np.right_shift(more, np.uint64(64 - taken), out=piece)
            np.bitwise_or(y, piece, out=y)
            self._reduce(self._modulus[i & 1])
            left -= taken
            if left:
                np.left_shift(more, np.uint64(taken), out=more)
