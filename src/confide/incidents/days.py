"""Counting days: calendar days, business days of a state, hours, and when a day is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from confide.errors import Invalid
from confide.incidents.statutes import Unit

_SATURDAY = 5


@cache
def _closed(code: str, year: int) -> Mapping[date, str]:
    """The public holidays of a state in a year, by day."""
    import holidays  # takes a third of a second, and few clocks need it

    return dict(holidays.country_holidays("US", subdiv=code, years=year))


def is_business_day(moment: date, code: str) -> bool:
    """Whether *moment* is neither on a weekend nor a public holiday of the state *code*."""
    return moment.weekday() < _SATURDAY and moment not in _closed(code, moment.year)


def add(start: date, amount: int, unit: Unit, code: str = "") -> date:
    """Return the last day of a period: the day of *start* itself is not counted.

    Args:
        start: The day of the event.
        amount: Above 0.
        unit: ``calendar_days``, ``business_days`` or ``years``. A last day on a
            weekend is not moved, which is the strictest reading.
        code: The state whose public holidays count, for business days.

    Raises:
        Invalid: The period ends after the year 9999, or is in another unit.
    """
    try:
        if unit == "calendar_days":
            return start + timedelta(days=amount)
        if unit == "years":
            leap = (start.month, start.day) == (2, 29)
            return start.replace(year=start.year + amount, day=28 if leap else start.day)
        if unit != "business_days" or not code:
            raise Invalid("a period of this unit is not counted in days")
        last = start
        while amount:
            last += timedelta(days=1)
            amount -= is_business_day(last, code)
        return last
    except (OverflowError, ValueError) as problem:
        if isinstance(problem, Invalid):
            raise
        raise Invalid("a period ends after the year 9999") from None


def begin(day: date, zones: tuple[ZoneInfo, ...]) -> datetime:
    """Return the moment (UTC) at which *day* begins where it begins first."""
    return min(datetime.combine(day, time(), zone).astimezone(UTC) for zone in zones)


def end(day: date, zones: tuple[ZoneInfo, ...]) -> datetime:
    """Return the moment (UTC) at which *day* is over where it ends first."""
    return begin(day + timedelta(days=1), zones)
