"""Charts made on the server: SVG with a title, a description and units. No style attributes, no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT = 240, 46
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 44, 7, 7
_TEXT: Final = 12
_SHORT: Final = 3
_numbers: Final = count()


@dataclass(frozen=True, slots=True)
class Point:
    """One reading.

    Attributes:
        low: The lower of two figures that belong together, such as the diastolic pressure.
    """

    day: date
    value: float
    low: float | None = None


def ring(part: float, words: str) -> SafeString:
    """A thin ring that fills clockwise; *part* is from 0 to 1."""
    return format_html(
        '<svg class="ring-picture" viewBox="0 0 24 24" role="img" aria-label="{}">'
        '<circle class="ring-track" cx="12" cy="12" r="10"/>'
        '<circle class="ring-fill" cx="12" cy="12" r="10" pathLength="100" stroke-dasharray="{} 100"'
        ' transform="rotate(-90 12 12)"/></svg>',
        words,
        f"{100 * part:.1f}",
    )


def sparkline(title: str, unit: str, points: Sequence[Point]) -> SafeString:
    """A series over time: a line of values, or bars from low to high; lowest and highest are written."""
    values = [v for p in points for v in (p.value, p.low) if v is not None]
    least, most = min(values), max(values)
    first, last = points[0].day, points[-1].day
    days = max((last - first).days, 1)
    # Noise is not drawn as if it were a course: the height stands for 5 % at least.
    room, middle = max(most - least, abs(most) * 0.05) or 1, (most + least) / 2

    def x(day: date) -> float:
        if first == last:
            return (_LEFT + _WIDTH - _RIGHT) / 2
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (day - first).days / days, 1)

    def y(value: float) -> float:
        part = 0.5 + (value - middle) / room
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * part, 1)

    places = [(x(p.day), y(p.value), None if p.low is None else y(p.low)) for p in points]
    if any(low is not None for _, _, low in places):
        marks = format_html_join(
            "",
            '<line class="range" x1="{}" y1="{}" x2="{}" y2="{}"/>',
            ((a, b, a, b if low is None else low) for a, b, low in places),
        )
    else:
        marks = format_html(
            '<polyline class="line" points="{}"/>', " ".join(f"{a},{b}" for a, b, _ in places)
        )
        dots = places[:-1] if len(places) <= 12 else []
        marks += format_html_join(
            "", '<circle class="dot" cx="{}" cy="{}" r="1.5"/>', ((a, b) for a, b, _ in dots)
        )
    end = places[-1]
    newest = format_html('<circle class="newest" cx="{}" cy="{}" r="3"/>', end[0], end[1])
    if end[2] is not None:
        newest += format_html('<circle class="newest" cx="{}" cy="{}" r="3"/>', end[0], end[2])
    many = f"{len(points)} readings from {first.year} to {last.year}" if len(points) > 1 else "One reading"
    words = f"{many}, from {_short(least)} to {_short(most)} {unit}"
    return _picture(
        "spark", _WIDTH, _HEIGHT, title, words,
        _rules(y(least), y(most)) + marks + newest + _bounds(least, most, y(least), y(most)),
    )  # fmt: skip


def _rules(low: float, high: float) -> SafeString:
    right = _WIDTH - _RIGHT + 6
    return format_html_join(
        "", '<line class="rule" x1="0" y1="{}" x2="{}" y2="{}"/>', ((at, right, at) for at in {low, high})
    )


def _bounds(least: float, most: float, low: float, high: float) -> SafeString:
    at = _WIDTH - _RIGHT + 10
    texts = [(at, high + 4, _short(most))]
    if low - high > _TEXT:
        texts.append((at, low + 4, _short(least)))
    return format_html_join("", '<text class="bound" x="{}" y="{}">{}</text>', texts)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def columns(title: str, unit: str, figures: Sequence[tuple[str, int]]) -> SafeString:
    """One column for each label, in order; some of the labels are written, and the highest figure."""
    width, height, foot, head = 720, 158, 22, 26
    most = max((figure for _, figure in figures), default=0)
    step = width / max(len(figures), 1)
    scale = (height - foot - head) / max(most, 1)

    def inside(i: int, text: str) -> float:
        half = 7 * len(text)  # about half of its width on a phone: at the edges it stays inside
        return min(max(i * step + step / 2, half), width - half)

    parts = [format_html('<line class="rule" x1="0" y1="{0}" x2="{1}" y2="{0}"/>', height - foot, width)]
    written = False
    # Long labels, such as days, would run into each other.
    every = 3 if max((len(label) for label, _ in figures), default=0) <= _SHORT else max(3, len(figures) // 5)
    for i, (label, figure) in enumerate(figures):
        left, tall = round(i * step + step * 0.2, 1), round(figure * scale, 1)
        if figure:
            top = height - foot - tall
            parts.append(
                format_html(
                    '<rect class="column" x="{}" y="{}" width="{}" height="{}" rx="2"/>',
                    left,
                    top,
                    round(step * 0.6, 1),
                    tall,
                )
            )
            if figure == most and not written:
                written = True
                parts.append(_label(inside(i, f"{figure:,}"), top - 6, f"{figure:,}"))
        if i % every == 0:
            parts.append(_label(inside(i, label), height - 6, label))
    words = f"{sum(figure for _, figure in figures)} {unit} in all; the most in one column is {most}"
    return _picture("columns", width, height, title, words, format_html_join("", "{}", ((p,) for p in parts)))


def bar(part: float, words: str) -> SafeString:
    """A bar that is filled from the left; *part* is from 0 to 1."""
    return format_html(
        '<svg class="bar-picture" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="column" x="0" y="0" width="{}" height="8" rx="1"/></svg>',
        words,
        f"{max(1.0, 100 * part):.1f}",
    )


def strip(title: str, start: date, today: date, ends: Sequence[tuple[date, int]]) -> SafeString:
    """Days on one line: where it began, today, and each day on which so many run out."""
    width, height, line, edge = 720, 84, 46, 40
    last = max([today, start, *(day for day, _ in ends)])
    days = max((last - start).days, 1)

    def x(day: date) -> float:
        return round(edge + (width - 2 * edge) * max(0, (day - start).days) / days, 1)

    parts = [
        format_html('<line class="rule" x1="{}" y1="{}" x2="{}" y2="{}"/>', edge, line, width - edge, line)
    ]
    parts.append(
        format_html('<line class="strip-gone" x1="{}" y1="{}" x2="{}" y2="{}"/>', edge, line, x(today), line)
    )
    parts.append(format_html('<circle class="dot" cx="{}" cy="{}" r="4"/>', edge, line))
    parts.append(_label(edge, line + 24, f"{start:%-d %b}"))
    taken = [float(edge)]
    for day, number in ends:
        at = x(day)
        kind = "strip-over" if day < today else "newest"
        parts.append(
            format_html('<circle class="{}" cx="{}" cy="{}" r="{}"/>', kind, at, line, min(5 + number, 10))
        )
        if all(abs(at - other) > 56 for other in taken):
            parts.append(_label(at, line + 24, f"{day:%-d %b}"))
            taken.append(at)
    parts.append(
        format_html('<line class="strip-today" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>', x(today), 22, line + 8)
    )
    parts.append(_label(min(max(x(today), 24), width - 24), 16, "today"))
    many = ", ".join(f"{number} on {day:%-d %b %Y}" for day, number in ends)
    words = f"From {start:%-d %b %Y}; today is {today:%-d %b %Y}; running out: {many}"
    return _picture("strip", width, height, title, words, format_html_join("", "{}", ((p,) for p in parts)))


def _label(x: float, y: float, text: str) -> SafeString:
    return format_html(
        '<text class="bound" x="{}" y="{}" text-anchor="middle">{}</text>', round(x, 1), round(y, 1), text
    )


def _picture(kind: str, width: int, height: int, title: str, words: str, inside: SafeString) -> SafeString:
    name = f"{kind}-{next(_numbers)}"
    return format_html(
        '<svg class="{0}" viewBox="0 0 {1} {2}" role="img" aria-labelledby="{3}-t {3}-d">'
        '<title id="{3}-t">{4}</title><desc id="{3}-d">{5}</desc>{6}</svg>',
        kind, width, height, name, title, words, inside,
    )  # fmt: skip
