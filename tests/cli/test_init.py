"""`confide init`, `staff` and `practice`: what they make is private, complete, and made once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from confide.protect.kms.file import FileKms
from tests.cli.program import Confide


def modes(confide: Confide) -> set[str]:
    places = [
        confide.data,
        confide.keyring.parent,
        *confide.data.iterdir(),
        *confide.keyring.parent.iterdir(),
    ]
    return {f"{place.stat().st_mode & 0o777:o}" for place in places}


def test_a_first_run_makes_everything_and_a_second_one_changes_nothing(confide: Confide) -> None:
    first = confide("init", "--practice", "Riverbend", "--admin", "MLopez")
    password = re.search(r"made +password +(\S+)", first)
    assert password
    assert len(password[1]) >= 15
    assert "mlopez" in first
    assert modes(confide) == {"600", "700"}
    kept = {path: path.read_bytes() for path in (confide.keyring, confide.data / "confide.toml")}
    second = confide("init")
    assert "nothing is missing" in second
    assert "made" not in second
    assert password[1] not in second
    assert kept == {path: path.read_bytes() for path in kept}
    assert "Riverbend" in confide("practice", "list")


def test_the_keyring_does_not_lie_in_the_data_folder(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    said = confide("init", "--keyring", confide.data / "keyring.json", exits=3)
    assert "--keyring" in said
    assert not confide.data.exists()


def test_a_passphrase_is_asked_for_ever_after(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    (confide.folder / "words").write_text("correct horse battery staple\n")
    confide("init", "--passphrase-file", confide.folder / "words")
    assert "sealed" in json.loads(confide.keyring.read_text())
    assert "asks for its passphrase" in confide("init", exits=4)
    assert "does not open" in confide("init", exits=4, CONFIDE_PASSPHRASE="another one")
    assert "nothing is missing" in confide("init", CONFIDE_PASSPHRASE="correct horse battery staple")


def test_a_lost_keyring_is_not_replaced_by_a_new_one(apart: Confide) -> None:
    kept = apart.keyring.rename(apart.folder / "elsewhere")
    assert "put it back" in apart("init", exits=3)
    assert not apart.keyring.exists()
    FileKms.create(apart.keyring, now=datetime.now(UTC))
    assert "not the one of this database" in apart("init", exits=1)
    kept.replace(apart.keyring)
    apart("init")


def test_options_do_not_contradict_what_is_written(apart: Confide) -> None:
    said = apart("init", "--keyring", apart.folder / "new" / "keyring.json", exits=3)
    assert "says otherwise" in said
    assert not (apart.folder / "new").exists()


@pytest.mark.asvs("6.3.2")
def test_people_and_practices_are_added_once(installed: Confide) -> None:
    first = installed("staff", "add", "rbanerjee", "--role", "clinician", "--name", "Rahul Banerjee")
    assert "password" in first
    again = installed("staff", "add", "RBanerjee", "--role", "clinician")
    assert "made" not in again
    installed("staff", "add", "rbanerjee", "--role", "nurse")
    listed = installed("staff", "list")
    assert "clinician" in listed
    assert "nurse" in listed
    said = installed("staff", "add", "y", "--role", "nurse", "--practitioner", "nobody", exits=3)
    assert "no Practitioner of that id" in said
    assert "y" not in re.findall(r"^\s*(\w+)", installed("staff", "list"), re.MULTILINE)
    assert "made" in installed("practice", "add", "Hillside")
    assert "made" not in installed("practice", "add", "Hillside")
    assert "name one with --practice" in installed("staff", "add", "x", "--role", "nurse", exits=3)
    installed("staff", "add", "x", "--role", "nurse", "--practice", "Hillside")
    assert "choose from" in installed("staff", "add", "y", "--role", "system", exits=2)
