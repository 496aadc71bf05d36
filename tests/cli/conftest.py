"""A command with an installation of its own.

On PostgreSQL only what meets the databases is run again: ``confide`` and ``installed`` are on the database
of the run, ``apart`` is on SQLite always.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Confide
from tools import installation


@pytest.fixture
def confide(tmp_path: Path, fresh_databases: dict[str, str]) -> Confide:
    """The command, and an empty place for it."""
    return Confide(tmp_path, fresh_databases)


@pytest.fixture
def installed(confide: Confide, made_on_its_database: Confide) -> Confide:
    """The command, and an installation: a copy of one, for `init` takes longer than most commands."""
    _copy(made_on_its_database, confide)
    return confide


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Confide:
    made = Confide(tmp_path_factory.mktemp("made"))
    made("init", "--practice", "Riverbend", "--plain-http")
    return made


@pytest.fixture(scope="session")
def made_on_its_database(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Confide]:
    if "DATABASE_URL" not in os.environ:
        yield request.getfixturevalue("made_once")
        return
    with installation.fresh_postgres(os.environ["DATABASE_URL"]) as databases:
        made = Confide(tmp_path_factory.mktemp("made-on-its-database"), databases)
        made("init", "--practice", "Riverbend", "--plain-http")
        yield made


@pytest.fixture
def apart(tmp_path: Path, made_once: Confide) -> Confide:
    """The command, and a copy of an installation."""
    copied = Confide(tmp_path)
    _copy(made_once, copied)
    return copied


def _copy(made: Confide, to: Confide) -> None:
    for folder in (made.data, made.keyring.parent):
        shutil.copytree(folder, to.folder / folder.name)
    settings = to.data / "confide.toml"
    text = settings.read_text().replace(str(made.folder), str(to.folder))
    for name, address in made.databases.items():
        text = text.replace(address, to.databases[name])
        installation.copy_postgres(address, to.databases[name])
    settings.write_text(text)
