"""The page of a downtime pack: it needs no server, no script and no network, and prints."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.template.loader import render_to_string

from confide.records.packs import Pack, Visitor
from confide.server.pages import compartment, dates, sections
from confide.server.pages.sections import Allergies, Section

NOTES: Final = 3
"""The latest notes of each chart; a note is cut after ``LONGEST`` characters, and says so."""

LONGEST: Final = 6000


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was written."""

    title: str
    when: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """One patient's part of the page."""

    number: int
    time: str
    reason: str
    name: str
    born: str
    age: str
    phones: str
    allergies: Allergies
    medicines: Section
    problems: Section
    notes: list[Note]


def render(pack: Pack) -> Iterator[str]:
    """Write the page, part by part."""
    names = {reference: title(body) for reference, body in pack.named.items()}
    leaves = [_leaf(number, each, pack, names) for number, each in enumerate(pack.visitors, 1)]
    context = {
        "practice": pack.practice,
        "day": dates.write(pack.day),
        "made": f"{dates.write(pack.made.date())}, {pack.made:%H:%M}",
        "leaves": leaves,
    }
    yield render_to_string("downtime/pack.html", context)


def title(body: Mapping[str, Any]) -> str:
    """What people read of a medicine, or of somebody who works here."""
    if isinstance(body.get("name"), list):
        return compartment.person(body["name"])
    return sections.concept(body.get("code")) if body.get("code") else ""


def _leaf(number: int, visitor: Visitor, pack: Pack, names: Mapping[str, str]) -> Leaf:
    person = next(iter(sections.bodies(visitor.views, "Patient")), {})
    visits = sections.bodies(visitor.views, "Appointment")
    born = person.get("birthDate")
    telecom = person.get("telecom")
    phones = [
        str(each["value"])
        for each in (telecom if isinstance(telecom, list) else [])
        if isinstance(each, dict) and each.get("system") in {"phone", "sms"} and each.get("value")
    ]
    reasons = [str(v.get("description") or sections.concept(v.get("appointmentType"))) for v in visits]
    return Leaf(
        number=number,
        time=f"{visitor.at:%H:%M}",
        reason=", ".join(dict.fromkeys(filter(None, reasons))),
        name=compartment.person(person.get("name")),
        born=dates.format(born),
        age=dates.age(born, pack.day),
        phones=", ".join(phones),
        allergies=sections.allergies(visitor.views),
        medicines=sections.medicines(visitor.views, names),
        problems=sections.problems(visitor.views),
        notes=_notes(visitor.views),
    )


def _notes(views: Any) -> list[Note]:
    bodies = [b for b in sections.bodies(views, "DocumentReference") if b.get("status") == "current"]
    bodies.sort(key=lambda body: str(body.get("date", "")), reverse=True)
    return [_note(body) for body in bodies[:NOTES]]


def _note(body: Mapping[str, Any]) -> Note:
    text = "\n".join(filter(None, (_text(each) for each in body.get("content") or ())))
    return Note(
        sections.concept(body.get("type")) if body.get("type") else "Note",
        dates.format(body.get("date")),
        text[:LONGEST] or "Not a text; it is in the chart.",
        len(text) > LONGEST,
    )


def _text(content: Mapping[str, Any]) -> str:
    attachment = content.get("attachment") or {}
    if not str(attachment.get("contentType", "")).startswith("text/plain"):
        return ""
    try:
        return base64.b64decode(str(attachment.get("data", "")), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
