"""`confide import`: everything goes in once, what is wrong is said, and it can be stopped at any time."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.cli.program import PATIENCE, Confide, gone, on_linux, stop

CANARY = "Zq7vKexample99Wt"


def figures(said: str) -> dict[str, int]:
    found = re.findall(r"^  (\w[\w ]*?) {2,}([\d,]+)$", said, re.MULTILINE)
    return {name: int(figure.replace(",", "")) for name, figure in found}


def smallest(shared: Path, count: int) -> list[Path]:
    bundles = sorted((shared / "fhir" / "synthea").glob("*.json.gz"), key=lambda path: path.stat().st_size)
    return bundles[:count]


def lines(path: Path, count: int) -> Path:
    patients = ({"resourceType": "Patient", "id": f"p{i}", "gender": "female"} for i in range(count))
    path.write_text("".join(json.dumps(each) + "\n" for each in patients))
    return path


def some_are_in(confide: Confide) -> None:
    """Wait until an import has written something, however busy the machine is."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if confide.ask("SELECT count(*) FROM records_resource") != [(0,)]:
            return
        time.sleep(0.05)
    pytest.fail("the import writes nothing")


def test_two_bundles_go_in_and_a_second_time_nothing_changes(installed: Confide, shared: Path) -> None:
    bundles = smallest(shared, 2)
    first = figures(installed("import", *bundles))
    assert first["created"] > 100
    assert first["refused"] == first["updated"] == 0
    if os.environ.get("DATABASE_URL", "").startswith("postgresql"):  # which plans by what it has counted
        counted = "SELECT count(*) FROM pg_class WHERE reltuples > 100 AND relname IN ({})".format(
            "'records_resource', 'records_term', 'records_source_id', 'audit_journalentry'"
        )
        assert installed.ask(counted) == [(4,)]
    second = figures(installed("import", *bundles, "--workers", 0))
    assert second["units imported before"] == 2
    assert second["created"] == second["updated"] == second["refused"] == 0


def test_a_bad_file_is_named_with_its_reason_and_the_others_go_in(apart: Confide) -> None:
    folder = apart.folder / "in"
    folder.mkdir()
    lines(folder / "good.ndjson", 300)
    (folder / "deep").mkdir()
    (folder / "deep" / "good.json.gz").write_bytes(gzip.compress(b'{"resourceType": "Patient", "id": "x"}'))
    (folder / "broken.json").write_text('{"resourceType": ')
    (folder / "cut.json.gz").write_bytes(gzip.compress(b"{}" * 1000)[:30])
    wrong = {"resourceType": "Patient", "name": [{"family": CANARY}], "birthDate": CANARY}
    (folder / "wrong.json").write_text(json.dumps(wrong))
    (folder / "some.ndjson").write_text('{"resourceType": "Patient", "id": "y"}\n{"no": 1}\n')
    (folder / "notes.txt").write_text("not for us")
    said = apart("import", folder, "--refused-to", apart.folder / "refused.ndjson", exits=1)
    counted = figures(said)
    assert counted["created"] == 302
    assert counted["refused"] == 4
    for name, place in (("broken", ""), ("cut", ""), ("wrong", "Patient.birthDate"), ("some", "line 2")):
        assert re.search(rf"{name}\S*\s+{re.escape(place)}", said)
    assert CANARY not in said
    refused = [json.loads(line) for line in (apart.folder / "refused.ndjson").read_text().splitlines()]
    assert len(refused) == 4
    assert all(each["reason"] for each in refused)


def test_references_to_nothing_are_counted(apart: Confide) -> None:
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": "Patient/nobody"},
    }
    path = apart.folder / "o.json"
    path.write_text(json.dumps(observation))
    assert figures(apart("import", path))["references to nothing"] == 1


def test_what_cannot_be_imported_is_said_in_one_line(apart: Confide) -> None:
    confide = apart
    assert "run confide init" in confide("import", confide.folder, "--data", confide.folder / "no", exits=3)
    assert "PATH" in confide("import", exits=2)
    assert "there is no" in confide("import", confide.folder / "nothing", exits=1)
    (confide.folder / "empty").mkdir()
    assert "nothing to import" in confide("import", confide.folder / "empty", exits=1)
    named = confide.folder / "patient.xml"
    named.write_text("<Patient/>")
    assert ".ndjson" in confide("import", named, exits=1)


@on_linux
def test_interrupted_it_ends_cleanly_and_resumes(installed: Confide) -> None:
    path = lines(installed.folder / "many.ndjson", 40_000)
    with installed.running("import", path) as process:
        some_are_in(installed)
        said = stop(process, terminal=True)
        assert process.returncode == 130, said
    assert "the same command resumes it" in said
    assert "Traceback" not in said
    done = figures(said)["created"]
    assert 0 < done < 40_000
    assert gone(installed.folder)
    lines(path, done + 1000)
    counted = figures(installed("import", path))
    assert counted["created"] + counted["unchanged"] + 250 * counted["units imported before"] == done + 1000
    assert counted["created"] == 1000


@on_linux
def test_killed_it_leaves_no_process(installed: Confide) -> None:
    path = lines(installed.folder / "many.ndjson", 40_000)
    with installed.running("import", path) as process:
        some_are_in(installed)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert gone(installed.folder)
