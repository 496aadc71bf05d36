"""Memory that a process shares with its workers: units and answers pass through it, not through pipes.

It has no name and no file; it is gone with the last of the processes, however that ends.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from multiprocessing import reduction
from typing import Any, Final

SIZE: Final = 16 << 20
"""Bytes of a slot; only those that have been used take memory."""


class Slots:
    """Pieces of shared memory, one for each unit that is under way. Sent to a worker while it is started."""

    def __init__(self, count: int, descriptor: int | None = None) -> None:
        """Share so many slots.

        Args:
            count: How many.
            descriptor: Of the memory, where another process has made it.
        """
        self.count = count
        if descriptor is None:
            descriptor = os.memfd_create("confide", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, count * SIZE)
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, count * SIZE)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _attach, (self.count, reduction.DupFd(self._descriptor))

    def put(self, slot: int, content: bytes | memoryview) -> int | None:
        """Write into a slot; how many bytes, or None where they do not fit."""
        if len(content) > SIZE:
            return None
        self._map[slot * SIZE : slot * SIZE + len(content)] = content
        return len(content)

    def get(self, slot: int, length: int) -> memoryview:
        """Look at a slot; it stays as it is until somebody writes into it again."""
        return memoryview(self._map)[slot * SIZE : slot * SIZE + length]

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
        with suppress(BufferError):  # somebody still looks at it; it goes with him
            self._map.close()


def _attach(count: int, duplicate: Any) -> Slots:
    return Slots(count, duplicate.detach())
