"""The chart: what opens by itself in each role, what stays under the veil, and what it costs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from confide.access import budget
from confide.access.decide import act_as_member
from confide.access.roles import Action, Purpose, Role
from confide.audit.models import JournalEntry
from confide.protect.elements import Element
from confide.records.imports import Unit
from confide.server.pages import dates
from tests.practice import appointment
from tests.server.pages.surgery import BORN, SECRETS, TODAY

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def usage(surgery, who):
    member = surgery.account(who).memberships.get()
    return budget.today(act_as_member(member, "x"), datetime.now(UTC))


def test_the_clinician_sees_the_chart_and_no_numbers(surgery, doctor):
    answer = doctor.get(f"/patients/{surgery.patient}")
    page = answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    for text in (
        "Ottoline Quernheim", dates.age(BORN, TODAY), "4 May 1963", "female", "Latex", "severe",
        "Hypertension", "Basic Metabolic Panel", "Dr. Miriam Okafor",
        "since Mar 2019", "lisinopril 10 MG", "1 tablet every morning", "126/79", "mmHg",
        "104.5", "high", "Encounter for check up", "3 Feb 2025 09:00", "Summary of episode note",
    ):  # fmt: skip
        assert text in page, text
    for secret in SECRETS:
        assert secret not in page
    assert page.count('class="veil"') >= 7


def test_stand_ins_have_the_shape_of_the_value(surgery, doctor):
    page = doctor.get(f"/patients/{surgery.patient}").content.decode()
    veils = re.findall(r'class="hatched">(.*?)</summary>', page, re.DOTALL)
    assert any(re.search(r">\d{3}-\d{2}-\d{4}<", v) for v in veils)
    assert any(re.search(r">\d{3}-\d{3}-\d{4}", v) for v in veils)


def test_the_front_desk_opens_name_and_birth_date_only(surgery, desk):
    page = desk.get(f"/patients/{surgery.patient}").content.decode()
    assert "Ottoline Quernheim" in page
    assert "4 May 1963" in page
    for text in (*SECRETS, "Hypertension", "lisinopril", "Latex", "3 Feb 2025"):
        assert text not in page, text
    assert "for those who treat" in page
    assert "2025" in page  # the years of the visits are stored in clear
    assert usage(surgery, "desk") == budget.Usage(1, 2, 150, 4500)
    shown = JournalEntry.objects.filter(actor=surgery.account("desk").pk).values_list("elements", flat=True)
    assert {e for elements in shown for e in elements} == {"name", "birth-date"}


def test_the_privacy_officer_sees_stand_ins(surgery, privacy):
    page = privacy.get(f"/patients/{surgery.patient}").content.decode()
    for text in (*SECRETS, "Quernheim", "4 May 1963"):
        assert text not in page
    assert 'class="hatched"' in page


def test_a_stranger_and_an_idle_id_are_nobody(surgery, doctor):
    for patient in (
        surgery.stranger,
        "no-id",
        "00000000-0000-4000-8000-000000000000",
        surgery.id_of("Condition"),
    ):
        answer = doctor.get(f"/patients/{patient}")
        assert answer.status_code == 404
        assert "There is no such record" in answer.content.decode()
        assert "Silas" not in answer.content.decode()


def test_beyond_the_budget_the_chart_stays_covered_and_says_so(surgery, doctor, monkeypatch):
    monkeypatch.setitem(budget.LIMITS, Role.CLINICIAN, budget.Limits(0, 0, 0, 0))
    answer = doctor.get(f"/patients/{surgery.patient}")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "exposure budget does not cover" in page
    assert "Quernheim" not in page
    assert "4 May 1963" not in page


@pytest.mark.asvs("1.2.1")
def test_charts_tell_their_units_and_have_a_table(surgery, doctor):
    page = doctor.get(f"/patients/{surgery.patient}").content.decode()
    assert "<title id=" in page
    assert "2 readings from 2024 to 2025, from 79 to 138 mmHg" in page
    assert "Blood pressure, mmHg" in page
    assert "style=" not in page


def test_a_journal_that_fails_opens_nothing(surgery, doctor, monkeypatch):
    from confide.audit.journal import Journal
    from confide.errors import JournalUnavailable

    def fail(*_):
        raise JournalUnavailable("the journal cannot be written")

    monkeypatch.setattr(Journal, "append", fail)
    answer = doctor.get(f"/patients/{surgery.patient}")
    assert answer.status_code == 503
    assert "Quernheim" not in answer.content.decode()
    assert "Try again in a minute" in answer.content.decode()


def test_a_family_policy_does_not_close_the_chart(surgery, doctor):
    """A resource may lie in several patients' compartments."""
    import json

    from confide.records.imports import Unit

    shared = {
        "resourceType": "Coverage", "id": "family", "status": "active", "subscriberId": "ZZ90018877",
        "subscriber": {"reference": "Patient/q1"}, "beneficiary": {"reference": "Patient/p"},
        "payor": [{"reference": "Patient/q1"}],
    }  # fmt: skip
    report = surgery.system.importer(surgery.practice.pk, "test").unit(
        Unit("more", 0, json.dumps(shared).encode())
    )
    assert not report.refused
    assert doctor.get(f"/patients/{surgery.patient}").status_code == 200


def unrelated(surgery):
    """Somebody whom the finder finds, and who does not come."""
    from confide.records.models import Resource

    rows = Resource.objects.filter(practice=surgery.practice.pk, type="Patient").exclude(pk=surgery.patient)
    return str(rows.order_by("pk").first().pk)


@pytest.mark.parametrize("who", ["desk", "doctor"])
def test_a_chart_that_is_nobodys_work_says_why_and_what_opens_it(surgery, who):
    patient = unrelated(surgery)
    http = surgery.sign_in(who)
    page = http.get(f"/patients/{patient}").content.decode()
    assert "Nothing makes this patient your work now" in page
    assert "Book an appointment" in page
    assert "Quarles" not in page
    assert usage(surgery, who).patients == 0
    form = {"element": "birth-date", "purpose": "TREAT", "type": "Patient", "id": patient}
    answer = http.post(f"/patients/{patient}/reveal", form, headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert "Nothing makes this patient your work now, so nothing was uncovered" in answer.content.decode()


def test_an_appointment_that_one_booked_oneself_opens_little_and_says_so(surgery, desk):
    patient = unrelated(surgery)
    member = act_as_member(surgery.account("desk").memberships.get(), "x")
    grant = surgery.system.decide(member, Action.WRITE, Purpose.HOPERAT, [patient], Element)
    surgery.system.charts.create(grant, appointment(patient, TODAY.isoformat()))
    page = desk.get(f"/patients/{patient}").content.decode()
    assert "You made this appointment yourself" in page
    assert "Quarles" in page
    form = {"element": "member-id", "purpose": "HOPERAT", "type": "Patient", "id": patient}
    answer = desk.post(f"/patients/{patient}/reveal", form, headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert "ask a colleague to book" in answer.content.decode()
    colleague = surgery.sign_in("doctor").get(f"/patients/{patient}").content.decode()
    assert "Quarles" in colleague
    assert "You made this appointment" not in colleague


def test_a_restriction_says_so(surgery, doctor):
    consent = {
        "resourceType": "Consent",
        "id": "w",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "provision": {
            "type": "deny",
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
            "code": [{"coding": [{"system": "urn:confide:element", "code": "birth-date"}]}],
        },
    }
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": consent}]})
    report = surgery.system.importer(surgery.practice.pk, "test").unit(Unit("test", 0, body.encode()))
    assert not report.refused
    page = doctor.get(f"/patients/{surgery.patient}").content.decode()
    assert "The patient has asked that some of this be kept" in page
    assert "Ottoline Quernheim" in page
    assert "4 May 1963" not in page
    form = {"element": "birth-date", "purpose": "TREAT", "type": "Patient", "id": surgery.patient}
    answer = doctor.post(f"/patients/{surgery.patient}/reveal", form, headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert "The patient has asked that this be kept from that purpose" in answer.content.decode()
