"""The recipe: read, written, refused."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import Invalid, Unknown
from confide.protect.columns.kinds import KINDS, ColumnElement, Malformed, Method
from confide.protect.files import recipe
from confide.protect.files.recipe import DROPPED, KEPT, Recipe, Treatment, treat

NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def treatments(draw: st.DrawFn) -> Treatment:
    element = draw(st.sampled_from([*ColumnElement, None]))
    if element is None:
        return draw(st.sampled_from([KEPT, DROPPED]))
    kind = KINDS[element]
    method = draw(st.sampled_from(sorted({kind.method, *kind.others, Method.SEAL})))
    alphabets = [None, "10"] if method is Method.FF1 else [None]
    return Treatment(
        element,
        method,
        draw(st.sampled_from(alphabets)),
        draw(st.sampled_from([None, *Malformed])),
        draw(st.sampled_from(["", "int64", "timestamp[us, tz=UTC]"])),
    )


@given(
    st.dictionaries(NAME, treatments(), max_size=6), st.sampled_from([("", None), ("3f0c4e5b6a798812", 7)])
)
def test_what_is_written_is_read(columns, bound) -> None:
    made = Recipe(columns, *bound)
    text = recipe.write(made, ["a heading"], dict.fromkeys(columns, "a remark"))
    tomllib.loads(text)
    assert recipe.parse(text.encode(), "x") == made


def test_what_people_write() -> None:
    text = """
    keep = ["state"]
    drop = ["notes"]
    [columns]
    ssn = "ssn"
    name = {element = "name", method = "pseudonym"}
    member = {element = "member-id", alphabet = "62", malformed = "null"}
    "visit id" = "keep"
    raw = {method = "drop"}
    """
    found = recipe.parse(text.encode(), "x")
    assert found.columns == {
        "ssn": treat("ssn"),
        "name": treat("name", "pseudonym"),
        "member": Treatment(ColumnElement.MEMBER_ID, Method.FF1, "62", Malformed.NULL),
        "visit id": KEPT,
        "raw": DROPPED,
        "state": KEPT,
        "notes": DROPPED,
    }
    assert (found.keyring, found.version) == ("", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a =\n", r"not TOML \(line 1"),
        ("[columns", "it ends too early"),
        ("a = 1", "a is not known here"),
        ("columns = 1", r"\[columns\] is a table"),
        ("[columns]\nssn = 5", "column ssn has an element"),
        ("[columns]\nssn = 'sns'", "column ssn: no such column element"),
        ("[columns]\nssn = {method = 'seal'}", "column ssn has no element"),
        ("[columns]\nssn = {element = 'ssn', method = 'shuffle'}", "column ssn: Social .* the methods are"),
        ("[columns]\nssn = {element = 'ssn', method = 'pseudonym'}", "the methods are"),
        ("[columns]\nssn = {element = 'ssn', alphabet = '62'}", "has 10 characters"),
        ("[columns]\nname = {element = 'name', alphabet = '62'}", "FF1 does not fit"),
        ("[columns]\nmrn = {element = 'mrn', method = 'seal', alphabet = '62'}", "only FF1 has an alphabet"),
        ("[columns]\nssn = {element = 'ssn', malformed = 'skip'}", "the choices are"),
        ("[columns]\nssn = {element = 'ssn', tweak = 'x'}", "tweak is not known here"),
        ("keep = 'ssn'", "keep is a list"),
        ("keep = ['ssn']\n[columns]\nssn = 'ssn'", "in keep and in"),
        ("[keyring]\nversion = '1'", "version, which is a number"),
        ("[keyring]\nversion = true", "version, which is a number"),
    ],
)  # fmt: skip
def test_what_is_refused(text, message) -> None:
    with pytest.raises(Invalid, match=message):
        recipe.parse(text.encode(), "x")


def test_files_that_are_no_recipe(tmp_path) -> None:
    with pytest.raises(Unknown):
        recipe.read(tmp_path / "none.toml")
    with pytest.raises(Invalid, match="cannot be read"):
        recipe.read(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="not TOML in UTF-8"):
        recipe.read(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"#" * (recipe.LARGEST + 1))
    with pytest.raises(Invalid, match="too large"):
        recipe.read(tmp_path / "x")
