"""Who does the work: this process, or several, with a few units under way each and answers in order.

A worker is started afresh (spawn): it has no lock and no file of its parent. The keyring comes to it through
a pipe, wrapped; never on a command line. It ends with its parent, even when that is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from confide.errors import ConfideError, Unavailable
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.files.plan import Plan
from confide.protect.files.source import Unit
from confide.protect.files.work import Answer, Worker
from confide.protect.kms.file import FileKms

AHEAD: Final = 2
"""Units that wait for each worker while it works."""
MOST: Final = 8
SMALL: Final = 4 << 20
"""Bytes of a file for which starting processes takes longer than the work."""

_LOST: Final = "a worker process was killed or could not start (is there memory enough?); nothing was written"


def count_workers(asked: int | None, size: int) -> int:
    """How many processes beside this one.

    Args:
        asked: How many the caller wants; None for as many as fit the machine.
        size: Of the file, in bytes.
    """
    if asked is not None:
        return max(asked, 0)
    if size < SMALL:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST) if cores > 1 else 0


def work(
    units: Iterable[Unit], plan: Plan, keyring: ColumnKeyring, workers: int
) -> Generator[tuple[int, Answer]]:
    """Work on all units; answers come in the order of the units, with the bytes of the file read by then.

    Raises:
        Unavailable: A worker was killed.
        BrokenRow: A row cannot be read; counted from 0 in its unit.
        Invalid: A column cannot be worked on.
    """
    if workers <= 0:
        worker = Worker(plan, keyring)
        for unit in units:
            yield unit.read, worker.do(unit.content)
        return
    context = multiprocessing.get_context("spawn")
    root = os.urandom(32)
    wrapped = keyring.wrap(FileKms(root))
    pool = ProcessPoolExecutor(workers, context, _begin, (plan, root, wrapped))
    waiting: deque[tuple[int, Future[Answer]]] = deque()
    try:
        for unit in units:
            waiting.append((unit.read, _submit(pool, unit)))
            if len(waiting) > workers * (1 + AHEAD):
                yield _take(waiting)
        while waiting:
            yield _take(waiting)
    except BrokenProcessPool:
        raise Unavailable(_LOST) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(waiting: deque[tuple[int, Future[Answer]]]) -> tuple[int, Answer]:
    read, future = waiting.popleft()
    return read, future.result()


def _submit(pool: ProcessPoolExecutor, unit: Unit) -> Future[Answer]:
    # A terminal's Ctrl-C goes to all its processes. Workers must not hear it: they inherit the mask with
    # which they are started, and the pool starts them when it is given work.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_work, unit.content)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker

_MINE: list[Worker] = []


def _begin(plan: Plan, root: bytes, wrapped: bytes) -> None:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _MINE.append(Worker(plan, ColumnKeyring.unwrap(FileKms(root), wrapped)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(content: bytes) -> Answer:
    try:
        return _MINE[0].do(content)
    except ConfideError:
        raise
    except Exception as problem:  # noqa: BLE001 - a traceback that goes back to the parent could show values
        kind = type(problem).__name__
    raise Unavailable(f"a worker was stopped by {kind}, which should not happen; nothing was written")
