"""What a resource says of who works with its patients, and of what they want kept from whom.

An Appointment, an Encounter, a CareTeam, a Claim, or a Task about a claim is a reason to open a chart; a
Consent that denies is a restriction. Each written version replaces what the version before said.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from confide.access.relationships import Kind
from confide.access.roles import Purpose
from confide.errors import Unknown
from confide.fhir import json
from confide.protect.elements import Element
from confide.records.models import Resource
from confide.records.rows import parse_id, some

OPEN_END: Final = date.max.toordinal()
_IDLE: Final[Mapping[str, frozenset[str]]] = {
    "Appointment": frozenset({"proposed", "cancelled", "entered-in-error", "waitlist"}),
    "Encounter": frozenset({"cancelled", "entered-in-error", "unknown"}),
    "CareTeam": frozenset({"proposed", "suspended", "inactive", "entered-in-error"}),
    "Claim": frozenset({"cancelled", "draft", "entered-in-error"}),
    "Task": frozenset({"draft", "cancelled", "rejected", "failed", "completed", "entered-in-error"}),
}
"""States in which a resource is no reason to open a chart."""
_BILLING: Final = frozenset({"Claim", "ClaimResponse", "ExplanationOfBenefit", "Invoice", "Account"})
"""What a Task must be about to assign a claim."""
ELEMENT_SYSTEM: Final = "urn:confide:element"
"""Codes of the catalogue of elements, in a Consent's ``provision.code``."""
_RESTRICTED: Final = (Purpose.TREAT, Purpose.HPAYMT, Purpose.HOPERAT)
"""What a patient can have something kept from: not from an emergency, nor from themselves.

Source:
    45 CFR 164.522(a)(1)(i) and (iii).
"""
TYPES: Final = frozenset({*_IDLE, "Consent"})


@dataclass(frozen=True, slots=True)
class Tie:
    """A reason to work with a resource's patients.

    Attributes:
        days: The first and the last day of service, as ordinals.
        people: References to the people whom it names.
    """

    kind: Kind
    days: tuple[int, int]
    people: frozenset[str] = frozenset()

    @property
    def year(self) -> int:
        return date.fromordinal(self.days[1]).year


@dataclass(frozen=True, slots=True)
class Denial:
    """What a Consent keeps from one purpose; no elements is all of them, no days is always."""

    purpose: Purpose
    elements: tuple[str, ...]
    days: tuple[int, int] | None


def tie(resource: Mapping[str, Any], today: date) -> Tie | None:
    """Return the reason that *resource* is, if it is one now or on another day.

    Args:
        resource: Valid clear FHIR JSON.
        today: The day on which it is written: it stands where the resource names none.
    """
    kind = resource["resourceType"]
    if kind not in _IDLE or resource.get("status") in _IDLE[kind]:
        return None
    here = today.toordinal()
    match kind:
        case "Appointment":
            return _appointment(resource)
        case "Encounter":
            people = _people(p.get("individual") for p in resource.get("participant", ()))
            over = resource.get("status") == "finished"
            return Tie(Kind.ENCOUNTER, _period(resource.get("period"), here, open_end=not over), people)
        case "CareTeam":
            people = _people(p.get("member") for p in resource.get("participant", ()))
            days = _period(resource.get("period"), here, open_end=True)
            return Tie(Kind.CARE_TEAM, days, people) if people else None
        case "Claim":
            people = _people([resource.get("enterer"), resource.get("provider")])
            created = resource.get("created")
            return Tie(Kind.CLAIM, (_first(created, here), _last(created, here)), people)
        case _:
            about = [resource.get("focus"), *resource.get("basedOn", ())]
            people = _people([resource.get("owner")])
            if not people or not any(_type(reference) in _BILLING for reference in about):
                return None
            return Tie(Kind.CLAIM, (here, OPEN_END), people)


def _appointment(resource: Mapping[str, Any]) -> Tie | None:
    start = resource.get("start")
    if start is None:
        return None
    people = _people(p.get("actor") for p in resource.get("participant", ()))
    first = _first(start, 1)
    return Tie(Kind.APPOINTMENT, (first, max(first, _last(resource.get("end"), first))), people)


def denials(resource: Mapping[str, Any]) -> list[Denial]:
    """Return what a Consent keeps from whom.

    A rule that denies holds as a whole: an exception inside of it is not read, so it keeps rather more.
    """
    codes = {c.get("code") for c in (resource.get("scope") or {}).get("coding", ())}
    if resource["resourceType"] != "Consent" or resource.get("status") != "active":
        return []
    if "patient-privacy" not in codes:
        return []
    found: list[Denial] = []
    waiting = [resource.get("provision") or {}]
    while waiting:
        provision = waiting.pop()
        if provision.get("type") == "deny":
            found += _denied(provision)
        else:
            waiting += provision.get("provision", ())
    return found


def _denied(provision: Mapping[str, Any]) -> list[Denial]:
    named = {c.get("code") for c in provision.get("purpose", ())}
    purposes = [p for p in _RESTRICTED if not named or p.value in named]
    known = {e.value for e in Element}
    elements = sorted(
        {
            coding["code"]
            for concept in provision.get("code", ())
            for coding in concept.get("coding", ())
            if coding.get("system") == ELEMENT_SYSTEM and coding.get("code") in known
        }
    )
    period = provision.get("period")
    days = _period(period, 1, open_end=True) if period else None
    return [Denial(purpose, tuple(elements), days) for purpose in purposes]


# Days, as a resource writes them


def _period(period: Any, here: int, *, open_end: bool) -> tuple[int, int]:
    period = period if isinstance(period, Mapping) else {}
    first = _first(period.get("start"), here)
    if "end" in period:
        return first, max(first, _last(period["end"], first))
    return first, OPEN_END if open_end else max(first, _last(period.get("start"), here))


def _first(text: Any, missing: int) -> int:
    """The first day that a date, dateTime or instant may mean, where it was written."""
    if not isinstance(text, str):
        return missing
    year, month, day = (*text[:10].split("-"), "1", "1")[:3]
    return date(int(year), int(month), int(day)).toordinal()


def _last(text: Any, missing: int) -> int:
    if not isinstance(text, str):
        return missing
    parts = [int(part) for part in text[:10].split("-")]
    year = parts[0]
    month = parts[1] if len(parts) > 1 else 12
    day = parts[2] if len(parts) > 2 else calendar.monthrange(year, month)[1]
    return date(year, month, day).toordinal()


# People


def _people(references: Iterable[Any]) -> frozenset[str]:
    named = (str(r.get("reference", "")) for r in references if isinstance(r, Mapping))
    found = ("/".join(text.split("/")[:2]) for text in named)  # without a version
    return frozenset(text for text in found if text.startswith(("Practitioner/", "PractitionerRole/")))


def _type(reference: Any) -> str:
    return str(reference.get("reference", "")).partition("/")[0] if isinstance(reference, Mapping) else ""


def practitioners(practice: str, ties: Sequence[Tie], beside: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return whom each reference to a person names: the id of a Practitioner.

    Args:
        practice: The practice's id.
        ties: Whose people are asked for.
        beside: What is written in the same transaction; a PractitionerRole in it counts.
    """
    asked = {text for each in ties for text in each.people}
    found = {text: text.partition("/")[2] for text in asked if text.startswith("Practitioner/")}
    roles = asked - found.keys()
    if not roles:
        return found
    for resource in beside:
        if resource.get("resourceType") == "PractitionerRole":
            _note(found, resource)
    ids = []
    for text in roles - found.keys():
        try:
            ids.append(parse_id(text.partition("/")[2]))
        except Unknown:
            continue
    rows = Resource.objects.filter(practice=practice, type="PractitionerRole", deleted=False)
    for row in some(rows, ids):
        _note(found, json.parse(bytes(row.body)))
    return found


def _note(found: dict[str, str], role: Any) -> None:
    person = (role.get("practitioner") or {}).get("reference", "")
    if person.startswith("Practitioner/"):
        found[f"PractitionerRole/{role['id']}"] = person.partition("/")[2].partition("/")[0]
