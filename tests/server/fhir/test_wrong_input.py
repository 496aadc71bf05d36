"""Wrong input gets a readable outcome with the path and never the value, and nothing is stored."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client as Http
from django.utils import timezone

from tests.server import factored, laboratory
from tests.server.laboratory import FHIR, PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CANARY = "Zwx7Kq9Plm3Vb2Tn"


def outcome(response: Any) -> dict[str, Any]:
    assert response["Content-Type"].startswith(FHIR)
    body: dict[str, Any] = response.json()
    assert body["resourceType"] == "OperationOutcome"
    assert CANARY.encode() not in response.content
    assert all(issue["diagnostics"] for issue in body["issue"])
    return body["issue"][0]


def stored() -> int:
    from confide.records.models import Resource

    return Resource.objects.count()


@pytest.mark.asvs("1.5.2", "2.2.1")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b" ", 400),
        (b"{", 400),
        (f'{{"resourceType": "Patient", "{CANARY}'.encode(), 400),
        (f'{{"resourceType": "Patient"}} {CANARY}'.encode(), 400),
        (b"\xff\xfe" + CANARY.encode(), 400),
        (b"[" * 5000, 400),
        (b'{"resourceType": "Patient", "multipleBirthInteger": NaN}', 400),
        (f'"{CANARY}"'.encode(), 422),
        (f'{{"resourceType": "{CANARY}"}}'.encode(), 422),
        (f'{{"resourceType": "Patient", "{CANARY}": 1}}'.encode(), 422),
        (f'{{"resourceType": "Patient", "gender": "{CANARY}"}}'.encode(), 422),
        (f'{{"resourceType": "Patient", "birthDate": "{CANARY}"}}'.encode(), 422),
        (b'{"resourceType": "Observation", "status": "final", "code": {"text": "x"}}', 422),
    ],
)
def test_a_body_that_is_no_such_resource(api: Api, body: bytes, status: int) -> None:
    response = api.send("POST", "/Patient", body)
    assert response.status_code == status
    outcome(response)
    assert stored() == 0


@pytest.mark.asvs("2.2.2")
def test_the_path_is_named(api: Api) -> None:
    wrong = {**PATIENT, "name": [{"family": CANARY}, {"family": {"x": CANARY}}], "gender": CANARY}
    response = api.send("POST", "/Patient", wrong)
    outcome(response)
    paths = {path for issue in response.json()["issue"] for path in issue["expression"]}
    assert paths == {"Patient.name[1].family", "Patient.gender"}


def test_an_unknown_type(api: Api) -> None:
    for method in ("GET", "POST"):
        response = api.send(method, f"/{CANARY}", {"resourceType": CANARY} if method == "POST" else None)
        assert (response.status_code, outcome(response)["code"]) == (404, "not-supported")


def test_another_content_type(api: Api) -> None:
    for kind in ("text/plain", "application/fhir+xml", "application/fhir+json; charset=latin-1"):
        response = api.send("POST", "/Patient", b"{}", content_type=kind)
        assert response.status_code == 415
        outcome(response)
    assert api.send("POST", "/Patient", b"{}", Content_Encoding="gzip").status_code == 415


@pytest.mark.parametrize(
    "accept", ["application/fhir+xml", "text/turtle", "application/fhir+json; fhirVersion=3.0"]
)
def test_another_answer(api: Api, accept: str) -> None:
    response = api.get("/metadata", Accept=accept)
    assert response.status_code == 406
    outcome(response)
    assert api.get("/Patient?_format=xml").status_code == 406
    assert api.get("/Patient?_format=application/fhir+json", Accept=accept).status_code == 200
    assert api.get("/Patient", Accept=f"{accept}, */*;q=0.1").status_code == 200


def test_another_method(api: Api) -> None:
    response = api.send("PATCH", f"/Patient/{uuid.UUID(int=1)}", [])
    assert (response.status_code, response["Allow"]) == (405, "DELETE, GET, PUT")
    outcome(response)
    outcome(api.send("DELETE", "/Patient"))
    outcome(api.send("POST", "/metadata", {}))


@pytest.mark.asvs("2.1.2")
def test_a_reference_to_nothing(api: Api) -> None:
    for reference in (f"Patient/{uuid.UUID(int=1)}", f"Patient/{CANARY}", f"urn:uuid:{uuid.UUID(int=2)}"):
        resource = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": reference},
        }
        response = api.send("POST", "/Observation", resource)
        issue = outcome(response)
        assert (response.status_code, issue["code"]) == (422, "not-found")
        assert issue["expression"] == ["Observation.subject.reference"]
    assert stored() == 0


@pytest.mark.asvs("2.2.1")
def test_a_code_of_an_unknown_system(api: Api) -> None:
    coding = [{"system": f"http://{CANARY}.example", "code": CANARY, "display": CANARY}]
    response = api.send(
        "POST", "/Observation", {"resourceType": "Observation", "status": "final", "code": {"coding": coding}}
    )
    issue = outcome(response)
    assert (response.status_code, issue["code"]) == (422, "code-invalid")
    assert issue["expression"] == ["Observation.code.coding[0].system"]
    assert stored() == 0


@pytest.mark.asvs("8.2.2", "8.4.1")
def test_a_patient_of_another_practice_is_not_there(api: Api, system: Any) -> None:
    from confide.records.models import Resource

    other = laboratory.connect(laboratory.register(system.found_practice("Elsewhere"), name="elsewhere"))
    theirs = other.make(PATIENT)["id"]
    for response in (
        api.get(f"/Patient/{theirs}"),
        api.get(f"/Patient/{theirs}/_history"),
        api.get(f"/Patient/{theirs}/_history/1"),
        api.get(f"/Patient/{theirs}/$everything"),
        api.send("PUT", f"/Patient/{theirs}", {**PATIENT, "id": theirs}),
        api.send("DELETE", f"/Patient/{theirs}"),
    ):
        assert (response.status_code, outcome(response)["code"]) == (404, "not-found")
    for query in (f"_id={theirs}", "name=quern", "identifier=123-45-6789", "gender=female"):
        response = api.get(f"/Patient?{query}")
        assert response.status_code == 403 or response.json()["total"] == 0
    resource = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient/{theirs}"},
    }  # fmt: skip
    assert outcome(api.send("POST", "/Observation", resource))["code"] == "not-found"
    assert Resource.objects.filter(practice=api.client.practice_id).count() == 0


@pytest.mark.asvs("5.2.1")
def test_a_body_over_the_limit_is_not_kept_in_memory(api: Api, settings: Any) -> None:
    from dataclasses import replace

    settings.CONFIG = replace(settings.CONFIG, body_limit=1024)
    big = {**PATIENT, "name": [{"family": CANARY * 100}]}
    response = api.send("POST", "/Patient", big)
    assert (response.status_code, outcome(response)["code"]) == (413, "too-long")
    assert stored() == 0


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {CANARY * 2}"}]
)
@pytest.mark.parametrize(
    "path", ["/Patient", f"/Patient/{CANARY}", "/Patient/_search", "", "/Nothing/at/all"]
)
def test_without_a_token_there_is_nothing(transactional_db: None, headers: dict[str, str], path: str) -> None:
    for method in ("GET", "POST"):
        response = Http().generic(method, f"/fhir/R4{path}", headers=headers)
        assert response.status_code in {401, 404, 405}
        outcome(response)
        if response.status_code == 401:
            assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.asvs("3.5.2")
def test_a_cookie_is_no_token(practice: Any) -> None:
    from confide.access.models import Account, Membership

    person = Account.objects.create_user("ottoline", "a long enough passphrase")
    Membership.objects.create(approved_at=timezone.now(), account=person, practice=practice, role="clinician")
    browser = Http()
    factored.sign_in(browser, person)
    assert browser.get("/fhir/R4/Patient").status_code == 401
    assert browser.post("/fhir/R4/Patient", PATIENT, content_type=FHIR).status_code == 401


@pytest.mark.asvs("16.5.1")
def test_a_failure_of_ours_says_nothing(api: Api, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    from confide.records.charts import Charts

    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(Charts, "read", fail)
    response = api.get(f"/Patient/{uuid.UUID(int=1)}")
    assert response.status_code == 500
    outcome(response)
    from confide.server.logging import Formatter

    written = "\n".join(Formatter().format(record) for record in caplog.records)
    assert "RuntimeError" in written
    assert CANARY not in written


@pytest.mark.asvs("16.5.3")
def test_no_journal_no_values(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from confide.audit.journal import Journal
    from confide.errors import JournalUnavailable

    made = api.make(PATIENT)

    def fail(*_: object) -> None:
        raise JournalUnavailable("the journal cannot be written")

    monkeypatch.setattr(Journal, "append", fail)
    for path in (f"/Patient/{made['id']}", "/Patient?name=quern", "/Patient"):
        response = api.get(path)
        assert (response.status_code, outcome(response)["code"]) == (503, "transient")
        assert b"Quernheim" not in response.content
    assert api.send("POST", "/Patient", PATIENT).status_code == 503
    assert stored() == 1
