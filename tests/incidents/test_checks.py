"""Facts that cannot be are refused, with a reason that repeats no value."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from confide.errors import Invalid
from confide.incidents import clocks, reading
from confide.incidents.facts import Entity, Statement
from tests.incidents.breach import incident

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"accessed": (date(2026, 4, 14), date(2026, 3, 29))}, "window of access is reversed"),
        ({"accessed": (date(2026, 3, 29), date(2026, 12, 14))}, "window of access ends in the future"),
        ({"accessed": (date(2026, 11, 15), date(2026, 11, 16))}, "'discovered' is before the day 'access'"),
        ({"residents": {"ZZ": 1}}, "state of residence is not known"),
        ({"residents": {"me": 1}}, "state of residence is not known"),
        ({"residents": {"ME": -1}}, "number of persons is negative"),
        ({"residents": {"ME": 10**12}}, "larger than there are people"),
        ({"residents": {"ME": 0}}, "nobody is affected"),
        ({"residents": {}}, "nobody is affected"),
        ({"residents": ()}, "no covered entity"),
        ({"residents": (Entity("Elm", {"ME": 1}), Entity("Elm", {"TX": 1}))}, "named twice"),
        ({"residents": (Entity("Elm", {"ME": 1}, unreachable=2),)}, "out of reach"),
        ({"residents": (Entity("Elm", {"ME": 1}, unreachable=-2),)}, "negative"),
        ({"europeans": -1}, "number of persons is negative"),
        ({"discovered": "2026-11-22"}, "'discovered' is in the future"),
        ({"discovered": "2026-11-20T12:01+00:00"}, "'discovered' is in the future"),
        ({"discovered": "2026-11-19T12:01"}, "has no time zone"),
        ({"discovered": "1989-12-31"}, "before 1990"),
        ({"determined": "2026-11-01"}, "'determined' is before the day 'discovered'"),
        ({"notified": "2026-11-01"}, "'notified' is before the day 'discovered'"),
        ({"secretary": "2027-11-01"}, "'secretary' is in the future"),
        ({"elements": frozenset()}, "no element is named"),
        ({"elements": frozenset({"Ottoline", "ssn"})}, "1 of the elements are not in the vocabulary"),
        ({"statements": (Statement(date(2026, 12, 1)),)}, "statement is in the future"),
        ({"statements": (Statement(date(2026, 11, 5), date(2026, 11, 4)),)}, "ends before it was asked for"),
        ({"statements": (Statement(date(2026, 11, 5), None, date(2026, 11, 4)),)}, "before its statement"),
    ],
)
def test_wrong_facts_are_refused_with_a_reason(facts, said) -> None:
    facts = {"residents": {"ME": 1}, "discovered": "2026-11-10"} | facts
    made = incident(facts.pop("residents"), facts.pop("discovered"), **facts)
    with pytest.raises(Invalid) as refusal:
        clocks.reckon(made, reading.held(), NOW)
    assert said in str(refusal.value)
    assert "Ottoline" not in str(refusal.value)
    assert "ZZ" not in str(refusal.value)


def test_today_is_not_the_future_anywhere() -> None:
    """On the last hours of a day in Hawaii it is tomorrow in Maine: what came there is no future."""
    now = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
    made = incident({"ME": 1, "HI": 1}, "2026-11-21")
    assert clocks.reckon(made, reading.held(), now).duties
