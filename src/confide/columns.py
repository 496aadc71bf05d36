"""Protect and reveal whole columns of NumPy, Arrow, pandas, Polars and plain lists.

    from confide.columns import ColumnKeyring, protect, reveal

    keyring = ColumnKeyring.open("columns.keyring")
    table["ssn"] = protect(table["ssn"], "ssn", keyring)

Whoever holds the keyring can reveal what it protected: there is no budget and no journal here.
"""

from __future__ import annotations

from confide.errors import MalformedColumn, Misconfigured

try:
    from confide.protect.columns.column import find_malformed, protect, reveal
except ModuleNotFoundError as missing:
    if missing.name not in {"numpy", "pyarrow"}:
        raise
    raise Misconfigured("columns need NumPy and pyarrow (pip install 'confide[columns]')") from None
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import ColumnElement, Malformed, Method

__all__ = [
    "ColumnElement",
    "ColumnKeyring",
    "Malformed",
    "MalformedColumn",
    "Method",
    "find_malformed",
    "protect",
    "reveal",
]
