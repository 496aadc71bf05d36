"""A small practice for the pages: three people at work, and a patient whose every value is known."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.test import Client as Http
from django.utils import timezone

from confide.access.models import Account, Membership, Practice
from confide.records.imports import Unit
from tests.server import factored

PASSWORD = "a lamp, a ladder, a lantern"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SSN, MRN, PHONE, EMAIL = "987-65-4329", "40718829", "413-555-0143", "ottoline@example.org"
STREET, MEMBER, FRIEND = "14 Quillfeather Lane", "XKW449210771", "Barnaby Thistlewood"
NOTE = "Ottoline slept badly & asks for <b>nothing</b> more."
SECRETS = (SSN, MRN, PHONE, EMAIL, STREET, MEMBER, FRIEND, "slept badly")
BORN = "1963-05-04"
SUBJECT = {"subject": {"reference": "Patient/p"}}
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
TODAY = datetime.now(UTC).date()
_SOON = (TODAY + timedelta(days=9)).isoformat()


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _hl7(table: str, code: str, display: str) -> dict[str, Any]:
    return concept(f"http://terminology.hl7.org/CodeSystem/{table}", code, display)


def _number(kind: tuple[str, str], value: str) -> dict[str, Any]:
    return {"type": _hl7("v2-0203", *kind), "value": value}


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [
        _number(("MR", "Medical Record Number"), MRN),
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": SSN},
    ],
    "name": [{"use": "official", "family": "Quernheim", "given": ["Ottoline"]}],
    "telecom": [
        {"system": "phone", "value": PHONE, "use": "home"},
        {"system": "email", "value": EMAIL},
    ],
    "gender": "female",
    "birthDate": BORN,
    "address": [{"line": [STREET], "city": "Northampton", "state": "MA", "postalCode": "01060"}],
    "contact": [
        {
            "relationship": [_hl7("v2-0131", "C", "Emergency Contact")],
            "name": {"family": "Thistlewood", "given": ["Barnaby"]},
        }
    ],
}


def _observation(id_: str, category: str, code: tuple[str, str], when: str, **rest: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id_, "status": "final",
        "category": [_hl7("observation-category", category, category.title())],
        "code": concept(LOINC, *code), **SUBJECT, "effectiveDateTime": when, **rest,
    }  # fmt: skip


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _pressure(id_: str, when: str, high: int, low: int) -> dict[str, Any]:
    parts = [(("8480-6", "Systolic Blood Pressure"), high), (("8462-4", "Diastolic Blood Pressure"), low)]
    return _observation(
        id_, "vital-signs", ("85354-9", "Blood pressure panel with all children optional"), when,
        component=[
            {"code": concept(LOINC, *code), "valueQuantity": _quantity(v, "mm[Hg]")} for code, v in parts
        ],
    )  # fmt: skip


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Practitioner",
        "id": "d",
        "name": [{"family": "Okafor", "given": ["Miriam"], "prefix": ["Dr."]}],
    },
    PATIENT,
    {
        "resourceType": "Condition", "id": "c1", **SUBJECT,
        "code": concept(SNOMED, "38341003", "Hypertension"),
        "clinicalStatus": _hl7("condition-clinical", "active", "Active"), "onsetDateTime": "2019-03-14",
    },
    {
        "resourceType": "Condition", "id": "c2", **SUBJECT,
        "code": concept(SNOMED, "70704007", "Sprain of wrist"),
        "clinicalStatus": _hl7("condition-clinical", "resolved", "Resolved"), "onsetDateTime": "2015-06-02",
    },
    {
        "resourceType": "MedicationRequest", "id": "m", **SUBJECT, "status": "active", "intent": "order",
        "medicationCodeableConcept": concept(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "314076", "lisinopril 10 MG Oral Tablet"
        ),
        "authoredOn": "2019-03-14", "dosageInstruction": [{"text": "1 tablet every morning"}],
    },
    {
        "resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p"},
        "clinicalStatus": _hl7("allergyintolerance-clinical", "active", "Active"), "criticality": "high",
        "code": concept(SNOMED, "300916003", "Latex allergy"),
    },
    _pressure("o1", "2024-02-01T09:00:00Z", 138, 84),
    _pressure("o2", "2025-02-03T09:00:00Z", 126, 79),
    _observation(
        "o3", "laboratory", ("2345-7", "Glucose"), "2025-02-03T09:10:00Z",
        valueQuantity=_quantity(104.5, "mg/dL"),
        interpretation=[_hl7("v3-ObservationInterpretation", "H", "High")],
    ),
    {
        "resourceType": "DiagnosticReport", "id": "r", **SUBJECT, "status": "final",
        "code": concept(LOINC, "51990-0", "Basic Metabolic Panel"),
        "effectiveDateTime": "2025-02-03T09:10:00Z",
        "result": [{"reference": "Observation/o3"}],
    },
    {
        "resourceType": "Encounter", "id": "e", **SUBJECT, "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [concept(SNOMED, "185349003", "Encounter for check up (procedure)")],
        "participant": [{"individual": {"reference": "Practitioner/d"}}],
        "period": {"start": "2025-02-03T09:00:00Z", "end": "2025-02-03T09:20:00Z"},
    },
    {
        "resourceType": "DocumentReference", "id": "n", **SUBJECT, "status": "current",
        "date": "2025-02-03T09:30:00Z",
        "type": concept(LOINC, "34133-9", "Summary of episode note"),
        "author": [{"reference": "Practitioner/d"}],
        "content": [{"attachment": {"contentType": "text/plain", "data": b64encode(NOTE.encode()).decode()}}],
    },
    {
        "resourceType": "Coverage", "id": "k", "status": "active", "subscriberId": MEMBER,
        "beneficiary": {"reference": "Patient/p"},
        "payor": [{"reference": "Organization/x", "display": "Pioneer"}],
    },
    {
        "resourceType": "Appointment", "id": "t", "status": "booked", "start": f"{_SOON}T13:20:00Z",
        "end": f"{_SOON}T13:40:00Z", "description": "Blood pressure",
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
    },
]  # fmt: skip


def _simple(id_: str, given: str, family: str, born: str) -> dict[str, Any]:
    name = [{"use": "official", "family": family, "given": [given]}]
    return {"resourceType": "Patient", "id": id_, "name": name, "birthDate": born, "gender": "male"}


# Enough of one letter that the finder asks for more.
_GIVEN = ("Quade", "Quentin", "Quigley", "Quillan", "Quimby", "Quincy", "Quinlan")
OTHERS = [_simple(f"q{i}", given, "Quarles", f"195{i}-01-0{i + 1}") for i, given in enumerate(_GIVEN)]


def _bundle(resources: list[dict[str, Any]]) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    ).encode()


def browser(address: str = "127.0.0.1", agent: str = BROWSER) -> Http:
    """A browser at an address, that has never been here."""
    return Http(headers={"user-agent": agent}, REMOTE_ADDR=address)


@dataclass
class Surgery:
    """Where the tests take place."""

    system: Any
    practice: Practice
    elsewhere: Practice
    patient: str
    stranger: str

    def account(self, username: str) -> Account:
        return Account.objects.get(username=username)

    def sign_in(self, username: str) -> Http:
        """A browser in which somebody has signed in; how that goes is tested in test_factors."""
        return factored.sign_in(browser(), self.account(username))

    def id_of(self, kind: str) -> str:
        from confide.records.models import Resource

        return str(Resource.objects.filter(practice=self.practice.pk, type=kind).first().pk)


@cache
def _hash() -> str:
    return make_password(PASSWORD)


def found(system: Any) -> Surgery:
    """Make the practice, its people and its patients."""
    from confide.records.models import Resource

    practice = system.found_practice("Riverbend Family Medicine")
    elsewhere = system.found_practice("Hillside Pediatrics")
    for name, said, roles in (
        ("desk", "Jonas Weber", [(practice, "front_desk")]),
        ("doctor", "Dr. Miriam Okafor", [(practice, "clinician")]),
        ("privacy", "Helen Park", [(practice, "privacy_officer")]),
        ("both", "Ada Brandt", [(practice, "clinician"), (elsewhere, "front_desk")]),
        ("nobody", "Noor Haddad", []),
    ):
        account = Account.objects.create(username=name, password=_hash(), display_name=said)
        factored.enrol(account)
        for where, role in roles:
            Membership.objects.create(approved_at=timezone.now(), account=account, practice=where, role=role)
    for where, resources in (
        (practice, [*RESOURCES, *OTHERS]),
        (elsewhere, [_simple("s", "Silas", "Stranger", BORN)]),
    ):
        report = system.importer(where.pk, "test").unit(Unit("test", 0, _bundle(resources)))
        assert not report.refused, report.refused
    ids = {}
    for where in (practice, elsewhere):
        rows = Resource.objects.filter(practice=where.pk, type="Patient")
        ids[where.pk] = [str(row.pk) for row in rows if b'"contact"' in bytes(row.body) or where is elsewhere]
    return Surgery(system, practice, elsewhere, ids[practice.pk][0], ids[elsewhere.pk][0])
