"""`confide keyring`, `inspect`, `protect` and `reveal`, as a person runs them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, PATIENCE, Confide

PEOPLE = """\
ssn,full_name,dob,phone,zip,sex,visit
078-05-1120,"Quernheim, Ottoline",1963-05-04,(617) 555-0101,00501,F,planned
219-09-9999,Søren Åberg,2001-12-31,(312) 555-0102,60601,M,planned
001-23-4567,Ann Smith,1912-01-01,(206) 555-0103,98101,F,done
457-55-5462,Mary Johnson,1980-02-29,(212) 555-0104,10001,F,done
"""
VALUES = ("078-05", "Ottoline", "1963", "555-01", "00501", "60601", "Søren")


@pytest.fixture
def confide(tmp_path: Path) -> Confide:
    """The command, in a folder with a file and a keyring; these commands need no database."""
    made = Confide(tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE)
    made("keyring", "new", "k.keyring")
    return made


def test_a_day_of_a_data_engineer(confide: Confide) -> None:
    folder = confide.folder
    found = confide("inspect", "people.csv", "--out", "people.toml")
    assert "Social Security number" in found
    assert "confide protect people.csv OUT --keyring KEYRING --columns people.toml" in found
    assert not [value for value in VALUES if value in found + (folder / "people.toml").read_text()]
    said = confide(
        "protect", "people.csv", "safe.parquet", "--keyring", "k.keyring", "--columns", "people.toml"
    )
    assert "4 rows" in said
    assert "stand-ins of the same format" in said
    safe = (folder / "safe.parquet").read_bytes()
    assert not [value for value in VALUES if value.encode() in safe]
    said = confide("reveal", "safe.parquet", "back.csv", "--keyring", "k.keyring")
    assert "mode 0600" in said
    assert "Quernheim, Ottoline" in (folder / "back.csv").read_text()
    for name in ("safe.parquet", "safe.parquet.recipe.toml", "back.csv", "people.toml", "k.keyring"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    confide("protect", "people.csv", "safe.csv", "--keyring", "k.keyring", "--columns", "people.toml")
    confide("reveal", "safe.csv", "same.csv", "--keyring", "k.keyring")
    assert (folder / "same.csv").read_text() == PEOPLE


def test_columns_on_the_command_line(confide: Confide) -> None:
    folder = confide.folder
    words = ("protect", "people.csv", "safe.csv", "--keyring", "k.keyring")
    assert "confide inspect people.csv" in confide(*words, exits=2)
    said = confide(*words, "--column", "ssn=ssn", exits=2)
    for name in ("full_name", "dob", "phone", "zip"):
        assert name in said
    assert "--keep" in said
    confide(
        *words, "--column", "ssn=ssn", "--column", "full_name=name:pseudonym",
        "--column", "dob=birth-date:generalise", "--drop", "phone", "--keep", "zip",
    )  # fmt: skip
    lines = (folder / "safe.csv").read_text().splitlines()
    assert lines[0] == "ssn,full_name,dob,zip,sex,visit"
    assert lines[1].split(",")[2:] == ["1963", "00501", "F", "planned"]
    assert lines[3].split(",")[2] == "1900"
    said = confide("reveal", "safe.csv", "back.csv", "--keyring", "k.keyring")
    assert said.count("has no way back") == 2
    assert "078-05-1120," in (folder / "back.csv").read_text()


def test_some_columns_only(confide: Confide) -> None:
    confide("inspect", "people.csv", "--out", "r.toml")
    confide("protect", "people.csv", "safe.csv", "--keyring", "k.keyring", "--columns", "r.toml")
    confide("reveal", "safe.csv", "zip.csv", "--keyring", "k.keyring", "--column", "zip")
    text = (confide.folder / "zip.csv").read_text()
    assert "00501" in text
    assert "078-05" not in text
    (confide.folder / "safe.csv.recipe.toml").unlink()
    assert "no recipe beside" in confide("reveal", "safe.csv", "x.csv", "--keyring", "k.keyring", exits=2)
    confide("reveal", "safe.csv", "ssn.csv", "--keyring", "k.keyring", "--column", "ssn=ssn")
    assert "078-05-1120" in (confide.folder / "ssn.csv").read_text()
    confide("reveal", "safe.csv", "all.csv", "--keyring", "k.keyring", "--columns", "r.toml")
    assert (confide.folder / "all.csv").read_text() == PEOPLE


def test_versions(confide: Confide) -> None:
    words = (
        "--keyring",
        "k.keyring",
        "--column",
        "ssn=ssn",
        "--drop",
        "full_name",
        "--drop",
        "dob",
        "--drop",
        "phone",
    )
    words += ("--drop", "zip")
    confide("protect", "people.csv", "one.csv", *words)
    assert "version 2" in confide("keyring", "add-version", "k.keyring")
    assert "version 2" in confide("keyring", "show", "k.keyring")
    confide("protect", "people.csv", "two.csv", *words)
    assert (confide.folder / "one.csv").read_text() != (confide.folder / "two.csv").read_text()
    for name in ("one", "two"):
        confide("reveal", f"{name}.csv", f"{name}-back.csv", "--keyring", "k.keyring")
        assert "078-05-1120" in (confide.folder / f"{name}-back.csv").read_text()
        (confide.folder / f"{name}.csv.recipe.toml").unlink()
    reveal = ("reveal", "one.csv", "again.csv", "--keyring", "k.keyring", "--column", "ssn=ssn")
    assert "--version" in confide(*reveal, exits=2)
    confide(*reveal, "--version", 1)
    assert "078-05-1120" in (confide.folder / "again.csv").read_text()


def test_a_keyring_with_a_passphrase(confide: Confide) -> None:
    secret = {"CONFIDE_COLUMN_PASSPHRASE": "a long and windy road"}
    assert "nobody is there" in confide("keyring", "new", "p.keyring", "--passphrase", exits=3)
    confide("keyring", "new", "p.keyring", "--passphrase", **secret)
    assert "passphrase       yes" in confide("keyring", "show", "p.keyring")
    words = ("protect", "people.csv", "safe.csv", "--keyring", "p.keyring", "--column", "ssn=ssn")
    words += ("--keep", "full_name", "--keep", "dob", "--keep", "phone", "--keep", "zip")
    assert "asks for its passphrase" in confide(*words, exits=4)
    wrong = confide(*words, exits=4, CONFIDE_COLUMN_PASSPHRASE="another")
    assert "does not open" in wrong
    assert "another" not in wrong
    confide(*words, **secret)
    confide("keyring", "add-version", "p.keyring", **secret)
    confide("reveal", "safe.csv", "back.csv", "--keyring", "p.keyring", **secret)
    assert (confide.folder / "back.csv").read_text() == PEOPLE


def test_the_servers_keys_are_refused(apart: Confide) -> None:
    (apart.folder / "people.csv").write_text(PEOPLE)
    words = ("protect", "people.csv", "safe.csv", "--column", "ssn=ssn", "--keyring")
    assert "is the server's" in apart(*words, apart.keyring, exits=3)
    stranger = apart.folder / "copied.json"
    stranger.write_bytes(apart.keyring.read_bytes())
    stranger.chmod(0o600)
    assert "the server's root key" in apart(*words, stranger, exits=3)
    for store in apart.data.glob("*.sqlite3"):
        assert "database" in apart(*words, store, exits=3)
    assert "is the server's" in apart("keyring", "show", apart.keyring, exits=3)
    assert "is the server's" in apart("keyring", "add-version", apart.keyring, exits=3)
    apart.keyring.unlink()
    assert "is the server's" in apart("keyring", "new", apart.keyring, exits=3)
    assert not apart.keyring.exists()
    assert not (apart.folder / "safe.csv").exists()


def test_the_server_refuses_a_column_keyring(apart: Confide) -> None:
    apart("keyring", "new", "k.keyring")
    apart.keyring.unlink()
    (apart.folder / "k.keyring").rename(apart.keyring)
    said = apart("serve", "--port", 1, exits=3)
    assert "column keyring" in said


def test_files_are_kept(confide: Confide) -> None:
    words = ("protect", "people.csv", "--keyring", "k.keyring", "--column", "ssn=ssn", "--drop", "full_name")
    words += ("--drop", "dob", "--drop", "phone", "--drop", "zip")
    keyring = (confide.folder / "k.keyring").read_bytes()
    assert "not written over" in confide(
        *words[:2], "k.keyring", *words[2:], "--format-out", "csv", "--force", exits=2
    )
    assert (confide.folder / "k.keyring").read_bytes() == keyring
    assert "itself" in confide(*words[:2], "people.csv", *words[2:], "--force", exits=2)
    confide(*words[:2], "out.csv", *words[2:])
    assert "--force" in confide(*words[:2], "out.csv", *words[2:], exits=2)
    confide(*words[:2], "out.csv", *words[2:], "--force")
    assert "--force" in confide("inspect", "people.csv", "--out", "out.csv", exits=2)
    assert "there is no nowhere.csv" in confide("inspect", "nowhere.csv", exits=1)
    assert (confide.folder / "people.csv").read_text() == PEOPLE


def test_inspect_says_what_still_identifies(confide: Confide) -> None:
    rows = [PEOPLE.splitlines()[0]] + PEOPLE.splitlines()[1:] * 20
    (confide.folder / "many.csv").write_text("\n".join(rows) + "\n")
    said = confide("inspect", "many.csv")
    assert "dob + zip + sex: 0.0% of 80 rows are the only one of their kind" in said.replace("\n", " ")
    assert "sex: 0.0% of 80 rows" in said
    assert not [value for value in VALUES if value in said]


def test_names_of_columns_are_shown_without_control_characters(confide: Confide) -> None:
    (confide.folder / "odd.csv").write_text('"a\x1b[31mb",n\n078-05-1120,1\n')
    said = confide("inspect", "odd.csv")
    assert "a?[31mb" in said


def test_ndjson_and_other_formats(confide: Confide) -> None:
    (confide.folder / "in.jsonl").write_text('{"ssn":"078-05-1120","n":1.10}\n{"ssn":null,"n":2}\n')
    confide(
        "protect",
        "in.jsonl",
        "out.dat",
        "--format-out",
        "ndjson",
        "--keyring",
        "k.keyring",
        "--column",
        "ssn=ssn",
    )
    rows = [json.loads(line) for line in (confide.folder / "out.dat").read_text().splitlines()]
    assert rows[0]["ssn"] != "078-05-1120"
    assert rows[1]["ssn"] is None
    assert "does not tell its format" in confide("inspect", "out.dat", exits=2)
    confide("reveal", "out.dat", "back.ndjson", "--format-in", "ndjson", "--keyring", "k.keyring")
    assert (confide.folder / "back.ndjson").read_text() == (confide.folder / "in.jsonl").read_text()


def test_without_arrow_it_says_what_to_install(confide: Confide, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'numpy', 'pyarrow', 'django', 'argon2'}:\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    environment = confide.environment()
    environment["PYTHONPATH"] = f"{bare}{os.pathsep}{environment['PYTHONPATH']}"
    for words in (
        ("protect", "people.csv", "safe.csv", "--keyring", "k.keyring", "--column", "ssn=ssn"),
        ("reveal", "people.csv", "safe.csv", "--keyring", "k.keyring", "--column", "ssn=ssn"),
        ("inspect", "people.csv"),
    ):
        done = subprocess.run(
            [*COMMAND, *words], env=environment, cwd=confide.folder, capture_output=True, text=True,
            check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert "pip install 'confide[columns]'" in done.stderr
    for words in (
        ("keyring", "new", "other.keyring"),
        ("keyring", "show", "other.keyring"),
        ("protect", "--help"),
    ):
        done = subprocess.run(
            [*COMMAND, *words], env=environment, cwd=confide.folder, capture_output=True, text=True,
            check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert sys.executable in COMMAND
