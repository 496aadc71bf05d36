"""A search request, read and checked: filters, paging, sorting. No storage.

Source:
    FHIR R4 4.0.1, Search (http://hl7.org/fhir/R4/search.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from confide.errors import InvalidResource, Issue
from confide.fhir import search

DEFAULT_COUNT = 50
MOST_PER_PAGE = 200
_PREFIX = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d{4}(-\d{2}(-\d{2}(T[0-9:.]+(Z|[+-]\d{2}:\d{2})?)?)?)?)"
).fullmatch
_ZONE = re.compile(r"(Z|[+-]\d{2}:\d{2})$")
_IGNORED = frozenset({"_format", "_pretty", "_total"})
_SORTS = frozenset({"_id", "_lastUpdated", "-_lastUpdated", "-_id", "date", "-date"})
_MODIFIERS = {"string": {"", "exact", "contains"}, "token": {"", "not"}, "reference": {"", "Patient"}}


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter: any of *values* will do."""

    parameter: search.SearchParameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A checked search on one type."""

    type: str
    filters: tuple[Filter, ...]
    count: int
    sort: str
    cursor: str
    only_count: bool


def _refuse(name: str, kind: str, text: str) -> InvalidResource:
    return InvalidResource([Issue(name, kind, text)])


def parse(kind: str, params: Iterable[tuple[str, str]]) -> Query:
    """Check a search.

    Raises:
        InvalidResource: A parameter that this server does not know is refused, because to ignore a
            filter would show more than was asked for. The message names known parameters only.
    """
    known = search.parameters(kind)
    filters, count, sort, cursor, only_count = [], DEFAULT_COUNT, "", "", False
    for raw, value in params:
        name, _, modifier = raw.partition(":")
        if name in _IGNORED:
            continue
        if name == "_count":
            count = _count(value)
        elif name == "_sort":
            if value not in _SORTS:
                raise _refuse(
                    "_sort", "not-supported", "sorting is by _id, _lastUpdated or (one patient's) date"
                )
            sort = value
        elif name == "_cursor":
            cursor = value
        elif name == "_summary" and value in {"count", "false"}:
            only_count = value == "count"
        elif name in known:
            filters.append(_filter(known, name, modifier, value))
        else:
            raise _refuse("search", "not-supported", f"a search parameter is not supported for {kind}")
    return Query(kind, tuple(filters), count, sort, cursor, only_count)


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise _refuse("_count", "value", "_count is a whole number")
    # A limit of 0 is a page of nothing, never the whole table.
    return min(int(value[:9]), MOST_PER_PAGE)


def _filter(known: Mapping[str, search.SearchParameter], name: str, modifier: str, value: str) -> Filter:
    parameter = known[name]
    if modifier not in _MODIFIERS.get(parameter.kind, {""}):
        raise _refuse(name, "not-supported", f"this modifier is not supported on {name}")
    values = tuple(v for v in value.split(",") if v)
    if not values:
        raise _refuse(name, "value", f"{name} has no value")
    if parameter.kind == "date" and not all(_PREFIX(v) for v in values):
        raise _refuse(name, "value", f"{name} is a date such as 2024-05-04, perhaps after ge or lt")
    return Filter(parameter, modifier, values)


# Dates


@dataclass(frozen=True, slots=True)
class Span:
    """From the first moment of a date to just after its last, as comparable text."""

    low: str
    high: str


def span(text: str, *, zoned: bool = False) -> Span:
    """Return what a partial date covers: a year, a month, a day, or a moment.

    Args:
        text: A FHIR date, dateTime or instant.
        zoned: Bring a moment with a time zone to UTC. Without it a moment is taken as it is written: the
            fourth of May is the day that the clock on the wall showed, wherever that was.
    """
    day = text[:10]
    if len(day) == 4:
        return Span(day, _after(int(day)))
    if len(day) == 7:
        year, month = int(day[:4]), int(day[5:])
        return Span(day, _after(year) if month == 12 else f"{year:04}-{month + 1:02}")
    if len(text) == 10:
        return Span(day, day + "U")  # "U" comes after the "T" of any time
    moment, *zone = _ZONE.split(text)[:2]
    if zoned and zone:
        moment = _in_utc(text) or moment
    return Span(moment, moment + "~")


def _after(year: int) -> str:
    return f"{year + 1:04}" if year < 9999 else "~"


def _in_utc(text: str) -> str:
    try:
        utc = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # a leap second, the year 1 or 9999
        return ""
    precision = "auto" if "." in text else "seconds" if text.count(":") > 2 or "Z" in text else "minutes"
    return utc.isoformat(timespec=precision)


def is_moment(text: str) -> bool:
    """Whether what was asked is a moment with a time zone, so that others are compared in UTC."""
    return "T" in text and _ZONE.search(text) is not None


def split_prefix(value: str) -> tuple[str, str]:
    """Split ``ge2024`` into ``ge`` and ``2024``; no prefix is ``eq``."""
    match = _PREFIX(value)
    if match is None:
        raise _refuse("date", "value", "not a date")
    return match.group(1) or "eq", match.group(2)


def matches(prefix: str, asked: Span, low: str, high: str) -> bool:
    """Compare what a resource's date covers (low to high) with what was asked."""
    match prefix:
        case "eq":
            return asked.low <= low and high <= asked.high
        case "ne":
            return not (asked.low <= low and high <= asked.high)
        case "gt" | "sa":
            return high > asked.high if prefix == "gt" else low >= asked.high
        case "lt" | "eb":
            return low < asked.low if prefix == "lt" else high <= asked.low
        case "ge":
            return high > asked.high or (asked.low <= low and high <= asked.high)
        case "le":
            return low < asked.low or (asked.low <= low and high <= asked.high)
        case _:
            return low < asked.high and asked.low < high
