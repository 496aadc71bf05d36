"""A file protected or revealed: decided before any work, written beside, and renamed when it is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from confide.errors import BrokenRow, Invalid, MalformedFile, Misconfigured, SealBroken, Unavailable
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import Malformed, Method
from confide.protect.files import place, recipe
from confide.protect.files.crew import count_workers, work
from confide.protect.files.formats import Form, form_of
from confide.protect.files.inspection import check_header, identifying
from confide.protect.files.place import Place
from confide.protect.files.plan import Plan, check_names, plan
from confide.protect.files.recipe import Recipe
from confide.protect.files.sink import open_sink
from confide.protect.files.source import Delimited, Source, open_source
from confide.protect.files.work import Wrong

RECIPE: Final = ".recipe.toml"
"""What the recipe that `protect` writes is called behind the name of the file."""

_ROWS_TOLD: Final = 1000
_HEADING: Final = (
    "How this file was protected, for whoever reveals it. Keep it beside the file:",
    "without the version of the keyring nobody knows which key is the right one.",
    "There are names of columns in it, no values and no keys.",
)
Tell = Callable[[int, int], None]
"""Is told how many bytes have been read, and how many rows are done."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done.

    Attributes:
        source: The file that is read.
        target: The file that is written.
        form_in: The format of the first, whatever its name says.
        form_out: The format of the second.
        malformed: What becomes of malformed values, where the recipe does not say.
        workers: Processes beside this one; None for as many as fit the machine.
        force: Take the place of a file that is there.
        spared: Files that are never written over: the keyring, the recipe.
    """

    source: Path
    target: Path
    form_in: str | None = None
    form_out: str | None = None
    malformed: Malformed = Malformed.REFUSE
    workers: int | None = None
    force: bool = False
    spared: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What was done.

    Attributes:
        rows: How many rows the file has.
        recipe: What was done with which column.
        left: Columns that the recipe names and that stayed as they are, for there is no way back.
    """

    rows: int
    recipe: Recipe
    left: tuple[str, ...] = field(default=())


def protect(task: Task, asked: Recipe, keyring: ColumnKeyring, tell: Tell | None = None) -> Done:
    """Protect a file, and write the recipe beside it.

    Args:
        task: Files and formats.
        asked: What is done with which column.
        keyring: The keys.
        tell: Is told how far it is.

    Raises:
        Invalid: The recipe does not fit the file, or leaves a column in clear that seems to identify.
        MalformedFile: Values are malformed; the rows are told.
        BrokenRow: A row cannot be read.
        Misconfigured: The recipe is for another keyring; or the folder cannot be written.
        KeyUnavailable: The keyring has not the version that the recipe asks for.
        Unavailable: The disk is full, or a worker was killed; nothing was written.
    """
    target, form_out = _check_places(task)
    source = open_source(task.source, form_of(task.source, task.form_in))
    check_header(source)  # before any message that tells the names
    check_names(asked, source)
    if not any(how.changes or how.method is Method.DROP for how in asked.columns.values()):
        raise Invalid("no column is to be protected (confide inspect proposes what to do with each)")
    version = _version(asked, keyring, task)
    _check_rest(source, asked)
    found = plan(source, asked, form_out, reveals=False, malformed=task.malformed, version=version)
    done = found.noted(asked).bound(keyring.id, version)
    beside = task.target.with_name(task.target.name + RECIPE)
    rows = _run(task, source, found, keyring, target, tell, (beside, recipe.write(done, _HEADING)))
    return Done(rows, done)


def reveal(task: Task, asked: Recipe, keyring: ColumnKeyring, tell: Tell | None = None) -> Done:
    """Reveal a file that :func:`protect` wrote. What comes out is in clear, for its owner only.

    Args:
        task: Files and formats.
        asked: What was done with which column, as it stands in the recipe beside the file.
        keyring: The keys.
        tell: Is told how far it is.

    Raises:
        SealBroken: Seals do not open: another keyring, element or version, or they were edited.
        Invalid: As for :func:`protect`.
        MalformedFile: As for :func:`protect`.
        BrokenRow: As for :func:`protect`.
        Misconfigured: As for :func:`protect`.
        KeyUnavailable: As for :func:`protect`.
        Unavailable: As for :func:`protect`.
    """
    target, form_out = _check_places(task)
    source = open_source(task.source, form_of(task.source, task.form_in))
    there = {name: how for name, how in asked.columns.items() if name in source.names}
    asked = replace(asked, columns=there)
    left = tuple(name for name, how in there.items() if how.changes and not how.returns)
    if not any(how.returns for how in there.values()):
        raise Invalid(f"{task.source} has no column that can be revealed (does the recipe belong to it?)")
    version = _version(asked, keyring, task, reveals=True)
    # What was dropped is gone, and what was kept stays.
    back = replace(asked, columns={name: how for name, how in there.items() if how.returns})
    found = plan(source, back, form_out, reveals=True, malformed=task.malformed, version=version)
    return Done(_run(task, source, found, keyring, target, tell), back, left)


def find_recipe(path: Path) -> Recipe | None:
    """The recipe that :func:`protect` has written beside a file; None where there is none.

    Raises:
        Invalid: What is there is none.
    """
    beside = path.with_name(path.name + RECIPE)
    return recipe.read(beside) if beside.is_file() else None


# Before any work


def _check_places(task: Task) -> tuple[Place, Form]:
    form_out = form_of(task.target, task.form_out)
    if task.target.exists() and task.source.exists() and task.target.samefile(task.source):
        raise Invalid("a file is not written over itself (give another name)")
    for each in task.spared:
        if task.target.exists() and each.exists() and task.target.samefile(each):
            raise Invalid(f"{each} is not written over (give another name)")
    target = Place(task.target, replaces=task.force)
    target.check()
    return target, form_out


def _version(asked: Recipe, keyring: ColumnKeyring, task: Task, *, reveals: bool = False) -> int:
    """The version of the keyring to work with."""
    if asked.keyring and asked.keyring != keyring.id:
        raise Misconfigured(
            f"the recipe is for keyring {asked.keyring}, and this is {keyring.id} (see confide keyring show)"
        )
    if asked.version is not None:
        keyring.ff1(asked.version)  # whether there is such a version
        return asked.version
    if reveals and len(keyring.versions) > 1 and any(h.method is Method.FF1 for h in asked.columns.values()):
        raise Invalid(
            f"nothing says which version protected {task.source} (--version, or the recipe beside it)"
        )
    return keyring.version


def _check_rest(source: Source, asked: Recipe) -> None:
    """Refuse to leave a column in clear that seems to identify and that nobody has decided on."""
    rest = [name for name in source.names if name not in asked.columns]
    found = identifying(source, rest)
    if found:
        told = ", ".join(f"{name} ({what})" for name, what in found.items())
        raise Invalid(
            f"these columns seem to identify and nothing says what becomes of them: {told}"
            " (name their element, or --keep COLUMN; confide inspect tells more)"
        )


# The work


def _run(
    task: Task,
    source: Source,
    found: Plan,
    keyring: ColumnKeyring,
    target: Place,
    tell: Tell | None,
    beside: tuple[Path, str] | None = None,
) -> int:
    """Write the file; return how many rows it has."""
    try:
        target.open()
        with place.writing(task.target), _arrow(task.target):
            rows = _write(task, source, found, keyring, target, tell)
        with _undisturbed():
            _finish(target, beside)
        return rows
    finally:
        with _undisturbed():
            target.drop()


def _write(
    task: Task, source: Source, found: Plan, keyring: ColumnKeyring, target: Place, tell: Tell | None
) -> int:
    same = source.form is found.writes.form and found.writes.names == found.reads.names
    head = source.head if isinstance(source, Delimited) and same else None
    random = [] if found.reveals else [each.name for each in found.changes if not each.native]
    sink = open_sink(target, found.writes, head, random)
    wrong: dict[str, _Told] = {}
    rows = 0
    workers = count_workers(task.workers, source.size)
    try:
        with closing(work(source.units(), found, keyring, workers)) as answers:
            for read, answer in answers:
                for name, each in answer.wrong.items():
                    wrong.setdefault(name, _Told(each)).add(rows, each)
                rows += answer.rows
                if not wrong:
                    sink.add(answer.content)
                    target.push()
                if tell is not None:
                    tell(read, rows)
    except BrokenRow as problem:
        raise BrokenRow(rows + problem.row, problem.reason) from None
    _refuse(wrong)
    sink.close()
    return rows


@dataclass(slots=True)
class _Told:
    """What is wrong with a column so far."""

    what: Wrong
    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, before: int, more: Wrong) -> None:
        self.count += len(more.rows)
        self.rows += [before + row for row in more.rows[: _ROWS_TOLD - len(self.rows)]]


def _refuse(wrong: Mapping[str, _Told]) -> None:
    """Refuse the file if something is wrong with it."""
    broken = {name: told for name, told in wrong.items() if told.what.broken}
    if broken:
        told = MalformedFile({name: (each.count, each.rows, each.what.what) for name, each in broken.items()})
        raise SealBroken(f"{told} (another keyring, element or version, or they were edited)")
    if wrong:
        raise MalformedFile({name: (each.count, each.rows, each.what.what) for name, each in wrong.items()})


def _finish(target: Place, beside: tuple[Path, str] | None) -> None:
    """Give both files their names: at no moment is there a file beside the recipe of another."""
    if beside is None:
        target.finish()
        return
    path, text = beside
    if target.path.exists():
        path.unlink(missing_ok=True)
        target.finish()
        place.write_whole(path, text.encode())
    else:
        place.write_whole(path, text.encode())
        target.finish()


@contextmanager
def _arrow(path: Path) -> Iterator[None]:
    """Translate what the Arrow library says; it may hold a value."""
    try:
        yield
    except pa.ArrowException:
        pass
    else:
        return
    raise Unavailable(f"{path} cannot be written as that format; nothing was written")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Do not be interrupted while two files get their names, or while nothing is left behind: it is short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
