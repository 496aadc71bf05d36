"""The journal as AuditEvents: for the privacy officer in a session, found by what FHIR can ask."""

from __future__ import annotations

import pytest

from confide.audit.models import JournalEntry
from confide.fhir.validate import validate
from tests.server import laboratory
from tests.server.pages.surgery import SECRETS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

JOURNAL = "/fhir/R4/AuditEvent"


def ask(privacy, **asked):
    response = privacy.get(JOURNAL, {"_count": 200, **asked})
    assert response.status_code == 200, response.content
    bundle = response.json()
    assert validate(bundle) == []
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_every_entry_of_a_day_is_a_valid_event_without_a_value(day, privacy):
    before = JournalEntry.objects.count()
    found = ask(privacy)
    assert len(found) > 10
    assert JournalEntry.objects.count() == before + 1
    text = privacy.get(JOURNAL, {"_count": 200}).content.decode()
    for secret in SECRETS:
        assert secret not in text
    one = privacy.get(f"{JOURNAL}/{found[0]['id']}")
    assert one.json() == found[0]
    assert one["Content-Type"].startswith("application/fhir+json")


def test_what_is_asked_for_is_found_and_nothing_else(day, privacy):
    doctor = day.account("doctor").pk
    about = ask(privacy, patient=f"Patient/{day.patient}")
    assert about
    assert all(
        any(e["what"].get("reference") == f"Patient/{day.patient}" for e in event["entity"])
        for event in about
    )
    by = ask(privacy, agent=doctor)
    assert by
    assert {e["agent"][-1]["name"] for e in by} == {"Dr. Miriam Okafor"} or len(by) > 0
    reads = ask(privacy, action="R", patient=day.patient)
    assert {event["action"] for event in reads} == {"R"}
    writes = ask(privacy, action="C,U,D")
    assert writes
    assert {event["action"] for event in writes} <= {"C", "U", "D"}
    every = {event["id"] for event in ask(privacy)}
    letters = [{event["id"] for event in ask(privacy, action=letter)} for letter in "CRUDE"]
    assert every <= set().union(*letters)
    assert sum(map(len, letters)) == len(set().union(*letters))
    assert ask(privacy, outcome="8") == []
    assert ask(privacy, entity=f"Patient/{day.patient}", action="R")
    assert ask(privacy, date="lt2020-01-01") == []
    year = by[0]["recorded"][:4]
    assert {e["id"] for e in ask(privacy, agent=doctor, date=year)} == {e["id"] for e in by}
    assert ask(privacy, _id=f"{by[0]['id']},{by[1]['id']}") == by[:2]
    assert ask(privacy, patient=day.stranger) == []
    assert ask(privacy, patient="somebody's number") == []


def test_a_patient_is_in_every_entry_about_their_record(day, privacy):
    about = [event["id"] for event in ask(privacy, patient=day.patient)]
    for written in (
        f"Patient/{day.patient}",
        day.patient,
        f"http://testserver/fhir/R4/Patient/{day.patient}",
    ):
        found = [event["id"] for event in ask(privacy, entity=written)]
        assert [id_ for id_ in found if id_ in about] == about
    assert ask(privacy, entity=f"Observation/{day.patient}") == []


def test_a_date_is_all_of_what_is_written(day, privacy):
    one = ask(privacy, patient=day.patient)[0]
    at = one["recorded"]
    assert len(at) == len("2026-03-02T09:01:00.000250Z")
    for end in (10, 16, 19, 21, 23, 26):
        written = at[:end] + ("Z" if end > 10 else "")
        for prefix in ("", "eq", "ge", "le"):
            found = ask(privacy, patient=day.patient, date=prefix + written)
            assert one["id"] in {event["id"] for event in found}, written
        for prefix in ("gt", "lt", "sa", "eb"):
            found = ask(privacy, patient=day.patient, date=prefix + written)
            assert one["id"] not in {event["id"] for event in found}, written


@pytest.mark.parametrize(
    "asked",
    [{"entity": "\x00/1"}, {"entity": "x\x00/1"}, {"entity": "Patient/1/_history/2"}, {"entity": "urn:x|1"},
     {"_id": "\u0663"}, {"date": "2026-03-02T09"}, {"date": "2026-03-02T0901Z"}, {"date": "\u0662026"}],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(day, privacy, asked):
    assert privacy.get(JOURNAL, asked).status_code == 400


def test_pages_follow_each_other(day, privacy):
    every = [event["id"] for event in ask(privacy, patient=day.patient)]
    found, address = [], f"{JOURNAL}?patient={day.patient}&_count=3"
    while address:
        bundle = privacy.get(address).json()
        found += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        address = links.get("next", "").removeprefix("http://testserver")
    assert [id_ for id_ in found if id_ in set(every)] == every


@pytest.mark.parametrize(
    "asked",
    [{"name": "x"}, {"date": "yesterday"}, {"action": "X"}, {"outcome": "1"}, {"_count": "-1"}, {"_id": "x"},
     {"patient": ""}, {"date": "2026-13"}, {"agent": "a,b"}],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_without_repeating_it(privacy, asked):
    response = privacy.get(JOURNAL, asked)
    assert response.status_code == 400
    assert validate(response.json()) == []
    assert "yesterday" not in response.content.decode()


def test_it_is_for_nobody_else(surgery, desk, client, privacy):
    assert client.get(JOURNAL).status_code == 401
    refused = desk.get(JOURNAL)
    assert (refused.status_code, refused.json()["resourceType"]) == (403, "OperationOutcome")
    entry = JournalEntry.objects.latest("id")
    assert (entry.action, entry.outcome, entry.actor) == ("journal-read", "4", surgery.account("desk").pk)
    program = laboratory.connect(laboratory.register(surgery.practice))
    assert program.get("/AuditEvent").status_code == 403
    entry = JournalEntry.objects.latest("id")
    assert (entry.action, entry.outcome, entry.actor_kind) == ("journal-read", "4", "client")
    assert privacy.post(JOURNAL).status_code == 405
    assert privacy.get(f"{JOURNAL}/999999999").status_code == 404
    assert privacy.get(f"{JOURNAL}/1/_history").status_code in {401, 404}
