"""A command with an installation of its own.

On PostgreSQL only what meets the databases is run again: ``confide`` and ``installed`` are on the database
of the run, ``apart`` is on SQLite always.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.office import Office
from tests.cli.program import Confide
from tests.cli.templates import copy, place, riverbend


@pytest.fixture
def confide(tmp_path: Path, fresh_databases: dict[str, str]) -> Confide:
    """The command, and an empty place for it."""
    return Confide(tmp_path, fresh_databases)


@pytest.fixture
def installed(confide: Confide) -> Confide:
    """The command, and an installation: a copy of one, for `init` takes longer than most commands."""
    copy(riverbend(), confide)
    return confide


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Confide:
    if "DATABASE_URL" not in os.environ:
        return riverbend()
    made = Confide(tmp_path_factory.mktemp("made"))
    made("init", "--practice", "Riverbend", "--plain-http")
    return made


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with place(tmp_path_factory) as apart:
        copy(riverbend(), apart)
        yield Office(apart)


@pytest.fixture
def office(confide: Confide, staffed: Office) -> Office:
    """The command, and an office with people in it."""
    copy(staffed.confide, confide)
    return Office(confide, dict(staffed.passwords))


@pytest.fixture
def apart(tmp_path: Path, made_once: Confide) -> Confide:
    """The command, and a copy of an installation."""
    copied = Confide(tmp_path)
    copy(made_once, copied)
    return copied
