"""Transactions are all or nothing; each entry of a batch stands alone; and each needs its scope."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server import laboratory
from tests.server.laboratory import PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post(resource: dict[str, Any], full_url: str = "") -> dict[str, Any]:
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
    return entry | ({"fullUrl": full_url} if full_url else {})


def condition(patient: str) -> dict[str, Any]:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
    return {"resourceType": "Condition", "subject": {"reference": patient}, "code": code}


def test_references_between_entries_are_resolved(api: Api) -> None:
    sent = bundle("transaction", post(PATIENT, "urn:uuid:1"), post(condition("urn:uuid:1")))
    answer = api.send("POST", "", sent)
    assert answer.status_code == 200, answer.content
    places = [e["response"]["location"] for e in answer.json()["entry"]]
    read = api.get("/" + places[1].partition("/_history")[0]).json()
    assert places[0].startswith(read["subject"]["reference"])
    assert api.send("POST", "/", sent).status_code == 200


@pytest.mark.asvs("2.3.3")
def test_one_bad_entry_stops_a_transaction_and_nothing_is_stored(api: Api) -> None:
    bad = {**PATIENT, "birthDate": "1963-13-77"}
    answer = api.send("POST", "", bundle("transaction", post(PATIENT), post(bad)))
    assert answer.status_code == 422
    issue = answer.json()["issue"][0]
    assert issue["expression"] == ["Bundle.entry[1].resource.Patient.birthDate"]
    assert b"1963" not in answer.content
    assert api.get("/Patient").json()["total"] == 0


def test_one_bad_entry_of_a_batch_is_its_own_answer(api: Api) -> None:
    bad = {**PATIENT, "birthDate": "1963-13-77"}
    get = {"request": {"method": "GET", "url": "Patient?gender=female"}}
    answer = api.send("POST", "", bundle("batch", post(bad), post(PATIENT), get, {"resource": PATIENT}))
    assert answer.status_code == 200
    entries = answer.json()["entry"]
    assert [e["response"]["status"][:3] for e in entries] == ["422", "201", "200", "422"]
    told = entries[0]["response"]["outcome"]["issue"][0]
    assert told["expression"] == ["Bundle.entry[0].resource.Patient.birthDate"]
    assert entries[3]["response"]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[3].request"]
    assert entries[2]["resource"]["total"] == 1


def test_each_entry_needs_its_scope(practice: Any) -> None:
    from confide.audit.models import JournalEntry

    client = laboratory.register(practice, scopes="system/Patient.crs system/Observation.r")
    some = laboratory.connect(client, "system/*.cruds")
    made = some.make(PATIENT)
    gets = [{"request": {"method": "GET", "url": f"{kind}?_count=1"}} for kind in ("Patient", "Condition")]
    other = post(condition(f"Patient/{made['id']}"))
    delete = {"request": {"method": "DELETE", "url": f"Patient/{made['id']}"}}
    answer = some.send("POST", "", bundle("batch", *gets, other, delete)).json()
    assert [e["response"]["status"][:3] for e in answer["entry"]] == ["200", "403", "403", "403"]
    assert JournalEntry.objects.filter(outcome="4").count() == 3
    assert some.send("POST", "", bundle("transaction", post(PATIENT), other)).status_code == 403
    assert some.get("/Patient").json()["total"] == 1


@pytest.mark.parametrize(
    "sent",
    [
        {"resourceType": "Bundle", "type": "collection", "entry": []},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "batch", "entry": "Quernheim"},
        {"resourceType": "Bundle", "type": "transaction", "entry": ["Quernheim"]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "PATCH", "url": "x"}}],
        },
        ["Quernheim"],
    ],
)
def test_what_is_no_bundle_is_refused(api: Api, sent: Any) -> None:
    answer = api.send("POST", "", sent)
    assert answer.status_code == 422, answer.content
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert b"Quernheim" not in answer.content


def test_the_same_id_twice_is_refused(api: Api) -> None:
    twin = post(PATIENT, "urn:uuid:11111111-2222-4333-8444-555555555555")
    answer = api.send("POST", "", bundle("transaction", twin, twin))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "duplicate")
    assert api.get("/Patient").json()["total"] == 0


def test_a_kind_or_method_that_is_no_word_is_one_readable_error(api: Api) -> None:
    """Found by schemathesis: an object in the place of a word."""
    entry = {"request": {"method": {}, "url": "Patient"}}
    for sent in ({"resourceType": "Bundle", "type": {}}, {"resourceType": "Bundle", "type": ["batch"]}):
        assert api.send("POST", "", sent).status_code == 422
    answer = api.send("POST", "", bundle("transaction", entry))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "not-supported")
