"""Every kind of column comes back as the same kind, of the same type, name and index."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confide.columns import ColumnElement, ColumnKeyring, MalformedColumn, protect, reveal
from confide.errors import Invalid
from tests.columns import values
from tests.columns.values import FIXED, NULLABLE, shape

KEYRING = ColumnKeyring.random()
EVERY = NULLABLE | FIXED
SSN = values.FF1[ColumnElement.SSN]
ODD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def rows(carrier, of):
    return st.lists(of if carrier in FIXED else st.none() | of, max_size=9)


@pytest.mark.parametrize("carrier", EVERY)
def test_same_kind_in_and_out(carrier):
    make, read = EVERY[carrier]

    @given(rows(carrier, SSN))
    @settings(max_examples=25)
    def holds(column):
        carried = make(column)
        before = read(carried)
        protected = protect(carried, "ssn", KEYRING)
        assert shape(protected) == shape(carried)
        assert read(protected) == protect(column, "ssn", KEYRING)
        again = reveal(protected, "ssn", KEYRING)
        assert shape(again) == shape(carried)
        assert read(again) == before == column
        assert read(carried) == before  # what was given is not written on

    holds()


@pytest.mark.parametrize("carrier", EVERY)
def test_seals_in_every_kind(carrier):
    make, read = EVERY[carrier]

    @given(rows(carrier, ODD))
    @settings(max_examples=25)
    def holds(column):
        protected = protect(make(column), "text", KEYRING)
        assert type(protected) is type(make(column))
        assert all(v is None or v.startswith("sealed:") for v in read(protected))
        assert read(reveal(protected, "text", KEYRING)) == column

    holds()


@pytest.mark.parametrize("carrier", EVERY)
def test_malformed_in_every_kind(carrier):
    make, read = EVERY[carrier]
    column = ["078051120", "x", "219099999", "078-05-112é" if carrier != "numpy S" else "y"]
    with pytest.raises(MalformedColumn) as refused:
        protect(make(column), "ssn", KEYRING)
    assert refused.value.rows == (1, 3)
    sealed = protect(make(column), "ssn", KEYRING, malformed="seal")
    assert read(reveal(sealed, "ssn", KEYRING)) == column
    if carrier in FIXED and carrier != "arrow binary":
        with pytest.raises(MalformedColumn) as refused:
            protect(make(column), "ssn", KEYRING, malformed="null")
        assert refused.value.rows == (1, 3)
    else:
        nulled = protect(make(column), "ssn", KEYRING, malformed="null")
        held = nulled.to_pylist() if carrier == "arrow binary" else read(nulled)
        assert [v is None for v in held] == [False, True, False, True]


def test_index_and_name_stay():
    series = pd.Series(["078051120", None], index=pd.Index([7, 7], name="k"), name="ssn")
    protected = protect(series, "ssn", KEYRING)
    pd.testing.assert_index_equal(protected.index, series.index)
    assert protected.name == "ssn"
    assert protect(pl.Series("ssn", ["078051120"]), "ssn", KEYRING).name == "ssn"


def test_a_null_stays_what_it_was():
    column = np.array([None, float("nan"), pd.NA, pd.NaT, "078051120", np.float64("nan")], object)
    protected = protect(column, "ssn", KEYRING)
    for before, after in zip(column, protected, strict=True):
        assert after is before or before == "078051120"


@pytest.mark.parametrize(
    "made",
    [
        pa.array([], pa.string()),
        pa.chunked_array([], pa.string()),
        pa.nulls(3),
        [],
        (),
        [None],
        np.empty(0, "S9"),
        np.empty(0, "U"),
        np.empty(0, object),
        np.array([np.nan]),
        pd.Series([np.nan, None]),
        pa.nulls(2, pa.float64()),
        np.empty(0, np.int64),
        pd.Series([], dtype=object),
        pd.Series([None]),
        pl.Series("x", []),
        pl.Series("x", [None]),
    ],
    ids=lambda c: f"{type(c).__name__}-{getattr(c, 'dtype', getattr(c, 'type', ''))}-{len(c)}",
)
def test_nothing_in_it(made):
    for element in ("ssn", "name"):
        protected = protect(made, element, KEYRING)
        assert type(protected) is type(made)
        assert len(protected) == len(made)
        assert len(reveal(protected, element, KEYRING)) == len(made)


def test_the_clear_value_under_a_null_goes_away():
    """Arrow, NumPy and pandas may keep a value where a mask says that there is none."""
    data = pa.py_buffer(b"078051120219099999")
    offsets = pa.py_buffer(np.array([0, 9, 18], np.int32))
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), offsets, data])
    assert hidden.to_pylist() == [None, "219099999"]
    protected = protect(hidden, "ssn", KEYRING)
    assert b"078051120" not in protected.buffers()[2].to_pybytes()
    assert reveal(protected, "ssn", KEYRING).to_pylist() == [None, "219099999"]
    for held in (np.array(["078051120", "219099999"]), np.array([78051120, 219099999])):
        protected = protect(np.ma.MaskedArray(held, mask=[True, False]), "ssn", KEYRING)
        assert "78051120" not in str(np.ma.getdata(protected))
        assert protected.mask.tolist() == [True, False]


def test_what_lies_beside_a_slice_is_not_carried_along():
    column = pa.array(["078051120", "219099999", "457555462"])[1:2]
    protected = protect(column, "ssn", KEYRING)
    kept = b"".join(b.to_pybytes() for b in protected.buffers() if b)
    assert b"078051120" not in kept
    assert b"457555462" not in kept


@given(
    st.lists(st.none() | SSN, max_size=40),
    st.integers(0, 30),
    st.integers(0, 40),
    st.sampled_from(
        [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    ),
)
@settings(max_examples=60)
def test_any_slice(column, start, length, kind):
    array = pa.array(column, kind).slice(start, length)
    protected = protect(array, "ssn", KEYRING)
    protected.validate(full=True)
    assert protected.type == array.type
    assert protected.to_pylist() == protect(array.to_pylist(), "ssn", KEYRING)
    numbers = pa.array([None if v is None else row for row, v in enumerate(column)]).slice(start, length)
    numbered = protect(numbers, "ssn", KEYRING) if len(numbers) > numbers.null_count else numbers
    assert numbered.to_pylist() == protect(numbers.to_pylist(), "ssn", KEYRING)


def test_categories_that_are_not_used_go_away():
    series = pd.Series(["078051120"], dtype=pd.CategoricalDtype(["078051120", "219099999"]))
    assert list(protect(series, "ssn", KEYRING).cat.categories) == protect(["078051120"], "ssn", KEYRING)
    array = pa.DictionaryArray.from_arrays(pa.array([1], pa.int8()), ["078051120", "219099999"])
    assert protect(array, "ssn", KEYRING).dictionary.to_pylist() == protect(["219099999"], "ssn", KEYRING)


def test_a_narrow_index_grows_where_seals_need_it():
    array = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int8()), ["Ann"])
    sealed = protect(array, "name", KEYRING)
    assert sealed.type.index_type == pa.int16()
    assert reveal(sealed, "name", KEYRING).to_pylist() == ["Ann"] * 300
    assert protect(array[:5], "name", KEYRING).type == array.type


# Numbers


@pytest.mark.parametrize("dtype", ["uint64", "int64", "uint32", "int32", ">i8"])
def test_whole_numbers_that_lost_their_zeros(dtype):
    column = np.array([78051120, 0, 999_999_999, 1], dtype)
    protected = protect(column, "ssn", KEYRING)
    assert protected.dtype == column.dtype
    assert [f"{n:09}" for n in protected] == protect([f"{n:09}" for n in column], "ssn", KEYRING)
    assert reveal(protected, "ssn", KEYRING).tolist() == column.tolist()


@given(st.lists(st.none() | values.NPIS.map(int), max_size=9))
@settings(max_examples=30)
def test_numbers_with_a_check_digit(column):
    for make, read in (
        (lambda v: pa.array(v, pa.int64()), lambda c: c.to_pylist()),
        (lambda v: pl.Series("n", v, dtype=pl.UInt32), lambda c: c.to_list()),
        (lambda v: pd.Series(v, dtype="Int64"), values.lists),
        (list, list),
    ):
        carried = make(column)
        protected = protect(carried, "npi", KEYRING)
        texts = [None if n is None else str(n) for n in column]
        assert [None if n is None else str(n) for n in read(protected)] == protect(texts, "npi", KEYRING)
        assert read(reveal(protected, "npi", KEYRING)) == column
        if column and column != [None] * len(column):
            assert shape(protected) == shape(carried)


def test_numbers_out_of_range():
    for column in ([78051120, -1, 10**9], np.array([78051120, -1, 10**9]), pa.array([78051120, -1, 10**9])):
        with pytest.raises(MalformedColumn) as refused:
            protect(column, "ssn", KEYRING)
        assert refused.value.rows == (1, 2)
        with pytest.raises(MalformedColumn) as refused:
            protect(column, "ssn", KEYRING, malformed="seal")
        assert refused.value.rows == (1, 2)
    nulled = protect(pa.array([78051120, -1, None]), "ssn", KEYRING, malformed="null")
    assert nulled.is_null().to_pylist() == [False, True, True]
    with pytest.raises(MalformedColumn):
        protect(np.array([78051120, -1]), "ssn", KEYRING, malformed="null")
    with pytest.raises(MalformedColumn) as refused:
        protect([78051120, 1 << 70, "x", True], "ssn", KEYRING)
    assert refused.value.rows == (1, 2, 3)


@pytest.mark.parametrize("element", ["mrn", "phone", "card", "account"])
def test_other_numbers_are_refused(element):
    with pytest.raises(Invalid, match="leading zeros"):
        protect(np.array([5550104477]), element, KEYRING)


@pytest.mark.parametrize(
    "column",
    [
        np.array([1.0]),
        pa.array([1.5]),
        pa.array([Decimal("1.5")]),
        np.array([True]),
        pa.array([dt.date(2020, 1, 1)]),
        np.array([1], np.int16),
        pd.Series([78051120.0, None]),
        [dt.date(2020, 1, 1)],
    ],
    ids=lambda c: str(getattr(c, "dtype", getattr(c, "type", "list"))),
)
def test_ff1_takes_text_or_whole_numbers(column):
    with pytest.raises(Invalid) as refused:
        protect(column, "ssn", KEYRING)
    assert not isinstance(refused.value, MalformedColumn)


# Dates and other things under a seal


TYPED = {
    "date32": pa.array([dt.date(1963, 5, 12), None]),
    "date64": pa.array([dt.date(1963, 5, 12), None], pa.date64()),
    "timestamp[us]": pa.array([dt.datetime(1963, 5, 12, 1, 2, 3, 45), None]),  # noqa: DTZ001 - without a zone
    "timestamp[s, tz=UTC]": pa.array([-5, None], pa.timestamp("s", "UTC")),
    "time64[us]": pa.array([dt.time(1, 2, 3), None]),
    "int64": pa.array([-7, None]),
    "double": pa.array([0.1, None]),
    "bool": pa.array([True, None]),
    "decimal128(5, 2)": pa.array([Decimal("1.10"), None], pa.decimal128(5, 2)),
}


@pytest.mark.parametrize("name", TYPED)
def test_typed_values_are_sealed_as_text_and_come_back(name):
    array = TYPED[name]
    sealed = protect(array, "text", KEYRING)
    assert sealed.type == pa.string()
    assert sealed[0].as_py().startswith("sealed:")
    text = reveal(sealed, "text", KEYRING)
    assert text.type == pa.string()
    if not pa.types.is_time(array.type):  # Arrow does not read it from text
        assert reveal(sealed, "text", KEYRING, as_type=array.type).equals(array)
    if name == "date32":
        assert text.to_pylist() == ["1963-05-12", None]
        assert reveal(sealed, "text", KEYRING, as_type="date32").equals(array)


def test_dates_in_every_carrier():
    day, stamp = dt.date(1963, 5, 12), np.datetime64("1963-05-12")
    assert reveal(protect([day, None], "date", KEYRING), "date", KEYRING, as_type="date32") == [day, None]
    array = protect(np.array([stamp, "NaT"], "M8[D]"), "date", KEYRING)
    assert array[1] is None
    assert reveal(array, "date", KEYRING, as_type="date32").tolist() == [day, None]
    frame = pd.Series(np.array([stamp, "NaT"], "M8[us]"), name="d", index=[3, 4])
    sealed = protect(frame, "date", KEYRING)
    assert sealed.name == "d"
    pd.testing.assert_series_equal(reveal(sealed, "date", KEYRING, as_type="timestamp[us]"), frame)
    series = pl.Series("d", [day, None])
    assert reveal(protect(series, "date", KEYRING), "date", KEYRING, as_type="date32").equals(series)


def test_as_type_that_does_not_fit():
    sealed = protect(["Ann"], "name", KEYRING)
    for wrong in ("date32", "no such type", 7):
        with pytest.raises(Invalid) as refused:
            reveal(sealed, "name", KEYRING, as_type=wrong)
        assert "Ann" not in str(refused.value)
    with pytest.raises(Invalid):
        reveal(["078051120"], "ssn", KEYRING, as_type="int64")


# What is no column


@pytest.mark.parametrize(
    "column",
    [
        "078051120",
        b"078051120",
        None,
        7,
        {"a": 1},
        {"a"},
        iter([]),
        np.array([["a"]]),
        np.array("a"),
        np.array([1j]),
        pa.array([["a"]]),
        pa.array([{"a": 1}]),
        pd.DataFrame({"a": ["b"]}),
        pl.DataFrame({"a": ["b"]}),
        pl.Series(["a"], dtype=pl.Enum(["a"])),
        pa.table({"a": ["b"]}),
        pl.Series([["a"]]),
        pa.array([b"123456789"], pa.binary(9)),
    ],
    ids=lambda c: type(c).__name__,
)
def test_what_is_no_column(column):
    for element in ("ssn", "name"):
        with pytest.raises(Invalid):
            protect(column, element, KEYRING)


def test_values_of_several_kinds():
    column = ["078051120", 7, None, b"078051120", dt.date(2020, 1, 1), 1.5]
    for carried in (column, np.array(column, object), pd.Series(column, dtype=object)):
        for malformed in ("refuse", "seal"):
            with pytest.raises(MalformedColumn) as refused:
                protect(carried, "ssn", KEYRING, malformed=malformed)
            assert refused.value.rows == (1, 3, 4, 5)
        nulled = protect(carried, "ssn", KEYRING, malformed="null")
        assert [v is None for v in nulled] == [False, True, True, True, True, True]


def test_lone_surrogates_are_malformed_and_can_be_sealed():
    column = ["07805112\ud800", "078051120"]
    for make in (list, lambda v: np.array(v, object), np.array):
        with pytest.raises(MalformedColumn) as refused:
            protect(make(column), "ssn", KEYRING)
        assert refused.value.rows == (0,)
        assert list(reveal(protect(make(column), "ssn", KEYRING, malformed="seal"), "ssn", KEYRING)) == column
    sealed = pa.array(protect(column, "text", KEYRING))
    with pytest.raises(Invalid):
        reveal(sealed, "text", KEYRING)


def test_bytes_that_are_no_text():
    column = np.array([b"07805112\xff", b"078051120"])
    with pytest.raises(MalformedColumn) as refused:
        protect(column, "ssn", KEYRING)
    assert refused.value.rows == (0,)
    with pytest.raises(MalformedColumn):
        protect(column, "mrn", KEYRING, alphabet="0123456789é")
    assert reveal(protect(column, "text", KEYRING), "text", KEYRING).tolist() == column.tolist()
