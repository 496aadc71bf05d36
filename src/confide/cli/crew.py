"""Who does the work of an import: this process, or several with a few units under way each.

A worker is started afresh (spawn): it shares no connection and no lock with its parent. It ends with it, even
when that is killed; what it had not committed is then not there, which is what a transaction is for.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from confide import children
from confide.cli import show
from confide.errors import ConfideError, Unavailable

if TYPE_CHECKING:
    from confide.records.imports import Importer, Report, Unit

AHEAD: Final = 2
"""Units that wait for each worker while it works."""


@dataclass(frozen=True)
class Answer:
    """What came of one unit; ``stopped`` says why no other unit would fare better."""

    report: Report
    stopped: str = ""


class Crew(Protocol):
    """Takes units, gives answers."""

    @property
    def full(self) -> bool:
        """Whether an answer must be taken before another unit is given."""

    @property
    def busy(self) -> bool:
        """Whether there are answers to come."""

    @contextmanager
    def at_work(self, practice: str, source: str) -> Iterator[None]:
        """Start and stop."""

    def give(self, unit: Unit, share: int) -> None:
        """Hand over a unit; *share* comes back with its answer."""

    def take(self) -> list[tuple[Answer, int]]:
        """Wait for at least one answer."""

    def drop(self) -> None:
        """Forget the units that nobody has begun."""


class Here:
    """This process, one unit after the other."""

    def __init__(self) -> None:
        self._importer: Importer | None = None
        self._answers: list[tuple[Answer, int]] = []

    @property
    def full(self) -> bool:
        return bool(self._answers)

    @property
    def busy(self) -> bool:
        return bool(self._answers)

    @contextmanager
    def at_work(self, practice: str, source: str) -> Iterator[None]:
        self._importer = _importer(practice, source)
        yield

    def give(self, unit: Unit, share: int) -> None:
        if self._importer is not None:
            self._answers.append((_import(self._importer, unit), share))

    def take(self) -> list[tuple[Answer, int]]:
        answers, self._answers = self._answers, []
        return answers

    def drop(self) -> None:
        """Nothing waits here."""


class Processes:
    """*count* processes beside this one, which only reads."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: dict[Future[Answer], int] = {}
        self._pool: ProcessPoolExecutor | None = None

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._count * (1 + AHEAD)

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    @contextmanager
    def at_work(self, practice: str, source: str) -> Iterator[None]:
        from django.db import connections

        connections.close_all()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._count, context, _begin, (practice, source)) as pool:
            self._pool = pool
            try:
                yield
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def give(self, unit: Unit, share: int) -> None:
        if self._pool is None:
            return
        try:
            with children.hushed():
                self._waiting[self._pool.submit(_work, unit)] = share
        except BrokenProcessPool:
            raise Unavailable(_LOST) from None

    def take(self) -> list[tuple[Answer, int]]:
        finished, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        try:
            return [(each.result(), self._waiting.pop(each)) for each in finished]
        except BrokenProcessPool:
            raise Unavailable(_LOST) from None

    def drop(self) -> None:
        self._waiting = {each: share for each, share in self._waiting.items() if not each.cancel()}


_LOST = "a worker process was killed or could not start (is there memory enough? the same command resumes it)"

# In a worker

_MINE: list[Importer] = []


def _begin(practice: str, source: str) -> None:
    children.end_with_parent()
    from confide.cli import installation
    from confide.server import config

    installation.start(config.read())
    _MINE.append(_importer(practice, source))
    # What was loaded so far stays for good, and a unit leaves no cycles behind: collecting as often as usual
    # is a tenth of an import's time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)


def _work(unit: Unit) -> Answer:
    return _import(_MINE[0], unit)


def _importer(practice: str, source: str) -> Importer:
    from confide.cli import installation
    from confide.server import config

    return installation.build(config.read()).importer(practice, source)


def _import(importer: Importer, unit: Unit) -> Answer:
    """Import one unit; what is wrong with it is in the answer, and only a system at fault stops the rest."""
    from confide.records.imports import Refusal, Report

    try:
        return Answer(importer.unit(unit))
    except Unavailable as problem:
        return Answer(Report(), str(problem))
    except ConfideError as problem:
        return Answer(Report(refused=[Refusal(unit.path, "", str(problem))]))
    except Exception as problem:  # noqa: BLE001 - one unit's surprise is not the other units' business
        kind = type(problem).__name__
        if show.is_database(problem):
            return Answer(Report(), f"the database does not answer ({kind})")
        place = f"line {unit.lines}" if unit.lines else ""
        return Answer(
            Report(refused=[Refusal(unit.path, place, f"stopped by {kind}, which should not happen")])
        )
