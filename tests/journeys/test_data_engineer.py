"""The data engineer: docs/data-engineers.md, with its examples run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from confide.protect.columns.kinds import ColumnElement
from confide.protect.files import recipe
from confide.protect.files.formats import ENDINGS
from tests.cli.program import Confide

PAGE = (Path(__file__).parents[2] / "docs" / "data-engineers.md").read_text(encoding="utf-8")
PEOPLE = 60


@pytest.fixture
def confide(tmp_path: Path) -> Confide:
    """A folder with the files that the page speaks of."""
    made = Confide(tmp_path)
    numbers = range(PEOPLE)
    people = pl.DataFrame(
        {
            "ssn": [f"{1 + i * 11 % 600:03}-{1 + i % 99:02}-{1 + i * 37:04}" for i in numbers],
            "name": [
                f"Quernheim, Ottoline {i}" if i % 3 else f"Anna Smith {chr(65 + i % 26)}." for i in numbers
            ],
            "dob": [f"{1930 + i}-0{1 + i % 9}-1{i % 10}" for i in numbers],
            "phone": [f"(617) 555-{i:04}" for i in numbers],
            "zip": [f"{501 + i * 977:05}" for i in numbers],
            "state": ["ME", "NY", "IL"] * (PEOPLE // 3),
        }
    )
    people.write_csv(tmp_path / "people.csv")
    people.select("ssn", visit=pl.int_range(PEOPLE)).write_csv(tmp_path / "visits.csv")
    return made


def examples(language: str, heading: str) -> list[str]:
    """The examples of one section."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    [text] = [each for each in section if each.startswith(heading)]
    return re.findall(rf"```{language}\n(.+?)```", text, re.DOTALL)


def test_a_file_from_end_to_end(confide: Confide) -> None:
    [example] = examples("sh", "A file")
    for line in example.splitlines():
        program, *words = shlex.split(line)
        assert program == "confide"
        confide(*words)
    before, after = confide.folder / "people.csv", confide.folder / "clear.csv"
    assert before.read_bytes() == after.read_bytes()
    safe = pl.read_parquet(confide.folder / "safe.parquet")
    assert safe.columns == pl.read_csv(before).columns
    assert safe["name"].str.starts_with("sealed:").all()
    assert safe["state"].to_list() == pl.read_csv(before)["state"].to_list()


@pytest.mark.parametrize("library", ["pandas", "Polars", "DuckDB"])
def test_the_examples_work(library: str, confide: Confide) -> None:
    confide("keyring", "new", "research.keyring")
    [example] = examples("python", library)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=confide.folder, env=confide.environment(),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "(617)" not in done.stdout


def test_the_recipe_is_one() -> None:
    [example] = examples("toml", "A file")
    assert len(recipe.parse(example.encode(), "the page").columns) == 6


def test_the_page_names_all_elements_and_formats() -> None:
    assert not [each for each in ColumnElement if f"`{each}`" not in PAGE]
    assert not [each for each in ("`.arrow`", "`.feather`", "`.arrows`") if each.strip("`") not in ENDINGS]
