"""The other process: it takes halves that lie in shared memory through the rounds, where they lie.

Started by ``processes``, which says what to do on standard input; for each chunk that is done there is one
byte on standard output. A key comes through the pipe, and is forgotten when its column has ended.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from confide.cipher.columns.halves import MAX_BYTES, Halves
from confide.cipher.columns.limbs import Limbs, split
from confide.cipher.columns.prf import PRF
from confide.cipher.ff1 import lengths

SLOTS: Final = 3
"""Chunks that a process has at a time: one at work, the others waiting."""

SLOT: Final = 1 << 22
"""Bytes that a chunk may have."""

MEMORY: Final = SLOTS * SLOT

READY: Final = b"+"
DONE: Final = b"."
BEGIN: Final = b"b"
CHUNK: Final = b"c"
END: Final = b"e"

Places = tuple[list[NDArray[np.uint64]], list[NDArray[np.uint64]], NDArray[np.uint8] | None]
"""A and B of a chunk, each by its numbers, and its tweaks."""

_COLUMN: Final = struct.Struct("<BIIIIBB")
_IDLE: Final = 300.0  # seconds after which an idle process ends; another starts within one
_LOOK: Final = 1.0  # seconds between two looks whether whoever started it is still there


@dataclass(frozen=True, slots=True)
class Column:
    """What all chunks of one column have in common.

    Attributes:
        key: Of AES.
        radix: 2 to 65,536.
        n: Numerals of a string.
        t: Bytes of a tweak.
        rows: Of a chunk.
        inverse: Decrypt.
        tweak: The one that all rows have; None if each has its own.
    """

    key: bytes
    radix: int
    n: int
    t: int
    rows: int
    inverse: bool
    tweak: bytes | None

    def __repr__(self) -> str:
        return f"Column(radix={self.radix}, n={self.n})"

    @property
    def numbers(self) -> tuple[int, int]:
        """How many numbers a row of each half takes."""
        u = self.n // 2
        if self.is_narrow:
            return 1, 1
        return len(split(self.radix, u)), len(split(self.radix, self.n - u))

    @property
    def is_narrow(self) -> bool:
        """Whether a half is one number."""
        return lengths(self.radix, self.n - self.n // 2)[0] <= MAX_BYTES

    @property
    def size(self) -> int:
        """Bytes of a row in a slot."""
        return 8 * sum(self.numbers) + (self.t if self.tweak is None else 0)

    def cipher(self) -> Cipher[Any]:
        """AES under the key."""
        return Cipher(algorithms.AES(self.key), modes.ECB())  # noqa: S305 - see FF1

    def pack(self) -> bytes:
        """As it goes through the pipe."""
        one = self.tweak is not None
        head = _COLUMN.pack(len(self.key), self.radix, self.n, self.t, self.rows, self.inverse, one)
        return head + self.key + (self.tweak or b"")

    def places(self, slot: memoryview) -> Places:
        """Where the halves and the tweaks of a chunk are in a slot; no tweaks if one is for all."""
        u, v = self.numbers
        words = np.frombuffer(slot, np.uint64, (u + v) * self.rows).reshape(u + v, self.rows)
        tweaks = None
        if self.tweak is None:
            tweaks = np.frombuffer(slot, np.uint8, self.rows * self.t, words.nbytes)
            tweaks = tweaks.reshape(self.rows, self.t)
        return list(words[:u]), list(words[u:]), tweaks


def pack_chunk(slot: int) -> bytes:
    """Say that a chunk is in a slot."""
    return CHUNK + bytes([slot])


class _Alone(Exception):
    """Nobody wants anything of this process any more."""


class _Worker:
    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._parent = os.getppid()
        self._input = select.poll()
        self._input.register(0, select.POLLIN)

    def _read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            self._wait()
            part = os.read(0, count - len(got))
            if not part:
                raise _Alone
            got += part
        return got

    def _wait(self) -> None:
        """Until there is something to read. A process that was forked may hold the pipe open for ever."""
        end = time.monotonic() + _IDLE
        while not self._input.poll(1000 * _LOOK):
            if os.getppid() != self._parent or time.monotonic() > end:
                raise _Alone

    def run(self) -> None:
        os.write(1, READY)
        while True:
            if self._read(1) == BEGIN:
                self._column()

    def _column(self) -> None:
        size, radix, n, t, rows, inverse, same = _COLUMN.unpack(self._read(_COLUMN.size))
        key, tweak = self._read(size), self._read(t) if same else None
        column = Column(key, radix, n, t, rows, bool(inverse), tweak)
        one = np.frombuffer(tweak or b"", np.uint8).reshape(1, -1)
        places = [column.places(self._memory[SLOT * slot : SLOT * (slot + 1)]) for slot in range(SLOTS)]
        u = n // 2
        prf = PRF(column.cipher(), radix, u, n - u, t)
        rounds = (Halves if column.is_narrow else Limbs)(prf, radix, u, n - u, rows)
        while self._read(1) == CHUNK:
            A, B, tweaks = places[self._read(1)[0]]
            rounds.begin(one if tweaks is None else tweaks)
            run = rounds.decrypt if inverse else rounds.encrypt
            run(A, B)
            os.write(1, DONE)


def main() -> None:
    """Work until nobody is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for whoever gave the work, who then ends this too
    memory = memoryview(mmap.mmap(int(sys.argv[1]), MEMORY))
    try:
        _Worker(memory).run()
    except (_Alone, BrokenPipeError):
        os._exit(0)


if __name__ == "__main__":
    main()
