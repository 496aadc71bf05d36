"""Whose business a patient is: which relationships count, for whom, for how long, and what lies at rest."""

import json
from datetime import date, timedelta

import pytest

from confide.access import relationships
from confide.access.models import Membership
from confide.access.relationships import Kind
from confide.access.roles import Form
from confide.access.ties import Relationship
from confide.errors import Damaged, NoRelationship, StepUpNeeded
from confide.protect.elements import CATALOGUE, Element
from tests.practice import PATIENT, Practice, appointment, build

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
LIGHT = {e for e in Element if CATALOGUE[e].weight == 1}


@pytest.fixture
def elm(transactional_db):
    return Practice(*build(), "Elm Street")


@pytest.fixture
def patient(elm):
    return elm.patient()


def practitioner(elm):
    return elm.add({"resourceType": "Practitioner", "name": [{"family": "Okafor"}]})


def day(elm, days):
    return (elm.clock() + timedelta(days=days)).date().isoformat()


def encounter(elm, patient, days, **changes):
    when = day(elm, days)
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": f"{when}T09:00:00Z", "end": f"{when}T09:20:00Z"},
        **changes,
    }


def kinds(elm, actor, patient, purpose="TREAT", action="read"):
    return elm.grant(action, actor, purpose, [patient]).relations[patient].kinds


PURPOSES = {"biller": "HPAYMT", "practice_manager": "HOPERAT"}


def sees(elm, actor, patient):
    """Whether anything of the patient is clear or masked to a person of some role."""
    grant = elm.grant("read", actor, PURPOSES.get(actor.role.value, "TREAT"), [patient])
    return bool(grant.clear | grant.masked)


@pytest.mark.asvs("8.2.2")
def test_without_a_relationship_a_chart_stays_stand_ins(elm, patient):
    for role in ("front_desk", "nurse", "clinician", "biller", "practice_manager"):
        actor = elm.member(role)
        grant = elm.grant("read", actor, PURPOSES.get(role, "TREAT"), [patient])
        assert set(grant.forms.values()) <= {Form.STAND_IN, Form.REFUSED}, role
        assert isinstance(grant.explain(Element.NAME, [patient]), NoRelationship)
        view = elm.read("Patient", patient, grant)
        assert not view.shown
        assert "Zoë" not in json.dumps(view.body)


@pytest.mark.parametrize("days", [-30, -1, 0, 1, 30])
def test_an_appointment_counts_for_thirty_days_on_either_side(elm, patient, days):
    elm.book(patient, days)
    for role in ("front_desk", "nurse", "clinician", "practice_manager"):
        assert sees(elm, elm.member(role), patient), role
    assert not sees(elm, elm.member("biller"), patient)


@pytest.mark.parametrize("days", [-32, 32, -400, 400])
def test_and_no_longer(elm, patient, days):
    elm.book(patient, days)
    assert not sees(elm, elm.member("clinician"), patient)


def test_the_chart_of_somebody_who_comes_is_as_the_table_says(elm, patient):
    elm.book(patient)
    desk = elm.member("front_desk")
    view = elm.read("Patient", patient, elm.grant("read", desk, "TREAT", [patient]))
    assert view.body["name"][0]["family"] == "Müller-Ortiz"
    assert view.body["identifier"][0]["value"] == "***-**-1120"


def test_what_is_cancelled_or_deleted_or_moved_away_counts_no_more(elm, patient):
    desk = elm.member("front_desk")
    booked = elm.book(patient)
    elm.put("Appointment", booked, status="cancelled")
    assert not sees(elm, desk, patient)
    elm.put("Appointment", booked, status="booked")
    assert sees(elm, desk, patient)
    elm.put("Appointment", booked, start=f"{day(elm, 90)}T09:00:00Z", end=f"{day(elm, 90)}T09:20:00Z")
    assert not sees(elm, desk, patient)
    elm.put("Appointment", booked, start=f"{day(elm, 3)}T09:00:00Z", end=f"{day(elm, 3)}T09:20:00Z")
    assert sees(elm, desk, patient)
    elm.system.charts.delete(elm.grant("write"), "Appointment", booked)
    assert not sees(elm, desk, patient)
    assert not Relationship.objects.exists()


def test_time_passes(elm, patient):
    elm.book(patient)
    desk = elm.member("front_desk")
    elm.clock.advance(days=30)
    assert sees(elm, desk, patient)
    elm.clock.advance(days=3)
    assert not sees(elm, desk, patient)


def test_what_the_same_person_made_opens_weight_one_only_for_a_day(elm, patient):
    desk, other = elm.member("front_desk"), elm.member("front_desk")
    elm.book(patient, grant=elm.grant("write", desk, "TREAT", [patient]))
    grant = elm.grant("read", desk, "TREAT", [patient])
    assert grant.relations[patient].own
    assert grant.clear == {
        Element.NAME,
        Element.BIRTH_DATE,
        Element.PHONE,
        Element.EMAIL,
        Element.MRN,
        Element.DATE,
    }
    assert grant.clear <= LIGHT
    assert not grant.masked
    assert isinstance(grant.explain(Element.ADDRESS, [patient]), NoRelationship)
    assert Element.ADDRESS in elm.grant("read", other, "TREAT", [patient]).clear
    elm.clock.advance(hours=23, minutes=59)
    assert elm.grant("read", desk, "TREAT", [patient]).relations[patient].own
    elm.clock.advance(minutes=2)
    assert Element.ADDRESS in elm.grant("read", desk, "TREAT", [patient]).clear


def test_moving_somebody_elses_appointment_makes_it_ones_own(elm, patient):
    booked = elm.book(patient, 200)
    desk = elm.member("front_desk")
    writing = elm.grant("write", desk, "TREAT", [patient])
    body = elm.read("Appointment", booked).body
    near = appointment(patient, day(elm, 1), id=booked)
    elm.system.charts.update(writing, "Appointment", booked, {**body, **near})
    assert elm.grant("read", desk, "TREAT", [patient]).relations[patient].own
    later = {**near, "start": f"{day(elm, 1)}T16:00:00Z", "end": f"{day(elm, 1)}T16:20:00Z"}
    other = elm.member("front_desk")
    elm.system.charts.update(
        elm.grant("write", other, "TREAT", [patient]), "Appointment", booked, {**body, **later}
    )
    assert not elm.grant("read", other, "TREAT", [patient]).relations[patient].own  # by an hour only


def test_one_of_another_maker_is_enough(elm, patient):
    desk = elm.member("front_desk")
    elm.book(patient, grant=elm.grant("write", desk, "TREAT", [patient]))
    elm.book(patient, 5)
    assert elm.grant("read", desk, "TREAT", [patient]).relations[patient].full


def test_today_is_said_of_those_whom_somebody_else_has_booked(elm, patient):
    desk = elm.member("front_desk")
    elm.book(patient, 3)
    assert not elm.grant("read", desk, "TREAT", [patient]).relations[patient].today
    elm.book(patient, grant=elm.grant("write", desk, "TREAT", [patient]))
    assert not elm.grant("read", desk, "TREAT", [patient]).relations[patient].today
    elm.book(patient)
    assert elm.grant("read", desk, "TREAT", [patient]).relations[patient].today


def test_a_visit_counts_for_a_month_and_for_three_years_to_whoever_it_was(elm, patient):
    who = practitioner(elm)
    me, colleague = elm.member("clinician", who), elm.member("clinician")
    took_part = [{"individual": {"reference": f"Practitioner/{who}"}}]
    elm.add(encounter(elm, patient, -20, participant=took_part))
    assert sees(elm, me, patient)
    assert sees(elm, colleague, patient)
    assert sees(elm, elm.member("biller"), patient)
    elm.clock.advance(days=60)
    assert sees(elm, me, patient)
    assert not sees(elm, colleague, patient)
    assert not sees(elm, elm.member("biller"), patient)
    elm.clock.advance(days=3 * 365)
    assert not sees(elm, me, patient)


def test_a_visit_under_way_counts_until_it_is_over(elm, patient):
    visit = elm.add(encounter(elm, patient, -90, status="in-progress", period={"start": day(elm, -90)}))
    nurse = elm.member("nurse")
    assert sees(elm, nurse, patient)
    elm.put("Encounter", visit, status="finished", period={"start": day(elm, -90), "end": day(elm, -80)})
    assert not sees(elm, nurse, patient)


def test_a_care_team_is_for_those_whom_it_names(elm, patient):
    who = practitioner(elm)
    role = elm.add({"resourceType": "PractitionerRole", "practitioner": {"reference": f"Practitioner/{who}"}})
    team = {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"member": {"reference": f"PractitionerRole/{role}"}}],
    }
    made = elm.add(team)
    me = elm.member("clinician", who)
    assert kinds(elm, me, patient) == {Kind.CARE_TEAM}
    assert not sees(elm, elm.member("clinician"), patient)
    assert not sees(elm, elm.member("front_desk", who), patient)
    elm.put("CareTeam", made, status="inactive")
    assert not sees(elm, me, patient)


def test_a_claim_is_for_the_biller_who_was_given_it(elm, patient):
    who, other = practitioner(elm), practitioner(elm)
    insured = elm.add(
        {
            "resourceType": "Coverage",
            "status": "active",
            "beneficiary": {"reference": f"Patient/{patient}"},
            "payor": [{"reference": f"Patient/{patient}"}],
        }
    )
    kind = {"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}
    claim = elm.add(
        {
            "resourceType": "Claim",
            "status": "active",
            "type": {"coding": [kind]},
            "use": "claim",
            "patient": {"reference": f"Patient/{patient}"},
            "created": day(elm, -100),
            "enterer": {"reference": f"Practitioner/{who}"},
            "provider": {"reference": f"Practitioner/{who}"},
            "priority": {"coding": [{"code": "normal"}]},
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/{insured}"}}],
        }
    )
    me, colleague = elm.member("biller", who), elm.member("biller", other)
    assert sees(elm, me, patient)
    assert not sees(elm, colleague, patient)
    assert sees(elm, elm.member("practice_manager"), patient)
    assert not sees(elm, elm.member("clinician", who), patient)
    task = elm.add(
        {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "focus": {"reference": f"Claim/{claim}"},
            "for": {"reference": f"Patient/{patient}"},
            "owner": {"reference": f"Practitioner/{other}"},
        }
    )
    assert sees(elm, colleague, patient)
    elm.put("Task", task, status="completed")
    assert not sees(elm, colleague, patient)


def test_the_finder_finds_and_shows_no_more_than_a_name_and_a_birth_date(elm, patient):
    desk = elm.member("front_desk")
    grant = elm.grant("search", desk, "TREAT")
    [view] = elm.find("Müller", grant).views
    assert view.shown == {Element.NAME, Element.BIRTH_DATE}
    [view] = elm.search("Patient", ("_id", patient), grant=grant).views
    assert view.shown <= {Element.NAME, Element.BIRTH_DATE}
    nurse = elm.grant("read", elm.member("nurse"), "TREAT")
    assert not elm.read("Patient", patient, nurse).shown  # a grant for nobody in particular opens no chart


def test_a_family_is_opened_one_by_one(elm, patient):
    sister = elm.patient()
    elm.book(patient)
    desk = elm.member("front_desk")
    grant = elm.grant("read", desk, "TREAT", [patient, sister])
    assert elm.read("Patient", patient, grant).shown
    assert not elm.read("Patient", sister, grant).shown
    assert grant.form(Element.NAME, [patient]) is Form.CLEAR
    assert grant.form(Element.NAME, [patient, sister]) is Form.STAND_IN
    assert grant.form(Element.NAME) is Form.STAND_IN


def test_a_person_registers_and_books_and_writes_nothing_else_of_a_stranger(elm, patient):
    desk = elm.member("front_desk")
    made = elm.system.charts.create(elm.grant("write", desk, "TREAT"), PATIENT).id
    assert made != patient
    body = elm.read("Patient", patient).body
    with pytest.raises(NoRelationship):
        elm.system.charts.update(
            elm.grant("write", desk, "TREAT", [patient]),
            "Patient",
            patient,
            {**body, "birthDate": "1990-01-01"},
        )
    with pytest.raises(NoRelationship):
        elm.system.charts.delete(elm.grant("write", desk, "TREAT"), "Patient", patient)
    elm.book(patient, grant=elm.grant("write", desk, "TREAT", [patient]))


def test_programs_and_those_who_see_stand_ins_anyway_need_none(elm, patient):
    assert elm.grant("read", elm.client("TREAT"), "TREAT", [patient]).clear
    officer = elm.grant("reveal", elm.member("privacy_officer"), "PATRQT", [patient])
    assert officer.clear == {Element.NAME}
    auditor = elm.grant("read", elm.member("auditor"), "HOPERAT", [patient])
    assert not auditor.clear | auditor.masked


def test_no_day_lies_in_clear_and_no_row_can_be_edited(elm, patient):
    elm.book(patient, 4)
    row = Relationship.objects.get()
    ordinal = (elm.clock() + timedelta(days=4)).date().toordinal()
    assert row.year == 2026
    stored = json.dumps([str(v) for v in Relationship.objects.values_list().get()])
    assert str(ordinal) not in stored
    assert ordinal.to_bytes(4, "big") not in bytes(row.days)
    desk = elm.member("front_desk")
    stranger = elm.patient()
    for change in ({"patient": stranger}, {"owner": "person:x"}, {"made": 0}, {"kind": "encounter"}):
        Relationship.objects.update(**change)
        with pytest.raises(Damaged):
            elm.grant("read", desk, "TREAT", [change.get("patient", patient)])
        Relationship.objects.update(patient=patient, owner=row.owner, made=row.made, kind=row.kind)
    assert sees(elm, desk, patient)


def test_equal_days_are_sealed_alike_only_in_length(elm, patient):
    elm.book(patient, 4)
    elm.book(patient, 4)
    elm.book(patient, -4)
    days = [bytes(d) for d in Relationship.objects.values_list("days", flat=True)]
    assert len(set(days)) == 3
    assert len({len(d) for d in days}) == 1


def test_rows_of_a_long_life_do_not_hide_a_new_one(elm, patient):
    elm.book(patient, 2)
    row = Relationship.objects.get()
    fields = {f.name: getattr(row, f.name) for f in row._meta.fields if f.name != "id"}
    Relationship.objects.bulk_create(
        Relationship(**{**fields, "year": 2025, "resource": f"old-{i}"})
        for i in range(relationships.MOST_ROWS)
    )
    # The old ones are copies, which no seal fits: they are not even opened.
    assert sees(elm, elm.member("front_desk"), patient)
    Relationship.objects.filter(year=2025).update(year=2026)
    with pytest.raises(Damaged):
        elm.grant("read", elm.member("front_desk"), "TREAT", [patient])


def test_another_practice_has_no_part_in_it(elm, patient):
    oak = Practice(elm.system, elm.clock, "Oak Avenue")
    elm.book(patient)
    assert not kinds(oak, oak.member("front_desk"), patient)


def test_a_person_with_a_frozen_account_is_told_before_anything_else(elm, patient):
    elm.book(patient)
    desk = elm.member("front_desk")
    Membership.objects.update(active=False)
    from confide.errors import AccessDenied

    with pytest.raises(AccessDenied) as caught:
        elm.grant("read", desk, "TREAT", [patient])
    assert not isinstance(caught.value, NoRelationship)


def test_heavy_elements_ask_for_a_fresh_proof(elm, patient):
    elm.book(patient)
    desk = elm.member("front_desk")
    ssn = [Element.SSN]
    assert elm.grant("reveal", desk, "HOPERAT", [patient], ssn).clear == {Element.SSN}
    elm.clock.advance(minutes=10)
    with pytest.raises(StepUpNeeded):
        elm.grant("reveal", desk, "HOPERAT", [patient], ssn)
    assert elm.grant("reveal", desk, "HOPERAT", [patient], [Element.PHONE]).clear == {Element.PHONE}
    assert elm.grant("reveal", desk, "TREAT", [patient], ssn).masked == {Element.SSN}  # a mask needs none
    stranger = elm.patient()
    unrelated = elm.grant("reveal", desk, "HOPERAT", [stranger], ssn)
    assert isinstance(unrelated.explain(Element.SSN, [stranger]), NoRelationship)  # proving would not help


def test_days_are_generous_by_one(elm, patient):
    """The server knows no wall: an evening in Honolulu is a morning in Auckland."""
    elm.clock.advance(hours=6)  # 15:01 UTC: it is 3 March in Auckland already
    elm.book(patient, 31)
    assert sees(elm, elm.member("front_desk"), patient)
    assert relationships.holds((date(2026, 3, 3).toordinal(),) * 2, elm.clock())
    assert not relationships.holds((date(2026, 3, 4).toordinal(),) * 2, elm.clock())
