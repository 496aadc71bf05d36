"""Processes that work beside this one, on another core: they hear no Ctrl-C, and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed() -> Iterator[None]:
    """Give work to a pool: the processes that it starts meanwhile do not hear Ctrl-C.

    A terminal's Ctrl-C goes to all its processes. Those of a pool inherit the mask with which they are
    started, and a pool starts them when it is given work.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when its parent ends, even if that is killed."""
    threading.Thread(target=_follow, name="parent", daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
