"""The example of docs/integrators.md, run as it stands against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "integrators.md"

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_the_example_works(live: str, lab: Any) -> None:
    from confide.cli import client
    from tests.server import laboratory

    [example] = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    token = client.exchange(live, lab.pk, laboratory.KEY.as_dict(private=True), "system/*.cruds")
    run = subprocess.run(
        [sys.executable, "-c", example],
        env=os.environ | {"CONFIDE_URL": live, "CONFIDE_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
