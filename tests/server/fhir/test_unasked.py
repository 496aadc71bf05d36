"""What this server does not do it refuses before it looks at anybody, and what it withholds it says."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections

from confide.access.charges import RULES, Operation
from tests.practice import exposures
from tests.server import laboratory
from tests.server.laboratory import PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

BATCH = {"resourceType": "Bundle", "type": "batch"}
ASKING: dict[Operation, tuple[str, str, Any, dict[str, str]]] = {
    Operation.MATCH: ("POST", "/Patient/$match", {"resourceType": "Parameters"}, {}),
    Operation.INCLUDE: ("GET", "/Observation?_include=Observation:patient", None, {}),
    Operation.REVINCLUDE: ("GET", "/Patient?family={family}&_revinclude=Observation:patient", None, {}),
    Operation.HAS: ("GET", "/Patient?_has:Observation:patient:code=8480-6", None, {}),
    Operation.CHAIN: ("GET", "/Observation?patient.family={family}", None, {}),
    Operation.CREATE_IF_NONE: ("POST", "/Patient", PATIENT, {"If_None_Exist": "family={family}"}),
    Operation.UPDATE_IF: ("PUT", "/Patient?family={family}", PATIENT, {}),
    Operation.DELETE_IF: ("DELETE", "/Patient?family={family}", None, {}),
    Operation.PATCH: (
        "PATCH",
        "/Patient/{id}",
        [{"op": "test", "path": "/name/0/family", "value": "{family}"}],
        {"content_type": "application/json-patch+json"},
    ),
    Operation.SUBSCRIBE: (
        "POST",
        "/Subscription/$events",
        {"resourceType": "Parameters"},
        {},
    ),
}


def filled(value: Any, **names: str) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", quote(text, safe=""))
        return value
    if isinstance(value, list):
        return [filled(v, **names) for v in value]
    return {k: filled(v, **names) for k, v in value.items()} if isinstance(value, dict) else value


def test_each_operation_without_a_price_is_refused_whoever_is_there(api: Api) -> None:
    id_ = api.make(PATIENT)["id"]
    before = exposures()
    assert set(ASKING) == {operation for operation, rule in RULES.items() if rule is None}
    for operation, (method, path, body, headers) in ASKING.items():
        answers = [
            api.send(
                method,
                filled(path, id=id_, family=family),
                filled(body, id=id_, family=family),
                **filled(headers, family=family),
            )
            for family in ("Quernheim", "Nobody")
        ]
        there, nobody = answers
        assert there.status_code in {400, 404, 405, 412, 422}, operation
        assert (there.status_code, there.content) == (nobody.status_code, nobody.content), operation
        assert b"Quernheim" not in there.content
    entries = [
        {
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "family=Quernheim"},
            "resource": PATIENT,
        },
        {"request": {"method": "PUT", "url": "Patient?family=Quernheim"}, "resource": PATIENT},
        {"request": {"method": "DELETE", "url": "Patient?family=Quernheim"}},
        {"request": {"method": "GET", "url": "Observation?subject:Patient.family=Quernheim"}},
        {"request": {"method": "PATCH", "url": f"Patient/{id_}"}},
    ]
    answered = api.send("POST", "", {**BATCH, "entry": entries}).json()["entry"]
    assert all(entry["response"]["status"].startswith("4") for entry in answered)
    assert exposures() == before


def test_whoever_counts_pays_and_gets_the_number_alone(api: Api) -> None:
    ids = {api.make({**PATIENT, "birthDate": f"1963-05-0{i}"})["id"] for i in range(1, 4)}
    page = api.get("/Patient?birthdate=ge1963-05-02&_summary=count&_total=accurate").json()
    assert page["total"] == 2
    assert "entry" not in page
    assert {p for p, e in exposures() if e == "birth-date"} <= ids


def test_what_is_withheld_of_a_history_or_a_chart_is_said_in_it(practice: Any, api: Api) -> None:
    id_ = api.make(PATIENT)["id"]
    poor = laboratory.connect(laboratory.register(practice, name="poor", day_patients=0))
    history = poor.get(f"/Patient/{id_}/_history").json()
    [entry] = history["entry"]
    assert entry["response"]["outcome"]["issue"][0]["code"] == "throttled"
    assert "Quernheim" not in str(history)
    chart = poor.get(f"/Patient/{id_}/$everything").json()
    outcome = chart["entry"][-1]
    assert outcome["search"] == {"mode": "outcome"}
    assert outcome["resource"]["issue"][0]["code"] == "throttled"
    assert chart["total"] == 1
    assert "Quernheim" not in str(chart)


def test_sixty_four_at_once_on_one_token_see_not_one_person_more(practice: Any, api: Api) -> None:
    """Through the whole API, each thread with connections of its own; pages, names and counts together."""
    ids = [
        api.make({**PATIENT, "name": [{"family": f"Quern{'abcdefghijklmnopqrstuvwx'[i]}"}]})["id"]
        for i in range(24)
    ]
    thief = laboratory.register(practice, name="thief", day_patients=7)
    token = laboratory.connect(thief)
    together, seen, failed = threading.Barrier(64), set(), []

    def run(number: int) -> None:
        try:
            together.wait(120)
            mine = [ids[(number * 5 + i) % 24] for i in range(2)]
            letter = "abcdefghijklmnopqrstuvwx"[number % 24]
            for path in (*(f"/Patient/{id_}" for id_ in mine), f"/Patient?family=quern{letter}"):
                answer = token.get(path)
                # Refused, told to wait, or stopped: whoever runs against a spent budget is contained.
                assert answer.status_code in {200, 401, 403, 429, 503}, answer.content
                if answer.status_code == 200:
                    body = answer.json()
                    found = [e["resource"] for e in body["entry"]] if "entry" in body else [body]
                    seen.update(
                        r["id"] for r in found if r.get("name") and r["name"][0]["family"].startswith("Quern")
                    )
        except Exception as problem:  # noqa: BLE001 - the test wants to know of every one
            failed.append(repr(problem))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    from confide.access.models import Exposure

    booked = set(Exposure.objects.filter(owner=f"client:{thief.pk}").values_list("patient", flat=True))
    assert seen <= booked
    assert len(booked) == 7
