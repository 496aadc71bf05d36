"""`confide doctor` finds what is wrong, and says so to people and programs."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path

from tests.cli.program import Confide


def wrong(confide: Confide, exits: int = 1) -> dict[str, str]:
    report = json.loads(confide("doctor", "--json", exits=exits))
    assert report["ok"] is (exits == 0)
    return {each["what"]: each["text"] for each in report["findings"] if each["mark"] == "wrong"}


def test_a_new_installation_is_well(installed: Confide) -> None:
    said = installed("doctor")
    assert "nothing is wrong" in said
    for what in ("keyring", "session key", "records", "key store", "journal", "clock", "disk", "keys"):
        assert f"ok     {what}" in said
    assert wrong(installed, exits=0) == {}


def test_no_installation_is_what_is_wrong(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    assert set(wrong(confide)) == {"data folder"}
    assert not confide.data.exists(), "it only looks"


def test_what_others_can_read_is_wrong(apart: Confide) -> None:
    apart.keyring.chmod(0o644)
    assert "others may read" in wrong(apart)["keyring"]
    apart.keyring.chmod(0o600)
    (apart.keyring.parent / "session.key").chmod(0o640)
    apart.data.chmod(0o755)
    (apart.data / "confide.toml").chmod(0o604)
    assert set(wrong(apart)) == {"session key", "data folder", "configuration"}


def test_a_missing_keyring_is_wrong(apart: Confide) -> None:
    apart.keyring.unlink()
    assert "keyring" in wrong(apart)


def test_a_file_from_the_future_is_a_clock_that_is_wrong(apart: Confide) -> None:
    ahead = time.time() + 3600
    os.utime(apart.data / "confide.toml", (ahead, ahead))
    assert "future" in wrong(apart)["clock"]


def test_a_keyring_among_the_data_is_wrong(apart: Confide) -> None:
    inside = apart.data / "keyring.json"
    apart.keyring.rename(inside)
    (apart.keyring.parent / "session.key").rename(apart.data / "session.key")
    report = apart("doctor", exits=1, CONFIDE_KEYRING=str(inside))
    assert "it lies in the data folder" in report


def test_a_database_that_does_not_answer_is_said(apart: Confide) -> None:
    nowhere = f"sqlite:///{apart.folder}/none/confide.sqlite3"
    said = apart("doctor", exits=1, DATABASE_URL=nowhere)
    assert "restore it from its backup" in said
    said = apart("doctor", exits=1, DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none")
    assert "does not answer" in said
    assert "secret" not in said


def test_a_journal_without_its_triggers_is_an_incident(apart: Confide) -> None:
    with sqlite3.connect(apart.data / "confide.sqlite3") as database:
        database.execute("DROP TRIGGER journal_refuses_delete")
    database.close()
    assert "trigger" in wrong(apart)["journal"]
