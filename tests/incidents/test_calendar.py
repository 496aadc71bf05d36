"""The calendar feed: read back with the library that others read it with, and warnings before the end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from icalendar import Calendar

from confide.incidents import calendar, clocks, reading
from confide.incidents.duties import Standing, warn
from tests.incidents.breach import incident

LAW = reading.held()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def reckoned(**known) -> clocks.Clocks:
    made = incident({"ME": 1200, "TX": 300, "MN": 501}, "2026-11-02", europeans=4, **known)
    return clocks.reckon(made, LAW, NOW)


def test_every_clock_that_runs_is_an_event_and_no_other() -> None:
    found = reckoned()
    written = calendar.feed(found.duties, LAW, "Login; of 2 November, 2026", NOW)
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))
    read = Calendar.from_ical(written)
    events = {str(event["uid"]): event for event in read.walk("VEVENT")}
    running = {duty.id: duty for duty in found.duties if duty.runs}
    assert {uid.partition("@")[0] for uid in events} == set(running)
    assert len({uid.partition("@")[2] for uid in events}) == 1
    for uid, event in events.items():
        duty = running[uid.partition("@")[0]]
        assert event.decoded("dtstart") == duty.until
        assert event.decoded("dtstamp") == NOW
        said = str(event["description"])
        assert duty.cite in said
        assert ("nothing may be filed" in said) is (duty.standing is Standing.UNCONFIRMED)
        whole = not isinstance(duty.until, datetime)
        expected = LAW.rules.warnings.calendar_days if whole else LAW.rules.warnings.hours
        unit = timedelta(days=1) if whole else timedelta(hours=1)
        assert [alarm.decoded("trigger") for alarm in event.walk("VALARM")] == [-unit * n for n in expected]
    assert str(events[next(uid for uid in events if uid.startswith("TX:individual@"))]["summary"]).startswith(
        "Unconfirmed: "
    )


def test_a_clock_that_moves_keeps_its_place() -> None:
    first, second = (
        Calendar.from_ical(calendar.feed(reckoned(**known).duties, LAW, "one", NOW))
        for known in ({}, {"scoped": "2026-11-12"})
    )
    days = [
        {str(each["uid"]): each.decoded("dtstart") for each in feed.walk("VEVENT")}
        for feed in (first, second)
    ]
    assert days[0].keys() == days[1].keys()
    [uid] = [uid for uid in days[0] if uid.startswith("ME:individual")]
    assert (days[0][uid], days[1][uid]) == (date(2026, 12, 2), date(2026, 12, 12))


def test_warnings_come_before_a_clock_runs_out_and_stay_after() -> None:
    found = reckoned().duties
    near = warn(found, LAW, NOW)
    ends = [duty.ends for duty in near]
    assert ends == sorted(ends)
    names = [duty.id for duty in near]
    assert names[0] in {"MN:agencies", "gdpr-33"}, "those are over"
    assert near[0].left(NOW) < 0
    assert "ME:individual" in names, "12 days left"
    assert "hipaa-individual" not in names, "42 days left"
    assert not {duty.id for duty in near if duty.standing in {Standing.NONE, Standing.MET}}


def test_the_last_day_is_counted_where_it_ends_first() -> None:
    duty = next(duty for duty in reckoned().duties if duty.id == "ME:individual")
    assert duty.ends == datetime(2026, 12, 3, 5, tzinfo=UTC), "midnight in Maine"
    assert duty.left(datetime(2026, 12, 3, 4, 59, tzinfo=UTC)) == 0
    assert duty.left(datetime(2026, 12, 3, 5, 0, tzinfo=UTC)) == -1
    texas = next(duty for duty in reckoned().duties if duty.id == "TX:regulator")
    assert texas.ends == datetime(2026, 12, 3, 6, tzinfo=UTC), "Dallas, not El Paso"
