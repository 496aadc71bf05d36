"""The chart: who it is, what is the matter, how it goes, what is next.

What the page opens by itself is paid from the budget of the person who opens it. In clinical roles that is
name, birth date, dates of service and clinical text; in every other role it is name and birth date. All
else waits under the veil.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from confide.access import glass
from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.access.roles import Action, Purpose
from confide.audit.journal import entry_for
from confide.errors import AccessDenied
from confide.protect.elements import Element
from confide.records.rows import View, is_unpaid, parse_id
from confide.server.apps import system
from confide.server.pages import compartment, dates, identity, readings, sections, troubles
from confide.server.pages.emergencies import minutes_left
from confide.server.pages.identity import Item, Veiled
from confide.server.pages.visitor import Visitor, show, staff

_IDENTITY: Final = frozenset({Element.NAME, Element.BIRTH_DATE})
_CLINICAL: Final = _IDENTITY | {Element.DATE, Element.CLINICAL}
_FOR_ALL: Final = ("Coverage", "RelatedPerson", "Appointment", "Encounter")
_FOR_CLINICAL: Final = (
    *_FOR_ALL, "AllergyIntolerance", "CarePlan", "Condition", "DiagnosticReport", "DocumentReference", "Goal",
    "Immunization", "MedicationRequest", "MedicationStatement", "Observation", "Procedure",
)  # fmt: skip
_SEXES: Final = {"male": "male", "female": "female", "other": "other sex", "unknown": "sex unknown"}
_YEARS: Final = 8


@dataclass(frozen=True, slots=True)
class Person:
    """The banner.

    Attributes:
        hidden: The name is the pseudonym: the role does not open it, or the budget does not.
    """

    id: str
    name: str
    hidden: bool
    pronouns: str
    age: str
    born: str
    died: str
    sex: str


class Closed(StrEnum):
    """Why a chart stays covered, other than by role and budget."""

    UNRELATED = "unrelated"
    OWN = "own"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the chart, its text under the veil."""

    line: sections.Line
    veiled: Veiled


@dataclass(slots=True)
class Chart:
    """What the template shows."""

    person: Person
    clinical: bool
    closed: Closed | None
    unpaid: bool
    covered: bool
    identity: list[Veiled]
    coverage: list[Veiled]
    visits: list[Veiled] = field(default_factory=list)
    allergies: sections.Allergies | None = None
    problems: sections.Section | None = None
    medicines: sections.Section | None = None
    vitals: list[readings.Vital] = field(default_factory=list)
    panels: list[readings.Panel] = field(default_factory=list)
    encounters: list[sections.Line] = field(default_factory=list)
    appointments: list[sections.Line] = field(default_factory=list)
    undated: bool = False
    goals: list[sections.Line] = field(default_factory=list)
    procedures: list[sections.Line] = field(default_factory=list)
    immunizations: list[sections.Line] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)


@require_GET
@staff
def chart(request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Show one patient's chart; while the glass is broken for it, as an emergency."""
    parse_id(patient)  # what is no id is asked of nothing
    now = system().clock()
    until = glass.until(visitor.actor, {patient}, now)
    if until is not None:
        visitor = replace(visitor, purpose=Purpose.BTG)
    try:
        grant, views = read(visitor, patient)
    except AccessDenied as problem:
        if until is not None or not visitor.breaks_glass:
            raise
        context = {"trouble": troubles.explain(problem), "glass": patient}
        return show(request, visitor, "pages/trouble.html", context, status=403)
    page = assemble(visitor, grant, views)
    if not any(view.shown for view in views):
        _note(grant, patient, views[0].version, now)
    context = {
        "chart": page,
        "minutes": minutes_left(until, now) if until else 0,
        "glass": until is None and visitor.breaks_glass and page.covered,
    }
    return show(request, visitor, "pages/chart.html", context)


def _note(grant: Grant, patient: str, version: int, now: datetime) -> None:
    """Write that a chart was opened that showed nothing: who goes through strangers' charts is seen by it.

    What shows a value is an entry by itself.
    """
    entry = entry_for(
        grant, now, patient=patient, resource_type="Patient", resource_id=patient, version=version
    )
    with transaction.atomic():
        system().journal.append([entry])


def read(visitor: Visitor, patient: str) -> tuple[Grant, list[View]]:
    """Open of a chart what the visitor's page opens by itself; the Patient comes first."""
    practice = visitor.actor.practice
    first = compartment.patient_row(practice, patient)
    rows = compartment.rows(practice, patient, _FOR_CLINICAL if visitor.treats else _FOR_ALL)
    if visitor.purpose is Purpose.BTG:  # one patient: what belongs to somebody else as well stays closed
        rows = [row for row in rows if row.patients.split() == [patient]]
    elements = _CLINICAL if visitor.treats else _IDENTITY
    owners = compartment.owners(rows, patient)
    grant = system().decide(visitor.actor, Action.READ, visitor.purpose, owners, elements)
    if visitor.treats:
        return grant, system().charts.views(grant, [first, *rows], elements, Operation.CHART)
    # Names inside other resources are not worth an exposure to those who only need the banner.
    views = system().charts.views(grant, [first], elements, Operation.CHART)
    return grant, [*views, *system().charts.views(grant, rows, frozenset())]


def assemble(visitor: Visitor, grant: Grant, views: Sequence[View]) -> Chart:
    """Lay out a chart from what was opened of it."""
    now = system().clock()
    patient = views[0]
    policy = system().vault.plan.policy
    names = compartment.names(visitor, [v.body for v in views if v.body])
    page = Chart(
        person=_person(patient, now.date()),
        clinical=visitor.treats,
        closed=_closed(grant, patient.id),
        unpaid=any(is_unpaid(grant, v) for v in (views if visitor.treats else views[:1])),
        covered=any(v.hidden & (_CLINICAL if visitor.treats else _IDENTITY) for v in views),
        identity=[*identity.of_patient(visitor, patient, policy), *_relatives(visitor, views)],
        coverage=_coverage(visitor, views, names),
    )
    if not visitor.treats:
        page.visits = _visits(visitor, views)
        return page
    page.allergies = sections.allergies(views)
    page.problems = sections.problems(views)
    page.medicines = sections.medicines(views, names)
    page.vitals = readings.vitals(views)
    page.panels = readings.panels(views)
    page.encounters = sections.encounters(views, names)
    page.appointments = sections.appointments(views, names, now)
    page.undated = any(Element.DATE in view.hidden for view in _booked(views))
    page.goals = sections.goals(views)
    page.procedures = sections.procedures(views)
    page.immunizations = sections.immunizations(views)
    page.documents = _documents(visitor, views, names)
    return page


def _closed(grant: Grant, patient: str) -> Closed | None:
    """Why a chart stays covered, wholly or in part; None where nothing but budget and role covers it."""
    relation = grant.relations.get(patient)
    if relation is not None and not relation.kinds:
        return Closed.UNRELATED
    if relation is not None and relation.own:
        return Closed.OWN
    return Closed.RESTRICTED if patient in grant.kept else None


def _person(view: View, today: date) -> Person:
    body = view.body or {}
    born, died = body.get("birthDate"), body.get("deceasedDateTime")
    hidden = Element.BIRTH_DATE in view.hidden
    ended = dates.day(died)
    return Person(
        id=view.id,
        name=compartment.person(body.get("name")) or "No name",
        hidden=Element.NAME in view.hidden,
        pronouns=_pronouns(body),
        age="" if hidden else dates.age(born, ended or today),
        born=dates.format(born),
        died=dates.format(died) or ("died" if body.get("deceasedBoolean") is True else ""),
        sex=_SEXES.get(str(body.get("gender")), "sex not recorded"),
    )


def _pronouns(body: dict[str, Any]) -> str:
    for extension in body.get("extension") or ():
        url = str(extension.get("url", ""))
        if url.endswith(("individual-pronouns", "patient-pronouns")):
            nested = [e.get("valueCodeableConcept") for e in extension.get("extension") or ()]
            return sections.concepts([c for c in [extension.get("valueCodeableConcept"), *nested] if c])
    return ""


def _relatives(visitor: Visitor, views: Sequence[View]) -> list[Veiled]:
    policy = system().vault.plan.policy
    found = []
    for view in views:
        if view.type == "RelatedPerson" and view.body and Element.CONTACT in view.hidden:
            items = identity.items(view.body, Element.CONTACT, policy)
            found.append(identity.veil(visitor, view.type, view.id, "Related person", Element.CONTACT, items))
    return found


def _coverage(visitor: Visitor, views: Sequence[View], names: dict[str, str]) -> list[Veiled]:
    policy = system().vault.plan.policy
    found = []
    for view in views:
        if view.type != "Coverage" or not view.body or Element.MEMBER_ID not in view.hidden:
            continue
        payers = [names.get(str(p.get("reference", "")), "") for p in view.body.get("payor") or ()]
        label = next(filter(None, payers), "") or sections.concept(view.body.get("type")) or "Insurance"
        items = identity.items(view.body, Element.MEMBER_ID, policy)
        found.append(identity.veil(visitor, view.type, view.id, label, Element.MEMBER_ID, items))
    return found


def _visits(visitor: Visitor, views: Sequence[View]) -> list[Veiled]:
    """Visits and appointments for those whose page does not open dates: years and numbers."""
    years = Counter(
        str((v.body.get("period") or {}).get("start", ""))[:4]
        for v in views
        if v.type == "Encounter" and v.body
    )
    booked = len(_booked(views))
    found = []
    if booked:
        item = Item("Booked", "1 appointment" if booked == 1 else f"{booked} appointments", blank=True)
        found.append(identity.veil(visitor, "Appointment", "", "Appointments", Element.DATE, [item]))
    if years:
        latest = sorted(years, reverse=True)[:_YEARS]
        text = ", ".join(f"{year} × {years[year]}" if years[year] > 1 else year for year in latest)
        found.append(identity.veil(visitor, "Encounter", "", "Past visits", Element.DATE, [Item("", text)]))
    return found


def _booked(views: Sequence[View]) -> list[View]:
    return [v for v in views if v.type == "Appointment" and v.body and v.body.get("status") in _OPEN]


_OPEN: Final = frozenset({"booked", "pending", "arrived", "checked-in"})


def _documents(visitor: Visitor, views: Sequence[View], names: dict[str, str]) -> list[Document]:
    found = []
    for view in views:
        body = view.body
        if view.type != "DocumentReference" or body is None:
            continue
        when = body.get("date")
        who = next(
            (n for a in body.get("author") or () if (n := names.get(str(a.get("reference", "")), ""))), ""
        )
        title = sections.concept(body.get("type")) or "Document"
        sizes = [(c.get("attachment") or {}).get("size") for c in body.get("content") or ()]
        size = next((f"{s:,} characters" for s in sizes if isinstance(s, int)), "text")
        line = sections.Line(title, "", dates.format_moment(when), who, str(when or ""))
        veiled = identity.veil(
            visitor, view.type, view.id, title, Element.DOCUMENT, [Item("", size, blank=True)]
        )
        found.append(Document(line, veiled))
    return sorted(found, key=lambda d: d.line.key, reverse=True)
