"""The accounting of disclosures: grouped, with what is left out counted, six years back."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, timedelta

import pytest
from django.db import transaction

from confide.access.roles import Form, Role
from confide.audit.journal import entry_for
from confide.audit.models import JournalEntry
from confide.errors import AccessDenied, GrantMismatch, JournalUnavailable, SealBroken
from confide.fhir import json
from confide.protect.elements import Element
from confide.vault.disclosures import RESOURCE, Told
from confide.vault.grounds import Basis, Left
from tests.practice import without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

TOLD = Told(
    "2026-02-03", "County Health", "1 Court Square", "A positive test", Basis.PUBLIC_HEALTH, "Register"
)


@pytest.fixture
def patient(elm):
    return elm.patient()


@pytest.fixture
def reading(elm, patient):
    return elm.grant("journal-read", elm.member("privacy_officer"), "PATRQT", {patient}, ())


def account(elm, reading, patient):
    return elm.system.disclosures.account(reading, patient)


def record(elm, reading, patient, **changes):
    told = replace(TOLD, **changes)
    return elm.system.disclosures.record(reading, patient, told, [Element.NAME])


def test_several_to_one_recipient_for_one_purpose_are_one_line(elm, reading, patient):
    for day in ("2026-02-03", "2025-11-30", "2026-01-07"):
        record(elm, reading, patient, day=day)
    record(elm, reading, patient, purpose="Another register")
    first, other = sorted(account(elm, reading, patient).disclosures, key=lambda each: -each.times)
    assert (first.first, first.last, first.times) == (date(2025, 11, 30), date(2026, 2, 3), 3)
    assert (first.recipient, first.address, first.what) == (
        "County Health", "1 Court Square", "A positive test",
    )  # fmt: skip
    assert first.rule == "45 CFR 164.512(b)"
    assert other.times == 1


def test_it_goes_back_six_years_and_no_further(elm, reading, patient):
    today = elm.clock().date()
    record(elm, reading, patient, day=today.replace(year=today.year - 6).isoformat())
    before = today.replace(year=today.year - 6) - timedelta(days=1)
    record(elm, reading, patient, day=before.isoformat(), purpose="Too long ago")
    lines = account(elm, reading, patient).disclosures
    assert [each.first for each in lines] == [today.replace(year=today.year - 6)]


def test_uses_and_what_programs_did_are_left_out_and_counted(elm, reading, patient):
    elm.read("Patient", patient)  # a program, for the patient
    elm.read("Patient", patient, elm.grant("read", None, "TREAT"))
    elm.book(patient)
    elm.read("Patient", patient, elm.grant("read", elm.member("front_desk"), "TREAT", {patient}))
    made = account(elm, reading, patient)
    assert made.disclosures == []
    assert made.left[Left.PATIENT] == 1
    assert made.left[Left.TREATMENT] == 1
    assert made.left[Left.USE] == 1
    entry = JournalEntry.objects.filter(action="journal-read").latest("id")
    assert (entry.patient, entry.resource_id) == (patient, "disclosures")


def test_it_is_written_by_the_privacy_officer_alone(elm, reading, patient):
    auditor = elm.grant("journal-read", elm.member("auditor"), "HOPERAT", {patient}, ())
    with pytest.raises(AccessDenied):
        record(elm, auditor, patient)
    with pytest.raises(GrantMismatch):
        record(elm, reading, elm.patient())
    with pytest.raises(GrantMismatch):
        account(elm, reading, elm.patient())
    with without_journal(), pytest.raises(JournalUnavailable):
        record(elm, reading, patient)
    assert not JournalEntry.objects.filter(action="disclose").exists()
    assert reading.actor.role is Role.PRIVACY_OFFICER


def test_what_was_typed_opens_in_its_own_entry_only(elm, reading, patient):
    record(elm, reading, patient)
    sealed = bytes(JournalEntry.objects.get(action="disclose").reason_sealed)
    assert json.format(asdict(TOLD)).decode() not in sealed.decode("latin-1")
    forged = entry_for(
        reading,
        elm.clock(),
        patient=patient,
        elements={Element.NAME: Form.CLEAR},
        resource_type=RESOURCE,
        resource_id="another",
        reason_sealed=sealed,
    )
    with transaction.atomic():
        elm.system.journal.append([replace(forged, action="disclose")])
    with pytest.raises(SealBroken):
        account(elm, reading, patient)
