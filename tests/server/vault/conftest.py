"""A program at the vault's counter, and a patient."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def counter(practice: Any) -> Any:
    """A program that may do everything at the vault."""
    from tests.server.vault.counter import open_counter

    return open_counter(practice, name="counter")


@pytest.fixture
def patients(practice: Any) -> list[str]:
    """Five patients of the practice."""
    from tests.server import laboratory

    desk = laboratory.connect(laboratory.register(practice, name="desk"))
    return [desk.make(laboratory.PATIENT)["id"] for _ in range(5)]
