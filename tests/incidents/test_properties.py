"""What holds of the clocks of any breach, whatever is known of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from confide.errors import Invalid
from confide.incidents import calendar, clocks, reading
from confide.incidents.duties import Standing
from confide.incidents.facts import Encryption, Entity, Harm, Incident, Statement, Way, vocabulary
from confide.incidents.statutes import UNKNOWN

LAW = reading.held()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPEN = {Standing.DUE, Standing.DECIDE, Standing.UNCONFIRMED}

days = st.dates(date(2023, 1, 1), date(2026, 11, 20))
moments = days | st.builds(datetime.combine, days, st.times(), st.just(UTC))
counts = st.integers(0, 20_000)
residents = st.dictionaries(st.sampled_from([*LAW.states, UNKNOWN]), counts, min_size=1, max_size=5)
asked = st.builds(Statement, days, st.none() | st.just(date(2027, 1, 5)), st.none()) | st.builds(
    Statement, days, days, days
)


@st.composite
def incidents(draw: st.DrawFn) -> Incident:
    told = draw(st.lists(residents, min_size=1, max_size=3))
    discovered = draw(moments)
    first = discovered.date() if isinstance(discovered, datetime) else discovered
    after = st.none() | st.dates(first, date(2026, 11, 20))
    return Incident(
        entities=tuple(Entity(f"Practice {i}", each) for i, each in enumerate(told)),
        discovered=discovered,
        accessed=draw(st.none() | st.just((first, first)) | st.tuples(days, days)),
        **{name: draw(after) for name in
           ("aware", "determined", "scoped", "notified", "secretary", "informed")},
        elements=draw(st.none() | st.frozensets(st.sampled_from(sorted(vocabulary(LAW))), max_size=4)),
        encryption=draw(st.sampled_from(Encryption)),
        way=draw(st.sampled_from(Way)),
        vendor=draw(st.booleans()),
        hipaa=draw(st.booleans()),
        assessment=draw(st.sampled_from(Harm)),
        harm=draw(st.sampled_from(Harm)),
        statements=tuple(draw(st.lists(asked, max_size=2))),
        europeans=draw(st.integers(0, 3)),
        facility=draw(st.booleans()),
        part2=draw(st.booleans()),
    )  # fmt: skip


@given(incidents())
@settings(max_examples=150)
def test_any_facts_give_duties_or_a_reason(made: Incident) -> None:
    try:
        found = clocks.reckon(made, LAW, NOW)
    except Invalid:
        return
    assert len({duty.id for duty in found.duties}) == len(found.duties)
    for duty in found.duties:
        assert duty.why
        assert (duty.until is None) == (duty.ends is None) == (duty.strict is None)
        if duty.until is not None:
            assert duty.strict <= duty.until
            assert duty.start
            assert duty.left(NOW) is not None
        if duty.standing is Standing.DUE:
            assert LAW.confirmed(duty.certainty)
            assert not duty.questions
        if duty.standing is Standing.DECIDE:
            assert duty.questions
        assert duty.standing in OPEN or not duty.runs
    assert calendar.feed(found.duties, LAW, "any", NOW).count(b"BEGIN:VEVENT") == sum(
        duty.runs for duty in found.duties
    )


plain = st.builds(
    Incident,
    entities=residents.map(lambda told: (Entity("Elm", {"ME": 1, **told, "TX": 1}),)),
    discovered=days,
    hipaa=st.booleans(),
    vendor=st.booleans(),
    harm=st.sampled_from(Harm),
    elements=st.none() | st.just(frozenset({"ssn", "name"})),
)


def reckoned(made: Incident, **known) -> dict:
    import dataclasses

    return {duty.id: duty for duty in clocks.reckon(dataclasses.replace(made, **known), LAW, NOW).duties}


@given(plain, st.sampled_from(sorted(LAW.states)), st.integers(1, 20_000))
@settings(max_examples=80)
def test_more_persons_never_take_a_duty_away(made: Incident, code: str, more: int) -> None:
    [entity] = made.entities
    larger = Entity("Elm", {**entity.residents, code: entity.residents.get(code, 0) + more})
    few, many = reckoned(made), reckoned(made, entities=(larger,))
    for name, duty in few.items():
        if duty.standing in OPEN and name != "hipaa-secretary-small":  # it becomes the large one
            assert many[name].standing in OPEN
            assert duty.standing is not Standing.DUE or many[name].standing is Standing.DUE


@given(plain, st.integers(0, 30))
@settings(max_examples=80)
def test_what_becomes_known_later_never_makes_a_clock_shorter(made: Incident, later: int) -> None:
    moment = min(made.discovered + timedelta(days=later), NOW.date())
    before, after = reckoned(made), reckoned(made, determined=moment, scoped=moment)
    for name, duty in before.items():
        assert after[name].standing is duty.standing
        if duty.until is not None:
            assert after[name].until >= duty.until
            assert after[name].strict == duty.strict
