"""Care first: what a suspect credential keeps, by patient, type and element; and what a ceiling leaves."""

from dataclasses import replace

import pytest
from django.db import transaction

from confide.access import budget, care
from confide.access.care import CARE, is_care
from confide.access.decide import judge
from confide.access.facts import Facts
from confide.access.models import ExposureTotal
from confide.access.relationships import Kind, Relation
from confide.access.roles import Action, Form, Purpose, Role
from confide.errors import AccessDenied, GrantMismatch
from confide.protect.elements import Element

from .conftest import NOW

IDENTITY = {Element.NAME, Element.BIRTH_DATE}
TODAY = Relation(frozenset({Kind.APPOINTMENT}), today=True)
BEFORE = Relation(frozenset({Kind.ENCOUNTER}))


@pytest.fixture
def doctor(desk):
    return replace(desk, role=Role.CLINICIAN, proved_at=NOW)


def grant_of(actor, relations, monkeypatch, action=Action.READ, *, suspect=True, purpose=Purpose.TREAT):
    """What is decided where patients stand to the person as *relations* say."""
    from confide.access import decide

    monkeypatch.setattr(decide, "_relate", lambda _actor, patient, known, now, sealed: relations[patient])
    return judge(actor, action, purpose, set(relations), Element, Facts(suspect=suspect), NOW)


@pytest.mark.parametrize("kind", ["Patient", "AllergyIntolerance", "DocumentReference", "Observation"])
def test_of_today_s_patients_what_care_needs_and_of_others_nothing(doctor, monkeypatch, kind):
    grant = grant_of(doctor, {"today": TODAY, "before": BEFORE}, monkeypatch)
    for element in Element:
        told = grant.form(element, ["today"], kind)
        assert told is (Form.CLEAR if is_care(element, kind) else Form.STAND_IN), element
        for others in (["before"], ["today", "before"], ["stranger"], []):
            assert grant.form(element, others, kind) is Form.STAND_IN, element
    assert grant.clear == frozenset()
    assert grant.masked == frozenset()


def test_care_is_identity_allergies_medicines_and_notes():
    assert CARE["Patient"] == IDENTITY
    assert {kind for kind in CARE if is_care(Element.CLINICAL, kind)} == {
        "AllergyIntolerance", "MedicationRequest", "MedicationStatement", "MedicationAdministration",
        "MedicationDispense", "Medication", "DocumentReference", "Composition", "ClinicalImpression",
    }  # fmt: skip
    for element in set(Element) - IDENTITY - {Element.CLINICAL, Element.DOCUMENT, Element.DATE}:
        assert not any(is_care(element, kind) for kind in CARE), element


def test_it_never_gives_back_what_the_role_has_not(desk, monkeypatch):
    """A front desk has no clinical text, today or ever."""
    grant = grant_of(replace(desk, proved_at=NOW), {"today": TODAY}, monkeypatch)
    assert grant.form(Element.NAME, ["today"], "Patient") is Form.CLEAR
    assert grant.form(Element.CLINICAL, ["today"], "AllergyIntolerance") is Form.REFUSED


def test_a_trusted_one_has_all_and_writing_stays_open(doctor, monkeypatch):
    trusted = grant_of(doctor, {"today": TODAY}, monkeypatch, suspect=False)
    assert trusted.form(Element.PHONE, ["today"], "Patient") is Form.CLEAR
    writing = grant_of(doctor, {"today": TODAY}, monkeypatch, Action.WRITE)
    assert writing.form(Element.CLINICAL, ["today"], "Composition") is Form.CLEAR


def test_nobody_s_care_waits_for_tokens_and_exports(program, monkeypatch):
    with pytest.raises(AccessDenied, match="suspect"):
        grant_of(program, {}, monkeypatch, Action.TOKENIZE)


def test_covering_leaves_refusals_and_no_masks():
    forms = dict(zip([Element.NAME, Element.SSN, Element.MRN, Element.CARD], Form, strict=False))
    assert set(care.cover(forms).values()) == {Form.STAND_IN, Form.REFUSED}
    assert Form.MASKED not in care.unmask(forms).values()
    assert care.unmask(forms)[Element.NAME] is Form.CLEAR


# A ceiling


def test_where_a_ceiling_is_reached_care_alone_is_paid_for(doctor, monkeypatch, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 1
    relations = {f"p{i}": TODAY for i in range(4)}
    grant = grant_of(doctor, relations, monkeypatch, suspect=False)
    charges = [(p, Element.NAME, Form.CLEAR) for p in sorted(relations)]
    with transaction.atomic():
        assert budget.reserve(grant, charges, NOW) == 1
        assert budget.reserve_care(grant, charges, NOW) == 4
    own = ExposureTotal.objects.filter(owner=doctor.owner)
    assert {row.patients for row in own} == {4}, "it is counted"
    together = ExposureTotal.objects.filter(owner__startswith="practice:")
    assert sum(row.patients for row in together if row.span == 3) == 4, "under the ceiling, too"
    for charge in (
        ("p1", Element.PHONE, Form.CLEAR),
        ("p1", Element.NAME, Form.MASKED),
        ("stranger", Element.NAME, Form.CLEAR),
    ):
        with pytest.raises(GrantMismatch), transaction.atomic():
            budget.reserve_care(grant, [charge], NOW)


def test_the_own_budget_stays_a_hard_stop(doctor, monkeypatch):
    limit = budget.LIMITS[Role.CLINICIAN].hour_patients
    relations = {f"p{i:03}": TODAY for i in range(limit + 5)}
    grant = grant_of(doctor, relations, monkeypatch, suspect=False)
    with transaction.atomic():
        charges = [(p, Element.NAME, Form.CLEAR) for p in sorted(relations)]
        assert budget.reserve_care(grant, charges, NOW) == limit
