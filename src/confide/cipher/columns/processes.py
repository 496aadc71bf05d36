"""Other processes for the other cores: threads of one process wait for each other at each pass over the rows.

A process is started by the first column that is worth it, and stays for the next. What it works on lies in
memory without a name that both have mapped, and is zeros afterwards; the key goes through a pipe. Where
there can be no process, or it dies, the column goes on without.
"""

from __future__ import annotations

import atexit
import mmap
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from confide.cipher.columns.worker import BEGIN, END, MEMORY, READY, SLOT, SLOTS, Column, pack_chunk

PATIENCE: Final = 60.0
"""Seconds that a chunk may take; on a machine that has not stopped it takes milliseconds."""

_TRIES: Final = 3  # processes lost in a row, after which no other is started


class Lost(Exception):
    """A process is gone, or does not answer. Its rows are not: they still are where they came from."""


class Process:
    """Another process, and the memory that is shared with it.

    Attributes:
        column: What it is at work on.
        lent: The slots that it has, each with the chunk that is in it, in the order of lending.
    """

    def __init__(self) -> None:
        descriptor = os.memfd_create("columns")
        try:
            os.ftruncate(descriptor, MEMORY)
            self._memory = memoryview(mmap.mmap(descriptor, MEMORY))
            self._program = subprocess.Popen(  # noqa: S603 - this same Python
                [sys.executable, "-P", "-m", "confide.cipher.columns.worker", str(descriptor)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        finally:
            os.close(descriptor)
        if self._program.stdin is None or self._program.stdout is None:  # both were asked for
            raise Lost
        self._input, self._output = self._program.stdin, self._program.stdout
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._ready = False
        self.column: Column | None = None
        self.lent: deque[tuple[int, slice]] = deque()

    @property
    def id(self) -> int:
        """Its number on this machine."""
        return self._program.pid

    def is_ready(self) -> bool:
        """Tell whether it has started.

        Raises:
            Lost: It has ended.
        """
        if not self._ready and self._poll.poll(0):
            self._ready = self._read(1) == READY
        return self._ready

    def has_ended(self) -> bool:
        """Tell whether it has ended by itself, as one does that had nothing to do for long."""
        if self._program.poll() is None:
            return False
        self.close()
        return True

    def begin(self, column: Column) -> None:
        """Say what is to be done with the chunks that follow."""
        self.column = column
        self._write(BEGIN + column.pack())

    def end(self) -> None:
        """Let it forget the column, and leave nothing of it in the memory.

        Raises:
            Lost: It is gone.
        """
        if self.column is None:
            return
        while self.lent:
            self.finish(PATIENCE)
        self._write(END)
        for slot in range(SLOTS):
            np.frombuffer(self.part(slot), np.uint8, self.column.size * self.column.rows)[:] = 0
        self.column = None

    def part(self, slot: int) -> memoryview:
        """The memory of a slot."""
        return self._memory[SLOT * slot : SLOT * (slot + 1)]

    def lend(self, slot: int, chunk: slice) -> None:
        """Give it the rows that are in a slot."""
        self.lent.append((slot, chunk))
        self._write(pack_chunk(slot))

    def finish(self, patience: float) -> list[tuple[int, slice]]:
        """Return the slots and chunks that it has finished.

        Args:
            patience: Seconds to wait for the first.

        Raises:
            Lost: It has ended, or none came in that time.
        """
        if not self._poll.poll(1000 * patience):
            if patience:
                raise Lost
            return []
        return [self.lent.popleft() for _ in self._read(SLOTS)]

    def close(self) -> None:
        """End it, whatever it does."""
        self._program.kill()
        self._input.close()
        self._output.close()
        self._program.wait()

    def forget(self) -> None:
        """Let go of it after a fork: it is the parent's."""
        self._program.returncode = 0
        self._input.close()
        self._output.close()

    def _read(self, most: int) -> bytes:
        try:
            got = os.read(self._output.fileno(), most)
        except OSError as error:
            raise Lost from error
        if not got:
            raise Lost
        return got

    def _write(self, message: bytes) -> None:
        try:
            while message:
                message = message[self._input.write(message) :]
        except OSError as error:
            raise Lost from error


class Crew:
    """The processes that this one has started. They work for one column at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        self._lost = 0

    @property
    def ready(self) -> int:
        """How many have started and wait for a column."""
        with self.hire(0):
            return sum(process.is_ready() for process in self._processes)

    @contextmanager
    def hire(self, count: int) -> Iterator[list[Process]]:
        """Give as many processes as can be had up to *count*: none while another column has them."""
        if not self._lock.acquire(blocking=False):
            yield []
            return
        try:
            self._processes = [process for process in self._processes if not process.has_ended()]
            while len(self._processes) < count and self._lost < _TRIES and hasattr(os, "memfd_create"):
                self._start()
            yield self._processes[:count]
        finally:
            for process in [process for process in self._processes if process.column]:
                self._processes.remove(process)  # it was interrupted: nobody will take what it does now
                process.close()
            self._lock.release()

    def lose(self, process: Process) -> None:
        """Do without a process from now on."""
        self._lost += 1
        self._processes.remove(process)
        process.close()

    def keep(self, process: Process) -> None:
        """Let a process be there for the next column."""
        try:
            process.end()
        except Lost:
            self.lose(process)
        else:
            self._lost = 0

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            self._close()

    def forget(self) -> None:
        """Do without them after a fork: they are the parent's."""
        for process in self._processes:
            process.forget()
        self._processes = []
        self._lock = threading.Lock()

    def _start(self) -> None:
        try:
            self._processes.append(Process())
        except (OSError, Lost):
            self._lost += 1

    def _close(self) -> None:
        while self._processes:
            self._processes.pop().close()


CREW: Final = Crew()
"""Of this Python program."""

atexit.register(CREW.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CREW.forget)
