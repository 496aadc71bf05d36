"""Values of each element for the tests of columns, and the kinds of column that carry them."""

from __future__ import annotations

import string

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

from confide.columns import ColumnElement

SEPARATORS = " -./()+_:#*^|,"
CAPITALS = string.digits + string.ascii_uppercase


def luhn(body: str, total: int = 0) -> str:
    """The check digit, written as ISO/IEC 7812-1 explains it."""
    for place, c in enumerate(reversed(body)):
        digit = int(c) * (1 if place % 2 else 2)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


@st.composite
def separated(draw, characters):
    """The characters with separators among them."""
    gaps = st.text(SEPARATORS, max_size=2) if draw(st.booleans()) else st.just("")
    written = [draw(gaps) + c for c in draw(characters)]
    return ("".join(written) + draw(gaps))[:128] if len(written) < 40 else "".join(c[-1] for c in written)


def digits(least, most):
    return st.text(string.digits, min_size=least, max_size=most)


CARDS = digits(11, 18).map(lambda body: body + luhn(body))
NPIS = st.tuples(st.sampled_from("12"), digits(8, 8)).map("".join).map(lambda body: body + luhn(body, 24))
IDS = st.text(CAPITALS, min_size=4, max_size=30)

FF1 = {
    ColumnElement.SSN: separated(digits(9, 9)),
    ColumnElement.MRN: separated(IDS),
    ColumnElement.LICENCE: separated(IDS),
    ColumnElement.PASSPORT: separated(IDS),
    ColumnElement.PHONE: separated(digits(7, 15)),
    ColumnElement.MEMBER_ID: separated(IDS),
    ColumnElement.ACCOUNT: separated(IDS),
    ColumnElement.CARD: separated(CARDS),
    ColumnElement.NPI: separated(NPIS),
    ColumnElement.IDENTIFIER: separated(IDS),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ELEMENTS = {element: FF1.get(element, TEXT) for element in ColumnElement}


def lists(series):
    return [None if pd.isna(value) else value for value in series]


def numpy_strings(values):
    return np.array(values, dtype=np.dtypes.StringDType(na_object=None))


def masked(values):
    return np.ma.MaskedArray(
        ["?" if v is None else v for v in values] or np.array([], "U1"), mask=[v is None for v in values]
    )


# How a column of texts and nulls is made, and how its values are had back.
NULLABLE = {
    "list": (list, list),
    "tuple": (tuple, list),
    "numpy object": (lambda v: np.array(v, object) if v else np.empty(0, object), list),
    "numpy StringDType": (numpy_strings, lambda c: c.tolist()),
    "numpy masked": (masked, lambda c: c.tolist()),
    "arrow string": (lambda v: pa.array(v, pa.string()), lambda c: c.to_pylist()),
    "arrow large_string": (lambda v: pa.array(v, pa.large_string()), lambda c: c.to_pylist()),
    "arrow string_view": (lambda v: pa.array(v, pa.string_view()), lambda c: c.to_pylist()),
    "arrow dictionary": (lambda v: pa.array(v, pa.string()).dictionary_encode(), lambda c: c.to_pylist()),
    "arrow slice": (
        lambda v: pa.array(["zz", None, *v, "z"], pa.string()).slice(2, len(v)),
        lambda c: c.to_pylist(),
    ),
    "arrow chunks": (
        lambda v: pa.chunked_array(
            [pa.array(["zz", *v[:2]])[1:], pa.array([], pa.string()), pa.array(v[2:], pa.string())]
        ),
        lambda c: c.to_pylist(),
    ),
    "pandas default": (lambda v: pd.Series(v, dtype="str", name="n"), lists),
    "pandas object": (lambda v: pd.Series(v, dtype=object, name="n"), lists),
    "pandas string[pyarrow]": (lambda v: pd.Series(v, dtype="string[pyarrow]"), lists),
    "pandas string[python]": (lambda v: pd.Series(v, dtype="string[python]"), lists),
    "pandas ArrowDtype": (lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.string())), lists),
    "pandas category": (lambda v: pd.Series(v, dtype="category", name="n"), lists),
    "polars String": (lambda v: pl.Series("n", v, dtype=pl.String), lambda c: c.to_list()),
    "polars Categorical": (lambda v: pl.Series("n", v, dtype=pl.Categorical), lambda c: c.to_list()),
}  # fmt: skip
FIXED = {
    "numpy U": (lambda v: np.array(v, "U") if v else np.empty(0, "U1"), lambda c: c.tolist()),
    "numpy >U": (lambda v: np.array(v, ">U150"), lambda c: c.tolist()),
    "numpy S": (
        lambda v: np.array([x.encode() for x in v], "S") if v else np.empty(0, "S1"),
        lambda c: [x.decode() for x in c.tolist()],
    ),
    "arrow binary": (
        lambda v: pa.array([x.encode() for x in v], pa.binary()),
        lambda c: [x.as_py().decode() for x in c],
    ),
}


def shape(column):
    """Everything of a column but its values."""
    told = [type(column).__name__, len(column)]
    told += [str(getattr(column, name, "")) for name in ("dtype", "type", "name", "num_chunks")]
    if isinstance(column, pd.Series):
        told.append(list(column.index))
    return told
