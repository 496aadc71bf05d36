"""Every command explains itself, and no surprise shows more than its kind."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from confide.cli import command, show
from confide.errors import AccessDenied, BrokenJson, Damaged, KeyUnavailable, Misconfigured


def parsers(parser: argparse.ArgumentParser, name: str = "confide") -> dict[str, argparse.ArgumentParser]:
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, each in action.choices.items():
                found |= parsers(each, f"{name} {word}") or {f"{name} {word}": each}
    return found


ROOT = Path(__file__).parents[2]
ALL = parsers(command.parser())
WITHOUT_INSTALLATION = (
    "confide passwords build", "confide keyring", "confide inspect", "confide protect", "confide reveal",
    "confide witness", "confide clocks", "confide drill",
)  # fmt: skip


def test_all_commands_are_there() -> None:
    words = {name.split()[1] for name in ALL}
    assert words >= {"init", "import", "serve", "demo", "doctor", "staff", "practice", "client"}


@pytest.mark.parametrize("name", ALL)
def test_a_command_explains_itself(name: str) -> None:
    text = ALL[name].format_help()
    assert "example" in text
    assert f"  {name}" in text or f"$({name}" in text
    assert "exit codes" in text
    assert ("--data" in text) is (not name.startswith(WITHOUT_INSTALLATION))
    assert max(map(len, text.splitlines())) <= 120


def commands(text: str) -> list[list[str]]:
    """The words of each line that is a command, without what a shell does then or a remark says."""
    found = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if m := re.match(r"\s*(?:\.venv/bin/)?confide ([a-z].*)", line):
            words = shlex.split(re.split(r"\s{3,}", m[1])[0], comments=True)
            found.append(words[: next((i for i, word in enumerate(words) if word in {"&&", ">", "|"}), None)])
    return found


@pytest.mark.parametrize("name", ALL)
def test_each_option_has_words_and_each_example_is_a_command(name: str) -> None:
    for action in ALL[name]._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert re.match(r"(?!\(?default)\S", action.help or ""), action.dest
    for words in commands(ALL[name].epilog or ""):
        command.parser().parse_args(words)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))], ids=lambda p: p.stem)
def test_each_command_in_the_documentation_is_one(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        command.parser().parse_args(words)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Misconfigured("a (b)"), 3),
        (KeyUnavailable("a (b)"), 4),
        (BrokenJson("a (b)"), 2),
        (AccessDenied("a (b)"), 1),
        (Damaged("a (b)"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_is_one_line_and_a_code(problem, code, monkeypatch, capsys) -> None:
    def fail(_args: object) -> int:
        raise problem

    monkeypatch.setattr("confide.cli.doctor.run", fail)
    assert command.main(["doctor"]) == code
    said = capsys.readouterr()
    assert said.err.startswith("confide: ")
    assert said.err.count("\n") == 1
    assert not said.out


@pytest.mark.parametrize("level", ["", "DEBUG"])
def test_a_surprise_shows_its_kind_and_no_value(level, monkeypatch, capsys) -> None:
    def fail(_args: object) -> int:
        secret = "123-45-6789"
        raise ValueError(secret)

    monkeypatch.setenv("CONFIDE_LOG_LEVEL", level)
    monkeypatch.setattr("confide.cli.doctor.run", fail)
    assert command.main(["doctor"]) == show.FAILED
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "123-45" not in said
    assert "Traceback" not in said
    assert ("test_command.py" in said) is (level == "DEBUG")


def test_a_duration_is_what_people_say() -> None:
    assert [show.duration(each) for each in (0.34, 61.2, 250)] == ["0.3 s", "61 s", "4 min 10 s"]
