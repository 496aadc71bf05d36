"""From resources to the lines of a chart. Pure: what is veiled in a view is veiled in its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from confide.records.rows import View
from confide.server.pages import dates

Body = Mapping[str, Any]
_TAG: Final = re.compile(
    r" \((disorder|finding|situation|procedure|regime/therapy|morphologic abnormality|observable entity|"
    r"event|substance|product|person)\)$"
)
_NOW: Final = frozenset({"active", "recurrence", "relapse"})
_TAKEN: Final = frozenset({"active", "on-hold", "intended", "draft"})
_COMING: Final = frozenset({"booked", "pending", "proposed", "arrived", "checked-in", "waitlist"})
_NO_ALLERGY: Final = "716186003"
COVERED: Final = "covered"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a section.

    Attributes:
        when: The date as people read it.
        key: What the lines of a section are sorted by.
        mark: A word of warning that is not said by colour alone.
    """

    title: str
    detail: str = ""
    when: str = ""
    who: str = ""
    key: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of one kind: what holds now, and what has passed."""

    now: Sequence[Line]
    past: Sequence[Line] = ()


def concept(value: Any) -> str:
    """What people read of a CodeableConcept or Coding."""
    if not isinstance(value, Mapping):
        return ""
    codings = value.get("coding") or [value]
    first = next(
        (c for c in codings if isinstance(c, Mapping) and c.get("display")), codings[0] if codings else {}
    )
    text = value.get("text") or first.get("display") or first.get("code") or COVERED
    return _TAG.sub("", str(text))


def concepts(values: Any) -> str:
    """What people read of a list of concepts."""
    return ", ".join(concept(v) for v in values) if isinstance(values, list) else ""


def _code(value: Any) -> str:
    codings = (value or {}).get("coding") or [{}]
    return str(codings[0].get("code", ""))


def bodies(views: Iterable[View], *types: str) -> list[dict[str, Any]]:
    """The bodies of the views of some types."""
    return [v.body for v in views if v.type in types and v.body is not None]


def _newest(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.key, reverse=True)


def _who(names: Mapping[str, str], reference: Any) -> str:
    if not isinstance(reference, Mapping):
        return ""
    return names.get(str(reference.get("reference", "")), "")


def problems(views: Iterable[View]) -> Section:
    """Current problems, and those that have passed, the newest first."""
    now, past = [], []
    for body in bodies(views, "Condition"):
        onset = (
            body.get("onsetDateTime")
            or (body.get("onsetPeriod") or {}).get("start")
            or body.get("recordedDate")
        )
        end = body.get("abatementDateTime")
        state = _code(body.get("clinicalStatus"))
        # A summary tells the month; the day stands in the visit.
        since = f"since {dates.format(str(onset)[:7])}" if onset else ""
        if state in _NOW and _code(body.get("verificationStatus")) not in {"refuted", "entered-in-error"}:
            now.append(Line(concept(body.get("code")), "", since, key=str(onset or "")))
        else:
            span = "–".join(dict.fromkeys(d for d in (dates.format(onset), dates.format(end)) if d))
            past.append(Line(concept(body.get("code")), state, span, key=str(end or onset or "")))
    return Section(_newest(now), _newest(past))


def medicines(views: Iterable[View], names: Mapping[str, str]) -> Section:
    """What is taken now, and what was, the newest first."""
    now, past = [], []
    for body in bodies(views, "MedicationRequest", "MedicationStatement"):
        what = concept(body.get("medicationCodeableConcept")) or _who(names, body.get("medicationReference"))
        start = body.get("authoredOn") or body.get("effectiveDateTime") or body.get("dateAsserted")
        doses = body.get("dosageInstruction") or body.get("dosage") or []
        dose = "; ".join(d for d in map(_dose, doses) if d)
        since = f"since {dates.format(str(start)[:7])}".replace(" ", "\N{NO-BREAK SPACE}") if start else ""
        line = Line(what or COVERED, " · ".join(part for part in (dose, since) if part), key=str(start or ""))
        state = str(body.get("status", ""))
        if state in _TAKEN:
            now.append(line)
        else:
            past.append(Line(line.title, state, dates.format(start), key=line.key))
    return Section(_newest(now), _newest(past))


def _dose(dosage: Body) -> str:
    if isinstance(dosage.get("text"), str):
        return str(dosage["text"])
    quantity = ((dosage.get("doseAndRate") or [{}])[0].get("doseQuantity")) or {}
    repeat = (dosage.get("timing") or {}).get("repeat") or {}
    amount = f"{quantity['value']} {quantity.get('unit', '')}".strip() if "value" in quantity else ""
    often = ""
    if "frequency" in repeat and "period" in repeat:
        every = {"d": "day", "h": "hours", "wk": "week", "mo": "month"}.get(str(repeat.get("periodUnit")), "")
        period = "" if str(repeat["period"]) in {"1", "1.0"} else f"{repeat['period']} "
        often = f"{repeat['frequency']} × every {period}{every}"
    if dosage.get("asNeededBoolean"):
        often = f"{often}, as needed".strip(", ")
    return ", ".join(part for part in (amount, often) if part)


@dataclass(frozen=True, slots=True)
class Allergies:
    """What the banner says: which there are, that there are none, or that nobody has asked."""

    lines: Sequence[Line]
    known_none: bool


def allergies(views: Iterable[View]) -> Allergies:
    """Active allergies, the severe ones first."""
    lines, none = [], False
    for body in bodies(views, "AllergyIntolerance"):
        if _code(body.get("clinicalStatus")) not in {*_NOW, ""}:
            continue
        if _code(body.get("code")) == _NO_ALLERGY:
            none = True
            continue
        reactions = body.get("reaction") or []
        said = ", ".join(c for r in reactions if (c := concepts(r.get("manifestation"))))
        severe = body.get("criticality") == "high" or any(r.get("severity") == "severe" for r in reactions)
        title = concept(body.get("code")).removeprefix("Allergy to ").removesuffix(" allergy").strip()
        since = dates.format(body.get("recordedDate"))
        lines.append(
            Line(title[:1].upper() + title[1:], said, since, key=title, mark="severe" if severe else "")
        )
    return Allergies(sorted(lines, key=lambda line: (not line.mark, line.key)), none and not lines)


def encounters(views: Iterable[View], names: Mapping[str, str]) -> list[Line]:
    """Visits with their reasons, the newest first."""
    lines = []
    for body in bodies(views, "Encounter"):
        start = (body.get("period") or {}).get("start")
        people = [_who(names, p.get("individual")) for p in body.get("participant") or ()]
        kind = concepts(body.get("type")) or concept(body.get("class"))
        lines.append(
            Line(
                kind,
                concepts(body.get("reasonCode")),
                dates.format_moment(start),
                next(filter(None, people), ""),
                str(start or ""),
            )
        )
    return _newest(lines)


def appointments(views: Iterable[View], names: Mapping[str, str], now: datetime) -> list[Line]:
    """What is next, the soonest first."""
    lines = []
    for body in bodies(views, "Appointment"):
        start = body.get("start")
        day = dates.day(start)
        if day is None or day < now.date() or body.get("status") not in _COMING:
            continue
        people = [_who(names, p.get("actor")) for p in body.get("participant") or () if _staff(p)]
        what = str(body.get("description") or concept(body.get("appointmentType")))
        lines.append(
            Line(
                what,
                str(body.get("status")),
                dates.format_moment(start),
                next(filter(None, people), ""),
                str(start),
            )
        )
    return sorted(lines, key=lambda line: line.key)


def _staff(participant: Body) -> bool:
    return str((participant.get("actor") or {}).get("reference", "")).startswith("Practitioner/")


def goals(views: Iterable[View]) -> list[Line]:
    """Goals and care plans that hold now, the soonest due first."""
    lines = []
    for body in bodies(views, "Goal"):
        due = next((t.get("dueDate") for t in body.get("target") or () if t.get("dueDate")), "")
        if body.get("lifecycleStatus") in {"active", "accepted", "planned", "proposed"}:
            by = f"by {dates.format(due)}" if due else ""
            lines.append(Line(concept(body.get("description")), "goal", by, key=str(due)))
    for body in bodies(views, "CarePlan"):
        if body.get("status") == "active":
            start = (body.get("period") or {}).get("start")
            done = [concept((a.get("detail") or {}).get("code")) for a in body.get("activity") or ()]
            since = f"since {dates.format(start)}" if start else ""
            title = concepts((body.get("category") or [])[-1:]) or "Care plan"
            lines.append(Line(title, "; ".join(d for d in done if d), since, key=f"~{start}"))
    return sorted(lines, key=lambda line: line.key)


def procedures(views: Iterable[View]) -> list[Line]:
    """What was done, the newest first."""
    lines = []
    for body in bodies(views, "Procedure"):
        when = body.get("performedDateTime") or (body.get("performedPeriod") or {}).get("start")
        lines.append(Line(concept(body.get("code")), "", dates.format(when), key=str(when or "")))
    return _newest(lines)


def immunizations(views: Iterable[View]) -> list[Line]:
    """Shots, the newest first."""
    lines = []
    for body in bodies(views, "Immunization"):
        when = body.get("occurrenceDateTime")
        state = "" if body.get("status") == "completed" else str(body.get("status"))
        lines.append(Line(concept(body.get("vaccineCode")), state, dates.format(when), key=str(when or "")))
    return _newest(lines)
