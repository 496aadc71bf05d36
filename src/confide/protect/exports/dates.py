"""Dates on the way out: shifted by a person's days, or cut to the year."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta

_CLOCK = re.compile(r"T(\d\d):(\d\d)(:[0-9.]+)(?:Z|([+-])(\d\d):(\d\d))")


def shift_day(text: str, days: int, part: str = "") -> str | None:
    """Move a date, dateTime or instant by whole days; the time of day goes, the precision of the date stays.

    A month or a year alone is moved by its middle day, and cut to what it was; as the start of a period by
    its first day and as the end by its last, so that a period does not end before it starts.

    Args:
        text: A FHIR date, dateTime or instant. Its day is the day as it is written, whatever the zone.
        days: To add; may be negative.
        part: ``start`` or ``end`` of a period, or something else.

    Returns:
        A FHIR date as long as the day, month or year of *text*; None if the calendar has no such day.
    """
    try:
        return (_anchor(text, part) + timedelta(days)).isoformat()[: len(text[:10])]
    except (ValueError, OverflowError):
        return None


def shift_time(text: str, days: int, part: str = "") -> str | None:
    """As :func:`shift_day`, but a time of day stays, in UTC: a zone would tell summer from winter.

    The digits of the seconds stay as they were written, so the time between two of them stays to the last.
    """
    clock = _CLOCK.fullmatch(text, 10)
    if clock is None:
        return shift_day(text, days, part)
    hour, minute, seconds, sign, zone_hour, zone_minute = clock.groups()
    try:
        moment = datetime.combine(date.fromisoformat(text[:10]), datetime.min.time())
        moment += timedelta(days, hours=int(hour), minutes=int(minute))
        offset = timedelta(hours=int(zone_hour or 0), minutes=int(zone_minute or 0))
        moment -= -offset if sign == "-" else offset
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()[:16]}{seconds}Z"


def _anchor(text: str, part: str) -> date:
    if len(text) >= 10:
        return date.fromisoformat(text[:10])
    year = int(text[:4])
    if len(text) >= 7:
        month = int(text[5:7])
        last = calendar.monthrange(year, month)[1]
        return date(year, month, {"start": 1, "end": last}.get(part, 15))
    return {"start": date(year, 1, 1), "end": date(year, 12, 31)}.get(part, date(year, 7, 1))
