"""Pseudonyms, classes and keeping: what has no way back says so."""

import datetime as dt
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.columns import (
    ColumnElement,
    ColumnKeyring,
    MalformedColumn,
    Method,
    find_malformed,
    protect,
    reveal,
)
from confide.errors import Invalid
from confide.protect.pseudonym import pseudonym
from confide.protect.rules import SPARSE_ZIP3

KEYRING = ColumnKeyring.random()
TODAY = dt.date(2026, 11, 24)
SPOKEN = re.compile(r"[A-Z][a-z]{6,11} [A-Z][a-z]{10,17}").fullmatch


def general(column, element="birth-date"):
    return protect(column, element, KEYRING, method="generalise", today=TODAY)


# Pseudonyms


def test_pseudonyms():
    column = ["Ann Example", "ann  EXAMPLE ", "Example, Ann", None, "Ben Example"]
    one, two, turned, null, other = protect(column, "name", KEYRING, method=Method.PSEUDONYM)
    assert one == two
    assert null is None
    assert len({one, turned, other}) == 3
    assert all(map(SPOKEN, (one, turned, other)))
    assert one == " ".join(pseudonym(KEYRING.pseudonym(), "ann example"))
    assert one not in protect(column, "name", ColumnKeyring.random(), method="pseudonym")
    with pytest.raises(Invalid, match="no way back"):
        reveal([one], "name", KEYRING, method="pseudonym")


def test_pseudonyms_in_every_kind_of_column():
    for make in (
        np.array,
        pa.array,
        pd.Series,
        lambda v: pl.Series("n", v),
        lambda v: pd.Series(v, dtype="category"),
    ):
        column = make(["Ann", "Ben", "Ann"])
        made = protect(column, "name", KEYRING, method="pseudonym")
        assert type(made) is type(column)
        assert [str(v) for v in made] == protect(["Ann", "Ben", "Ann"], "name", KEYRING, method="pseudonym")


def test_a_name_with_nothing_in_it():
    assert find_malformed(["Ann", " , ", ""], "name", method="pseudonym") == [1, 2]
    with pytest.raises(MalformedColumn):
        protect([" "], "name", KEYRING, method="pseudonym")
    assert protect([" "], "name", KEYRING, method="pseudonym", malformed="null") == [None]
    with pytest.raises(Invalid):
        protect([7], "name", KEYRING, method="pseudonym")


@given(st.lists(st.text(max_size=20), max_size=8))
@settings(max_examples=40)
def test_any_name(column):
    made = protect(column, "name", KEYRING, method="pseudonym", malformed="null")
    assert all(v is None or SPOKEN(v) for v in made)


# Years


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("1963-05-12", "1963"),
        ("1963-05", "1963"),
        ("1963", "1963"),
        ("19630512", "1963"),
        ("1963/05/12", "1963"),
        ("05/12/1963", "1963"),
        ("5/2/1963", "1963"),
        ("12.05.1963", "1963"),
        ("12-5-1963", "1963"),
        ("1963-05-12T01:02:03Z", "1963"),
        ("1963-05-12 01:02:03.456+02:00", "1963"),
        ("2026-01-01", "2026"),
        ("1937-01-01", "1937"),
        ("1936-12-31", "1900"),
        ("1899", "1900"),
        ("01/01/1920", "1900"),
    ],
)
def test_years_of_text(written, year):
    assert general([written, None]) == [year, None]
    assert general([written], "date") == [year]


@pytest.mark.parametrize(
    "written",
    [
        "",
        "unknown",
        "63",
        "1963-13-01",
        "1963-00-01",
        "1963-05-32",
        "1963-5-1",
        "12 May 1963",
        "1963-05-12x",
        "１９６３",
        "5/1963",
        "00000",
        "1963-05-12\n",
    ],
)
def test_what_is_no_date(written):
    assert find_malformed(["1963", written], "date", method="generalise") == [1]
    with pytest.raises(MalformedColumn):
        general([written])
    assert general_or(written, "null") is None
    assert reveal([general_or(written, "seal")], "birth-date", KEYRING) == [written]


def general_or(written, malformed):
    return protect([written], "birth-date", KEYRING, method="generalise", malformed=malformed)[0]


@pytest.mark.parametrize(
    "kind",
    [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC")],
    ids=str,
)
def test_dates_become_the_first_of_january(kind):
    days = [dt.date(1963, 5, 12), None, dt.date(2000, 1, 1), dt.date(1936, 12, 31), dt.date(1937, 1, 1)]
    array = (
        pa.array(days)
        .cast(pa.timestamp("s"))
        .cast(kind if not pa.types.is_timestamp(kind) else pa.timestamp(kind.unit))
    )
    array = array.cast(kind)
    made = general(array)
    assert made.type == kind
    years = [None if v is None else v.year for v in made.to_pylist()]
    assert years == [1963, None, 2000, 1900, 1937]
    assert {(v.month, v.day) for v in made.to_pylist() if v} == {(1, 1)}


def test_dates_of_other_carriers():
    day, first = dt.date(1963, 5, 12), dt.date(1963, 1, 1)
    assert general([day, None]) == [first, None]
    made = general(np.array(["1963-05-12", "NaT"], "M8[ns]"))
    assert made.dtype == "M8[ns]"
    assert str(made[0]).startswith("1963-01-01T00:00")
    assert np.isnat(made[1])
    assert general(pl.Series("d", [day])).to_list() == [first]
    frame = general(pd.Series(pd.to_datetime(["1963-05-12 13:14"]), name="d"))
    assert frame.name == "d"
    assert frame.tolist() == [pd.Timestamp("1963-01-01")]
    zoned = general(pd.Series(pd.to_datetime(["1963-05-12 13:14"]).tz_localize("US/Eastern")))
    assert zoned.tolist() == [pd.Timestamp("1963-01-01", tz="US/Eastern")]
    for wrong in ([7], np.array([1.5]), [True]):
        with pytest.raises(Invalid):
            general(wrong)
    with pytest.raises(Invalid, match="no way back"):
        reveal(["1963"], "date", KEYRING, method="generalise")


@given(st.lists(st.none() | st.dates(dt.date(1800, 1, 1)), max_size=10))
def test_any_day(days):
    typed = pa.array(days, pa.date32())
    texts = general([None if day is None else day.isoformat() for day in days])
    assert [None if v is None else f"{v.year:04}" for v in general(typed).to_pylist()] == texts
    born = [day and ("1900" if day.year <= 1936 else str(day.year)) for day in days]
    assert texts == born


def test_the_clock_decides_where_no_day_is_given():
    this_year = dt.datetime.now(dt.UTC).year
    column = [str(this_year - 89), str(this_year - 91)]
    assert protect(column, "birth-date", KEYRING, method="generalise") == [column[0], "1900"]


# ZIP codes


def test_zip_codes():
    column = ["10001", "10001-1234", "100011234", None, *[f"{area}01" for area in sorted(SPARSE_ZIP3)]]
    assert general(column, "zip") == ["100", "100", "100", None, *["000"] * 17]
    wrong = ["1000", "100012", "1000A", "", "１０００１", "10001-", "10001\n"]
    assert find_malformed(["10001", *wrong], "zip", method="generalise") == list(range(1, 8))
    with pytest.raises(Invalid, match="leading zeros"):
        general(np.array([10001]), "zip")


# Keeping


@pytest.mark.parametrize("element", ColumnElement)
def test_keep_gives_the_column_back(element):
    for column in (["a", None], np.array([1]), pa.array(["x"]), pd.Series([1.5]), pl.Series(["x"])):
        assert protect(column, element, KEYRING, method="keep") is column
        assert reveal(column, element, KEYRING, method=Method.KEEP) is column
        assert find_malformed(column, element, method="keep") == []


@pytest.mark.parametrize("element", ColumnElement)
def test_seal_fits_every_element(element):
    assert reveal(protect(["7", None], element, KEYRING, method="seal"), element, KEYRING, method="seal") == [
        "7",
        None,
    ]
