"""docs/notices.md: its examples, run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from confide.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.+?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [facts] = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "notice.toml").write_text(facts)
    (tmp_path / "letters").mkdir()
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[5:9]))
def test_the_examples_run_as_they_stand(words, place, capsys):
    assert words[:3] == ["confide", "notice", "preview"]
    assert main(words[1:]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Elm Street Family Practice" in out
    if "--pdf" in words:
        assert (place / "media.pdf").read_bytes().startswith(b"%PDF")


def test_what_the_page_shows_is_what_is_printed(capsys):
    [shown] = re.findall(r"```text\n(.+?)```", PAGE, re.DOTALL)
    assert main(COMMANDS[0][1:]) == 0
    printed = capsys.readouterr().out
    assert shown.rstrip().splitlines() == printed.rstrip().splitlines()[-3:]


def test_a_wrong_word_is_refused_with_those_that_there_are(capsys):
    assert main([*COMMANDS[0][1:-1], "MA", "--kind", "postcard"]) == 2
    assert "individual" in capsys.readouterr().err
