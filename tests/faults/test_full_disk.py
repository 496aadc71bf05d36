"""The disk is full: a readable refusal, nothing half done, and it goes on when there is room again."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from confide.errors import Unavailable
from tests.leaks.premises import Premises, empty_databases
from tests.practice import PATIENT, Practice, build

BUNDLES = 40
ENTRIES = 40
TEXT = "a sentence that needs its room on the disk; " * 40


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    with empty_databases() as databases:
        if databases:
            pytest.skip("not for PostgreSQL: its files are not this program's")
        made = Premises(tmp_path / "premises", databases, log_level="WARNING")
        made.found()
        yield made


def bundle(n: int) -> dict[str, Any]:
    patient = {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": "Quernheim"}]}
    notes = [
        {
            "resourceType": "Basic",
            "id": f"b{n}-{i}",
            "code": {"text": TEXT},
            "subject": {"reference": f"Patient/p{n}"},
        }
        for i in range(ENTRIES - 1)
    ]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": r} for r in (patient, *notes)],
    }


def _whole(premises: Premises) -> int:
    rows = premises.rows("SELECT id, patients, body, updated FROM records_resource")
    assert set(Counter(str(row[3]) for row in rows).values()) <= {ENTRIES}
    entries = premises.rows("SELECT resource_id, body_sha256 FROM audit_journalentry WHERE action = 'import'")
    written = {(str(i).replace("-", ""), hashlib.sha256(bytes(body)).digest()) for i, _, body, _ in rows}
    assert {(i.replace("-", ""), bytes(sha)) for i, sha in entries} == written
    assert len(entries) == len(rows)
    return len(rows)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_import_that_meets_a_full_disk(premises: Premises, workers: str) -> None:
    inbox = premises.folder / "inbox"
    inbox.mkdir()
    for n in range(BUNDLES):
        (inbox / f"{n:03}.json").write_text(json.dumps(bundle(n)))
    size = (premises.folder / "data" / "confide.sqlite3").stat().st_size
    room = size + 3 * 2**20

    def no_more_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    command = [sys.executable, "-m", "confide.cli", "import", str(inbox), "--workers", workers]
    environment, folder = premises.environment, premises.folder
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        preexec_fn=no_more_room,
        capture_output=True,
        check=False,
        timeout=120,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 4, said
    assert "the same command resumes it" in said
    assert "Traceback" not in said
    assert "Quernheim" not in said
    before = _whole(premises)
    assert 0 < before < BUNDLES * ENTRIES
    premises.run("import", str(inbox), "--workers", workers)
    assert _whole(premises) == BUNDLES * ENTRIES


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_a_write_that_meets_a_full_disk() -> None:
    from django.db import connection

    from confide.audit.models import JournalEntry
    from confide.records.models import Resource

    if connection.vendor != "sqlite":
        pytest.skip("not for PostgreSQL: its files are not this program's")
    practice = Practice(*build(), "Elm Street")
    grant = practice.grant("write")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # what earlier tests have left free would be room
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages + 60}")
    try:
        with pytest.raises(Unavailable) as refused:
            _write_until_full(practice, grant)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert "nothing was stored" in str(refused.value)
    assert 0 < Resource.objects.count() == JournalEntry.objects.filter(action="write").count()
    practice.system.charts.create(grant, PATIENT)


def _write_until_full(practice: Practice, grant: Any) -> None:
    for _ in range(500):
        practice.system.charts.create(grant, {**PATIENT, "text": _narrative()})


def _narrative() -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{TEXT}</div>'}
