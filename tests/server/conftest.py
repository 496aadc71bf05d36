"""What the tests of the server share. Django is not set up yet where this file is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def system(transactional_db: None) -> Any:
    from confide.server import apps

    return apps.system()


@pytest.fixture
def practice(system: Any) -> Any:
    return system.found_practice("Riverbend")


@pytest.fixture
def lab(practice: Any) -> Any:
    """A program that may do everything and see everything."""
    from tests.server import laboratory

    return laboratory.register(practice)


@pytest.fixture
def api(lab: Any) -> Any:
    """The FHIR API as that program has it."""
    from tests.server import laboratory

    return laboratory.connect(lab)


@pytest.fixture
def live(lab: Any) -> Iterator[str]:
    """The address of a real server, in a process of its own, on the test's databases."""
    from tests.server import processes

    with processes.server() as (address, _):
        yield address
