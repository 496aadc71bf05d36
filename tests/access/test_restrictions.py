"""What a patient has asked to be kept from a purpose: 45 CFR 164.522(a), as a FHIR Consent."""

import json
from datetime import timedelta

import pytest

from confide.access.roles import Form
from confide.access.ties import Restriction
from confide.errors import AccessDenied, PatientRestricted
from confide.protect.elements import Element
from confide.protect.tokens import Wanted
from confide.vault.covers import Bare
from tests.consents import concept, consent, deny
from tests.practice import Practice, build, observation

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def elm(transactional_db):
    return Practice(*build(), "Elm Street")


@pytest.fixture
def patient(elm):
    made = elm.patient()
    elm.book(made)
    return made


def form(elm, patient, purpose, element=Element.NAME, role=""):
    role = role or {"HPAYMT": "practice_manager", "HOPERAT": "practice_manager"}.get(purpose, "clinician")
    return elm.grant("read", elm.member(role), purpose, [patient]).forms[element]


def test_what_is_kept_from_payment_is_open_to_treatment(elm, patient):
    elm.add(consent(patient, {"provision": [deny("HPAYMT", elements=[Element.MEMBER_ID, Element.DATE])]}))
    assert form(elm, patient, "HPAYMT", Element.DATE) is Form.STAND_IN
    assert form(elm, patient, "HPAYMT", Element.NAME) is Form.CLEAR
    assert form(elm, patient, "TREAT", Element.DATE) is Form.CLEAR
    grant = elm.grant("reveal", elm.member("practice_manager"), "HPAYMT", [patient], [Element.MEMBER_ID])
    assert isinstance(grant.explain(Element.MEMBER_ID, [patient]), PatientRestricted)


def test_without_purpose_and_elements_it_covers_all_but_the_patients_own_request(elm, patient):
    elm.add(consent(patient, deny()))
    for purpose in ("TREAT", "HPAYMT", "HOPERAT"):
        assert form(elm, patient, purpose) is Form.STAND_IN, purpose
    assert form(elm, patient, "PATRQT", role="clinician") is Form.CLEAR
    [view] = elm.find("Müller", elm.grant("search", elm.member("front_desk"), "HOPERAT")).views
    assert view.shown == {Element.NAME, Element.BIRTH_DATE}  # whoever comes to the desk is found there


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "inactive"},
        {"provision": {"type": "permit"}},
        {"scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "research")},
        {"provision": deny("HMARKT")},
    ],
    ids=["inactive", "permit", "research", "marketing"],
)
def test_other_consents_keep_nothing(elm, patient, changes):
    elm.add({**consent(patient, deny()), **changes})
    assert form(elm, patient, "TREAT") is Form.CLEAR


def test_it_ends_when_it_is_withdrawn_or_its_time_is_over(elm, patient):
    start, end = (elm.clock() + timedelta(days=d) for d in (10, 20))
    period = {"start": start.date().isoformat(), "end": end.date().isoformat()}
    elm.add(consent(patient, deny(period=period)))
    assert form(elm, patient, "TREAT") is Form.CLEAR
    elm.clock.advance(days=15)
    assert form(elm, patient, "TREAT") is Form.STAND_IN
    assert str(start.date().toordinal()) not in json.dumps(
        [str(v) for v in Restriction.objects.values_list()]
    )
    elm.clock.advance(days=8)
    assert form(elm, patient, "TREAT") is Form.CLEAR
    always = elm.add(consent(patient, deny()))
    assert form(elm, patient, "TREAT") is Form.STAND_IN
    elm.put("Consent", always, status="rejected")
    assert form(elm, patient, "TREAT") is Form.CLEAR


def test_programs_are_bound_by_it_in_whatever_way_they_ask(elm, patient):
    other = elm.patient()
    elm.add(observation(patient))
    elm.add(consent(patient, deny("HPAYMT")))
    program = elm.client("HPAYMT")
    reading, searching = elm.grant("read", program, "HPAYMT"), elm.grant("search", program, "HPAYMT")
    assert not elm.read("Patient", patient, reading).shown
    assert elm.read("Patient", other, reading).shown
    page = elm.search("Patient", ("_id", f"{patient},{other}"), grant=searching)
    assert {v.id for v in page.views if v.shown} == {other}
    assert (page.withheld, page.kept) == (0, 1)  # the budget has nothing to do with it
    assert elm.ids("Patient", ("family", "Müller"), grant=searching) == [other]
    assert elm.ids("Patient", ("birthdate", "1963-05-04"), grant=searching) == [other]
    with pytest.raises(AccessDenied):
        elm.search("Observation", ("patient", patient), ("date", "2024-05-04"), grant=searching)
    named = elm.grant("read", program, "HPAYMT", [patient, other])
    assert named.form(Element.NAME) is Form.STAND_IN
    assert named.form(Element.NAME, [other]) is Form.CLEAR


def test_nobody_tries_values_for_what_is_kept_from_them(elm, patient):
    """A stand-in or a token that is equal says that the value was right."""
    other, guess = elm.patient(), "XKW449210771"
    elm.add(consent(patient, deny("HPAYMT", elements=[Element.MEMBER_ID])))
    program, values = elm.client("HPAYMT"), elm.system.values
    making, asking = elm.grant("tokenize", program, "HPAYMT"), elm.grant("search", program, "HPAYMT")
    whose = [(patient, Element.MEMBER_ID), (patient, Element.MRN), (other, Element.MEMBER_ID)]
    kept = values.protect(making, asking, [Bare(id_, element, guess) for id_, element in whose])
    assert [isinstance(each, AccessDenied) for each in kept] == [True, False, False]
    tokens = values.tokenize(making, "plan", [Wanted(element, guess, id_) for id_, element in whose])
    assert [isinstance(each, AccessDenied) for each in tokens] == [True, False, False]


def test_another_practices_restrictions_are_its_own(elm, patient):
    oak = Practice(elm.system, elm.clock, "Oak Avenue")
    theirs = oak.patient()
    oak.book(theirs)
    elm.add(consent(patient, deny()))
    assert form(oak, theirs, "TREAT") is Form.CLEAR
    assert not oak.grant("read", oak.client("TREAT"), "TREAT").kept
