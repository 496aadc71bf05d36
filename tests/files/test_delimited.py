"""CSV as it stands in the file: fields where they are, and everything else byte for byte."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import BrokenRow
from confide.protect.files import delimited

# Characters that matter to CSV come often.
TEXT = st.text(
    st.one_of(st.sampled_from(',"\n\r\t ab'), st.characters(exclude_categories=["Cs"])), max_size=8
)


@st.composite
def fields(draw: st.DrawFn, separator: str) -> tuple[str, str | None]:
    """A field as written, and what it says."""
    text = draw(TEXT)
    quoted = '"' + text.replace('"', '""') + '"'
    if any(c in text for c in f'"\r\n{separator}') or draw(st.booleans()):
        return quoted, text
    return text, text or None


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[list[str | None]], int]:
    """Text, separator, rows, columns."""
    separator = draw(st.sampled_from(",\t;"))
    columns = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(fields(separator), min_size=columns, max_size=columns), max_size=6))
    text = ""
    for row in rows:
        text += separator.join(written for written, _ in row)
        text += draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    if text and draw(st.booleans()):
        text = text.rstrip("\r\n") if text.rstrip("\r\n").endswith(rows[-1][-1][0]) else text
    return text, separator, [[said for _, said in row] for row in rows], columns


@given(tables())
def test_fields_are_what_was_written(table) -> None:
    text, separator, rows, columns = table
    found = delimited.grid(text.encode(), separator, columns)
    assert [
        list(row) for row in zip(*(found.column(at).to_pylist() for at in range(columns)), strict=True)
    ] == rows
    every = {at: found.column(at) for at in range(columns)}
    assert found.replace(every, separator) == text.encode()


@given(tables(), st.data())
def test_replacing_leaves_the_rest_byte_for_byte(table, data) -> None:
    text, separator, rows, columns = table
    at = data.draw(st.integers(0, columns - 1))
    new = data.draw(st.lists(st.one_of(st.none(), TEXT), min_size=len(rows), max_size=len(rows)))
    found = delimited.grid(text.encode(), separator, columns)
    there = found.replace({at: pa.array(new, pa.string())}, separator)
    again = delimited.grid(there, separator, columns)
    assert again.column(at).to_pylist() == new
    for other in range(columns):
        if other != at:
            assert again.column(other).to_pylist() == [row[other] for row in rows]


@given(tables(), st.data())
def test_what_needs_no_quotation_marks_comes_and_goes_without_a_trace(table, data) -> None:
    text, separator, rows, columns = table
    at = data.draw(st.integers(0, columns - 1))
    found = delimited.grid(text.encode(), separator, columns)
    there = found.replace({at: pa.array([row[at] and "x" for row in rows], pa.string())}, separator)
    back = delimited.grid(there, separator, columns).replace({at: found.column(at)}, separator)
    assert back == text.encode()


@given(st.lists(st.lists(st.one_of(st.none(), TEXT), min_size=2, max_size=2)))
def test_rows_written_anew_are_read_by_others(rows) -> None:
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(2)]
    text = delimited.write_rows(columns, ",")
    read = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert read == [[each or "" for each in row] for row in rows]
    again = delimited.grid(text, ",", 2)
    assert [again.column(at).to_pylist() for at in range(2)] == [column.to_pylist() for column in columns]


IRREGULAR = st.text(st.sampled_from('a,"\n5'), max_size=40)


@given(IRREGULAR)
def test_odd_quotation_marks_are_read_as_pythons_csv_reads_them_or_refused(text) -> None:
    expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    try:
        found = delimited.grid(text.encode(), ",", 2)
    except BrokenRow:
        return
    read = [
        [each or "" for each in row]
        for row in zip(*(found.column(at).to_pylist() for at in (0, 1)), strict=True)
    ]
    assert read == expected


def test_an_inch_mark_is_only_itself() -> None:
    found = delimited.grid(b'1,5\'6" tall\n2,"a ""b"""\n3,x""y\n', ",", 2)
    assert found.column(1).to_pylist() == ["5'6\" tall", 'a "b"', 'x""y']


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        (b"a,b\n\nc\n", 1, "1 fields"),
        (b"a,b\nc,d,e\n", 1, "3 fields"),
        (b'a,b\nc,"d\ne,f\n', 1, "never closed"),
        (b'a,b\n"c"d,e\n', 1, "behind"),
        (b"a,b\nc,\xff\n", 1, "UTF-8"),
        (b'"\n",b\n\nc,\xff\n', 1, "UTF-8"),
        (b"a,b\rc,d\n", 0, "carriage return"),
        (b"a,b\nc,d\r", 1, "carriage return"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_row(text, row, reason) -> None:
    with pytest.raises(BrokenRow, match=reason) as told:
        delimited.grid(text, ",", 2)
    assert told.value.row == row


def test_one_column_has_no_empty_lines() -> None:
    found = delimited.grid(b'a\n\n""\nb', ",", 1)
    assert found.column(0).to_pylist() == ["a", None, "", "b"]


@given(tables(), st.integers(1, 40))
def test_blocks_are_cut_between_rows(table, size) -> None:
    text, separator, rows, columns = table
    rest, read = b"", []
    whole = text.encode()
    for at in range(0, len(whole), size):
        rest += whole[at : at + size]
        end = delimited.cut(rest, separator)
        read += rows_of(rest[:end], separator, columns)
        rest = rest[end:]
    assert read + rows_of(rest, separator, columns) == rows


def rows_of(block: bytes, separator: str, columns: int) -> list[list[str | None]]:
    found = delimited.grid(block, separator, columns)
    return [list(row) for row in zip(*(found.column(at).to_pylist() for at in range(columns)), strict=True)]


@given(IRREGULAR, st.integers(1, 9))
def test_blocks_with_odd_quotation_marks_are_cut_between_rows_too(text, size) -> None:
    try:
        expected = rows_of(text.encode(), ",", 2)
    except BrokenRow:
        return
    rest, read = b"", []
    for at in range(0, len(text), size):
        rest += text[at : at + size].encode()
        end = delimited.cut(rest, ",")
        read += rows_of(rest[:end], ",", 2)
        rest = rest[end:]
    assert read + rows_of(rest, ",", 2) == expected


def test_a_column_of_many_rows() -> None:
    text = b"".join(b"%09d,x%d\r\n" % (i, i) for i in range(10_000))
    found = delimited.grid(text, ",", 2)
    assert found.column(0)[9_999].as_py() == "000009999"
    assert np.array_equal(found.ends - found.starts, [[9, 1 + len(str(i))] for i in range(10_000)])
