"""Processes that write the batches of mailings, one for each core.

Each is started afresh (spawn): it shares no connection and no lock with its parent, opens the installation
itself, and ends with its parent, even when that is killed.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from confide import children
from confide.errors import Unavailable

if TYPE_CHECKING:
    from confide.incidents.notices.hands import Done, Job
    from confide.wiring import System

AHEAD: Final = 2
"""Batches that wait for each process while it works."""

_LOST: Final = "a process that writes letters was killed or could not start (the same command goes on)"


class Scribes:
    """*count* processes beside this one, which gives and takes.

    Args:
        count: One for each core.
        pool: Runs them.
    """

    def __init__(self, count: int, pool: ProcessPoolExecutor) -> None:
        self._count = count
        self._pool = pool
        self._waiting: set[Future[Done]] = set()

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._count * (1 + AHEAD)

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def give(self, job: Job) -> None:
        try:
            with children.hushed():
                self._waiting.add(self._pool.submit(_write, job))
        except BrokenProcessPool:
            raise Unavailable(_LOST) from None

    def take(self) -> list[Done]:
        finished, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
        try:
            return [each.result() for each in finished]
        except BrokenProcessPool:
            raise Unavailable(_LOST) from None


@contextmanager
def at_work(count: int, build: Callable[[], System]) -> Iterator[Scribes]:
    """Start and stop processes.

    Args:
        count: How many.
        build: Opens the installation in each of them; a function of a module.
    """
    from django.db import connections

    connections.close_all()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _begin, (build,)) as pool:
        try:
            yield Scribes(count, pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


# In such a process

_MINE: list[System] = []


def begin() -> System:
    """Open the installation that the environment names."""
    from confide.cli import installation
    from confide.server import config

    installation.start(config.read())
    return installation.build(config.read())


def _begin(build: Callable[[], System]) -> None:
    children.end_with_parent()
    _MINE.append(build())
    gc.freeze()  # what was loaded so far stays for good


def _write(job: Job) -> Done:
    from confide.audit import openings

    system = _MINE[0]
    try:
        return system.sender.write(job)
    finally:
        openings.flush(system.clock())
