"""The ten rounds of FF1 on columns whose halves do not fit into one uint64.

A half is held by super-digits: several numerals each, base radix^g up to 2^32, so that a product of two
stays within 64 bits. What AES reads and writes are the same numbers by words of 32 bits. Going from one to
the other is schoolbook arithmetic, one pass over the rows at a time, and exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.columns.halves import Number
from confide.cipher.columns.prf import PRF, SPARE
from confide.cipher.ff1 import BLOCK, ROUNDS

WORDS: Final = 4
"""Words of 32 bits in a block."""

_32: Final = np.uint64(32)
_63: Final = np.uint64(63)
_LOW: Final = np.uint64(0xFFFFFFFF)


def split(radix: int, m: int) -> list[int]:
    """How many numerals each super-digit of an m-numeral half holds, the least significant first."""
    g = 1
    while radix ** (g + 1) <= 1 << 32:
        g += 1
    return [g] * (m // g) + [m % g] * (m % g > 0)


class Limbs:
    """Work space of one thread for chunks of *rows* rows. Its buffers are used again for every chunk."""

    def __init__(self, prf: PRF, radix: int, u: int, v: int, rows: int) -> None:
        self._prf = prf
        # The bases of the super-digits of a half of m numerals, by parity: 6.v is m = u or m = v.
        self._bases = tuple([np.uint64(radix**g) for g in split(radix, m)] for m in (u, v))
        # How many words hold a half by its top super-digits alone, and y divided by all but those.
        self._held = tuple(_held(bases) for bases in self._bases)
        self._left = tuple(_left(bases, prf.d // 4) for bases in self._bases)
        self._blocks = np.empty((rows, WORDS), np.uint32)
        self._R = np.empty((rows + SPARE, WORDS), np.uint32)
        self._more = np.empty((rows + SPARE, WORDS), np.uint32)
        self._open = np.zeros((1, prf.varying * WORDS), np.uint32)
        self._half = [np.empty(rows, np.uint64) for _ in range((prf.b + 3) // 4)]
        self._y = [np.empty(rows, np.uint64) for _ in range(prf.d // 4)]
        self._t, self._q = np.empty(rows, np.uint64), np.empty(rows, np.uint64)

    def begin(self, tweaks: NDArray[np.uint8]) -> None:
        """Take the tweaks of the next chunk: (1, t) for all of its rows, or (rows, t)."""
        self._open = self._prf.open(tweaks).view(np.uint32)

    def encrypt(self, A: Number, B: Number) -> tuple[Number, Number]:
        """Steps 6 of Algorithm 7, in place: the arrays that come back are those that went in."""
        for i in range(ROUNDS):
            self._round(i, B)  # 6.i to 6.iv
            self._add(A, i & 1)  # 6.vi
            A, B = B, A  # 6.viii and 6.ix
        return A, B

    def decrypt(self, A: Number, B: Number) -> tuple[Number, Number]:
        """Steps 6 of Algorithm 8, in place."""
        for i in reversed(range(ROUNDS)):
            self._round(i, A)  # 6.i to 6.iv
            self._subtract(B, i & 1)  # 6.vi
            A, B = B, A  # 6.viii and 6.ix
        return A, B

    def _round(self, i: int, half: Number) -> None:
        """Steps 6.i to 6.iv: y into ``_y``, by words, the most significant first."""
        prf, blocks, R = self._prf, self._blocks, self._R
        rows = len(blocks)
        self._to_words(half, ~i & 1)
        # 6.i and 6.ii: R = PRF(P || Q), going on from the chain, which is in _open already.
        i_at = prf.varying * BLOCK - prf.b - 1
        for at in range(0, prf.varying * WORDS, WORDS):
            blocks[:] = self._open[:, at : at + WORDS]
            if at == 0:
                blocks.view(np.uint8)[:, i_at] ^= np.uint8(i)
            else:
                blocks ^= R[:rows]
            for column in range(WORDS):
                k = prf.varying * WORDS - 1 - (at + column)  # words from the end of Q
                if k < len(self._half):
                    blocks[:, column] ^= self._half[k].astype(">u4").view(np.uint32)
            prf.ciph(blocks, R)
        # 6.iii: S is the first d bytes of R || CIPH(R xor [1]^16) || CIPH(R xor [2]^16) || ...
        for k, word in enumerate(self._y):
            j, column = divmod(k, WORDS)
            if j and column == 0:
                blocks[:] = R[:rows]
                blocks[:, -1] ^= np.array(j, ">u4").view(np.uint32)
                prf.ciph(blocks, self._more)
            # 6.iv
            np.copyto(word, (self._more if j else R)[:rows, column].view(">u4"))

    def _to_words(self, half: Number, m: int) -> None:
        """The number that a half of parity *m* writes, into ``_half``, the least significant word first."""
        words, carry, t = self._half, self._q, self._t
        bases, held = self._bases[m], self._held[m]
        for word in words:
            word[:] = 0
        for digit, base, count in reversed(list(zip(half, bases, held, strict=True))):
            # words = words * base + digit
            np.copyto(carry, digit)
            for word in words[:count]:
                np.multiply(word, base, out=t)
                np.add(t, carry, out=t)
                np.bitwise_and(t, _LOW, out=word)
                np.right_shift(t, _32, out=carry)

    def _digits_of_y(self, m: int) -> Iterator[tuple[NDArray[np.uint64], np.uint64]]:
        """The super-digits of y mod radix^m, each with its base; ``_y`` is divided by one after the other."""
        rest, t = self._q, self._t
        for base, left in zip(self._bases[m], self._left[m], strict=True):
            rest[:] = 0
            for word in self._y[len(self._y) - left :]:
                np.left_shift(rest, _32, out=rest)
                np.bitwise_or(rest, word, out=t)
                np.floor_divide(t, base, out=word)
                np.multiply(word, base, out=rest)
                np.subtract(t, rest, out=rest)
            yield rest, base

    def _add(self, A: Number, m: int) -> None:
        """6.vi of Algorithm 7: c = (A + y) mod radix^m, into A. What the top carries out is dropped."""
        t = self._t
        carry = np.zeros_like(t)
        for digit, (y, base) in zip(A, self._digits_of_y(m), strict=True):
            np.add(digit, y, out=digit)
            np.add(digit, carry, out=digit)
            # Of c and c - base, the second wraps, to above 2^63, where there is nothing to carry.
            np.subtract(digit, base, out=t)
            np.right_shift(t, _63, out=carry)
            np.bitwise_xor(carry, np.uint64(1), out=carry)
            np.minimum(digit, t, out=digit)

    def _subtract(self, B: Number, m: int) -> None:
        """6.vi of Algorithm 8: c = (B - y) mod radix^m, into B. What the top borrows is dropped."""
        t = self._t
        borrow = np.zeros_like(t)
        for digit, (y, base) in zip(B, self._digits_of_y(m), strict=True):
            np.subtract(digit, y, out=digit)
            np.subtract(digit, borrow, out=digit)
            np.right_shift(digit, _63, out=borrow)
            np.add(digit, base, out=t)
            np.minimum(digit, t, out=digit)


def _held(bases: list[np.uint64]) -> list[int]:
    """For each super-digit, the words of a number that it and those above it write."""
    below, words = 1, []
    for base in reversed(bases):
        below *= int(base)
        words.append(((below - 1).bit_length() + 31) // 32)
    return words[::-1]


def _left(bases: list[np.uint64], words: int) -> list[int]:
    """For each super-digit, the words of y once it has been divided by those below it."""
    most, left = (1 << 32 * words) - 1, []
    for base in bases:
        left.append((most.bit_length() + 31) // 32)
        most //= int(base)
    return left
