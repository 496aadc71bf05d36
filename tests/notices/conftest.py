"""A practice with a frozen scope, a print house with a key, and two people who may mail."""

import pytest

from tests.notices.post import Post
from tests.practice import Practice, build


@pytest.fixture
def installation(transactional_db):
    system, clock = build()
    return system, clock


@pytest.fixture
def elm(installation):
    return Practice(*installation, "Elm Street")


@pytest.fixture
def post(elm, tmp_path):
    folder = tmp_path / "outgoing"
    folder.mkdir()
    return Post(elm, folder)
