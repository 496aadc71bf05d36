"""A keyring."""

from __future__ import annotations

import pytest

from confide.columns import ColumnKeyring


@pytest.fixture(scope="session")
def keyring() -> ColumnKeyring:
    return ColumnKeyring.random()
