"""One resource at a time: what goes in, what comes out, and with which headers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.server import laboratory
from tests.server.laboratory import PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
NOBODY = str(uuid.UUID(int=7))


def test_a_create_answers_the_resource_and_where_it_is(api: Api) -> None:
    response = api.send("POST", "/Patient", PATIENT)
    made = response.json()
    assert response.status_code == 201
    address = f"http://testserver/fhir/R4/Patient/{made['id']}/_history/1"
    assert response["Location"] == address
    assert response["ETag"] == 'W/"1"'
    assert response["Last-Modified"].endswith("GMT")
    assert made["name"] == PATIENT["name"]
    assert api.get(f"/Patient/{made['id']}").json() == made
    assert api.get(f"/Patient/{made['id']}/_history/1").json() == made


def test_the_answer_is_as_the_caller_prefers(api: Api) -> None:
    minimal = api.send("POST", "/Patient", PATIENT, Prefer="return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal["Location"]
    outcome = api.send("POST", "/Patient", PATIENT, Prefer="return=OperationOutcome").json()
    assert outcome["resourceType"] == "OperationOutcome"


def test_decimals_keep_their_digits(api: Api) -> None:
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.10,"unit":"mg"}}'
    )
    response = api.send("POST", "/Observation", body)
    assert response.status_code == 201, response.content
    assert b'"value":1.10' in response.content


def test_an_update_makes_a_version_and_minds_the_one_that_was_seen(api: Api) -> None:
    made = api.make({"resourceType": "Patient", "gender": "female"})
    path = f"/Patient/{made['id']}"
    stale = {**made, "gender": "male"}
    first = api.send("PUT", path, {**made, "gender": "other"}, If_Match='W/"1"')
    assert (first.status_code, first["ETag"]) == (200, 'W/"2"')
    second = api.send("PUT", path, stale, If_Match='W/"1"')
    assert (second.status_code, second.json()["issue"][0]["code"]) == (412, "conflict")
    assert api.send("PUT", path, stale).status_code == 200
    assert api.send("PUT", path, stale, If_Match="yesterday").status_code == 422
    assert api.get(path).json()["gender"] == "male"
    assert api.send("DELETE", path, If_Match='W/"1"').status_code == 412


def test_an_update_never_creates(api: Api) -> None:
    response = api.send("PUT", f"/Patient/{NOBODY}", {**PATIENT, "id": NOBODY})
    assert response.status_code == 404
    assert api.send("PUT", "/Patient/mine", {**PATIENT, "id": "mine"}).status_code == 404


@pytest.mark.asvs("15.3.3")
def test_stand_ins_are_not_written_back_over_values(practice: Any) -> None:
    blind = laboratory.connect(laboratory.register(practice, elements=["mrn"]))
    seen = blind.make(PATIENT)
    assert seen["name"] != PATIENT["name"]
    response = blind.send("PUT", f"/Patient/{seen['id']}", seen)
    assert response.status_code == 422
    assert response.json()["issue"][0]["expression"] == ["Patient.meta.security"]
    entry = {"resource": seen, "request": {"method": "PUT", "url": f"Patient/{seen['id']}"}}
    for kind in ("transaction", "batch"):
        response = blind.send("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert b"Bundle.entry[0].resource.Patient.meta.security" in response.content
    assert blind.get(f"/Patient/{seen['id']}").json()["meta"]["versionId"] == "1"


def test_what_was_deleted_is_gone_and_its_history_is_not(api: Api) -> None:
    made = api.make(PATIENT)
    path = f"/Patient/{made['id']}"
    assert api.send("DELETE", path).status_code == 204
    assert api.get(path).status_code == 410
    assert api.send("DELETE", path).status_code == 204
    history = api.get(f"{path}/_history").json()
    assert (history["type"], history["total"]) == ("history", 2)
    assert [e["request"]["method"] for e in history["entry"]] == ["DELETE", "POST"]
    assert history["entry"][1]["resource"]["name"] == PATIENT["name"]
    assert api.get(f"{path}/_history/2").status_code == 410
    assert api.get(f"{path}/_history/1").json()["name"] == PATIENT["name"]


def test_a_chart_comes_whole(api: Api) -> None:
    made = api.make(PATIENT)
    api.make(
        {
            "resourceType": "Condition",
            "subject": {"reference": f"Patient/{made['id']}"},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]},
        }
    )
    chart = api.get(f"/Patient/{made['id']}/$everything").json()
    assert [e["resource"]["resourceType"] for e in chart["entry"]] == ["Patient", "Condition"]
    assert api.get(f"/Patient/{made['id']}/$everything?_since=2020").status_code == 400


@pytest.mark.asvs("3.2.1", "14.2.2")
def test_nothing_is_kept_by_a_cache_and_nothing_runs(api: Api) -> None:
    for response in (
        api.get("/metadata"),
        api.get("/Patient"),
        api.get("/Nothing"),
        api.get("/Patient/x/y/z"),
    ):
        assert response["Cache-Control"] == "no-store"
        assert response["Content-Type"].startswith("application/fhir+json")
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"


def test_the_budget_is_said_and_stand_ins_are_shown(practice: Any) -> None:
    poor = laboratory.connect(laboratory.register(practice, day_patients=1))
    first, second = poor.make(PATIENT), poor.send("POST", "/Patient", PATIENT)
    assert first["name"] == PATIENT["name"]
    assert second.status_code == 201
    assert "budget" in second["Warning"]
    shown = second.json()
    assert shown["name"] != PATIENT["name"]
    assert shown["meta"]["security"][0]["code"] == "PSEUDED"
    read = poor.get(f"/Patient/{shown['id']}")
    assert (read.status_code, "budget" in read["Warning"]) == (200, True)
    page = poor.get("/Patient?_sort=_lastUpdated").json()
    assert page["total"] == 2
    assert page["entry"][-1]["search"]["mode"] == "outcome"
    assert page["entry"][-1]["resource"]["issue"][0]["code"] == "throttled"
    assert json.dumps(page).count("Quernheim") == 1
