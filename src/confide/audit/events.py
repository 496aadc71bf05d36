"""An entry as a FHIR AuditEvent, by IHE's Basic Audit Log Patterns. A pure function; no value is in it.

BALP wants the text of a query. Ours names what was asked by and never with what: that would be a value.

Source:
    FHIR R4 4.0.1, AuditEvent (http://hl7.org/fhir/R4/auditevent.html); IHE ITI BALP 1.1.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.access.roles import Action, Form, Purpose
from confide.audit.codes import (
    BALP,
    DESTINATION,
    OWN,
    REASON,
    SOURCE,
    TYPES,
    WRITES,
    Kind,
    coding,
    kind_of,
)
from confide.audit.journal import Entry, Line, Outcome
from confide.fhir.tables import RESOURCES

_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PERSON: Final = coding(_ENTITY, "1", "Person")
_OBJECT: Final = coding(_ENTITY, "2", "System Object")
_PATIENT: Final = coding(_ROLE, "1", "Patient")
_RESOURCE: Final = coding(_ROLE, "4", "Domain Resource")
_QUERY: Final = coding(_ROLE, "24", "Query")
_SECURED: Final = coding(_ROLE, "13", "Security Resource")
_RECIPIENT: Final = coding(_PARTICIPATION, "IRCP", "information recipient")
_AUTHOR: Final = coding(_PARTICIPATION, "AUT", "author (originator)")
_SERVER: Final = coding(
    "http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server"
)
_MACHINE, _IP, _URI = "1", "2", "5"
_OUTCOMES: Final = {
    Outcome.MINOR_FAILURE.value: "refused",
    Outcome.SERIOUS_FAILURE.value: "stopped by a rule",
    Outcome.MAJOR_FAILURE.value: "failed",
}
JOURNAL_ENTRY: Final = "entry"
"""Our code of the entity that is the entry itself: its id and its hash, as in a receipt."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an entry does not say itself.

    Attributes:
        base: The address of the FHIR API.
        names: What people read for accounts and programs, by id.
        recipients: To whom each export went, by the export's id.
    """

    base: str
    names: Mapping[str, str]
    recipients: Mapping[str, str]


def event(line: Line, scene: Scene) -> dict[str, Any]:
    """Return an entry as an AuditEvent.

    Args:
        line: The entry, its id and its hash.
        scene: What it does not say itself.
    """
    entry, kind = line.entry, kind_of(line.entry)
    written: dict[str, Any] = {"resourceType": "AuditEvent", "id": str(line.id)}
    if kind.profile and entry.outcome == Outcome.SUCCESS:
        written["meta"] = {"profile": [BALP + kind.profile]}
    written |= {
        "type": dict(kind.type),
        "subtype": [dict(each) for each in kind.subtypes],
        "action": kind.action,
        "recorded": entry.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "outcome": entry.outcome,
    }
    if entry.outcome in _OUTCOMES:
        written["outcomeDesc"] = _OUTCOMES[entry.outcome]
    return {
        **written,
        "purposeOfEvent": [_purpose(entry)],
        "agent": _agents(entry, kind, scene),
        "source": {
            "site": entry.practice or "confide",
            "observer": _observer(scene),
            "type": [_SERVER],
        },
        "entity": _entities(line),
    }


# Who


def _agents(entry: Entry, kind: Kind, scene: Scene) -> list[dict[str, Any]]:
    asker, server = (DESTINATION, SOURCE) if kind.toward else (SOURCE, DESTINATION)
    disclosed = kind.profile == "PrivacyDisclosure.Source"
    agents = [_recipient(entry, scene) if disclosed else _client(entry, asker, scene)]
    agents.append(
        {
            "type": {"coding": [server]},
            "who": _observer(scene),
            "requestor": False,
            "network": {"address": scene.base, "type": _URI},
        }
    )
    if entry.actor_kind == "person":
        agents.append(_person(entry, kind, scene))
    return agents


def _client(entry: Entry, role: Mapping[str, str], scene: Scene) -> dict[str, Any]:
    """The program or browser that asked."""
    program = entry.actor_kind != "person"
    who = _named(entry, scene) if program else _identified("device", entry.device or "unknown")
    network = {"address": entry.address, "type": _IP} if entry.address else None
    client: dict[str, Any] = {"type": {"coding": [dict(role)]}, "who": who, "requestor": program}
    if program:
        client |= _capacity(entry)
    client["network"] = network or {"address": entry.device or "localhost", "type": _MACHINE}
    return client


def _recipient(entry: Entry, scene: Scene) -> dict[str, Any]:
    who = scene.recipients.get(entry.resource_id, "")
    return {
        "type": {"coding": [DESTINATION]},
        "who": {**_identified(entry.resource_type, entry.resource_id), **({"display": who} if who else {})},
        "requestor": False,
        "network": {"address": f"{OWN}:{entry.resource_id}", "type": _URI},
    }


def _person(entry: Entry, kind: Kind, scene: Scene) -> dict[str, Any]:
    """Who sat there; a person is not a device of the network."""
    part = _RECIPIENT if kind.toward or kind.action not in WRITES else _AUTHOR
    person: dict[str, Any] = {"type": {"coding": [part]}, "who": _named(entry, scene)}
    name = scene.names.get(entry.actor)
    if name:
        person["name"] = name
    return {**person, "requestor": True, **_capacity(entry)}


def _capacity(entry: Entry) -> dict[str, Any]:
    """In which role, with which credential, for which purpose."""
    said: dict[str, Any] = {}
    if entry.role:
        said["role"] = [{"coding": [coding(f"{OWN}:role", entry.role)]}]
    if entry.credential:
        said["altId"] = entry.credential
    return {**said, "purposeOfUse": [_purpose(entry)]}


def _purpose(entry: Entry) -> dict[str, Any]:
    known = entry.purpose in set(Purpose)
    system = REASON if known else f"{OWN}:purpose"
    label = Purpose(entry.purpose).label if known else ""
    return {"coding": [coding(system, entry.purpose)], **({"text": label} if label else {})}


def _named(entry: Entry, scene: Scene) -> dict[str, Any]:
    name = scene.names.get(entry.actor, "")
    return {**_identified(entry.actor_kind, entry.actor), **({"display": name} if name else {})}


def _observer(scene: Scene) -> dict[str, Any]:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": scene.base}, "display": "Confide"}


def _identified(kind: str, value: str) -> dict[str, Any]:
    return {"identifier": {"system": f"{OWN}:{kind}", "value": value or "unknown"}}


# What


def _entities(line: Line) -> list[dict[str, Any]]:
    entry = line.entry
    entities: list[dict[str, Any]] = []
    if entry.patient:
        patient: dict[str, Any] = {
            "what": {"reference": f"Patient/{entry.patient}"}, "type": _PERSON, "role": _PATIENT,
        }  # fmt: skip
        if entry.relationship:
            patient["detail"] = [_detail("relationship", entry.relationship)]
        entities.append(patient)
    if entry.action == Action.SEARCH:
        entities.append(_query(entry))
        if entry.resource_id:
            entities.append(_thing(entry, coding(TYPES, entry.resource_type)))
    elif entry.resource_type:
        entities.append(_thing(entry, _OBJECT))
    elif entry.elements:
        elements = {"what": _identified("elements", "values"), "type": _OBJECT, "role": _RESOURCE}
        entities.append({**elements, "detail": _elements(entry)})
    entities.append(_itself(line))
    return entities


def _thing(entry: Entry, kind: Mapping[str, str]) -> dict[str, Any]:
    if entry.resource_type in RESOURCES and entry.resource_id:
        version = f"/_history/{entry.version}" if entry.version else ""
        what: dict[str, Any] = {"reference": f"{entry.resource_type}/{entry.resource_id}{version}"}
    else:
        what = _identified(entry.resource_type, entry.resource_id)
    detail = _elements(entry)
    if entry.body_sha256:
        hashed = b64encode(entry.body_sha256).decode()
        detail.append({"type": "sha256", "valueBase64Binary": hashed})
    thing = {"what": what, "type": dict(kind), "role": _RESOURCE}
    return {**thing, "detail": detail} if detail else thing


def _query(entry: Entry) -> dict[str, Any]:
    """What was asked by, without what was asked for."""
    asked = sorted(code for code, form in entry.elements.items() if form == Form.SEARCHED)
    text = f"{entry.resource_type}?{'&'.join(asked)}"
    words = f"asked by: {', '.join(asked)}" if asked else "asked by nothing that identifies"
    query = b64encode(text.encode()).decode()
    return {"type": _OBJECT, "role": _QUERY, "description": words, "query": query}


def _itself(line: Line) -> dict[str, Any]:
    detail = [{"type": "hash", "valueBase64Binary": b64encode(line.leaf).decode()}]
    if line.entry.reason_sealed:
        sealed = b64encode(line.entry.reason_sealed).decode()
        detail.append({"type": "reason-sealed", "valueBase64Binary": sealed})
    itself = _identified(JOURNAL_ENTRY, str(line.id))
    return {"what": itself, "type": coding(OWN, JOURNAL_ENTRY), "role": _SECURED, "detail": detail}


def _elements(entry: Entry) -> list[dict[str, Any]]:
    return [_detail(f"element:{code}", form) for code, form in sorted(entry.elements.items())]


def _detail(kind: str, value: str) -> dict[str, Any]:
    return {"type": kind, "valueString": value}
