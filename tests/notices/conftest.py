"""A practice with a frozen scope, a print house with a key, and two people who may mail."""

import pytest

from tests.notices.post import Post


@pytest.fixture
def post(elm, tmp_path):
    folder = tmp_path / "outgoing"
    folder.mkdir()
    return Post(elm, folder)
