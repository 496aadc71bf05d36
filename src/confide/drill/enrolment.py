"""A population goes into an installation by the import that practices use, on as many cores as there are.

Each practice's people come as NDJSON, in units of some hundred; what a unit has brought is marked in its
transaction, so a load that was interrupted goes on where it was. Nothing is left out for speed: every row is
validated, protected under a key of its own person, sealed, made findable and journalled by the import itself.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide import children
from confide.drill import papers
from confide.drill.population import Population
from confide.errors import Damaged, Unavailable

if TYPE_CHECKING:
    from confide.wiring import System

SOURCE: Final = "population"
PERSONS_PER_UNIT: Final = 400
_AHEAD: Final = 2
_KEPT: Final = 8
"""Practices of which a process keeps the unlocked keys: units come in order of practice."""

Told = Callable[[int], None]
"""Is told of how many persons more the import is done with."""


@dataclass(frozen=True, slots=True)
class Share:
    """Rows of one practice that are imported in one transaction."""

    practice: str
    first: int
    after: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a share.

    Attributes:
        cpu: Seconds of this process, of all its threads.
        stopped: Why no other share would fare better; empty where it went well.
    """

    persons: int = 0
    resources: int = 0
    skipped: int = 0
    cpu: float = 0.0
    stopped: str = ""


@dataclass(slots=True)
class Summary:
    """What a load did.

    Attributes:
        persons: Rows that are there now.
        resources: Created just now.
        skipped: Persons who had been imported before.
        seconds: By the clock.
        cpu: Seconds of all processes of the import; the database's are not in it.
    """

    persons: int = 0
    resources: int = 0
    skipped: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Persons a second, of those who were imported just now."""
        return (self.persons - self.skipped) / self.seconds if self.seconds else 0.0


def shares(people: Population, practices: Sequence[str]) -> Iterator[Share]:
    """Cut a population into shares."""
    for (first, after), practice in zip(people.ends(), practices, strict=True):
        for start in range(first, after, PERSONS_PER_UNIT):
            yield Share(practice, start, min(start + PERSONS_PER_UNIT, after))


def write(people: Population, folder: Path, told: Told) -> int:
    """Write NDJSON into *folder*, a file for each practice; return how many bytes."""
    size = 0
    for number, (first, after) in enumerate(people.ends()):
        data = papers.lines(people, first, after)
        (folder / f"practice-{number:04}.ndjson").write_bytes(data)
        size += len(data)
        told(after - first)
    return size


def load(
    people: Population,
    practices: Sequence[str],
    open_system: Callable[[], System],
    folder: Path,
    told: Told,
    workers: int = 2,
) -> Summary:
    """Import a population.

    Args:
        people: Whom.
        practices: The ids of the practices, in the order of ``people.practice``.
        open_system: Starts Django where it has not been, and puts the parts together; a name that other
            processes can import.
        folder: Empty; where the columns lie for other processes meanwhile.
        told: Of progress.
        workers: Processes; 0 is none but this one.

    Raises:
        Unavailable: Keys or database do not answer, or a worker was killed. The same load goes on.
        Damaged: The import refused a person, which a population does not give it reason to.
    """
    begun = time.monotonic()
    summary = Summary()
    listed = list(shares(people, practices))
    taking = _here(people, open_system, listed) if workers < 1 else None
    if taking is None:
        people.save(folder)
        taking = _beside(folder, open_system, listed, workers)
    for taken in taking:
        if taken.stopped:
            raise Unavailable(taken.stopped)
        summary.persons += taken.persons
        summary.resources += taken.resources
        summary.skipped += taken.skipped
        summary.cpu += taken.cpu
        told(taken.persons)
    summary.seconds = time.monotonic() - begun
    return summary


def _here(people: Population, open_system: Callable[[], System], listed: Sequence[Share]) -> Iterator[Taken]:
    desk = Desk(people, open_system())
    for share in listed:
        yield desk.take(share)


def _beside(
    folder: Path, open_system: Callable[[], System], listed: Sequence[Share], workers: int
) -> Iterator[Taken]:
    context = multiprocessing.get_context("spawn")
    rest = iter(listed)
    waiting: set[Future[Taken]] = set()
    with ProcessPoolExecutor(workers, context, _begin, (folder, open_system)) as pool:
        try:
            while True:
                for share in rest:
                    waiting.add(_give(pool, share))
                    if len(waiting) >= workers * (1 + _AHEAD):
                        break
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        except BrokenProcessPool:
            raise Unavailable(
                "a worker process was killed or could not start (is there memory enough?)"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _give(pool: ProcessPoolExecutor, share: Share) -> Future[Taken]:
    with children.hushed():
        return pool.submit(_work, share)


@dataclass(slots=True)
class Desk:
    """Imports shares in this process."""

    people: Population
    system: System
    _seen: list[str] = field(default_factory=list)

    def take(self, share: Share) -> Taken:
        """Import a share; a system at fault is in the answer.

        Raises:
            Damaged: The import refused a person.
        """
        from confide.records.imports import Unit

        begun = _cpu()
        if share.practice not in self._seen:
            self._seen.append(share.practice)
            if len(self._seen) > _KEPT:
                self.system.vault.lock(self._seen.pop(0))
        data = papers.lines(self.people, share.first, share.after)
        try:
            report = self.system.importer(share.practice, SOURCE).unit(Unit("population", 1, data))
        except Unavailable as problem:
            return Taken(stopped=str(problem))
        if report.refused:
            first = report.refused[0]
            raise Damaged(f"the import refused somebody: {first.place}: {first.reason}")
        persons = share.after - share.first
        skipped = persons if report.skipped_units else 0
        return Taken(persons, report.created, skipped, _cpu() - begun)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_MINE: list[Desk] = []


def _begin(folder: Path, open_system: Callable[[], System]) -> None:
    children.end_with_parent()
    _MINE.append(Desk(Population.load(folder), open_system()))
    # What was loaded so far stays for good, and a share leaves no cycles behind.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def _work(share: Share) -> Taken:
    return _MINE[0].take(share)
