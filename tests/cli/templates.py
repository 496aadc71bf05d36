"""Installations that are made once and copied, for to make one takes longer than most commands."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.cli.program import Confide
from tools import installation


@cache
def riverbend() -> Confide:
    """An installation with one practice, on the database of this run; made once in each process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="confide-riverbend-")))
    url = os.environ.get("DATABASE_URL")
    made = Confide(folder, stack.enter_context(installation.fresh_postgres(url)) if url else {})
    made("init", "--practice", "Riverbend", "--plain-http")
    return made


@contextmanager
def place(folders: pytest.TempPathFactory) -> Iterator[Confide]:
    """Make a place for what is made once, with databases of its own."""
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL")
        databases = stack.enter_context(installation.fresh_postgres(url)) if url else {}
        yield Confide(folders.mktemp("made"), databases)


def copy(made: Confide, to: Confide) -> None:
    """Make *to* the same installation as *made*, at its own place and in its own databases."""
    for folder in (made.data, made.keyring.parent):
        shutil.copytree(folder, to.folder / folder.name)
    settings = to.data / "confide.toml"
    text = settings.read_text().replace(str(made.folder), str(to.folder))
    for name, address in made.databases.items():
        text = text.replace(address, to.databases[name])
        installation.copy_postgres(address, to.databases[name])
    settings.write_text(text)
