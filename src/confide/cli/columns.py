"""What the commands on files of columns share: keyring, options, progress bar, interruptions."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from confide.cli import show
from confide.errors import Invalid, KeyUnavailable, Misconfigured

if TYPE_CHECKING:
    from confide.protect.columns.keyring import ColumnKeyring
    from confide.protect.files.recipe import Treatment

PASSPHRASE: Final = "CONFIDE_COLUMN_PASSPHRASE"  # noqa: S105 - the name of a variable
FORMATS: Final = ("csv", "tsv", "ndjson", "parquet", "arrow", "arrow-stream")


def describe(parser: argparse.ArgumentParser, description: str, example: str) -> None:
    """Give a command an example and the exit codes; it needs no installation, so it has no ``--data``."""
    parser.description = description
    parser.epilog = f"{example.rstrip()}\n\n{show.EXIT_CODES}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def add_files(parser: argparse.ArgumentParser) -> None:
    """The options of a command that reads a file and writes one."""
    parser.add_argument("source", metavar="IN", type=Path, help="the file that is read")
    parser.add_argument("target", metavar="OUT", type=Path, help="the file that is written, mode 0600")
    parser.add_argument(
        "--keyring", metavar="FILE", type=Path, required=True, help="the keys (confide keyring new)"
    )
    parser.add_argument(
        "--columns", metavar="RECIPE", type=Path, help="a recipe: what is done with each column"
    )
    parser.add_argument("--format-in", metavar="FORMAT", choices=FORMATS, help="whatever the name of IN says")
    parser.add_argument(
        "--format-out",
        metavar="FORMAT",
        choices=FORMATS,
        help="whatever the name of OUT says: %(choices)s",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="processes beside this one; 0 is none (default: one for each core, up to 8)",
    )
    parser.add_argument("--force", action="store_true", help="take the place of an OUT that is there")


def need_arrow() -> None:
    """Whether what works on columns is installed.

    Raises:
        Misconfigured: NumPy or pyarrow is missing.
    """
    try:
        for name in ("numpy", "pyarrow"):
            import_module(name)
    except ModuleNotFoundError:
        raise Misconfigured("columns need NumPy and pyarrow (pip install 'confide[columns]')") from None


# The keyring


def refuse_servers(path: Path) -> None:
    """Refuse the key files of the server that is installed here, whatever is in them.

    Raises:
        Misconfigured: It is one.
    """
    from confide.server import config

    try:
        found = config.read()
    except Misconfigured:
        return  # there is none that could be run
    if path.resolve() in {found.keyring.resolve(), found.secret.resolve()}:
        msg = f"{path} is the server's; columns have a keyring of their own (confide keyring new)"
        raise Misconfigured(msg)


def open_keyring(path: Path) -> ColumnKeyring:
    """Open a column keyring; a person at a terminal is asked for its passphrase.

    Raises:
        KeyUnavailable: It is missing, or its passphrase is wrong or not given.
        Misconfigured: It is a key of the server, or others can read it.
        Damaged: It is not a keyring.
    """
    from confide.protect.columns.keyring import ColumnKeyring

    return ColumnKeyring.open(path, passphrase_of(path))


def passphrase_of(path: Path) -> str | None:
    """The passphrase of a keyring, if it has one.

    Raises:
        KeyUnavailable: It has one, which nobody gives; or the file is missing.
        Misconfigured: It is a key of the server, or others can read it.
        Damaged: It is not a keyring.
    """
    from confide.protect.kms import keyfile

    refuse_servers(path)
    if "key" in keyfile.read(path, keyfile.COLUMN_KEYRING):
        return None
    given = os.environ.get(PASSPHRASE)
    if given is None and sys.stdin.isatty():
        given = getpass("passphrase of the keyring: ")
    if given is None:
        raise KeyUnavailable(f"{path} asks for its passphrase (set {PASSPHRASE})")
    return given


# Options


def treatment(said: str) -> tuple[str, Treatment]:
    """Read ``NAME=ELEMENT`` or ``NAME=ELEMENT:METHOD``.

    Raises:
        Invalid: It is not so, or there is no such element or method.
    """
    from confide.protect.files.recipe import treat

    name, equals, element = said.rpartition("=")
    if not equals:
        raise Invalid("--column takes NAME=ELEMENT, such as ssn=ssn (see confide protect --help)")
    element, _, method = element.partition(":")
    try:
        return name, treat(element, method or None)
    except Invalid as problem:
        raise Invalid(f"column {name}: {problem}") from None


# While it runs


@contextmanager
def progress(what: str, path: Path) -> Iterator[Callable[[int, int], None]]:
    """Show how far a file is; the function takes the bytes read and the rows done."""
    size = path.stat().st_size if path.is_file() else 0
    with show.progress() as bar:
        task = bar.add_task(what, total=size, count=0, unit="rows")
        yield lambda read, rows: bar.update(task, completed=read, count=rows)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does: with nothing left behind."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def printable(name: str) -> str:
    """The name of a column as a terminal may show it."""
    return "".join(each if each.isprintable() else "?" for each in name) or '""'
