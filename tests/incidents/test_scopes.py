"""The scope of an incident: exactly who was shown what, proved, frozen, and no other number afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from confide.audit import verdict
from confide.errors import AccessDenied, Invalid, Unknown
from confide.incidents import census, halves, residences, scopes
from confide.incidents.course import Breadth
from confide.incidents.facts import Way
from confide.incidents.models import Exposed, Residence, Scope
from confide.incidents.questions import Copy, Keys, Question, legs
from confide.protect.elements import Element
from confide.server import watching
from tests.practice import NOW, PATIENT, journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HOURS = timedelta(hours=1)


def at(state: str) -> dict[str, object]:
    return {"address": [{"use": "home", "line": ["1 Elm Street"], "city": "X", "state": state}]}


def question(**named):
    return Question(since=NOW - HOURS, until=NOW + HOURS, **named)


def verify(practice):
    sequencer = practice.system.sequencer
    practice.clock.advance(seconds=1)
    sequencer.seal(practice.clock())
    return lambda since: verdict.verify(
        sequencer.key, [], sequencer.tiles, [], practice.clock(), since=since, patience=0
    )


@pytest.fixture
def thief(elm):
    return elm.client("TREAT")


@pytest.fixture
def taken(elm, thief):
    """Three patients, of whom the thief read two; and one whom somebody else read."""
    maine, texas, nowhere = elm.patient(**at("ME")), elm.patient(**at("Texas")), elm.patient(**at("Ontario"))
    other = elm.patient(**at("ME"))
    grant = elm.grant("read", thief, "TREAT", elements=[Element.NAME, Element.BIRTH_DATE])
    for patient in (maine, texas, nowhere):
        elm.read("Patient", patient, grant)
    elm.clock.advance(minutes=10)
    again = elm.grant("read", thief, "TREAT", elements=[Element.SSN])
    elm.read("Patient", maine, again)
    elm.read("Patient", other)
    return maine, texas, nowhere


@pytest.fixture
def incident(elm, reading, taken):
    return elm.system.cases.open(reading(), "A stolen key", NOW, way=Way.LOGIN)


def test_a_scope_is_exactly_who_was_shown_what_first_and_last(elm, thief, taken, incident, reading):
    found = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    assert (found.records, found.practices, found.version) == (3, 1, 1)
    assert found.states == {"": 1, "ME": 1, "TX": 1}, "who lives in no known state is a row"
    assert found.elements["name"] == {"clear": 3}
    assert found.elements["ssn"] == {"masked": 1}
    assert not found.sound, "nothing is proved yet"
    assert found.last - found.first == timedelta(minutes=10)
    with pytest.raises(Invalid, match="verified first"):
        elm.system.scopes.freeze(reading(), found)
    elm.system.scopes.prove(reading(), found, verify(elm))
    assert found.sound
    assert found.proof["wrong"] == []
    frozen = elm.system.scopes.freeze(reading(), found)
    rows = {row.patient: row for row in scopes.records(scopes.frozen(frozen.pk), elm.id)}
    maine, texas, nowhere = taken
    assert set(rows) == {maine, texas, nowhere}
    assert rows[maine].elements == {Element.NAME: "clear", Element.BIRTH_DATE: "clear", Element.SSN: "masked"}
    assert rows[texas].elements == {Element.NAME: "clear", Element.BIRTH_DATE: "clear"}
    assert {rows[each].state for each in taken} == {"ME", "TX", "unknown"}
    assert rows[maine].last - rows[maine].first == timedelta(minutes=10)
    assert [r.patient for r in scopes.records(frozen, elm.id, after=min(taken))] == sorted(taken)[1:]
    assert scopes.digest(frozen) == bytes(frozen.digest)
    kinds = [row.kind for row in incident.happenings.order_by("entry")]
    assert kinds == ["incident-open", "incident-note", "incident-scope", "incident-scope", "incident-freeze"]
    assert [row.actor for row in journal(action="incident-freeze")] == [frozen.frozen_by]


def test_two_halves_count_what_one_counts_and_lines_are_the_same_in_each_database(
    elm, thief, taken, incident, reading, monkeypatch
):
    whole = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    monkeypatch.setattr(halves, "MANY", 0)
    halved = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    for name in ("records", "states", "elements", "practices", "first", "last"):
        assert getattr(whole, name) == getattr(halved, name), name
    who = census.join(legs(question(actors=(thief.id,)), (elm.id,), ()))
    with transaction.atomic():
        rows = halves.count(connection, f"SELECT patient FROM ({who.sql}) AS seen", who.params)
    if connection.vendor == "postgresql":
        assert sorted(patient for (patient,) in rows) == sorted(taken)
    else:
        assert rows is None
    elm.system.scopes.prove(reading(), halved, verify(elm))
    frozen = elm.system.scopes.freeze(reading(), halved)
    said = [line.decode().rstrip("\n").split("\t") for line in scopes.lines(frozen)]
    kept = Exposed.objects.filter(scope=frozen.pk).order_by("patient")
    assert said == [
        [row.practice, row.patient, str(row.shown), row.state,
         *(each.astimezone(UTC).isoformat(timespec="microseconds") for each in (row.first, row.last))]
        for row in kept
    ]  # fmt: skip


def test_a_frozen_scope_cannot_drift_and_an_amendment_is_a_version(elm, thief, taken, incident, reading):
    first = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    elm.system.scopes.prove(reading(), first, verify(elm))
    elm.system.scopes.freeze(reading(), first)
    late = elm.patient(**at("ME"))
    elm.read("Patient", late, elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    for change in (
        lambda: Exposed.objects.filter(scope=first.pk).update(shown=1),
        lambda: Exposed.objects.filter(scope=first.pk).delete(),
        lambda: Exposed.objects.create(
            scope=first.pk, practice=elm.id, patient=late, shown=1, first=NOW, last=NOW
        ),
        lambda: first.shares.update(records=9),
        lambda: Scope.objects.filter(pk=first.pk).update(records=9),
        lambda: Scope.objects.filter(pk=first.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    with pytest.raises(Invalid, match="frozen already"):
        elm.system.scopes.freeze(reading(), first)
    with pytest.raises(Invalid, match="is frozen"):
        elm.system.scopes.prove(reading(), first, verify(elm))
    assert incident.latest_scope().pk == first.pk
    second = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    elm.system.scopes.prove(reading(), second, verify(elm))
    elm.system.scopes.freeze(reading(), second)
    assert second.difference == {
        "against": 1, "added": 1, "left": 0, "changed": 0, "records": 1, "practices": 0, "states": {"ME": 1},
    }  # fmt: skip
    assert incident.latest_scope().version == 2


def test_what_changed_between_counting_and_freezing_is_not_frozen(elm, thief, incident, reading):
    found = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    elm.system.scopes.prove(reading(), found, verify(elm))
    late = elm.patient(**at("ME"))
    elm.read("Patient", late, elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    with pytest.raises(Invalid, match="changed since"):
        elm.system.scopes.freeze(reading(), found)
    assert not Exposed.objects.exists()


def test_figures_that_only_changed_places_are_not_frozen(elm, thief, taken, incident, reading):
    """Maine's Social Security number is Texas's by now: the totals are the same, and the rows are not."""
    counting = elm.system.scopes
    made = counting.measure(reading(), incident, question(actors=(thief.id,)))
    counting.prove(reading(), made, verify(elm))
    elm.put("Patient", taken[0], **at("TX"))
    elm.put("Patient", taken[1], **at("ME"))
    residences.refresh()
    with pytest.raises(Invalid, match="changed since"):
        counting.freeze(reading(), made)
    again = counting.measure(reading(), incident, question(actors=(thief.id,)))
    counting.prove(reading(), again, verify(elm))
    elm.read("Patient", taken[0], elm.grant("read", thief, "TREAT", elements=[Element.NAME]))
    with pytest.raises(Invalid, match="changed since"):
        counting.freeze(reading(), again)  # seen once more: the last time is another one
    assert not Exposed.objects.exists()


def test_a_journal_that_does_not_verify_is_said(elm, thief, incident, reading):
    found = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    check = verify(elm)
    from tests.audit import tampering

    with transaction.atomic(), tampering.no_triggers():
        from confide.audit.models import JournalEntry

        JournalEntry.objects.filter(actor=thief.id).update(elements={"name": "stand-in"})
    elm.system.scopes.prove(reading(), found, check)
    assert not found.sound
    assert found.proof["wrong"][0][0].startswith("entry ")


def test_what_cannot_be_asked_is_refused_with_a_reason(elm, thief, incident, reading):
    for changes, problem in (
        ({"since": NOW, "until": NOW - HOURS}, "reversed"),
        ({"since": NOW, "until": NOW}, "reversed"),
        ({"since": NOW + HOURS, "until": NOW + 2 * HOURS}, "future"),
        ({"actors": ()}, "a login"),
        ({"actors": ("nobody",)}, "no such login"),
        ({"credentials": ("session:0",)}, "no such session"),
        ({"addresses": ("10.9.8.7",)}, "no such address"),
        ({"addresses": ("here",)}, "written as"),
        ({"exports": ("none",)}, "no such export"),
        ({"since": NOW.replace(tzinfo=None)}, "time zone"),
    ):
        asked = replace(question(actors=(thief.id,)), **changes)
        with pytest.raises((Invalid, Unknown), match=problem):
            elm.system.scopes.measure(reading(), incident, asked)
    assert not incident.scopes.exists()
    auditor = elm.grant("journal-read", elm.member("auditor"), "HOPERAT", elements=())
    with pytest.raises(AccessDenied, match="privacy officer"):
        elm.system.scopes.measure(auditor, incident, question(actors=(thief.id,)))


def test_a_stolen_copy_holds_all_who_were_there(elm, taken, incident, reading):
    whole = elm.system.scopes.measure(reading(), incident, question(copy=Copy.DATABASE, keys=Keys.TAKEN))
    assert (whole.records, set(whole.elements["ssn"])) == (4, {"clear"})
    safe = elm.system.scopes.measure(reading(), incident, question(copy=Copy.BACKUP, keys=Keys.SAFE))
    assert safe.records == 4
    assert safe.elements == {name: {"masked": 4} for name in ("birth-date", "address", "date", "clinical")}, (
        "years, the state and codes stand in clear in a copy"
    )


def test_all_of_the_host_is_counted_at_the_terminal_and_each_practice_reads_it(
    elm, oak, thief, taken, officer, reading
):
    elsewhere = oak.patient(**at("ME"))
    from confide.access.decide import act_as_client
    from confide.access.models import Client
    from confide.access.reach import Reach

    row = Client.objects.get(pk=thief.id)
    Reach.objects.create(client=row, practice=oak.row, approved_by_id=officer.id, approved_at=NOW)
    there = replace(act_as_client(row, "token"), practice=oak.id)
    oak.read("Patient", elsewhere, oak.grant("read", there, "TREAT", elements=[Element.NAME]))
    with pytest.raises(AccessDenied, match="terminal"):
        elm.system.cases.open(reading(), "All of us", NOW, breadth=Breadth.HOST)
    vendor = replace(officer, credential="terminal")
    made = elm.system.cases.open(reading(vendor), "All of us", NOW, breadth=Breadth.HOST)
    found = elm.system.scopes.measure(reading(vendor), made, question(actors=(thief.id,)))
    assert (found.records, found.practices) == (4, 2)
    assert {(s.practice, s.state): s.records for s in found.shares.all()}[oak.id, "ME"] == 1
    elm.system.scopes.prove(reading(vendor), found, verify(elm))
    elm.system.scopes.freeze(reading(vendor), found)
    assert scopes.practices(found) == sorted([elm.id, oak.id])
    assert [row.resource_id for row in journal(action="incident-freeze", practice=oak.id)] == [made.pk]


def test_honey_patients_are_nobody(elm, thief, taken, incident, reading):
    from confide.incidents.scopes import Scopes

    maine = taken[0]
    counting = Scopes(elm.system.cases, elm.system.journal, elm.clock, lambda _: [maine])
    found = counting.measure(reading(), incident, question(actors=(thief.id,), copy=Copy.DATABASE))
    assert (found.records, found.honey) == (3, 1)
    assert "ssn" in found.elements


def test_whoever_moves_is_counted_where_they_live_now(elm, thief, taken, incident, reading):
    asked = question(actors=(thief.id,))
    elm.system.scopes.measure(reading(), incident, asked)
    elm.put("Patient", taken[1], **at("ME"))
    assert elm.system.scopes.measure(reading(), incident, asked).states == {"": 1, "ME": 2}
    assert PATIENT["address"]


def test_a_server_that_runs_has_read_where_patients_live(elm, taken):
    assert watching.read_on() == ""
    kept = Residence.objects.filter(patient__in=taken).values_list("patient", "state")
    assert len(kept) == len(taken)
    elm.put("Patient", taken[1], **at("ME"))
    assert watching.read_on() == ""
    assert Residence.objects.get(patient=taken[1]).state == "ME"


def test_records_of_several_practices_are_one_person_where_that_is_sure(elm, oak, officer, reading):
    other = {"identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "219-09-9999"}]}
    for place in (elm, oak):
        place.patient()
    elm.patient(identifier=[{"system": "http://elm.example/mrn", "value": "E-1"}])  # no number, the same name
    oak.patient(name=[{"family": "Nobody", "given": ["N"]}], **other)
    oak.named("Ida", "Lind")
    oak.named("Ida", "Lind")  # no birth date: nobody can say
    vendor = replace(officer, credential="terminal")
    made = elm.system.cases.open(reading(vendor), "All of us", NOW, breadth=Breadth.HOST)
    found = elm.system.scopes.measure(reading(vendor), made, question(copy=Copy.DATABASE))
    matched = elm.system.persons.match(reading(vendor), found)
    assert (matched.records, matched.persons) == (6, 4)
    found_twice = list(matched.matches.all())
    assert {row.practice for row in found_twice} == {elm.id, oak.id}
    assert len({row.person for row in found_twice}) == 1, "which number, depends on random ids"
    assert len(found_twice) == 3
    assert {row.practice for row in journal(action="index")} == {elm.id, oak.id}
    with pytest.raises(Invalid, match="already"):
        elm.system.persons.match(reading(vendor), found)
    elm.system.scopes.prove(reading(vendor), found, verify(elm))
    assert found.sound, "each opening has its entry"
    elm.system.scopes.freeze(reading(vendor), found)
    found.refresh_from_db()
    assert found.persons == 4


def test_the_watchs_own_synthetic_patients_are_left_out(elm, thief, taken, incident, reading):
    elm.system.baits.add(elm.id, [taken[1]])
    found = elm.system.scopes.measure(reading(), incident, question(actors=(thief.id,)))
    assert (found.records, found.honey) == (2, 1)
    assert elm.system.scopes.honey(incident) == [taken[1]]
