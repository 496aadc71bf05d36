"""Group commit: callers who come while one is paying are served together by the next one.

One of them leads, and does the work of all who wait, in one transaction; when that is durable, each goes on
with its own. Whoever is alone leads a group of one, and waits for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, Generic, TypeVar

MOST: Final = 64
"""Callers that are served together at most."""

_Part = TypeVar("_Part")
_Outcome = TypeVar("_Outcome")


class _Seat(Generic[_Part, _Outcome]):
    __slots__ = ("leads", "outcome", "part", "turn")

    def __init__(self, part: _Part) -> None:
        self.part = part
        self.turn = Lock()  # held until it is this one's turn; cheaper than an event, and there is one waiter
        self.turn.acquire()
        self.leads = False
        self.outcome: _Outcome | None = None


class Rush(Generic[_Part, _Outcome]):
    """Brings callers of one process together. Threads share one.

    Args:
        serve: Does the work of several, in order; an outcome of None says that a caller must try alone.
    """

    def __init__(self, serve: Callable[[Sequence[_Part]], Sequence[_Outcome | None]]) -> None:
        self._serve = serve
        self._lock = Lock()
        self._waiting: deque[_Seat[_Part, _Outcome]] = deque()
        self._busy = False

    def join(self, part: _Part) -> _Outcome | None:
        """Have *part* done with others, or lead them; None if it must be done alone."""
        seat = _Seat[_Part, _Outcome](part)
        with self._lock:
            self._waiting.append(seat)
            seat.leads = not self._busy
            self._busy = True
        if not seat.leads:
            seat.turn.acquire()
        if seat.leads:
            self._lead()
        return seat.outcome

    def _lead(self) -> None:
        """Serve those who wait, of whom the leader is the first; then let the next one lead."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        try:
            outcomes = self._serve([seat.part for seat in group])
            for seat, outcome in zip(group, outcomes, strict=True):
                seat.outcome = outcome
        except Exception:  # noqa: BLE001 - each tries alone, and is told there what is the matter
            for seat in group:
                seat.outcome = None
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
            if following is not None:
                following.leads = True
                following.turn.release()
            for seat in group[1:]:
                seat.turn.release()
