"""A column goes through FF1 by chunks of rows, each in the work space of one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from numpy.typing import NDArray

from confide.cipher.columns.digits import Reader
from confide.cipher.columns.halves import MAX_BYTES, Halves
from confide.cipher.columns.limbs import Limbs, split
from confide.cipher.columns.prf import PRF
from confide.cipher.ff1 import lengths

CHUNK: Final = 1 << 16
"""Rows at a time: few enough to stay in a cache, and so many that two threads seldom wait for each other:
between two passes each needs the interpreter for itself."""

CHUNK_OF_LIMBS: Final = 1 << 14
"""The same where a half takes many numbers."""

LEAST: Final = 1 << 13
"""Rows that are worth a thread."""


class Form(Protocol):
    """A column, as :class:`confide.cipher.columns.forms.Strings` and ``Numbers`` are."""

    rows: int
    n: int

    def load(self, chunk: slice, space: Space) -> None: ...

    def store(self, chunk: slice, space: Space) -> None: ...


class Space:
    """The work space of one thread for chunks of *rows* rows.

    Attributes:
        rounds: What permutes the halves.
        halves: A and B, each by its numbers.
        scratch: For what stands between two passes.
    """

    def __init__(self, aes: Cipher[Any], radix: int, n: int, t: int, rows: int) -> None:
        u = n // 2
        v = n - u
        prf = PRF(aes, radix, u, v, t)
        narrow = prf.b <= MAX_BYTES
        self.rounds = (Halves if narrow else Limbs)(prf, radix, u, v, rows)
        sizes = ([u], [v]) if narrow else (split(radix, u), split(radix, v))
        self.halves = tuple([np.empty(rows, np.uint64) for _ in half] for half in sizes)
        self.rows = rows
        self.scratch = [np.empty(rows, np.uint64) for _ in range(3)]
        self._shape = (radix, rows, n)
        self._columns = [*_columns(u, sizes[0]), *_columns(n, sizes[1])]

    @cached_property
    def reader(self) -> Reader:
        """Where strings are read; numbers come without."""
        return Reader(*self._shape, self.scratch)

    def stretches(self) -> Iterator[tuple[int, int, NDArray[np.uint64]]]:
        """Each number of the halves, behind the first and the last column (exclusive) that write it."""
        A, B = self.halves
        for (start, stop), number in zip(self._columns, [*A, *B], strict=True):
            yield start, stop, number


def _columns(end: int, sizes: list[int]) -> Iterator[tuple[int, int]]:
    for size in sizes:
        yield end - size, end
        end -= size


def permute(
    aes: Cipher[Any], radix: int, form: Form, tweaks: NDArray[np.uint8], threads: int, *, inverse: bool
) -> None:
    """Take the column through the rounds, all rows, on as many threads as are asked for and worth it.

    NumPy and ``cryptography`` work without holding the interpreter, so threads are enough for the cores.

    Args:
        aes: AES under the key, in ECB.
        radix: 2 to 65,536.
        form: The column, at least one row; it takes the results too.
        tweaks: (1, t) for all rows, or (rows, t).
        threads: How many, at most.
        inverse: Decrypt.
    """
    rows, t = form.rows, tweaks.shape[1]
    b, _ = lengths(radix, form.n - form.n // 2)
    # Chunks are of one size but for the last, and as many for each thread as for another.
    threads = max(1, min(threads, -(-rows // LEAST)))
    chunks = -(-rows // (CHUNK if b <= MAX_BYTES else CHUNK_OF_LIMBS))
    size = -(-rows // (-(-chunks // threads) * threads))
    waiting = deque(range(0, rows, size))

    def work() -> None:
        space: Space | None = None
        while True:
            try:
                start = waiting.popleft()
            except IndexError:
                return
            chunk = slice(start, min(start + size, rows))
            count = chunk.stop - start
            if space is None or space.rows != count:
                space = Space(aes, radix, form.n, t, count)
            form.load(chunk, space)
            space.rounds.begin(tweaks if len(tweaks) == 1 else tweaks[chunk])
            run = space.rounds.decrypt if inverse else space.rounds.encrypt
            space.halves = run(*space.halves)
            form.store(chunk, space)

    if threads == 1:
        work()
        return
    with ThreadPoolExecutor(threads) as pool:
        for one in [pool.submit(work) for _ in range(threads)]:
            one.result()
