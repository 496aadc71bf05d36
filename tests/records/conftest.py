"""A practice on an installation of its own; every test here meets both databases."""

import pytest

from tests.practice import Practice, build


@pytest.fixture
def installation(transactional_db):
    system, clock = build()
    return system, clock


@pytest.fixture
def elm(installation):
    return Practice(*installation, "Elm Street")


@pytest.fixture
def oak(installation):
    """Another practice of the same installation."""
    return Practice(*installation, "Oak Avenue")
