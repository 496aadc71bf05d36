"""docs/clocks.md: its examples, run as they stand; and what the command refuses."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from icalendar import Calendar

from confide.cli import main
from confide.incidents import reading

PAGE = (Path(__file__).parents[2] / "docs" / "clocks.md").read_text(encoding="utf-8")
LAW = reading.held()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.+?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    [table] = re.findall(r"```csv\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "practices.csv").write_text(table)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[3:6]))
def test_the_examples_run_as_they_stand(words: list[str], place: Path, capsys) -> None:
    assert words[:2] == ["confide", "clocks"]
    assert main(words[1:]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out
    if "--ics" in words:
        assert Calendar.from_ical((place / words[words.index("--ics") + 1]).read_bytes()).walk("VEVENT")


def test_what_the_page_shows_is_what_is_printed(capsys) -> None:
    [shown] = re.findall(r"```text\n(.+?)```", PAGE, re.DOTALL)
    assert main(COMMANDS[0][1:]) == 0
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == [line.rstrip() for line in shown.splitlines()]


def test_json_says_everything(capsys) -> None:
    words = [
        "clocks",
        "--discovered",
        "2023-03-30",
        "--residents",
        "ME=3913,TX=131815",
        "--json",
        "--now",
        "2023-04-20",
    ]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    duties = {duty["id"]: duty for duty in told["duties"]}
    maine = duties["ME:individual"]
    assert (maine["until"], maine["days_left"], maine["certainty"]) == ("2023-04-29", 9, "V2")
    assert maine["cite"] == "10 M.R.S. 1348(1)"
    assert duties["TX:individual"]["standing"] == "unconfirmed"
    assert duties["TX:regulator"]["law_is_newer"] is True
    assert maine["law_is_newer"] is False
    assert duties["gdpr-33"]["standing"] == "none"


def test_reasons_and_what_does_not_apply_are_told_on_demand(capsys) -> None:
    words = ["clocks", "--discovered", "2026-11-02", "--residents", "ME=500", "--now", "2026-11-20"]
    assert main(words) == 0
    assert "media" not in capsys.readouterr().out
    assert main([*words, "--all", "--why"]) == 0
    told = capsys.readouterr().out
    assert "no covered entity has more than 500 residents of ME" in told
    assert "not applied, because it is unconfirmed (one source only)" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--accessed 2026-04-14..2026-03-29", "window of access is reversed"),
        ("--residents ZZ=1", "state of residence is not known"),
        ("--residents ME=-4", "negative"),
        ("--residents ME=many", "a number of persons is no number"),
        ("--residents ME=1,ME=2", "names a state twice"),
        ("--residents nowhere.csv", "cannot be read"),
        ("--residents wrong.csv", "the columns of wrong.csv are not"),
        ("--residents twice.csv", "line 3 of twice.csv names a state twice"),
        ("--residents practices.csv --unreachable 3", "a file has a column of that name"),
        ("--discovered yesterday", "--discovered is neither a day"),
        ("--discovered 2026-11-02T10:00", "has an hour and no time zone"),
        ("--discovered 2026-12-02", "in the future"),
        ("--accessed 2026-11-02T10:00Z", "takes days, without an hour"),
        ("--written 2026-11-02", "--written takes"),
        ("--oral 2026-11-02..2026-11-03..2026-11-04", "--oral takes"),
        ("--zone Mars/Olympus", "no time zone"),
        ("--elements ssn,Ottoline", "not in the vocabulary"),
        ("--elements ,", "no element is named"),
        ("--ics no/such/folder.ics", "cannot be written"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(words: str, said: str, place: Path, capsys) -> None:
    (place / "wrong.csv").write_text("state,people\nME,1\n")
    (place / "twice.csv").write_text("state,persons\nME,1\nME,2\n")
    right = "--discovered 2026-11-02 --residents ME=1 --now 2026-11-20T12:00Z "
    assert main(["clocks", *(right + words).split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("confide: ")
    assert "Ottoline" not in err
    assert err.count("\n") == 1
