"""No value, stand-in or key in any error, and what a bare install says."""

import logging
import subprocess
import sys
import traceback

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from confide.columns import ColumnElement, ColumnKeyring, Malformed, Method, protect, reveal
from confide.errors import ConfideError

CANARY = "Quetzalcoatl"
KEYRING = ColumnKeyring.random()
BAD = [f"{CANARY}-{n}\ud800" if n % 3 == 0 else f"{CANARY} {n}" for n in range(6)]
TEXT = [value.replace("\ud800", "") for value in BAD]


def said(error):
    """Everything that an error says, and those that it hides."""
    text = "".join(traceback.format_exception(error)) + repr(vars(error))
    hidden = error.__context__ or error.__cause__
    return text + (str(hidden) + said(hidden) if hidden is not None else "")


COLUMNS = {
    "list": BAD,
    "object": np.array(BAD, object),
    "unicode": np.array(BAD),
    "bytes": np.array([v.encode("utf-8", "surrogatepass") for v in BAD]),
    "arrow": pa.array(TEXT),
    "binary": pa.array([v.encode("utf-8", "surrogatepass") for v in BAD]),
    "pandas": pd.Series(TEXT),
    "categorical": pd.Series(TEXT, dtype="category"),
    "polars": pl.Series(CANARY, TEXT),
    "mixed": [*TEXT, 7, CANARY.encode()],
    "enum": pl.Series(TEXT, dtype=pl.Enum(TEXT)),
    "text": CANARY,
    "fixed": pa.array([CANARY.encode()], pa.binary(len(CANARY))),
}


@pytest.mark.parametrize("carrier", COLUMNS)
def test_no_error_repeats_a_value(carrier, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    column, heard = COLUMNS[carrier], []
    for way in (protect, reveal):
        for element in ColumnElement:
            for method in (None, *Method):
                for malformed in Malformed:
                    try:
                        way(column, element, KEYRING, method=method, malformed=malformed)
                    except ConfideError as refused:
                        heard.append(said(refused))
    assert heard
    assert not [text for text in heard if CANARY in text]
    printed = capsys.readouterr()
    assert CANARY not in caplog.text + printed.out + printed.err


@pytest.mark.parametrize(
    "asked", ["element", "method", "malformed", "alphabet", "tweaks", "as_type", "keyring", "column"]
)
def test_no_error_repeats_what_was_asked_for(asked):
    given = {"column": protect([CANARY], "name", KEYRING), "element": "name", "keyring": KEYRING}
    with pytest.raises(ConfideError) as refused:
        reveal(**given | {asked: [CANARY, CANARY] if asked in {"tweaks", "column"} else CANARY})
    assert CANARY not in said(refused.value)


def test_revealed_text_is_not_repeated_where_it_does_not_fit_the_type():
    sealed = protect(pa.array([CANARY]), "name", KEYRING)
    for kind in ("date32", "int64", "timestamp[us]", "bool"):
        with pytest.raises(ConfideError) as refused:
            reveal(sealed, "name", KEYRING, as_type=kind)
        assert CANARY not in said(refused.value)


def test_no_error_repeats_a_stand_in():
    stand_in = protect(["078051120"], "ssn", KEYRING)[0]
    with pytest.raises(ConfideError) as refused:
        reveal([stand_in, stand_in[:-1]], "ssn", KEYRING)
    assert stand_in[:-1] not in said(refused.value)


def test_a_bare_install_says_what_is_missing():
    """Without NumPy and pyarrow the keyring still works, and the rest says what to install."""
    program = """
import sys
sys.modules["numpy"] = sys.modules["pyarrow"] = None
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import ColumnElement
from confide.errors import Misconfigured
assert ColumnKeyring.random().version == 1
try:
    import confide.columns
except Misconfigured as told:
    print(told)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "columns need NumPy and pyarrow (pip install 'confide[columns]')\n"


def test_pandas_and_polars_are_not_imported():
    program = "import sys, confide.columns; print(sorted({'pandas', 'polars', 'django'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
