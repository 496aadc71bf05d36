"""Files are protected and revealed: what comes out, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import re
import stat
from decimal import Decimal
from itertools import product
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.columns import ColumnKeyring, Malformed
from confide.errors import (
    BrokenRow,
    Invalid,
    KeyUnavailable,
    MalformedFile,
    Misconfigured,
    SealBroken,
    Unknown,
)
from confide.protect.files import run
from confide.protect.files.crew import count_workers
from confide.protect.files.recipe import Recipe, treat
from confide.protect.files.slots import SIZE
from tests.files.tables import COLUMNS, NAMES, PEOPLE, protect, read, read_recipe, recipe_of, reveal, write
from tests.files.tables import without_nulls as plain


@pytest.mark.parametrize(("before", "between"), list(product(NAMES, NAMES)))
def test_any_format_becomes_any_other_and_comes_back(before, between, tmp_path, keyring) -> None:
    source = write(tmp_path / NAMES[before], PEOPLE)
    there, back = tmp_path / f"safe-{NAMES[between]}", tmp_path / f"back-{NAMES[before]}"
    assert protect(source, there, keyring).rows == 4
    found = read(there)
    assert plain([{"state": row["state"]} for row in found]) == plain(
        [{"state": row["state"]} for row in PEOPLE]
    )
    for now, then in zip(found, PEOPLE, strict=True):
        for name in ("ssn", "name", "born", "zip"):
            assert (now[name] or None) != then[name] or then[name] is None
            assert bool(now[name]) == (then[name] is not None)
    assert [len(row["ssn"]) for row in found if row["ssn"]] == [11, 11, 9]
    reveal(there, back, keyring)
    assert read(back) == read(source)


@pytest.mark.parametrize("name", ["csv", "tsv", "ndjson"])
def test_text_comes_back_byte_for_byte(name, tmp_path, keyring) -> None:
    source = write(tmp_path / NAMES[name], PEOPLE)
    protect(source, tmp_path / f"safe.{name}", keyring)
    reveal(tmp_path / f"safe.{name}", tmp_path / f"back.{name}", keyring)
    assert (tmp_path / f"back.{name}").read_bytes() == source.read_bytes()


FIELD = st.text(
    st.one_of(st.sampled_from(',"\n\r\t; 0'), st.characters(exclude_categories=["Cs"])), max_size=9
)
SSN = st.from_regex(r"[0-8][0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{4}", fullmatch=True)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Any CSV: needless quotation marks, mixed line ends, empty lines, a BOM, no last line end."""
    ends = st.sampled_from(["\n", "\r\n"])
    text = draw(st.sampled_from(["", "\ufeff"])) + "ssn,name,other" + draw(ends)
    for _ in range(draw(st.integers(0, 5))):
        fields = []
        for values in (st.one_of(st.none(), SSN), st.one_of(st.none(), FIELD), FIELD):
            value = draw(values)
            must = value == "" or (value is not None and any(c in value for c in ',"\r\n'))
            if value is not None and (must or draw(st.booleans())):
                value = '"' + value.replace('"', '""') + '"'
            fields.append(value or "")
        text += ",".join(fields) + draw(ends) + draw(st.sampled_from(["", "", "\n"]))
    if draw(st.booleans()) and text.count("\n") > 1:
        text = re.sub(r"\r?\n\Z", "", text)
    return text.encode()


@given(csv_files())
@settings(max_examples=60)
def test_any_csv_comes_back_byte_for_byte(tmp_path_factory, keyring, content) -> None:
    folder = tmp_path_factory.mktemp("csv")
    (folder / "in.csv").write_bytes(content)
    protect(folder / "in.csv", folder / "out.csv", keyring, {"ssn": "ssn", "name": "name", "other": "keep"})
    reveal(folder / "out.csv", folder / "back.csv", keyring)
    assert (folder / "back.csv").read_bytes() == content


def test_equal_values_have_equal_stand_ins_in_all_formats(tmp_path, keyring) -> None:
    found = set()
    for name in NAMES.values():
        protect(write(tmp_path / name, PEOPLE), tmp_path / f"safe-{name}", keyring)
        found.add(tuple(row["ssn"] or "" for row in read(tmp_path / f"safe-{name}")))
    assert len(found) == 1


SEEN = dt.datetime(2024, 5, 4, 9, 30, tzinfo=dt.UTC)


def test_numbers_and_dates_keep_their_types_on_the_way_back(tmp_path, keyring) -> None:
    table = pa.table(
        {
            "ssn": pa.array([78051120, None, 219099999], pa.int64()),
            "born": pa.array([dt.date(1963, 5, 4), None, dt.date(1912, 1, 1)], pa.date32()),
            "seen": pa.array([SEEN, None, None], pa.timestamp("us", "UTC")),
            "mrn": pa.array([1234567, 7654321, None], pa.int32()),
            "paid": pa.array([Decimal("1.10"), None, Decimal("-3.00")], pa.decimal128(8, 2)),
            "name": pa.array(["Ann", "Ben", None]).dictionary_encode(),
            "tags": pa.array([["a"], None, []], pa.list_(pa.string())),
            "score": pa.array([1.5, None, 3.0]),
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    columns = {
        "ssn": "ssn",
        "born": "birth-date",
        "seen": "date",
        "mrn": "mrn",
        "paid": "text",
        "name": "name",
    }
    protect(tmp_path / "in.parquet", tmp_path / "out.parquet", keyring, columns)
    safe = pq.read_table(tmp_path / "out.parquet")
    assert safe.schema.field("ssn").type == pa.int64()
    assert safe.schema.field("tags").type == table.schema.field("tags").type
    assert safe["tags"].to_pylist() == [["a"], None, []]
    assert safe["ssn"].to_pylist()[0] not in {78051120, None}
    reveal(tmp_path / "out.parquet", tmp_path / "back.parquet", keyring)
    back = pq.read_table(tmp_path / "back.parquet")
    assert back.drop_columns("name").equals(table.drop_columns("name"))
    assert back["name"].to_pylist() == ["Ann", "Ben", None]

    protect(tmp_path / "in.parquet", tmp_path / "out.csv", keyring, columns | {"tags": "drop"})
    assert [len(row["ssn"]) for row in read(tmp_path / "out.csv")] == [9, 0, 9]
    reveal(tmp_path / "out.csv", tmp_path / "csv.parquet", keyring)
    back = pq.read_table(tmp_path / "csv.parquet")
    assert back["ssn"].to_pylist() == [78051120, None, 219099999]
    assert back.schema.field("born").type == pa.date32()
    assert back["seen"].equals(table["seen"])


def test_ndjson_keeps_numbers_and_nested_values_as_they_were_written(tmp_path, keyring) -> None:
    lines = [
        '{"mrn":1234567,"dose":1.10,"big":123456789012345678901234567890,"in":{"a":[1,2.0]},"addr":{"zip":"00501"}}',
        '{"mrn":null,"dose":1e2,"other":"\\u00e9","addr":null}',
        '{"dose":true,"mrn":7654321}',
    ]
    source = tmp_path / "in.ndjson"
    source.write_text("\n".join(lines) + "\n")
    protect(source, tmp_path / "out.ndjson", keyring, {"mrn": "mrn", "addr": "text"})
    safe = read(tmp_path / "out.ndjson")
    assert (
        '"dose":1.10,"big":123456789012345678901234567890,"in":{"a":[1,2.0]}'
        in (tmp_path / "out.ndjson").read_text()
    )
    assert safe[0]["addr"].startswith("sealed:")
    assert safe[0]["mrn"] != 1234567
    assert safe[1]["addr"] is None
    assert "addr" not in safe[2]
    reveal(tmp_path / "out.ndjson", tmp_path / "back.ndjson", keyring)
    assert (tmp_path / "back.ndjson").read_text() == source.read_text()


def test_ndjson_of_plain_types_becomes_columns_with_types(tmp_path, keyring) -> None:
    rows = [
        {"ssn": "078-05-1120", "n": i, "at": "2024-05-04T09:30:00", "x": i / 2, "in": {"a": i}}
        for i in range(5)
    ]
    source = write(tmp_path / "in.ndjson", rows)
    protect(source, tmp_path / "out.parquet", keyring, {"ssn": "ssn", "at": "keep"})
    table = pq.read_table(tmp_path / "out.parquet")
    assert [str(field.type) for field in table.schema] == [
        "string",
        "int64",
        "string",
        "double",
        "struct<a: int64>",
    ]
    assert table["at"].to_pylist() == ["2024-05-04T09:30:00"] * 5
    with pytest.raises(Invalid, match="column in cannot be written as csv"):
        protect(source, tmp_path / "out.csv", keyring, {"ssn": "ssn", "at": "keep"})
    protect(source, tmp_path / "out.csv", keyring, {"ssn": "ssn", "at": "keep", "in": "drop"})
    assert read(tmp_path / "out.csv")[1]["x"] == "0.5"


def test_pandas_and_polars_read_what_comes_out(tmp_path, keyring) -> None:
    frame = pd.DataFrame(PEOPLE, index=pd.Index([10, 20, 30, 40], name="row")).convert_dtypes()
    frame["born"] = pd.to_datetime(frame["born"])
    frame["n"] = pd.array([1, None, 3, 4], dtype="Int64")
    frame.to_parquet(tmp_path / "in.parquet")
    protect(tmp_path / "in.parquet", tmp_path / "out.parquet", keyring)
    again = pd.read_parquet(tmp_path / "out.parquet")
    assert list(again.index) == [10, 20, 30, 40]
    assert again["n"].dtype == "Int64"
    assert again["born"].dropna().str.startswith("sealed:").all()
    reveal(tmp_path / "out.parquet", tmp_path / "back.parquet", keyring)
    back = pd.read_parquet(tmp_path / "back.parquet")
    assert back["born"].equals(frame["born"])
    assert back["ssn"].fillna("").tolist() == frame["ssn"].fillna("").tolist()

    pl.DataFrame(PEOPLE).write_ipc(tmp_path / "in.arrow", compression="zstd")
    protect(tmp_path / "in.arrow", tmp_path / "out.arrow", keyring)
    reveal(tmp_path / "out.arrow", tmp_path / "back.arrow", keyring)
    assert pl.read_ipc(tmp_path / "back.arrow").equals(pl.DataFrame(PEOPLE))


def test_what_goes_with_the_file_holds_no_values(tmp_path, keyring) -> None:
    table = pa.table({"ssn": ["078-05-1120"]}).replace_schema_metadata({"note": "078-05-1120"})
    pq.write_table(table, tmp_path / "in.parquet")
    protect(tmp_path / "in.parquet", tmp_path / "out.parquet", keyring, {"ssn": "ssn"})
    assert b"078-05-1120" not in (tmp_path / "out.parquet").read_bytes()


def test_modes_and_the_recipe_beside(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    protect(source, tmp_path / "out.csv", keyring)
    reveal(tmp_path / "out.csv", tmp_path / "back.csv", keyring)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.csv",
        "in.csv",
        "out.csv",
        "out.csv.recipe.toml",
    ]
    for name in ("out.csv", "back.csv", "out.csv.recipe.toml"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    found = read_recipe(tmp_path / "out.csv")
    assert (found.keyring, found.version) == (keyring.id, 1)
    assert found.columns == recipe_of().columns


# Methods and choices


def test_methods(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    columns = COLUMNS | {
        "name": "name:pseudonym",
        "born": "birth-date:generalise",
        "zip": "zip:generalise",
        "state": "drop",
    }
    with pytest.raises(MalformedFile, match=r"column name: 1 row .* data rows 3"):
        protect(source, tmp_path / "out.csv", keyring, columns)
    protect(source, tmp_path / "out.csv", keyring, columns, malformed=Malformed.NULL)
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == ["ssn", "name", "born", "zip"]
    assert [row["born"] for row in rows] == ["1963", "2001", "", "1900"]
    assert [row["zip"] for row in rows] == ["005", "941", "", "606"]
    done = reveal(tmp_path / "out.csv", tmp_path / "back.csv", keyring)
    assert set(done.left) == {"name", "born", "zip"}
    assert [row["ssn"] for row in read(tmp_path / "back.csv")] == [
        "078-05-1120",
        "219 09 9999",
        "",
        "001234567",
    ]


ODD = 'ssn,id\n078-05-1120,1\n12-34,2\n,3\n"  ",4\n219099999,5\nnone,6\n'


def test_malformed_values_are_told_by_data_row(tmp_path, keyring) -> None:
    (tmp_path / "in.csv").write_text(ODD)
    with pytest.raises(MalformedFile) as told:
        protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"ssn": "ssn"})
    assert "column ssn: 3 rows" in str(told.value)
    assert str(told.value).endswith("data rows 2, 4, 6")
    assert told.value.columns["ssn"][1] == [1, 3, 5]
    assert "12-34" not in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_malformed_values_become_null_or_seals(tmp_path, keyring) -> None:
    (tmp_path / "in.csv").write_text(ODD)
    protect(tmp_path / "in.csv", tmp_path / "null.csv", keyring, {"ssn": "ssn"}, malformed=Malformed.NULL)
    assert [bool(row["ssn"]) for row in read(tmp_path / "null.csv")] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    protect(tmp_path / "in.csv", tmp_path / "seal.csv", keyring, {"ssn": "ssn"}, malformed=Malformed.SEAL)
    assert read(tmp_path / "seal.csv")[1]["ssn"].startswith("sealed:")
    reveal(tmp_path / "seal.csv", tmp_path / "back.csv", keyring)
    assert (tmp_path / "back.csv").read_text() == ODD
    one = Recipe({"ssn": treat("ssn", malformed="seal")})
    protect(tmp_path / "in.csv", tmp_path / "one.csv", keyring, one)
    assert read(tmp_path / "one.csv")[3]["ssn"].startswith("sealed:")


def test_rows_are_counted_through_all_units(tmp_path, keyring, monkeypatch) -> None:
    monkeypatch.setattr("confide.protect.files.units.BLOCK", 300)
    monkeypatch.setattr("confide.protect.files.texts._FIRST", 300)
    rows = [f"{i:03}-45-{i:04},{i}" for i in range(1, 500)]
    rows[250], rows[400] = "x,y", "z,w"
    (tmp_path / "in.csv").write_text("ssn,id\n" + "\n".join(rows))
    with pytest.raises(MalformedFile, match=r"data rows 251, 401$"):
        protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"ssn": "ssn"})
    rows[300] = "only"
    (tmp_path / "in.csv").write_text("ssn,id\n" + "\n".join(rows))
    with pytest.raises(BrokenRow, match="data row 301 has 1 fields"):
        protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"ssn": "ssn"})


# Keyrings and versions


def test_the_version_stands_in_the_recipe_and_wins(tmp_path) -> None:
    path = tmp_path / "k.keyring"
    first = ColumnKeyring.create(path)
    source = write(tmp_path / "in.csv", PEOPLE)
    protect(source, tmp_path / "one.csv", first)
    second = ColumnKeyring.add_version(path)
    protect(source, tmp_path / "two.csv", second)
    assert read(tmp_path / "one.csv")[0]["ssn"] != read(tmp_path / "two.csv")[0]["ssn"]
    for name in ("one", "two"):
        reveal(tmp_path / f"{name}.csv", tmp_path / f"back-{name}.csv", second)
        assert (tmp_path / f"back-{name}.csv").read_bytes() == source.read_bytes()
    protect(source, tmp_path / "pinned.csv", second, recipe_of(keyring=second.id, version=1))
    assert read(tmp_path / "pinned.csv")[0]["ssn"] == read(tmp_path / "one.csv")[0]["ssn"]
    with pytest.raises(KeyUnavailable, match="no such version"):
        protect(source, tmp_path / "three.csv", second, recipe_of(version=3))
    with pytest.raises(Invalid, match="which version"):
        reveal(tmp_path / "one.csv", tmp_path / "lost.csv", second, recipe_of())


def test_another_keyring_is_told_before_any_work(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    protect(source, tmp_path / "out.csv", keyring)
    with pytest.raises(Misconfigured, match="the recipe is for keyring"):
        reveal(tmp_path / "out.csv", tmp_path / "back.csv", ColumnKeyring.random())
    with pytest.raises(SealBroken, match=r"column name: 4 rows hold .* data rows 1, 2, 3, 4 "):
        reveal(
            tmp_path / "out.csv", tmp_path / "back.csv", ColumnKeyring.random(), recipe_of({"name": "name"})
        )
    assert not (tmp_path / "back.csv").exists()


# Refusals


def test_what_nobody_has_decided_on_is_not_left_in_clear(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE * 10)
    with pytest.raises(Invalid, match=r"seem to identify .*: name \(name\), born \(birth date\)"):
        protect(source, tmp_path / "out.csv", keyring, {"ssn": "ssn", "zip": "zip"})
    protect(
        source, tmp_path / "out.csv", keyring, {"ssn": "ssn", "zip": "zip", "name": "keep", "born": "keep"}
    )
    assert read(tmp_path / "out.csv")[0]["name"] == PEOPLE[0]["name"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"social": "ssn"}, r"has no column social \(there are: ssn, name, born, zip, state\)"),
        ({}, "no column is to be protected"),
        (dict.fromkeys(COLUMNS, "keep"), "no column is to be protected"),
        (dict.fromkeys(COLUMNS, "drop"), "no column is left"),
    ],
)
def test_recipes_that_do_not_fit(columns, message, tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    with pytest.raises(Invalid, match=message):
        protect(source, tmp_path / "out.csv", keyring, columns)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no header"),
        (b"\n\nssn\n", "has no header"),
        (b"\xff\xfes\0s\0n\0", "UTF-16"),
        (b"ssn,ssn\n1,2\n", "two columns of one name: ssn"),
        (b"078-05-1120,Ann\n219-09-9999,Ben\n", "looks like data"),
        (b'ssn,"na\nme\n1,2\n', "the header of .* never closed"),
        (b"ssn,name\n1,\xff\n", "data row 1 is not in UTF-8"),
    ],
)
def test_files_that_are_not_csv(content, message, tmp_path, keyring) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(Invalid, match=message) as told:
        protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"ssn": "ssn", "name": "name"})
    assert "078-05" not in str(told.value)


@pytest.mark.parametrize("name", ["in.parquet", "in.arrow", "in.arrows", "in.csv.gz", "in.ndjson"])
@pytest.mark.parametrize("content", [b"", b"PAR1 078-05-1120 PAR1", b"ARROW1\0\0 078-05-1120"])
def test_files_that_are_not_what_their_name_says(name, content, tmp_path, keyring) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid) as told:
        protect(tmp_path / name, tmp_path / "out.csv", keyring, {"ssn": "ssn"})
    assert "078-05" not in str(told.value)


def test_a_damaged_file_leaves_nothing_behind(tmp_path, keyring) -> None:
    rows = [{"ssn": f"{i % 600 + 1:03}-45-{i % 9999 + 1:04}", "n": str(i)} for i in range(60_000)]
    for name in ("in.parquet", "in.arrow", "in.csv.gz"):
        path = write(tmp_path / name, rows)
        content = path.read_bytes()
        half = len(content) // 2
        path.write_bytes(content[:half] + b"\0" * 2000 + content[half + 2000 :])
        with pytest.raises(Invalid):
            protect(path, tmp_path / "out.csv", keyring, {"ssn": "ssn"}, malformed=Malformed.REFUSE)
        assert not [each for each in tmp_path.iterdir() if "out" in each.name]


def test_types_that_cannot_be_protected(tmp_path, keyring) -> None:
    table = pa.table({"ssn": [1.5], "raw": [b"x"], "list": [["a"]]})
    pq.write_table(table, tmp_path / "in.parquet")
    for name, element, message in (
        ("ssn", "ssn", "type double"),
        ("raw", "text", "type binary, which cannot"),
        ("list", "text", "list.*, which cannot"),
    ):
        with pytest.raises(Invalid, match=message):
            protect(tmp_path / "in.parquet", tmp_path / "out.parquet", keyring, {name: element})


def test_files_are_not_written_over(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    before = source.read_bytes()
    link, hard, folder = tmp_path / "link.csv", tmp_path / "hard.csv", tmp_path / "folder.csv"
    link.symlink_to(source)
    hard.hardlink_to(source)
    folder.mkdir()
    for target in (source, link, hard):
        with pytest.raises(Invalid, match="not written over itself"):
            protect(source, target, keyring, force=True)
    with pytest.raises(Invalid, match="not a file"):
        protect(source, folder, keyring, force=True)
    with pytest.raises(Misconfigured, match="there is no folder"):
        protect(source, tmp_path / "nowhere" / "out.csv", keyring)
    other = write(tmp_path / "recipe.csv", PEOPLE)
    with pytest.raises(Invalid, match="is not written over"):
        protect(source, other, keyring, force=True, spared=(other,))
    protect(source, tmp_path / "out.csv", keyring)
    kept = (tmp_path / "out.csv").read_bytes()
    with pytest.raises(Invalid, match="--force"):
        protect(source, tmp_path / "out.csv", keyring)
    assert (tmp_path / "out.csv").read_bytes() == kept
    protect(source, tmp_path / "out.csv", keyring, force=True)
    assert (tmp_path / "out.csv").read_bytes() != kept
    assert source.read_bytes() == before
    with pytest.raises(Unknown, match="is the path right"):
        protect(tmp_path / "none.csv", tmp_path / "x.csv", keyring)


def test_formats_are_told_by_name_or_option(tmp_path, keyring) -> None:
    source = write(tmp_path / "in.csv", PEOPLE)
    with pytest.raises(Invalid, match="does not tell its format"):
        protect(source, tmp_path / "out.xlsx", keyring)
    with pytest.raises(Invalid, match="packs itself"):
        protect(source, tmp_path / "out.parquet.gz", keyring)
    protect(source, tmp_path / "out.dat", keyring, form_out="ndjson")
    assert json.loads((tmp_path / "out.dat").read_text().splitlines()[1])["state"] is None
    reveal(tmp_path / "out.dat", tmp_path / "back.csv", keyring, form_in="ndjson")
    assert (tmp_path / "back.csv").read_bytes() == source.read_bytes()


def test_workers_give_the_same_as_one_process(tmp_path, keyring) -> None:
    rows = [{"ssn": f"{i % 600 + 1:03}-45-{i % 9999 + 1:04}", "n": f"row {i}"} for i in range(90_000)]
    source = write(tmp_path / "in.csv", rows)
    columns = {"ssn": "ssn", "n": "keep"}
    protect(source, tmp_path / "one.csv", keyring, columns, workers=0)
    protect(source, tmp_path / "two.csv", keyring, columns, workers=2)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    reveal(tmp_path / "two.csv", tmp_path / "back.csv", keyring, workers=2)
    assert (tmp_path / "back.csv").read_bytes() == source.read_bytes()
    (tmp_path / "bad.csv").write_text(source.read_text() + "078-05-112,x\n")
    with pytest.raises(MalformedFile, match=r"data rows 90001$"):
        protect(tmp_path / "bad.csv", tmp_path / "three.csv", keyring, columns, workers=2)


def test_the_recipe_beside_belongs_to_the_file(tmp_path, keyring, monkeypatch) -> None:
    """If the second of the two names cannot be given, no file lies beside the recipe of another."""
    source = write(tmp_path / "in.csv", PEOPLE)
    protect(source, tmp_path / "out.csv", keyring)

    def fail(_path: Path, _content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run.place, "write_whole", fail)
    with pytest.raises(KeyboardInterrupt):
        protect(source, tmp_path / "out.csv", keyring, COLUMNS | {"name": "drop"}, force=True)
    assert not (tmp_path / "out.csv.recipe.toml").exists()
    with pytest.raises(KeyboardInterrupt):
        protect(source, tmp_path / "new.csv", keyring)
    assert not (tmp_path / "new.csv").exists()


def test_what_does_not_fit_into_shared_memory_goes_through_a_pipe(tmp_path, keyring) -> None:
    long = "x" * (SIZE + 1)
    (tmp_path / "in.csv").write_text(f"name,n\nAnn,1\n{long},2\nBen,3\n")
    protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"name": "name", "n": "keep"}, workers=2)
    reveal(tmp_path / "out.csv", tmp_path / "back.csv", keyring, workers=1)
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "in.csv").read_bytes()


def test_a_row_without_an_end_is_refused(tmp_path, keyring, monkeypatch) -> None:
    monkeypatch.setattr("confide.protect.files.texts.LONGEST_ROW", 1 << 18)
    (tmp_path / "in.csv").write_text('name,n\n"Ann,1\n' + "Ben,2\n" * 200_000)
    with pytest.raises(Invalid, match="never closed"):
        protect(tmp_path / "in.csv", tmp_path / "out.csv", keyring, {"name": "name", "n": "keep"})


def test_small_files_need_no_workers() -> None:
    assert count_workers(None, 1000) == 0
    assert count_workers(3, 1000) == 3
    assert count_workers(-1, 1 << 40) == 0
    assert 0 <= count_workers(None, 1 << 40) <= 8
