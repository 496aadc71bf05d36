"""What a patient has asked to be kept from a program's purpose: the API says so, and shows stand-ins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server import laboratory
from tests.server.laboratory import PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_what_is_kept_from_a_program_is_a_stand_in_and_the_answer_says_so(api: Api, practice: Any) -> None:
    patient = api.make(PATIENT)["id"]
    purpose = api.client.purpose
    system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"type": "deny", "purpose": [{"system": system, "code": "HPAYMT"}]},
    }
    api.make(consent)
    before = api.get(f"/Patient/{patient}")
    assert "Warning" not in before
    billing = laboratory.connect(laboratory.register(practice, name="billing", purpose="HPAYMT"))
    assert purpose != "HPAYMT"
    answer = billing.get(f"/Patient/{patient}")
    assert "the patient has asked" in answer["Warning"]
    assert answer.json()["name"] != before.json()["name"]
    entries = billing.get(f"/Patient?_id={patient}").json()["entry"]
    [note] = [e["resource"] for e in entries if e["search"]["mode"] == "outcome"]
    assert note["issue"][0]["code"] == "suppressed"
