"""kill -9 of a serving process: a clear value that left is in the journal, an acknowledged write is there."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.leaks.premises import Premises, children, empty_databases

KILLS = 20
PATIENTS = 100
READERS = 3
LONGEST = 0.25  # seconds of work before it is killed


@pytest.fixture(scope="module")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    with empty_databases() as databases:
        made = Premises(tmp_path_factory.mktemp("served") / "premises", databases, log_level="WARNING")
        made.found()
        patients = [
            {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"Quernheim{n}"}]}
            for n in range(PATIENTS)
        ]
        inbox = made.folder / "patients.ndjson"
        inbox.write_text("\n".join(map(json.dumps, patients)))
        made.run("import", str(inbox))
        made.register("--purpose", "TREAT")
        yield made


class Reader(threading.Thread):
    """Reads and writes until the server is gone; counts what it saw and what was acknowledged."""

    def __init__(self, premises: Premises, ids: list[str]) -> None:
        super().__init__()
        self.premises = premises
        self.ids = ids
        self.saw: list[str] = []
        self.wrote: list[str] = []

    def run(self) -> None:
        new = {"resourceType": "Basic", "code": {"text": "note"}}
        try:
            for n, id_ in enumerate(self.ids):
                answer = self.premises.ask("GET", f"/fhir/R4/Patient/{id_}")
                if answer.status == 200 and b"Quernheim" in answer.body:
                    self.saw.append(id_)
                if n % 3 == 0:
                    answer = self.premises.ask("POST", "/fhir/R4/Basic", new, Prefer="return=minimal")
                    if answer.status == 201:
                        self.wrote.append(answer.headers["Location"].split("/")[-3])
        except (OSError, HTTPException):
            return


def test_twenty_kills(premises: Premises) -> None:
    ids = [str(i) for (i,) in premises.rows("SELECT id FROM records_resource WHERE type = 'Patient'")]
    ids = [i if "-" in i else f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" for i in ids]
    dice = random.Random()
    saw, wrote = Counter[str](), set[str]()
    with premises.serving() as server:
        premises.sign_in()
        for _ in range(KILLS):
            worker = children(server.pid)
            readers = [Reader(premises, dice.sample(ids, len(ids))) for _ in range(READERS)]
            for reader in readers:
                reader.start()
            time.sleep(dice.uniform(0.03, LONGEST))
            for process in worker:
                os.kill(process, signal.SIGKILL)
            for reader in readers:
                reader.join(60)
                saw.update(reader.saw)
                wrote |= set(reader.wrote)
            _wait(premises)
    assert sum(saw.values()) > KILLS
    assert wrote
    entries = premises.rows("SELECT resource_id, elements FROM audit_journalentry WHERE action = 'read'")
    journalled = Counter(id_ for id_, elements in entries if "name" in _object(elements))
    missing = saw - journalled
    assert not missing, "clear values left without an entry in the journal"
    there = {
        str(i).replace("-", "")
        for (i,) in premises.rows("SELECT id FROM records_resource WHERE type = 'Basic'")
    }
    assert {w.replace("-", "") for w in wrote} <= there
    written = premises.rows("SELECT resource_id FROM audit_journalentry WHERE action = 'write'")
    assert Counter(i.replace("-", "") for (i,) in written) == Counter(there)


def _object(elements: Any) -> Any:
    return json.loads(elements) if isinstance(elements, str) else elements


def _wait(premises: Premises) -> None:
    """Until another process serves."""
    for _ in range(200):
        try:
            if premises.ask("GET", "/fhir/R4/metadata").status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
    raise AssertionError(f"no server after a kill: {premises.logs()[-2000:]}")


def test_the_logs_are_silent_about_it(premises: Premises) -> None:
    assert "Quernheim" not in Path(premises.folder / "logs").read_text()
