"""Sealed cells: bound to keyring, element and version; whatever is edited, it is SealBroken or malformed."""

import base64
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.cipher.derive import frame
from confide.cipher.seal import SealingKey, pad, padme, unpad
from confide.columns import ColumnKeyring, MalformedColumn, protect, reveal
from confide.errors import SealBroken

KEYRING = ColumnKeyring.random()
CELL = re.compile(r"sealed:[A-Za-z0-9_-]+").fullmatch


def raw(cell):
    data = cell.removeprefix("sealed:")
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


def test_the_form_of_a_cell():
    for value in ["", "Ann", "x" * 60, "x" * 61, "é" * 5000]:
        (cell,) = protect([value], "name", KEYRING)
        assert CELL(cell)
        data = raw(cell)
        assert data[:2] == b"\0\1"
        length = 4 + len(value.encode())
        assert len(data) == 2 + 29 + max(padme(length), 64)
        aad = frame("confide column", KEYRING.id, "name", 1)
        assert unpad(KEYRING.sealing().open(data[2:], aad)) == value.encode()
        assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == cell.removeprefix("sealed:")


def test_a_cell_that_was_made_value_by_value_opens():
    aad = frame("confide column", KEYRING.id, "name", 1)
    data = b"\0\1" + KEYRING.sealing().seal(pad("Zoë".encode()), aad)
    cell = "sealed:" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert reveal([cell], "name", KEYRING) == ["Zoë"]


def test_equal_values_do_not_look_alike_and_lengths_hardly_show():
    column = ["Ann"] * 1000 + ["Bartholomew Maximilian"] * 1000
    sealed = protect(column, "name", KEYRING)
    assert len(set(sealed)) == 2000
    assert len({len(cell) for cell in sealed}) == 1


@given(st.lists(st.none() | st.text(max_size=300), max_size=20))
@settings(max_examples=50)
def test_every_length(column):
    assert reveal(protect(column, "text", KEYRING), "text", KEYRING) == column


def test_more_rows_than_a_batch():
    column = [None if n % 5 == 0 else "x" * (n % 90) for n in range(40_000)]
    assert reveal(protect(column, "text", KEYRING), "text", KEYRING) == column


def test_sealed_text_can_be_sealed_again():
    once = protect(["Ann"], "name", KEYRING)
    twice = protect(once, "name", KEYRING)
    assert reveal(reveal(twice, "name", KEYRING), "name", KEYRING) == ["Ann"]


def test_bound_to_element_and_keyring():
    sealed = protect(["Ann", None, "Ben"], "name", KEYRING)
    for element, keyring in (("address", KEYRING), ("name", ColumnKeyring.random())):
        with pytest.raises(SealBroken, match=r"2 sealed cells do not open.*: 0, 2\)"):
            reveal(sealed, element, keyring)
    mixed = protect(["078051120", "x", "y"], "ssn", KEYRING, malformed="seal")
    with pytest.raises(SealBroken, match=r": 1, 2\)"):
        reveal(mixed, "ssn", ColumnKeyring.random())
    chunks = pa.chunked_array([["078051120"], mixed[:1], mixed[1:]])
    with pytest.raises(SealBroken, match=r": 2, 3\)"):
        reveal(chunks, "ssn", ColumnKeyring.random())


def test_a_row_may_move():
    sealed = protect(["Ann", "Ben"], "name", KEYRING)
    assert reveal(sealed[::-1], "name", KEYRING) == ["Ben", "Ann"]


@given(
    st.integers(7, 133), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
)
def test_any_edited_character(at, c):
    (cell,) = protect(["Ann"], "name", KEYRING)
    edited = cell[:at] + c + cell[at + 1 :]
    if edited == cell:
        return
    with pytest.raises(SealBroken):
        reveal([edited], "name", KEYRING)


@pytest.mark.parametrize("c", ["+", "/", "=", " ", "é", "\0", "\n"])
def test_any_other_character(c):
    (cell,) = protect(["Ann"], "name", KEYRING)
    with pytest.raises((SealBroken, MalformedColumn)):
        reveal([cell[:50] + c + cell[51:]], "name", KEYRING)


def test_what_is_no_cell_is_malformed():
    (cell,) = protect(["Ann"], "name", KEYRING)
    wrong = ["Ann", "", "sealed:", cell[:-1], cell + "A", cell[1:], cell.upper(), "sealed:" + "A" * 1000]
    with pytest.raises(MalformedColumn) as refused:
        reveal([cell, *wrong, None], "name", KEYRING)
    assert refused.value.rows == tuple(range(1, 9))
    assert reveal([cell, *wrong, None], "name", KEYRING, malformed="null") == ["Ann", *[None] * 9]


def test_many_at_once_in_the_cipher():
    key = SealingKey(bytes(32))
    values = [b"", b"a", b"a" * 1000]
    sealed = key.seal_all(values, b"aad")
    assert [key.open(each, b"aad") for each in sealed] == key.open_all(sealed, b"aad") == values
    assert len({each[1:13] for each in key.seal_all([b""] * 1000, b"")}) == 1000
    assert key.seal_all([], b"") == key.open_all([], b"") == []
    for wrong in ([*sealed, b""], [sealed[0][:-1]], [key.wrap(b"", b"aad")], [key.seal(b"", b"other")]):
        with pytest.raises(SealBroken):
            key.open_all(wrong, b"aad")
