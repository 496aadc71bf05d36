"""Dates and times as people read them: ``4 May 1963``, ``May 1963``, ``14:05``."""

from __future__ import annotations

from datetime import date
from typing import Any

from confide.errors import Invalid

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format(text: Any) -> str:
    """Write a FHIR date, dateTime or instant as a date, as precisely as it is known; empty if it is none."""
    if not isinstance(text, str) or not text[:4].isdigit():
        return ""
    year, month, day = text[:4], text[5:7], text[8:10]
    if not month:
        return year
    name = _MONTHS[int(month) - 1]
    return f"{int(day)} {name} {year}" if day else f"{name} {year}"


def format_time(text: Any) -> str:
    """Write the time of a dateTime in 24 hours; empty if it has none."""
    return text[11:16] if isinstance(text, str) and len(text) >= 16 and text[10] == "T" else ""


def format_moment(text: Any) -> str:
    """Write date and, where there is one, time."""
    return " ".join(part for part in (format(text), format_time(text)) if part)


def write(day: date) -> str:
    """Write a day, such as ``4 May 1963``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def read(text: str, refusal: str = "a day is written 2026-11-02") -> date:
    """Read a day that somebody has typed or chosen.

    Raises:
        Invalid: It is none; *refusal* says so.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(refusal) from None


def left(days: int) -> str:
    """Write how many days a clock has left: ``59 days left``, ``today``, ``1 day over``."""
    if days == 0:
        return "today"
    return f"{abs(days)} {'day' if abs(days) == 1 else 'days'} {'left' if days > 0 else 'over'}"


def day(text: Any) -> date | None:
    """The first day that a FHIR date may be; None if it is no date."""
    if not isinstance(text, str):
        return None
    padded = (
        (text[:10] + "-01-01")[:10] if len(text) == 4 else (text[:7] + "-01" if len(text) == 7 else text[:10])
    )
    try:
        return date.fromisoformat(padded)
    except ValueError:
        return None


def age(born: Any, on: date) -> str:
    """Write an age: years, for a small child months, for a baby weeks; empty where the day is not known."""
    first = day(born)
    if first is None or not isinstance(born, str) or len(born) < 10 or first > on:
        return ""
    months = (on.year - first.year) * 12 + on.month - first.month - (on.day < first.day)
    if months >= 24:
        return f"{months // 12} years"
    if months >= 3:
        return f"{months} months"
    weeks = (on - first).days // 7
    return "1 week" if weeks == 1 else f"{weeks} weeks"
