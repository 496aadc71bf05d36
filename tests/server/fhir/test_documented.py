"""The examples of docs/integrators.md, run as they stand against a real server."""

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


def run(example: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", example],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_examples_work(live: str, lab: Any, practice: Any) -> None:
    from confide.cli import client
    from tests.server import laboratory

    key = laboratory.KEY.as_dict(private=True)
    fhir, vault = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    run(fhir, CONFIDE_URL=live, CONFIDE_TOKEN=client.exchange(live, lab.pk, key, "system/*.cruds"))

    patient = laboratory.connect(lab).make(laboratory.PATIENT)["id"]
    scopes = "vault/tokenize vault/detokenize vault/protect vault/reveal"
    clearing = laboratory.register(
        practice,
        name="clearing",
        purpose="HPAYMT",
        elements=["ssn", "name", "member-id"],
        scopes=scopes,
        token_scopes=["lab-partner"],
    )
    token = client.exchange(live, clearing.pk, key, scopes)
    run(vault, CONFIDE_URL=live, CONFIDE_TOKEN=token, CONFIDE_PATIENT=patient)
