"""Columns of Python objects: text, whole numbers or dates, with nulls among them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from confide.protect.columns import arrow
from confide.protect.columns.arrow import Content, Integers
from confide.protect.columns.cells import NO_ROWS, Cells, Rows

_NONE: Final = type(None)
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def read_objects(values: Sequence[Any], *, nulls: bool = False) -> tuple[Content, Rows]:
    """What a list holds, and the rows that are neither null nor like the first one that is not.

    Args:
        values: Text, or whole numbers, or dates, or datetimes.
        nulls: NaN, NaT and the like count as null, as in pandas; else only None does.
    """
    kinds = set(map(type, values))
    if kinds <= {str, _NONE}:
        return _text(values), NO_ROWS
    if nulls:
        values = [None if is_null(value) else value for value in values]
    like = next((_like(value) for value in values if value is not None), str)
    odd = [row for row, value in enumerate(values) if value is not None and not _fits(value, like)]
    if odd:
        values = list(values)
        for row in odd:
            values[row] = None
    rows = np.array(odd, np.intp)
    if like is str:
        return _text([None if value is None else str(value) for value in values]), rows
    if like is int:
        valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
        numbers = np.array([value or 0 for value in values], np.int64)
        return Integers(numbers, None if valid.all() else valid), rows
    return arrow.read(pa.array(values, pa.timestamp("us") if like is datetime else pa.date32())), rows


def write_objects(content: Content) -> list[Any]:
    """As Python's objects, None for null."""
    if isinstance(content, Integers):
        numbers: list[Any] = content.numbers.tolist()
        if content.valid is not None:
            for row in np.flatnonzero(~content.valid).tolist():
                numbers[row] = None
        return numbers
    if isinstance(content, Cells):
        if not content.is_text():
            return content.texts()
        texts: list[Any] = arrow.strings(content).to_numpy(zero_copy_only=False).tolist()
        return texts
    held: list[Any] = content.to_pylist()
    return held


def _text(values: Sequence[str | None]) -> Cells:
    try:
        made = arrow.read(pa.array(values, pa.large_string()))
    except UnicodeEncodeError:  # a lone surrogate
        return Cells.of_texts(values)
    assert isinstance(made, Cells)  # noqa: S101 - for mypy
    return made


def _like(value: Any) -> type:
    return next((kind for kind in (str, bool, int, datetime, date) if isinstance(value, kind)), str)


def _fits(value: Any, like: type) -> bool:
    if like is int:
        return isinstance(value, int) and not isinstance(value, bool) and _LOWEST <= value <= _HIGHEST
    if like is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    if like is datetime:
        return isinstance(value, datetime) and value.tzinfo is None
    return like is str and isinstance(value, str)


def is_null(value: Any) -> bool:
    """Whether it is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)  # noqa: PLR0124 - NaN
