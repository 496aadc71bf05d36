"""`confide population`: people as files, and in an installation, once."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.program import Confide


def test_people_are_written_as_files_and_not_over_others(apart: Confide) -> None:
    folder = apart.folder / "people"
    said = apart("population", "--persons", 300, "--practices", 3, "--duplicates", 5, "--out", folder)
    assert "300 persons, and 5 duplicates in 3 practices" in said
    files = sorted(folder.iterdir())
    assert [each.name for each in files] == [f"practice-000{n}.ndjson" for n in range(3)]
    patients = [
        json.loads(line)
        for each in files
        for line in each.read_text().splitlines()
        if '"resourceType":"Patient"' in line
    ]
    assert len(patients) == 305
    assert "not empty" in apart("population", "--persons", 300, "--out", folder, exits=3)


def test_people_are_loaded_once_findable_and_journalled(installed: Confide) -> None:
    asked = ("population", "--persons", 260, "--practices", 3, "--load")
    said = installed(*asked, "--workers", 1)
    assert re.search(r"imported +260 persons, \d+ resources", said)
    assert "persons/s" in said
    assert "260 were there before" in installed(*asked, "--workers", 0)
    patients = installed.ask("SELECT count(*) FROM records_resource WHERE type = 'Patient'")
    assert patients == [(260,)]
    # As an import writes them: an entry for each, two digests for each number, a change for the index.
    rows = installed.ask(
        "SELECT (SELECT count(*) FROM audit_journalentry WHERE action='import' AND resource_type='Patient')"
        ", (SELECT count(*) FROM records_identifier), (SELECT count(*) FROM records_patient_change),"
        " (SELECT count(*) FROM records_resource WHERE type = 'Patient' AND length(seal) < 64)"
    )
    assert rows == [(260, 4 * 260, 260, 0)]


def test_an_installation_with_patients_of_its_own_gets_no_others(apart: Confide) -> None:
    path = apart.folder / "one.ndjson"
    path.write_text('{"resourceType": "Patient", "id": "a"}\n')
    apart("import", path, "--workers", 0)
    assert "patients of its own" in apart("population", "--persons", 5, "--practices", 1, "--load", exits=3)
    assert apart.ask("SELECT count(*) FROM records_resource") == [(1,)]


@pytest.mark.parametrize("wrong", [("--persons", 0), ("--persons", "x"), ("--states", "moon"), ()])
def test_wrong_usage_is_said_in_one_line(apart: Confide, wrong: tuple[object, ...]) -> None:
    said = apart("population", *wrong, *(["--load"] if wrong else []), exits=2)
    assert said.count("\n") == 1
