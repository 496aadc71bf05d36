"""`confide drill`: an attack from nothing to its report, small."""

from __future__ import annotations

import json
import subprocess

from tests.cli.program import COMMAND, Confide


def test_a_stolen_program_takes_no_more_than_its_budget_and_the_journal_says_whom(confide: Confide) -> None:
    report = confide.folder / "report"
    asked = ("drill", "nextgen", "--persons", 320, "--practices", 4, "--workers", 0)
    words = [*COMMAND, *map(str, asked), "--in", "here", "--json", "--report", str(report)]
    done = subprocess.run(
        words, env=confide.environment(), cwd=confide.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    [outcome] = json.loads(done.stdout)["outcomes"]
    checks = {each["what"]: each for each in outcome["checks"]}
    # A busy machine is slow, which is no failure here, and how many people were reached before it was stopped
    # is a matter of luck; what was paid for when the program was stopped may be in the journal without having
    # arrived. Nothing may be missing there.
    timed = {"noticed after", "scope by the journal is what was taken"}
    assert [each for what, each in checks.items() if what not in timed and not each["holds"]] == []
    assert "the attacker has 0 more" in outcome["notes"][-1]
    assert float(checks["scope by the journal is what was taken"]["found"].rstrip("%")) > 50
    assert checks["whole Social Security numbers"]["found"] == "0"
    assert 0 < outcome["persons"] <= 150
    assert {each["element"] for each in outcome["exposed"]} >= {"Name", "Birth date"}
    html = (confide.folder / "report.html").read_text()
    assert "The incident of 2023" in html
    assert "1,049,375" in html
    assert (confide.folder / "report.pdf").read_bytes().startswith(b"%PDF")


def test_scenarios_are_listed_and_an_unknown_one_is_said(apart: Confide) -> None:
    assert "nextgen" in apart("drill", "list")
    assert "confide drill list" in apart("drill", "moon", exits=1)


def test_limits_are_taken_over_from_a_configuration_only(apart: Confide) -> None:
    assert "no configuration" in apart("drill", "nextgen", "--like", apart.folder, exits=3)


def test_a_drill_on_half_a_postgresql_is_refused(apart: Confide) -> None:
    said = apart("drill", "nextgen", exits=3, DATABASE_URL="postgresql://nobody@127.0.0.1:1/records")
    assert "set both" in said


def test_thieves_of_copies_find_nobody_and_whoever_edits_the_journal_is_found(confide: Confide) -> None:
    for name in ("dump", "backup", "injection", "tamper", "password"):
        said = confide("drill", name, "--persons", 60, "--practices", 2, "--workers", 0, "--in", "here")
        assert "wrong" not in said
        assert "ok " in said


def test_other_people_are_not_loaded_beside_those_of_an_earlier_drill(confide: Confide) -> None:
    """A drill that looks for sixty people where there are a hundred says that nothing got out."""
    asked = ("drill", "dump", "--practices", 2, "--workers", 0, "--in", "here", "--persons")
    confide(*asked, 60)
    for others in ((20,), (60, "--seed", 8), (60, "--duplicates", 3)):
        assert "another population" in confide(*asked, *others, exits=3)
    confide(*asked, 60)


def test_what_cannot_be_is_said_before_anything_is_done(apart: Confide) -> None:
    assert "from 0 on" in apart("drill", "dump", "--seed", "-5", exits=2)
    assert "from 1 on" in apart("drill", "dump", "--persons", "x", exits=2)
    assert "folder is not there" in apart(
        "drill", "dump", "--report", apart.folder / "no" / "report", exits=3
    )


def test_a_storm_needs_patients_for_its_clinicians(confide: Confide) -> None:
    asked = ("drill", "storm", "--persons", 5, "--practices", 1, "--workers", 0)
    assert "give more --persons" in confide(*asked, exits=3)


def test_a_storm_against_the_clinicians_takes_no_patient_of_today(confide: Confide) -> None:
    asked = ("--persons", 60, "--practices", 1, "--workers", 0)
    words = [*COMMAND, "drill", "storm", *map(str, asked), "--json"]
    done = subprocess.run(
        words, env=confide.environment(), cwd=confide.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [outcome] = json.loads(done.stdout)["outcomes"]
    figures = dict(outcome["figures"])
    assert figures["clinicians whom the watch has found"] == "8 of 8"
    assert (figures["covered"], figures["left as they are, because it is a storm"]) == ("3", "5")
    assert figures["incidents that opened themselves"] == "8"
    assert all(each["holds"] for each in outcome["checks"])
