"""Every entry is a valid AuditEvent, by the profiles of IHE's BALP, and holds no value."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from confide.access.roles import Action
from confide.audit import codes, events, terminal
from confide.audit.entrances import Event as Entrance
from confide.audit.events import Scene, event
from confide.audit.journal import Entry, Line, Outcome, hash_leaf
from confide.audit.standing import Event as Standing
from confide.fhir.validate import validate

ID = "0b0f7ad8-5a5e-4a3a-9b2c-111111111111"
SCENE = Scene("https://confide.example/fhir/R4", {"account-1": "Miriam Okafor"}, {"export-1": "Registry"})
READ = Entry(
    at=datetime(2026, 3, 2, 9, 1, 0, 250, tzinfo=UTC),
    practice="practice-1",
    actor_kind="person",
    actor="account-1",
    credential="session:1f",
    role="clinician",
    action="read",
    purpose="TREAT",
    patient=ID,
    elements={"ssn": "masked", "name": "clear"},
    resource_type="Observation",
    resource_id=ID,
    version=3,
    address="192.0.2.7",
    device="device-1",
    relationship="appointment own",
)


def told(**changes: Any) -> dict[str, Any]:
    entry = replace(READ, **changes)
    made = event(Line(47, entry, hash_leaf(entry)), SCENE)
    assert validate(made) == []
    return made


def slices(made: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Agents or entities of an event by the code of their type."""
    listed = made[name]
    types = [each["type"]["coding"][0] if name == "agent" else each["type"] for each in listed]
    return {kind["code"]: each for kind, each in zip(types, listed, strict=True)}


def test_a_read_says_all_that_the_entry_says():
    made = told()
    assert made["meta"]["profile"] == [codes.BALP + "PatientRead"]
    assert (made["id"], made["action"], made["outcome"], made["recorded"]) == (
        "47", "R", "0", "2026-03-02T09:01:00.000250Z",
    )  # fmt: skip
    assert made["type"]["code"] == "rest"
    assert [each["code"] for each in made["subtype"]] == ["read", "read"]
    agents, entities = slices(made, "agent"), slices(made, "entity")
    assert set(agents) == {"110152", "110153", "IRCP"}
    client, person = agents["110152"], agents["IRCP"]
    assert client["who"]["identifier"]["value"] == "device-1"
    assert client["network"] == {"address": "192.0.2.7", "type": "2"}
    assert agents["110153"]["who"] == made["source"]["observer"]
    assert (person["name"], person["altId"], person["requestor"]) == ("Miriam Okafor", "session:1f", True)
    assert person["role"][0]["coding"][0]["code"] == "clinician"
    assert person["purposeOfUse"][0]["coding"][0] == {"system": codes.REASON, "code": "TREAT"}
    assert "network" not in person
    assert entities["1"]["what"] == {"reference": f"Patient/{ID}"}
    assert entities["1"]["detail"] == [{"type": "relationship", "valueString": "appointment own"}]
    assert entities["2"]["what"] == {"reference": f"Observation/{ID}/_history/3"}
    assert {d["type"]: d["valueString"] for d in entities["2"]["detail"]} == {
        "element:name": "clear", "element:ssn": "masked",
    }  # fmt: skip
    itself = entities[events.JOURNAL_ENTRY]
    assert b64decode(itself["detail"][0]["valueBase64Binary"]) == hash_leaf(READ)


HASH = bytes(32)


@pytest.mark.parametrize(
    ("changes", "letter", "profile"),
    [
        ({}, "R", "PatientRead"),
        ({"patient": ""}, "R", "Read"),
        ({"action": "reveal", "version": 0, "resource_type": "Token"}, "E", ""),
        ({"action": "search"}, "E", "PatientQuery"),
        ({"action": "search", "patient": "", "resource_id": ""}, "E", "Query"),
        ({"action": "write", "version": 1, "body_sha256": HASH}, "C", "PatientCreate"),
        ({"action": "write", "version": 2, "body_sha256": HASH}, "U", "PatientUpdate"),
        ({"action": "write", "version": 3, "patient": ""}, "D", "Delete"),
        ({"action": "export", "resource_type": "Export", "resource_id": "export-1"}, "R",
         "PrivacyDisclosure.Source"),
        ({"action": "disclose", "resource_type": "Disclosure"}, "R", "PrivacyDisclosure.Source"),
        ({"action": "journal-read", "patient": ""}, "R", ""),
    ],
)  # fmt: skip
def test_each_action_has_its_letter_and_profile(changes, letter, profile):
    made = told(**changes)
    assert made["action"] == letter
    assert made.get("meta", {}).get("profile", [""]) == [codes.BALP + profile if profile else ""]
    agents, entities = slices(made, "agent"), slices(made, "entity")
    assert {"110152", "110153"} <= set(agents)
    for agent in made["agent"]:
        assert agent["who"]
    if profile:  # what BALP requires of every success
        assert all("network" in agents[code] for code in ("110152", "110153"))
        assert "2" in entities
        assert ("1" in entities) == profile.startswith(("Patient", "Privacy"))
    if "Query" in profile:
        query = entities["2"]
        assert query["role"]["code"] == "24"
        assert b64decode(query["query"]).startswith(b"Observation?")


@pytest.mark.parametrize(
    "action",
    [*Action, *Entrance, *Standing, *terminal.Event, "break-glass", "break-glass-review", "raise", "sealed"],
)
@pytest.mark.parametrize("kind", ["person", "client", "system"])
def test_whatever_is_in_the_journal_is_valid(action, kind):
    for bare in ({}, {"patient": "", "resource_type": "", "resource_id": "", "version": 0, "elements": {}}):
        made = told(action=str(action), actor_kind=kind, address="", device="", **bare)
        assert made["subtype"][-1] == {"system": codes.OWN, "code": str(action)}
        refused = told(action=str(action), actor_kind=kind, outcome=Outcome.MINOR_FAILURE.value, **bare)
        assert (refused["outcome"], refused["outcomeDesc"]) == ("4", "refused")
        assert "meta" not in refused


def test_a_query_says_by_what_and_never_with_what():
    made = told(action="search", elements={"birth-date": "searched", "name": "searched", "ssn": "clear"})
    query = slices(made, "entity")["2"]
    assert b64decode(query["query"]) == b"Observation?birth-date&name"
    assert query["description"] == "asked by: birth-date, name"


def test_a_disclosure_names_who_was_told():
    made = told(action="export", resource_type="Export", resource_id="export-1")
    assert slices(made, "agent")["110152"]["who"]["display"] == "Registry"
    assert made["subtype"][0]["code"] == "disclose"
