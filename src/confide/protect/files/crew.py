"""Who does the work: this process, or several, with a few units under way each and answers in order.

A worker is started afresh (spawn): it has no lock and no file of its parent. The keyring comes to it through
a pipe, wrapped; never on a command line. It ends with its parent, even when that is killed.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from confide import children
from confide.errors import ConfideError, Unavailable
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.files.plan import Plan
from confide.protect.files.slots import Slots
from confide.protect.files.units import Unit
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
    with closing(Slots(workers * (1 + AHEAD) + 1)) as slots:
        yield from _share_out(units, plan, keyring, workers, slots)


def _share_out(
    units: Iterable[Unit], plan: Plan, keyring: ColumnKeyring, workers: int, slots: Slots
) -> Generator[tuple[int, Answer]]:
    root = os.urandom(32)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (plan, root, keyring.wrap(FileKms(root)), slots))
    free = list(range(slots.count))
    waiting: deque[_Sent] = deque()
    try:
        for unit in units:
            waiting.append(_send(pool, slots, free.pop(), unit))
            if not free:
                yield _take(waiting, slots, free)
        while waiting:
            yield _take(waiting, slots, free)
    except BrokenProcessPool:
        raise Unavailable(_LOST) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A unit under way: how much of the file had been read with it, where it is, and what becomes of it."""

    read: int
    slot: int
    future: Future[tuple[Answer, int | None]]


def _send(pool: ProcessPoolExecutor, slots: Slots, slot: int, unit: Unit) -> _Sent:
    length = slots.put(slot, unit.content)
    with children.hushed():
        return _Sent(unit.read, slot, pool.submit(_work, slot, unit.content if length is None else length))


def _take(waiting: deque[_Sent], slots: Slots, free: list[int]) -> tuple[int, Answer]:
    """The next answer; its content may lie in a slot, and stays there until the one after it is asked for."""
    sent = waiting.popleft()
    answer, length = sent.future.result()
    free.append(sent.slot)
    if length is not None:
        answer = replace(answer, content=slots.get(sent.slot, length))
    return sent.read, answer


# In a worker

_MINE: list[tuple[Worker, Slots]] = []


def _begin(plan: Plan, root: bytes, wrapped: bytes, slots: Slots) -> None:
    children.end_with_parent()
    _MINE.append((Worker(plan, ColumnKeyring.unwrap(FileKms(root), wrapped)), slots))


def _work(slot: int, sent: int | bytes) -> tuple[Answer, int | None]:
    """Work on a unit in a slot, or that did not fit there; the answer goes the same way."""
    worker, slots = _MINE[0]
    try:
        answer = worker.do(sent if isinstance(sent, bytes) else bytes(slots.get(slot, sent)))
        length = slots.put(slot, answer.content)
        return (answer if length is None else replace(answer, content=b"")), length
    except ConfideError:
        raise
    except Exception as problem:  # noqa: BLE001 - a traceback that goes back to the parent could show values
        kind = type(problem).__name__
    raise Unavailable(f"a worker was stopped by {kind}, which should not happen; nothing was written")
