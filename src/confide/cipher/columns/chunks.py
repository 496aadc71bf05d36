"""A column goes through FF1 by chunks of rows, each in the work space of one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from confide.cipher.columns.digits import Reader
from confide.cipher.columns.halves import MAX_BYTES, Halves, Number
from confide.cipher.columns.limbs import Limbs, split
from confide.cipher.columns.prf import PRF
from confide.cipher.columns.worker import Column
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
        A, B = ([np.empty(rows, np.uint64) for _ in half] for half in sizes)
        self.halves: tuple[Number, Number] = A, B
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


class Passage:
    """One column on its way through the rounds.

    Attributes:
        form: The column; it takes the results too.
        tweaks: (1, t) for all rows, or (rows, t).
        most: Rows of a chunk.
    """

    def __init__(
        self, key: bytes, radix: int, form: Form, tweaks: NDArray[np.uint8], *, inverse: bool
    ) -> None:
        """Take the column.

        Args:
            key: Of AES.
            radix: 2 to 65,536.
            form: At least one row.
            tweaks: As above.
            inverse: Decrypt.
        """
        self.form, self.tweaks = form, tweaks
        self._key, self._radix, self._inverse = key, radix, inverse
        self._aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - see FF1
        b, _ = lengths(radix, form.n - form.n // 2)
        self.most = CHUNK if b <= MAX_BYTES else CHUNK_OF_LIMBS

    def space(self, rows: int) -> Space:
        """Work space for chunks of this column."""
        return Space(self._aes, self._radix, self.form.n, self.tweaks.shape[1], rows)

    def do(self, chunk: slice, space: Space) -> None:
        """Take the rows of one chunk through the rounds, in a space for as many."""
        self.form.load(chunk, space)
        space.rounds.begin(self.tweaks if len(self.tweaks) == 1 else self.tweaks[chunk])
        run = space.rounds.decrypt if self._inverse else space.rounds.encrypt
        space.halves = run(*space.halves)
        self.form.store(chunk, space)

    def run(self, threads: int) -> None:
        """Do all chunks in this process. Threads wait for each other, but they are there at once."""
        rows = self.form.rows
        threads = max(1, min(threads, -(-rows // LEAST)))
        # As many chunks for each thread as for another
        waiting = cut(rows, -(-rows // (-(-rows // self.most // threads) * threads)))

        def work() -> None:
            space: Space | None = None
            while True:
                try:
                    chunk = waiting.popleft()
                except IndexError:
                    return
                if space is None or space.rows != chunk.stop - chunk.start:
                    space = self.space(chunk.stop - chunk.start)
                self.do(chunk, space)

        if threads == 1:
            work()
            return
        with ThreadPoolExecutor(threads) as pool:
            for one in [pool.submit(work) for _ in range(threads)]:
                one.result()

    def describe(self, rows: int) -> Column:
        """Say what another process must know to do chunks of *rows* rows."""
        tweak = self.tweaks[0].tobytes() if len(self.tweaks) == 1 else None
        return Column(self._key, self._radix, self.form.n, self.tweaks.shape[1], rows, self._inverse, tweak)


def cut(rows: int, size: int) -> deque[slice]:
    """Chunks of one size, but for the last."""
    return deque(slice(start, min(start + size, rows)) for start in range(0, rows, size))
