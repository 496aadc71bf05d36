"""A practice at which somebody works, and the installation's parts on real keys.

Models are imported inside: this file may be read before Django is set up.
"""

from __future__ import annotations

import pytest

from tests import practice as made


@pytest.fixture
def elm(transactional_db, tmp_path):
    """With a tree of its own, which ends with the test as the database does."""
    from confide.audit.notes import Kind, SigningKey
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles

    system, clock = made.build()
    key = SigningKey("elm.example/journal", Kind.NOTE, bytes(range(32)))
    practice = made.Practice(system, clock, "Elm Street")
    practice.sequencer = Sequencer(lambda: key, Tiles(tmp_path / "journal"))
    return practice
