"""How the chunks of a column are shared among cores.

Strings become numbers, and numbers strings, in the caller's process; the rounds between are done there and in
other processes, by whoever is free.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.cipher.columns.chunks import LEAST, Form, Passage, Space, cut
from confide.cipher.columns.processes import CREW, PATIENCE, Lost, Process
from confide.cipher.columns.worker import SLOT, SLOTS, Column

FEWEST: Final = 1 << 17
"""Rows that are worth another process."""

MOST: Final = 1 << 16
"""Rows that one has at a time: so few that nobody waits long for the last."""

LONGEST_TWEAK: Final = 1024
"""Bytes of a tweak up to which a column goes to other processes."""


def permute(
    key: bytes, radix: int, form: Form, tweaks: NDArray[np.uint8], cores: int, *, inverse: bool
) -> None:
    """Take the column through the rounds, all rows, on as many cores as are asked for and worth it.

    Args:
        key: Of AES.
        radix: 2 to 65,536.
        form: The column, at least one row; it takes the results too.
        tweaks: (1, t) for all rows, or (rows, t).
        cores: How many, at most.
        inverse: Decrypt.
    """
    passage = Passage(key, radix, form, tweaks, inverse=inverse)
    others = min(cores, os.cpu_count() or 1) - 1
    if others < 1 or form.rows < FEWEST or not share(passage, others):
        passage.run(cores)


def share(passage: Passage, others: int) -> bool:
    """Do all chunks, with up to *others* other processes; False if there are none, or they cannot do them."""
    rows = passage.form.rows
    if passage.tweaks.shape[1] > LONGEST_TWEAK:
        return False
    most = min(passage.most, MOST, SLOT // passage.describe(0).size)
    if most < LEAST:
        return False
    waiting = cut(rows, -(-rows // -(-rows // most)))
    column = passage.describe(waiting[0].stop)
    with CREW.hire(others) as processes:
        mates = [_Mate(process, column) for process in processes]
        space = passage.space(column.rows)
        try:
            while waiting or any(mate.process.lent for mate in mates):
                for mate in list(mates):
                    try:
                        mate.exchange(passage, waiting, space)
                    except Lost:
                        waiting.extendleft(chunk for _, chunk in mate.process.lent)
                        mates.remove(mate)
                        CREW.lose(mate.process)
                if waiting:
                    chunk = waiting.popleft()
                    count = chunk.stop - chunk.start
                    passage.do(chunk, space if count == space.rows else passage.space(count))
        finally:
            for mate in mates:
                CREW.keep(mate.process)
    return bool(processes)


class _Mate:
    """Another process at work on a column."""

    def __init__(self, process: Process, column: Column) -> None:
        self.process = process
        self._column = column
        self._places = [column.places(process.part(slot)) for slot in range(SLOTS)]
        self._free = list(range(SLOTS))

    def exchange(self, passage: Passage, waiting: deque[slice], space: Space) -> None:
        """Take from it what it has done, and give it more; wait for it if there is nothing else to do.

        Raises:
            Lost: It is gone.
        """
        if self.process.column is None:
            if not self.process.is_ready():
                return
            self.process.begin(self._column)
        own = space.halves
        try:
            self._take(passage, space, 0 if waiting else PATIENCE)
            # At the end, what waits is shared too: more than it has, or there is none for the others.
            while self._free and len(waiting) > len(self.process.lent):
                if waiting[0].stop - waiting[0].start < space.rows:
                    return
                self._give(passage, space, waiting.popleft())
        finally:
            space.halves = own

    def _take(self, passage: Passage, space: Space, patience: float) -> None:
        if not self.process.lent:
            return
        for slot, chunk in self.process.finish(patience):
            A, B, _ = self._places[slot]
            space.halves = A, B
            passage.form.store(chunk, space)
            self._free.append(slot)

    def _give(self, passage: Passage, space: Space, chunk: slice) -> None:
        slot = self._free.pop()
        A, B, tweaks = self._places[slot]
        space.halves = A, B
        passage.form.load(chunk, space)
        if tweaks is not None:
            tweaks[:] = passage.tweaks[chunk]
        self.process.lend(slot, chunk)
