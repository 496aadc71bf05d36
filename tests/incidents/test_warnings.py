"""Clocks that run out are told outside: once for each step, day and way, and when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from confide.incidents.course import State
from confide.incidents.facts import Way
from confide.watch import notices
from confide.watch.policy import Policy, Ways
from tests.incidents.test_deadlines import scope

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def warnings(elm):
    made = elm.system.warnings
    made._policy = lambda: Policy(ways=Ways(webhook="https://elm.example/in", syslog="/dev/log"))
    return made


def _one(sentence):
    return sentence.replace("runs", "run")


def told():
    from confide.watch.models import Notice

    return list(Notice.objects.order_by("made_at", "way"))


def test_each_step_is_told_once_until_it_is_over(elm, reading, warnings):
    incident = elm.system.cases.open(reading(), "A stolen login", elm.clock(), way=Way.LOGIN)
    assert warnings.queue(elm.clock()) == 0, "nobody is known to be affected"
    scope(incident, {"TX": 40})
    assert warnings.queue(elm.clock()) == 0, "the first clock runs out in weeks"
    ends = min(duty.until for duty in elm.system.deadlines.reckon(incident).duties if duty.runs)
    seen = []
    for _ in range(70):
        elm.clock.advance(days=1)
        added = warnings.queue(elm.clock())
        assert added % 2 == 0, "one by each way"
        assert warnings.queue(elm.clock()) == 0, "and once"
        seen += [each.body for each in told()[len(seen) * 2 :: 2]]
    first = [each for each in seen if each["until"] == str(ends)]
    steps = [each["step"] for each in first]
    assert steps == ["14", "7", "3", "1", "over"]
    assert f"of incident {incident.pk[:8]} run out on {ends}" in first[0]["sentence"].replace("runs", "run")
    assert "ran out" in first[-1]["sentence"]
    assert "stolen" not in str(seen)
    # What is told once is not forgotten with what is old, and not told again.
    elm.clock.advance(days=60)
    assert notices.prune(elm.clock()) == 0
    assert warnings.queue(elm.clock()) == 0


def test_a_clock_of_hours_is_told_in_hours_and_at_its_moment(elm, reading, warnings):
    incident = elm.system.cases.open(reading(), "A stolen login", elm.clock(), way=Way.LOGIN)
    scope(incident, {"TX": 40})
    aware = elm.clock()
    elm.system.deadlines.tell(reading(), incident, aware=aware, europeans=3)
    seen = []
    for hours in range(74):
        warnings.queue(elm.clock())
        assert warnings.queue(elm.clock()) == 0, "once"
        for each in told()[::2]:
            if each.body["code"] == "clock" and each.body["step"] not in [step for _, step, _ in seen]:
                seen.append((hours, each.body["step"], each.body))
        elm.clock.advance(hours=1)
    assert [(hours, step) for hours, step, _ in seen] == [(24, "48h"), (48, "24h"), (66, "6h"), (72, "over")]
    ends = aware + timedelta(hours=72)
    assert all(body["until"] == f"{ends:%Y-%m-%dT%H:%MZ}" for *_, body in seen)
    assert f"run out at {ends:%Y-%m-%d %H:%M} UTC (GDPR Art. 33" in _one(seen[0][2]["sentence"])
    assert "ran out at" in seen[-1][2]["sentence"]


def test_each_hour_falls_into_the_nearest_step_that_is_passed():
    from confide.incidents.warnings import hour_step

    minutes = (72 * 60, 48 * 60 + 1, 48 * 60, 24 * 60 + 1, 24 * 60, 6 * 60, 1, 0, -1)
    steps = [hour_step(timedelta(minutes=each)) for each in minutes]
    assert steps == ["", "", "48h", "48h", "24h", "6h", "6h", "over", "over"]


def test_what_is_closed_or_told_to_nobody_is_not_told(elm, reading, warnings):
    from confide.incidents.models import Incident

    incident = elm.system.cases.open(reading(), "A stolen login", elm.clock(), way=Way.LOGIN)
    scope(incident, {"TX": 40})
    elm.clock.advance(days=59)
    warnings._policy = Policy
    assert warnings.queue(elm.clock()) == 0
    Incident.objects.update(state=State.CLOSED)
    warnings._policy = lambda: Policy(ways=Ways(syslog="/dev/log"))
    elm.clock.advance(minutes=5)
    assert warnings.queue(elm.clock()) == 0
    Incident.objects.update(state=State.OPEN)
    elm.clock.advance(minutes=5)
    assert warnings.queue(elm.clock()) > 0


def test_the_line_of_a_clock_names_incident_and_day():
    body = {"code": "clock", "incident": "3f2a", "practice": "elm", "until": "2026-05-29"}
    assert notices._line(body) == "incident 3f2a practice elm clock until 2026-05-29"


def test_each_day_falls_into_the_nearest_step_that_is_passed():
    from confide.incidents.warnings import step

    days = (15, 14, 8, 7, 4, 3, 2, 1, 0, -1, -400)
    assert [step(each) for each in days] == ["", "14", "14", "7", "7", "3", "3", "1", "1", "over", "over"]
