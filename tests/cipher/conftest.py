"""What NIST publishes for FF1, for the scalar one and for columns."""

import hashlib
import json
import re
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="session")
def acvp(shared):
    text = (shared / "vectors/acvp-ff1/internalProjection.json").read_bytes()
    stated = re.search(r"acvp-ff1.*`([0-9a-f]{64})`", (VECTORS / "SOURCES.md").read_text())
    assert hashlib.sha256(text).hexdigest() == stated[1]
    return {group["tgId"]: group for group in json.loads(text)["testGroups"]}
