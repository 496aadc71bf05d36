"""Shifted dates: as exact as they were, and as far from each other as they were."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.fhir.invariants import check_period
from confide.fhir.primitives import check_date, check_date_time, check_instant
from confide.protect.exports.dates import shift_day, shift_time

DAYS = st.dates(date(1800, 1, 1), date(2200, 1, 1))
SHIFTS = st.integers(-365, -1)
ZONES = st.sampled_from(["Z", "+00:00", "-05:00", "+05:45", "+14:00", "-09:30"])
CLOCKS = st.times().map(lambda t: t.isoformat("milliseconds"))
TIMES = st.builds(lambda day, clock, zone: f"{day}T{clock}{zone}", DAYS, CLOCKS, ZONES)
PRECISIONS = st.sampled_from([4, 7, 10])
ANY = st.builds(lambda day, size: day.isoformat()[:size], DAYS, PRECISIONS) | TIMES


@given(one=DAYS, other=DAYS, days=SHIFTS)
def test_days_keep_their_distance(one, other, days):
    moved = [date.fromisoformat(shift_day(d.isoformat(), days)) for d in (one, other)]
    assert moved[0] - one == timedelta(days)
    assert moved[0] - moved[1] == one - other


@given(one=TIMES, other=TIMES, days=SHIFTS)
def test_times_keep_their_distance_and_say_no_zone(one, other, days):
    moved = [shift_time(t, days) for t in (one, other)]
    assert all(check_instant(t) is None and t.endswith("Z") for t in moved)
    before, after = ([datetime.fromisoformat(t) for t in pair] for pair in ((one, other), moved))
    assert after[0] - before[0] == timedelta(days)
    assert after[0] - after[1] == before[0] - before[1]


@given(text=ANY, days=SHIFTS, part=st.sampled_from(["start", "end", "birthDate"]))
def test_precision_stays(text, days, part):
    moved = shift_day(text, days, part)
    assert check_date(moved) is None
    assert len(moved) == min(len(text), 10)
    timed = shift_time(text, days, part)
    assert check_date_time(timed) is None
    assert ("T" in timed) == ("T" in text)


@given(start=ANY, end=ANY, days=SHIFTS)
def test_a_period_that_was_in_order_stays_so_in_days(start, end, days):
    if "T" in start + end or check_period({"start": start, "end": end}):
        return
    moved = {"start": shift_day(start, days, "start"), "end": shift_day(end, days, "end")}
    assert check_period(moved) is None


@pytest.mark.parametrize(
    ("text", "days", "part", "moved"),
    [
        ("2024-03-01", -1, "", "2024-02-29"),
        ("2024", -1, "", "2024"),
        ("2024", -183, "", "2023"),
        ("2024", -1, "start", "2023"),
        ("2024", -365, "end", "2024"),  # 2024 has 366 days
        ("2024-05", -14, "", "2024-05"),
        ("2024-05", -15, "", "2024-04"),
        ("2024-05-04T23:30:00-05:00", -1, "", "2024-05-03"),
        ("2024-02-30", -1, "", None),
        ("0001-01-01", -1, "", None),
        ("0001", -365, "", None),
    ],
)
def test_days(text, days, part, moved):
    assert shift_day(text, days, part) == moved


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2024-05-04T23:30:00-05:00", "2024-05-04T04:30:00Z"),
        ("2024-05-04T01:30:07.1230+02:00", "2024-05-02T23:30:07.1230Z"),
        ("2016-12-31T23:59:60Z", "2016-12-30T23:59:60Z"),
        ("2024-05-04", "2024-05-03"),
        ("2024-05", "2024-05"),
        ("0001-01-01T00:00:00+14:00", None),
        ("2024-13-01T00:00:00Z", None),
    ],
)
def test_times(text, moved):
    assert shift_time(text, -1) == moved
