"""An incident's clocks come from its scope; a person decides the four factors, and the law counts again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from confide.errors import Invalid, StepUpNeeded
from confide.incidents import assessments, deadlines
from confide.incidents.assessments import Factor, Finding, Outcome
from confide.incidents.course import Breadth
from confide.incidents.duties import Standing
from confide.incidents.facts import Encryption, Statement, Way
from confide.incidents.models import Assessment, Scope, Share
from confide.incidents.questions import Copy, Keys, Question
from tests.incidents.test_breaches import practices
from tests.practice import NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HIGH = dict.fromkeys(Factor, Finding.HIGH)
WHY = dict.fromkeys(Factor, "As the journal says")
IDENTITY = {name: {"clear": 1} for name in ("name", "ssn", "birth-date", "address")}


def scope(incident, states, *, first=NOW - timedelta(days=3), last=NOW - timedelta(days=1), **asked):
    question = Question(since=first, until=last + timedelta(seconds=1), **asked)
    made = Scope.objects.create(
        incident=incident, version=1 + incident.scopes.count(), question=question.write(), made_by="x",
        made_at=incident.discovered, checkpoint=1, sound=True, records=sum(states.values()), practices=1,
        states=states,
        elements=IDENTITY, first=first, last=last,
    )  # fmt: skip
    Share.objects.bulk_create(
        Share(scope=made, practice=incident.practice, state=state, records=number)
        for state, number in states.items()
    )
    return made


def duties(elm, incident):
    return {duty.id: duty for duty in elm.system.deadlines.reckon(incident).duties}


def test_an_assessment_is_signed_and_the_clocks_follow(elm, reading, officer):
    lost = elm.system.cases.open(reading(), "A lost laptop", NOW, way=Way.MEDIUM)
    assert elm.system.deadlines.reckon(lost) is None, "nobody is known to be affected"
    counted = scope(lost, {"ME": 1200, "TX": 500, "": 3}, copy=Copy.BACKUP, keys=Keys.SAFE)
    found = duties(elm, lost)
    assert found["hipaa-individual"].standing is Standing.DUE, "a breach is presumed"
    assert found["hipaa-secretary-large"].standing is Standing.DUE
    assert found["hipaa-media:ME"].standing is Standing.DUE
    assert found["hipaa-media:TX"].standing is Standing.DECIDE, "500, and three whose state is not known"
    prepared = assessments.draft(lost, counted)
    assert prepared.open
    assert "codes and years" in prepared.harbour
    sign = elm.system.assessments.sign
    proved = elm.clock()
    with pytest.raises(StepUpNeeded):
        sign(reading(), lost, counted, HIGH, WHY, Outcome.BREACH, Encryption.NONE, None)
    for findings, reasons, outcome, encryption, problem in (
        ({Factor.WHO: Finding.LOW}, WHY, Outcome.BREACH, Encryption.NONE, "all four"),
        (HIGH, {**WHY, Factor.WHO: " "}, Outcome.BREACH, Encryption.NONE, "its reason"),
        (HIGH, WHY, Outcome.UNLIKELY, Encryption.NONE, "weighs high"),
        (HIGH, WHY, Outcome.SECURED, Encryption.NONE, "safe harbour"),
        (HIGH, WHY, Outcome.SECURED, Encryption.KEY_TAKEN, "safe harbour"),
    ):
        with pytest.raises(Invalid, match=problem):
            sign(reading(), lost, counted, findings, reasons, outcome, encryption, proved)
    assert not Assessment.objects.exists()
    elm.system.cases.move(reading(), lost, "contained")
    with pytest.raises(Invalid, match="signed first"):
        elm.system.cases.move(reading(), lost, "assessed")
    made = sign(reading(), lost, counted, HIGH, WHY, Outcome.SECURED, Encryption.KEY_SAFE, proved)
    assert made.kept_until == date(NOW.year + 6, NOW.month, NOW.day)
    assert b"journal says" not in bytes(made.reasons_sealed)
    assert elm.system.assessments.signed(lost).reasons["who"] == "As the journal says"
    assert duties(elm, lost)["hipaa-individual"].standing is Standing.NONE
    elm.system.cases.move(reading(), lost, "assessed")
    with pytest.raises(Invalid, match="no breach"):
        elm.system.cases.move(reading(), lost, "notifying")
    elm.system.cases.move(reading(), lost, "closed")
    with pytest.raises(Invalid, match="can become"):
        elm.system.cases.move(reading(), lost, "assessed")


def test_a_stolen_login_has_no_safe_harbour(elm, reading):
    stolen = elm.system.cases.open(reading(), "A stolen login", NOW, way=Way.LOGIN)
    counted = scope(stolen, {"TX": 500}, credentials=("session:1",))
    prepared = assessments.draft(stolen, counted)
    assert not prepared.open
    assert prepared.findings[Factor.NATURE] is Finding.HIGH
    with pytest.raises(Invalid, match="valid login"):
        elm.system.assessments.sign(
            reading(), stolen, counted, HIGH, WHY, Outcome.BREACH, Encryption.KEY_SAFE, elm.clock()
        )
    found = duties(elm, stolen)
    assert found["hipaa-media:TX"].standing is Standing.NONE, "exactly 500 in one state: no media"
    assert found["hipaa-secretary-large"].standing is Standing.DUE, "but the Secretary"


def test_facts_move_the_clocks_and_the_calendar_warns(elm, reading):
    stolen = elm.system.cases.open(reading(), "A stolen login", NOW, way=Way.LOGIN)
    scope(stolen, {"ME": 1200}, credentials=("session:1",))
    before = duties(elm, stolen)
    assert before["hipaa-individual"].until == date(2026, 5, 1)
    assert before["ME:individual"].until == date(2026, 4, 1)
    assert before["ME:agencies"].standing is Standing.DUE
    with pytest.raises(Invalid, match="time zone"):
        elm.system.deadlines.tell(reading(), stolen, zone="Mars/Olympus")
    with pytest.raises(Invalid, match="future"):
        elm.system.deadlines.tell(reading(), stolen, notified=NOW + timedelta(days=9))
    assert stolen.facts == {}
    delay = Statement(date(2026, 3, 2), date(2026, 6, 15))
    elm.system.deadlines.tell(reading(), stolen, statements=(delay,), europeans=3)
    stolen.refresh_from_db()
    after = duties(elm, stolen)
    assert after["hipaa-individual"].until == date(2026, 6, 15)
    assert after["gdpr-33"].standing is Standing.DUE
    feed = elm.system.deadlines.feed(stolen).decode()
    assert "BEGIN:VALARM" in feed
    assert "A stolen login" not in feed
    near = elm.system.deadlines.near(elm.id)
    assert "gdpr-33" in {duty.id for _, duty in near}, "three days are soon"
    assert {each.pk for each, _ in near} == {stolen.pk}
    elm.clock.advance(days=100)
    assert "hipaa-individual" in {duty.id for _, duty in elm.system.deadlines.near(elm.id)}


def test_the_incident_that_confide_is_designed_against(elm, reading, officer):
    """Its scope as it is stored: 1,600 covered entities, each with its own thresholds."""
    from confide.access.models import Practice

    elm.clock.now = datetime(2023, 4, 20, 15, tzinfo=UTC)
    entities = practices()
    Practice.objects.bulk_create(
        Practice(pk=f"practice-{number:04}", name=each.name) for number, each in enumerate(entities)
    )
    vendor = replace(officer, credential="terminal")
    made = elm.system.cases.open(
        reading(vendor),
        "The vendor",
        datetime(2023, 3, 30, 16, tzinfo=UTC),
        way=Way.LOGIN,
        breadth=Breadth.HOST,
    )
    counted = scope(
        made, {"ME": 3_913, "TX": 131_815}, credentials=("token",),
        first=datetime(2023, 3, 29, 9, tzinfo=UTC), last=datetime(2023, 4, 14, 3, tzinfo=UTC),
    )  # fmt: skip
    other = Scope.objects.get(pk=counted.pk)
    other.pk, other.version, other.records = None, 2, 1_049_375
    other.save(force_insert=True)
    Share.objects.bulk_create(
        Share(scope=other, practice=f"practice-{number:04}", state=state, records=records)
        for number, each in enumerate(entities)
        for state, records in each.residents.items()
    )
    found = {duty.id: duty for duty in elm.system.deadlines.reckon(made, other).duties}
    assert found["hipaa-individual"].until == date(2023, 5, 29)
    assert found["hipaa-individual"].persons == 1_049_375
    assert len(found["hipaa-business-associate"].entities) == 1_600
    assert (found["ME:individual"].until, found["ME:individual"].persons) == (date(2023, 4, 29), 3_913)
    assert found["ME:agencies"].standing is Standing.DUE
    assert found["hipaa-media:TX"].standing is Standing.DUE
    assert found["hipaa-media:ME"].standing is Standing.NONE, "no practice has more than 500 there"


def test_what_was_signed_as_a_breach_is_one_whatever_was_said_of_the_medium(elm, reading):
    lost = elm.system.cases.open(reading(), "A lost laptop", NOW, way=Way.MEDIUM)
    counted = scope(lost, {"ME": 1200}, copy=Copy.BACKUP, keys=Keys.SAFE)
    with pytest.raises(Invalid, match="no breach of unsecured PHI"):
        elm.system.assessments.sign(
            reading(), lost, counted, HIGH, WHY, Outcome.BREACH, Encryption.KEY_SAFE, elm.clock()
        )
    assert duties(elm, lost)["hipaa-individual"].standing is Standing.DUE


def test_a_login_that_is_found_later_voids_the_safe_harbour_that_was_signed(elm, reading):
    lost = elm.system.cases.open(reading(), "A lost laptop", NOW, way=Way.MEDIUM)
    counted = scope(lost, {"ME": 1200}, copy=Copy.BACKUP, keys=Keys.SAFE)
    elm.system.assessments.sign(
        reading(), lost, counted, HIGH, WHY, Outcome.SECURED, Encryption.KEY_SAFE, elm.clock()
    )
    assert duties(elm, lost)["hipaa-individual"].standing is Standing.NONE
    scope(lost, {"ME": 1200, "TX": 9}, copy=Copy.BACKUP, keys=Keys.SAFE, credentials=("session:1",))
    found = duties(elm, lost)
    assert found["hipaa-individual"].standing is Standing.DUE, "whoever logged in could read it"
    assert found["ME:individual"].standing is Standing.DUE


def test_a_second_signature_does_not_move_the_day_of_the_determination(elm, reading):
    stolen = elm.system.cases.open(reading(), "A stolen login", NOW, way=Way.LOGIN)
    counted = scope(stolen, {"TX": 300}, credentials=("session:1",))

    def sign():
        elm.system.assessments.sign(
            reading(), stolen, counted, HIGH, WHY, Outcome.BREACH, Encryption.NONE, elm.clock()
        )
        return duties(elm, stolen)["TX:regulator"].until

    first = sign()
    elm.clock.advance(days=20)
    assert sign() == first


def test_what_is_signed_of_another_scope_closes_nothing(elm, reading):
    lost = elm.system.cases.open(reading(), "A lost laptop", NOW, way=Way.MEDIUM)

    def sign(counted):
        elm.system.assessments.sign(
            reading(), lost, counted, HIGH, WHY, Outcome.SECURED, Encryption.KEY_SAFE, elm.clock()
        )

    sign(scope(lost, {"ME": 1200}, copy=Copy.BACKUP, keys=Keys.SAFE))
    second = scope(lost, {"ME": 1300}, copy=Copy.BACKUP, keys=Keys.SAFE)
    elm.system.cases.move(reading(), lost, "contained")
    elm.system.cases.move(reading(), lost, "assessed")
    with pytest.raises(Invalid, match="assessed again first"):
        elm.system.cases.move(reading(), lost, "closed")
    elm.clock.advance(seconds=1)
    sign(second)
    Scope.objects.filter(pk=second.pk).update(frozen_at=NOW)
    scope(lost, {"TX": 1}, copy=Copy.BACKUP, keys=Keys.SAFE)  # a count by mistake, that is not frozen
    elm.system.cases.move(reading(), lost, "closed")


def test_what_was_seen_after_the_discovery_stops_no_clock(elm, reading):
    """A login that is known to be stolen, and goes on reading: the clocks run from the discovery."""
    stolen = elm.system.cases.open(reading(), "A stolen login", NOW, way=Way.LOGIN)
    elm.clock.advance(days=50)
    after = NOW + timedelta(days=2)
    scope(stolen, {"ME": 1200}, credentials=("session:1",), first=after, last=after + timedelta(days=1))
    assert duties(elm, stolen)["hipaa-individual"].until == date(2026, 5, 1)
    assert "hipaa-individual" in {duty.id for _, duty in elm.system.deadlines.near(elm.id)}


def test_a_copy_that_was_taken_in_a_window_that_goes_on_stops_no_clock(elm, reading):
    lost = elm.system.cases.open(reading(), "A lost laptop", NOW, way=Way.MEDIUM)
    elm.patient()
    midnight = NOW.replace(hour=0, minute=0, second=0)
    asked = Question(since=midnight - timedelta(days=1), until=midnight + timedelta(days=2), copy=Copy.BACKUP)
    counted = elm.system.scopes.measure(reading(), lost, asked)
    assert duties(elm, lost)["hipaa-individual"].standing is Standing.DUE
    told = deadlines.describe(lost, counted).accessed
    assert told[1] == NOW.date(), "no later than it was counted"


@pytest.mark.parametrize("counted", [False, True])
def test_europeans_have_their_hours_before_anybody_is_counted(elm, reading, counted):
    stolen = elm.system.cases.open(reading(), "A stolen login", NOW, way=Way.LOGIN)
    if counted:
        Scope.objects.create(
            incident=stolen, version=1, question={}, made_by="x", made_at=NOW, checkpoint=1, sound=True,
            records=0, practices=0,
        )  # fmt: skip
    elm.system.deadlines.tell(reading(), stolen, europeans=1)
    found = duties(elm, stolen)
    assert set(found) == {"gdpr-33", "gdpr-34"}, "what goes by who was counted waits for the count"
    assert found["gdpr-33"].until == NOW + timedelta(hours=72), "from discovery while awareness is not said"
    aware = NOW + timedelta(hours=1)
    elm.clock.advance(hours=2)
    elm.system.deadlines.tell(reading(), stolen, aware=aware)
    assert duties(elm, stolen)["gdpr-33"].until == aware + timedelta(hours=72)
    assert [duty.id for _, duty in elm.system.deadlines.near(stolen.practice)] == ["gdpr-33"]
    assert b"gdpr-33" in elm.system.deadlines.feed(stolen)
    scope(stolen, {"TX": 1})
    assert {"gdpr-33", "hipaa-individual", "TX:individual"} <= set(duties(elm, stolen))
