"""What the commands look like: steps, tables, progress, errors. Colours and bars only on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Literal, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
MISCONFIGURED: Final = 3
UNAVAILABLE: Final = 4
INTERRUPTED: Final = 130

EXIT_CODES: Final = """\
exit codes:
  0    done
  1    something was refused, failed or is wrong
  2    wrong usage
  3    the installation is not set up for it; the message says what to do
  4    something does not answer now: database, keys, network; nothing is half done
  130  interrupted
"""
Mark = Literal["made", "kept", "ok", "note", "wrong"]

_STYLES: Final[dict[Mark, str]] = {
    "made": "green",
    "kept": "dim",
    "ok": "green",
    "note": "yellow",
    "wrong": "bold red",
}
_WIDE: Final = 200  # for files and pipes: nothing is cut off there


def _console(stream: TextIO) -> Console:
    width = shutil.get_terminal_size().columns if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


_ASIDE: list[TextIO] = []


def console() -> Console:
    """Return a console for results, on standard output."""
    return _console(_ASIDE[-1] if _ASIDE else sys.stdout)


@contextmanager
def aside() -> Iterator[None]:
    """Let everything go to standard error meanwhile: standard output is for a program that reads it."""
    _ASIDE.append(sys.stderr)
    try:
        yield
    finally:
        _ASIDE.pop()


def line(text: str = "", style: str = "") -> None:
    """Print one line."""
    console().print(Text(text, style=style), soft_wrap=True)


def complain(text: str) -> None:
    """Print ``confide: what is wrong (what to do)`` on standard error."""
    _console(sys.stderr).print(Text.assemble(("confide:", "bold red"), " ", text), soft_wrap=True)


def step(mark: Mark, what: str, text: str = "") -> None:
    """Print one step: what became of it, what it is, and where or how."""
    quiet = "dim" if mark == "kept" else ""
    parts = Text.assemble((f"  {mark:<7}", _STYLES[mark]), (f"{what:<16}", quiet), " ", (text, quiet))
    parts.rstrip()
    console().print(parts, soft_wrap=True)


def advice(*pairs: tuple[str, str]) -> None:
    """Print what to do next: (command, what for), aligned."""
    wide = max(len(command) for command, _ in pairs)
    line()
    for i, (command, why) in enumerate(pairs):
        head = "next:" if i == 0 else "     "
        console().print(
            Text.assemble(f"{head}  ", (f"{command:<{wide}}", "bold"), f"   {why}"), soft_wrap=True
        )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, figures: Sequence[int] = ()) -> None:
    """Print a table without lines; the columns in *figures* are aligned to the right."""
    made = Table(
        box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim", show_header=any(headings)
    )
    for i, heading in enumerate(headings):
        made.add_column(heading, justify="right" if i in figures else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    console().print(made)


class Rate(ProgressColumn):
    """How many, and how many a second, of what the task counts in its field ``count`` from ``first`` on."""

    def render(self, task: Task) -> Text:
        count, seconds = task.fields.get("count", 0), task.elapsed or 0
        unit = task.fields.get("unit", "")
        rate = f"  {(count - task.fields.get('first', 0)) / seconds:>6,.0f}/s" if seconds > 1 else ""
        return Text(f"{count:>9,} {unit}{rate}", style="dim")


def progress() -> Progress:
    """Return a progress bar; silent where nobody watches. Tasks have the fields ``count`` and ``unit``."""
    shown = console()
    return Progress(
        TextColumn("  {task.description}", markup=False),
        BarColumn(bar_width=32, complete_style="cyan", finished_style="cyan"),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def waiting(text: str) -> AbstractContextManager[object]:
    """Show that something takes its time."""
    shown = console()
    return shown.status(Text(text, style="dim"), spinner="dots") if shown.is_terminal else nullcontext()


def is_database(problem: BaseException) -> bool:
    """Whether *problem* is a database's that does not answer; known without importing Django."""
    return any(
        kind.__module__ == "django.db.utils" and kind.__name__ in {"OperationalError", "InterfaceError"}
        for kind in type(problem).__mro__
    )


def duration(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def many(count: int, one: str, more: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
