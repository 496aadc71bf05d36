"""A practice, its privacy officer, and a login that somebody else has used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.audit import made
from tests.practice import build


@pytest.fixture
def installation(transactional_db, tmp_path):
    system, clock = build()
    # Each test begins a journal anew, and so publishes a tree of its own.
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles

    return replace(system, sequencer=Sequencer(lambda: made.LOG, Tiles(tmp_path / "tiles"))), clock


@pytest.fixture
def officer(elm):
    return elm.member("privacy_officer")


@pytest.fixture
def reading(elm, officer):
    """Returns a fresh grant of the officer's."""
    return lambda actor=None: elm.grant("journal-read", actor or officer, "HOPERAT", elements=())
