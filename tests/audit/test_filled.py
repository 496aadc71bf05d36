"""The filler of large journals writes what the journal would have written, so its figures are real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_journal_is_filled_and_measured(fresh_databases: dict[str, str]) -> None:
    """It compares the hashes of some entries with the journal's own, and asks for proofs from its tree."""
    if not fresh_databases:
        pytest.skip("not for SQLite: it is filled by COPY")
    command = [sys.executable, "-m", "benchmarks", "--large", "history"]
    environment = os.environ | fresh_databases | {"JOURNAL_ENTRIES": "4000"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    for what in ("scope of a login", "access report of a patient", "proof of inclusion"):
        assert what in done.stdout, done.stdout
