"""Tables in files for the tests: written, protected, and read by libraries that are not ours."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from confide.columns import ColumnKeyring
from confide.protect.files import recipe, run
from confide.protect.files.recipe import Recipe, treat

PEOPLE = [
    {"ssn": "078-05-1120", "name": 'Quernheim, "Tilly"', "born": "1963-05-04", "zip": "00501", "state": "NY"},
    {"ssn": "219 09 9999", "name": "Søren\nÅberg", "born": "2001-12-31", "zip": "94110", "state": None},
    {"ssn": None, "name": "", "born": None, "zip": None, "state": ""},
    {"ssn": "001234567", "name": "Ann", "born": "1912-01-01", "zip": "60601-1234", "state": "IL"},
]
COLUMNS = {"ssn": "ssn", "name": "name", "born": "birth-date", "zip": "zip", "state": "keep"}
NAMES = {
    "csv": "people.csv",
    "tsv": "people.tsv",
    "csv.gz": "people.csv.gz",
    "ndjson": "people.ndjson",
    "parquet": "people.parquet",
    "arrow": "people.arrow",
    "feather": "people.feather",
    "stream": "people.arrows",
}


def recipe_of(columns: dict[str, str] = COLUMNS, **bound: Any) -> Recipe:
    """``{"ssn": "ssn", "name": "name:pseudonym"}`` as a recipe."""
    made = {}
    for name, said in columns.items():
        element, _, method = said.partition(":")
        made[name] = treat(element, method or None)
    return Recipe(made, **bound)


def protect(
    source: Path, target: Path, keyring: ColumnKeyring, columns: Any = COLUMNS, **task: Any
) -> run.Done:
    asked = columns if isinstance(columns, Recipe) else recipe_of(columns)
    return run.protect(run.Task(source, target, **({"workers": 0} | task)), asked, keyring)


def reveal(
    source: Path, target: Path, keyring: ColumnKeyring, asked: Recipe | None = None, **task: Any
) -> run.Done:
    found = asked or run.find_recipe(source)
    assert found is not None
    return run.reveal(run.Task(source, target, **({"workers": 0} | task)), found, keyring)


def read_recipe(path: Path) -> Recipe:
    return recipe.read(path.with_name(path.name + run.RECIPE))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a table with the libraries that people use."""
    names = list(rows[0])
    if path.suffix in {".csv", ".tsv"}:
        path.write_bytes(text(rows, "\t" if path.suffix == ".tsv" else ","))
    elif path.suffix == ".gz":
        import gzip

        path.write_bytes(gzip.compress(text(rows, ",")))
    elif path.suffix == ".ndjson":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
        )
    else:
        table = pa.table({name: [row[name] for row in rows] for name in names})
        if path.suffix == ".parquet":
            pq.write_table(table, path)
        elif path.suffix == ".feather":
            pyarrow.feather.write_feather(table, path)
        else:
            opener = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
            with opener(path, table.schema) as writer:
                writer.write_table(table)
    return path


def text(rows: list[dict[str, Any]], separator: str) -> bytes:
    """CSV in which nothing is null and nothing is ``""``; quotation marks only where they must be."""
    out = [separator.join(rows[0])]
    for row in rows:
        fields = []
        for each in row.values():
            must = each == "" or (each and any(c in each for c in f'"\n\r{separator}'))
            fields.append("" if each is None else '"' + each.replace('"', '""') + '"' if must else each)
        out.append(separator.join(fields))
    return ("\n".join(out) + "\n").encode()


def read(path: Path) -> list[dict[str, Any]]:
    """Read a table with a library that is not ours."""
    if path.suffix in {".csv", ".tsv", ".gz"}:
        import gzip

        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        separator = "\t" if path.suffix == ".tsv" else ","
        return list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=separator))
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".arrows":
        return pa.ipc.open_stream(path).read_all().to_pylist()
    return pa.ipc.open_file(path).read_all().to_pylist()


def without_nulls(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As CSV readers see it, for which null and empty text are the same."""
    return [{name: each or "" for name, each in row.items()} for row in rows]


def program(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
