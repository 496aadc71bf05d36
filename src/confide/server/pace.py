"""How fast questions may come: by credential and by network address, in each process of the server.

A person who types, and a program that works through its list, do not notice it; whoever asks by script is
told to wait. What may be learned in all is bounded elsewhere, in the database (``access.budget``): this keeps
the server answering, and a thief's questions few enough to be noticed. All limits stand here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import Final

from confide.access.decide import Actor
from confide.errors import TooFast


@dataclass(frozen=True, slots=True)
class Limit:
    """So many questions at once, and then so many a second."""

    burst: int
    each_second: float


PERSON: Final = Limit(60, 4.0)
"""The finder asks at most four times a second while somebody types."""

PROGRAM: Final = Limit(300, 20.0)
ADDRESS: Final = Limit(1200, 80.0)
"""A whole clinic, with its programs, may have one address."""

_MOST: Final = 20_000  # credentials and addresses that are remembered at most


class Pace:
    """Counts questions. Threads may share one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def keep(self, actor: Actor, now: float | None = None) -> None:
        """Count one question of *actor*.

        Args:
            actor: Who asks, and from where.
            now: Seconds of a clock that never runs backwards; None is now.

        Raises:
            TooFast: There were too many; it is not counted, and must not be answered.
        """
        at = time.monotonic() if now is None else now
        own = PROGRAM if actor.kind == "client" else PERSON
        with self._lock:
            asked = [(actor.owner, own), (f"address:{actor.address}", ADDRESS)]
            counted = [(name, self._left(name, limit, at) + 1, limit) for name, limit in asked]
            wait = max((spent - limit.burst) / limit.each_second for _, spent, limit in counted)
            if wait > 0:
                raise TooFast(ceil(wait))
            for name, spent, _ in counted:
                self._spent[name] = spent, at
                self._spent.move_to_end(name)
            while len(self._spent) > _MOST:
                self._spent.popitem(last=False)

    def _left(self, name: str, limit: Limit, at: float) -> float:
        """What of the burst is still in use."""
        spent, then = self._spent.get(name, (0.0, at))
        return max(0.0, spent - (at - then) * limit.each_second)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._spent.clear()


pace: Final = Pace()
"""This process's."""
