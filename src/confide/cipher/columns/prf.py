"""PRF of FF1 for many rows at once: CBC-MAC over P || Q, one call to AES for a block of every row."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from numpy.typing import NDArray

from confide.cipher.ff1 import BLOCK, first_block, lengths

Blocks = NDArray[Any]
"""Whole blocks of 16 bytes in a row-major array, whatever the type of its elements."""

SPARE: Final = 1
"""Blocks that ``PRF.ciph`` wants behind its output: ``update_into`` asks for room that it does not fill."""


class PRF:
    """The parts of steps 3 to 6.iii that all rows of a column share. One thread uses one.

    Of P || Q only the last blocks hold i and B. The chain up to them is computed once for the ten rounds:
    once for the column where all rows have one tweak, once a row where each has its own.

    Attributes:
        b: Bytes in which Q holds NUM(B), at its end.
        d: Bytes of which y is made.
        varying: Blocks at the end of Q that hold i and B. The byte of i is in the first of them.
    """

    __slots__ = ("_chain", "_update_into", "_whole", "b", "d", "varying")

    def __init__(self, aes: Cipher[Any], radix: int, u: int, v: int, t: int) -> None:
        encryptor = aes.encryptor()
        self._update_into = encryptor.update_into
        self._chain = encryptor.update(first_block(radix, u, v, t))
        self.b, self.d = lengths(radix, v)
        # 6.i Q = T || [0]^((-t-b-1) mod 16) || [i]^1 || [NUM_radix(B)]^b
        Q = t + (-t - self.b - 1) % BLOCK + 1 + self.b
        self.varying = (self.b + BLOCK) // BLOCK
        self._whole = Q - self.varying * BLOCK

    def ciph(self, blocks: Blocks, out: Blocks) -> None:
        """AES of every block by itself.

        Args:
            blocks: Contiguous.
            out: Contiguous, another array, with :data:`SPARE` blocks more.
        """
        self._update_into(blocks.data.cast("B"), out.data.cast("B"))

    def open(self, tweaks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Everything of the varying blocks but i and B, with the chain of the blocks before XORed in.

        Args:
            tweaks: (k, t); k is 1 where all rows have one tweak, else the number of rows.

        Returns:
            (k, 16 * varying) bytes. XOR i and B into them for what AES reads.
        """
        k = len(tweaks)
        block, chain = np.empty((k, BLOCK), np.uint8), np.empty((k + SPARE, BLOCK), np.uint8)
        # One word at a time: NumPy is slow along the short side of a matrix.
        for word, first in enumerate(np.frombuffer(self._chain, np.uint64)):
            chain.view(np.uint64)[:, word] = first
        for at in range(0, self._whole, BLOCK):
            part = tweaks[:, at : at + BLOCK]
            block[:, : part.shape[1]] = part
            block[:, part.shape[1] :] = 0  # T is at its end
            np.bitwise_xor(block, chain[:k], out=block)
            self.ciph(block, chain)
        rest = tweaks[:, self._whole :]
        if not rest.shape[1] and self.varying == 1:
            return chain[:k]
        end = np.zeros((k, self.varying * BLOCK), np.uint8)
        end[:, : rest.shape[1]] = rest
        end[:, :BLOCK] ^= chain[:k]
        return end
