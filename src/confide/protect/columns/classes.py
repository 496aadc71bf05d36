"""Generalise: dates to their years, ZIP codes to their first three digits. There is no way back.

Source:
    45 CFR 164.514(b)(2)(i)(B) and (C): years only, one class for people of 90 and over, and the first
    three digits of a ZIP code, 000 for areas of 20,000 people or fewer.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from confide.protect.columns.cells import Rows
from confide.protect.rules import SPARSE_ZIP3

OLDEST_AGE: Final = 90
OLDEST_CLASS: Final = "1900"
"""The year that stands for all that make someone 90 or over, as in the stored form of records."""

_MONTH, _DAY = "(0[1-9]|1[0-2])", "(0[1-9]|[12][0-9]|3[01])"
_TIME = "([T ][0-9:.,]{2,18}([Zz]|[+-][0-9:]{2,5})?)?"
_YEAR_FIRST: Final = f"^[0-9]{{4}}(-{_MONTH}(-{_DAY}{_TIME})?|/{_MONTH}/{_DAY}|{_MONTH}{_DAY})?$"
_YEAR_LAST: Final = r"^[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}$"
_ZIP: Final = "^[0-9]{5}(-?[0-9]{4})?$"


def years(texts: pa.Array, today: date) -> tuple[pa.Array, Rows]:
    """Four digits of year for each date, and the rows that are no date.

    Args:
        texts: ISO 8601 dates and times (also without dashes, or cut after year or month), or day, month
            and year with the year last.
        today: Decides which years are those of people of 90 and over.
    """
    first, last = _matches(texts, _YEAR_FIRST), _matches(texts, _YEAR_LAST)
    year = pc.if_else(first, pc.utf8_slice_codeunits(texts, 0, 4), pc.utf8_slice_codeunits(texts, -4))
    old = pc.less_equal(year, pa.scalar(f"{today.year - OLDEST_AGE:04}", year.type))
    year = pc.if_else(old, pa.scalar(OLDEST_CLASS, year.type), year)
    return year, _rows(pc.invert(pc.or_(first, last)))


def new_years(dates: pa.Array, today: date) -> pa.Array:
    """1 January of each date's year, in the same type."""
    kind = dates.type
    oldest = pa.scalar(date(int(OLDEST_CLASS), 1, 1)).cast(pa.timestamp("s")).cast(_plain(kind))
    floor = pc.floor_temporal(dates.cast(_plain(kind)) if pa.types.is_date64(kind) else dates, unit="year")
    old = pc.less_equal(pc.year(dates), today.year - OLDEST_AGE)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        oldest = pc.assume_timezone(oldest, kind.tz)
    return pc.if_else(old, oldest.cast(floor.type), floor).cast(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else pa.timestamp("ms")


def zip3(texts: pa.Array) -> tuple[pa.Array, Rows]:
    """The first three digits of each ZIP code, 000 for the sparse ones; and the rows that are none."""
    first = pc.utf8_slice_codeunits(texts, 0, 3)
    sparse = pc.is_in(first, value_set=pa.array(sorted(SPARSE_ZIP3), first.type))
    made = pc.if_else(sparse, pa.scalar("000", first.type), first)
    return made, _rows(pc.invert(_matches(texts, _ZIP)))


def _matches(texts: pa.Array, pattern: str) -> Any:
    return pc.match_substring_regex(texts, pattern)


def _rows(mask: Any) -> Rows:
    """Where a mask is true; not where it is null."""
    return np.flatnonzero(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False))
