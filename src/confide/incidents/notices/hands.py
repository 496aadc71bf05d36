"""Who writes the batches of a mailing: this process, or several beside each other.

A batch is one piece of work: its entries, its letters, its file, its row. Whoever does it needs no word from
anybody else, so that two processes on two cores are twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One batch that is to be written.

    Attributes:
        account: Of the person who has it written.
        mailing: The mailing's id.
        number: Of the batch, from 0.
    """

    account: str
    mailing: str
    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """One batch that is written, durably.

    Attributes:
        people: How many persons it holds.
    """

    mailing: str
    number: int
    people: int


class Hands(Protocol):
    """Take batches, and say which are done."""

    @property
    def full(self) -> bool:
        """Whether something must be taken before more is given."""

    @property
    def busy(self) -> bool:
        """Whether there is something to be taken yet."""

    def give(self, job: Job) -> None:
        """Hand over a batch."""

    def take(self) -> list[Done]:
        """Wait until at least one batch is done."""


class Here:
    """This process, one batch after the other.

    Args:
        write: Writes one.
    """

    def __init__(self, write: Callable[[Job], Done]) -> None:
        self._write = write
        self._done: list[Done] = []

    @property
    def full(self) -> bool:
        return bool(self._done)

    @property
    def busy(self) -> bool:
        return bool(self._done)

    def give(self, job: Job) -> None:
        self._done.append(self._write(job))

    def take(self) -> list[Done]:
        done, self._done = self._done, []
        return done
