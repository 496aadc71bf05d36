"""How dates, ages, numbers and charts are written."""

from __future__ import annotations

from datetime import date
from xml.etree import ElementTree as ET

import pytest

from confide.errors import (
    AccessDenied,
    BudgetSpent,
    ConfideError,
    Gone,
    JournalUnavailable,
    Misconfigured,
    SealBroken,
)
from confide.server.pages import dates, readings, svg, troubles


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1963-05-04", "4 May 1963"),
        ("1963-12", "Dec 1963"),
        ("1963", "1963"),
        ("2025-02-03T09:05:00-05:00", "3 Feb 2025"),
        ("", ""),
        (None, ""),
        ({"extension": []}, ""),
    ],
)
def test_dates(text, written):
    assert dates.format(text) == written


def test_moments():
    assert dates.format_moment("2025-02-03T09:05:00-05:00") == "3 Feb 2025 09:05"
    assert dates.format_moment("2025-02-03") == "3 Feb 2025"


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1963-05-04", "62 years"),
        ("1963-05-05", "61 years"),
        ("2024-02-29", "14 months"),
        ("2025-04-20", "2 weeks"),
        ("2025-04-27", "1 week"),
        ("2025-06-01", ""),
        ("1963", ""),
        (None, ""),
    ],
)
def test_ages(born, age):
    assert dates.age(born, date(2025, 5, 4)) == age


@pytest.mark.parametrize(
    ("value", "written"), [("96.65969966658635", "96.7"), (120, "120"), ("1.10", "1.10"), ("7.0", "7.0")]
)
def test_figures(value, written):
    assert readings.figure(value) == written


def test_pictures_are_well_formed_and_named():
    points = [svg.Point(date(2024, 1, 1), 80.0), svg.Point(date(2025, 1, 1), 81.5)]
    low = [svg.Point(date(2024, 1, 1), 130.0, 80.0)]
    for picture in (
        svg.sparkline('<"Weight">', "kg", points), svg.sparkline("Blood pressure", "mmHg", low),
        svg.columns("By hour", "people", [("00", 0), ("01", 3)]), svg.columns("By hour", "people", []),
        svg.ring(0.25, "a quarter"),
    ):  # fmt: skip
        tree = ET.fromstring(picture)
        assert tree.get("role") == "img"
        assert tree.get("aria-labelledby") or tree.get("aria-label")
        assert "style" not in picture
    assert "81.5 kg" in svg.sparkline("Weight", "kg", points)


def test_the_highest_figure_stays_inside_the_picture():
    days = [(f"{n} Nov", 123456 if n == 30 else 0) for n in range(1, 31)]
    tree = ET.fromstring(svg.columns("Entries", "entries", days))
    label = next(each for each in tree.iter() if each.text == "123,456")
    assert float(label.get("x")) + 7 * len("123,456") <= 720


@pytest.mark.parametrize(
    ("days", "said"), [(59, "59 days left"), (1, "1 day left"), (0, "today"), (-1, "1 day over")]
)
def test_days_that_a_clock_has_left(days, said):
    assert dates.left(days) == said


def test_each_refusal_tells_what_to_do():
    for problem in (
        BudgetSpent,
        AccessDenied,
        Gone,
        SealBroken,
        JournalUnavailable,
        Misconfigured,
        ConfideError,
    ):
        trouble = troubles.explain(problem("secret 987-65-4329"))
        assert trouble.happened.endswith(".")
        assert trouble.advice.endswith(".")
        assert "987" not in trouble.happened + trouble.advice
        assert trouble.status >= 400
