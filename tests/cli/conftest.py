"""A command with an installation of its own.

On PostgreSQL only what meets the databases is run again: ``confide`` and ``installed`` are on the database
of the run, ``apart`` is on SQLite always.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.program import Confide


@pytest.fixture
def confide(tmp_path: Path, fresh_databases: dict[str, str]) -> Confide:
    """The command, and an empty place for it."""
    return Confide(tmp_path, fresh_databases)


@pytest.fixture
def installed(confide: Confide) -> Confide:
    """The command, and an installation."""
    confide("init", "--practice", "Riverbend", "--plain-http")
    return confide


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Confide:
    made = Confide(tmp_path_factory.mktemp("made"))
    made("init", "--practice", "Riverbend", "--plain-http")
    return made


@pytest.fixture
def apart(tmp_path: Path, made_once: Confide) -> Confide:
    """The command, and a copy of an installation."""
    copy = Confide(tmp_path)
    for folder in (made_once.data, made_once.keyring.parent):
        shutil.copytree(folder, tmp_path / folder.name)
    settings = copy.data / "confide.toml"
    settings.write_text(settings.read_text().replace(str(made_once.folder), str(tmp_path)))
    return copy
