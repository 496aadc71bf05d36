"""Uncovering: one deliberate act, for a purpose, paid and recorded before the value is shown."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from confide.access.charges import Operation
from confide.access.roles import Action, Form, Purpose
from confide.errors import BudgetSpent, Invalid
from confide.protect.elements import CATALOGUE, Element
from confide.records.models import Resource
from confide.records.rows import View
from confide.server.apps import system
from confide.server.pages import compartment, dates, sections
from confide.server.pages.identity import Item, items
from confide.server.pages.visitor import Visitor, asks_part, show, staff

_WHOLE_TYPES: Final = ("Appointment", "Encounter")
"""Types whose dates are uncovered for the whole chart at once."""

_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see, and why."""

    element: Element
    purpose: Purpose
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What was uncovered.

    Attributes:
        texts: Long texts of documents.
        masked: Only a mask is shown.
    """

    label: str
    purpose: Purpose
    items: Sequence[Item]
    texts: Sequence[str] = ()
    masked: bool = False


@require_POST
@staff
def reveal(request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Uncover one element of one resource of a chart; a POST, because it changes journal and budget."""
    shown = uncover(visitor, patient, _asked(request))
    template = "pages/parts/shown.html" if asks_part(request) else "pages/shown.html"
    return show(request, visitor, template, {"shown": shown, "patient": patient})


def _asked(request: HttpRequest) -> Asked:
    try:
        return Asked(
            Element(request.POST.get("element", "")),
            Purpose(request.POST.get("purpose", "")),
            request.POST.get("type", ""),
            request.POST.get("id", ""),
        )
    except ValueError:
        raise Invalid("element and purpose are chosen from their lists") from None


def uncover(visitor: Visitor, patient: str, asked: Asked) -> Shown:
    """Decide, pay, record and open.

    Raises:
        AccessDenied: The role does not uncover that element for that purpose; nothing makes the patient this
            person's business; or the patient has restricted it.
        StepUpNeeded: The element asks for a fresh proof of a second factor.
        BudgetSpent: The budget does not cover it; nothing was opened.
        Unknown: There is no such resource in this patient's chart.
    """
    rows = _rows(visitor.actor.practice, patient, asked)
    owners = compartment.owners(rows, patient)
    grant = system().decide(visitor.actor, Action.REVEAL, asked.purpose, owners, {asked.element})
    form = grant.form(asked.element, sorted(owners), asked.type)
    if form not in {Form.CLEAR, Form.MASKED}:
        raise grant.explain(asked.element, sorted(owners))
    views = system().charts.views(grant, rows, frozenset({asked.element}), Operation.REVEAL)
    _refuse_unpaid(form, asked.element, views)
    covered = system().charts.views(grant, rows[:1], frozenset())[0].body if asked.id else None
    return _shown(asked, views, covered or {}, masked=form is Form.MASKED)


def _rows(practice: str, patient: str, asked: Asked) -> list[Resource]:
    compartment.patient_row(practice, patient)
    if asked.id:
        return [compartment.row_of(practice, patient, asked.type, asked.id)]
    if asked.type in _WHOLE_TYPES and asked.element is Element.DATE:
        return compartment.rows(practice, patient, (asked.type,))
    raise Invalid("a resource is named by its type and id")


def _refuse_unpaid(form: Form, element: Element, views: Sequence[View]) -> None:
    """What was granted clear and is still hidden was not paid for: the budget does not cover it."""
    if form is Form.CLEAR and any(element in view.hidden for view in views):
        raise BudgetSpent("the exposure budget does not cover this")


def _shown(asked: Asked, views: Sequence[View], covered: Mapping[str, Any], *, masked: bool) -> Shown:
    label = CATALOGUE[asked.element].label
    if not asked.id:
        return Shown(asked.type, asked.purpose, _days(views))
    body: Mapping[str, Any] = views[0].body or {}
    if asked.element is Element.DOCUMENT:
        return Shown(sections.concept(body.get("type")) or label, asked.purpose, (), texts(body))
    found = items(body, asked.element, system().vault.plan.policy)
    if not found:
        found = [Item("", text) for text in sorted(_strings(body) - _strings(covered))]
    if masked and asked.element not in views[0].shown:
        found = [Item("", "No part of this value may be shown.")]
    return Shown(label, asked.purpose, found, masked=masked)


def _strings(value: Any) -> set[str]:
    """The texts in a resource: for values at places that no page knows of."""
    if isinstance(value, Mapping):
        return {text for member in value.values() for text in _strings(member)}
    if isinstance(value, list):
        return {text for member in value for text in _strings(member)}
    return {value} if isinstance(value, str) else set()


def _days(views: Sequence[View]) -> list[Item]:
    found = []
    for view in views:
        body = view.body or {}
        start = body.get("start") or (body.get("period") or {}).get("start")
        found.append(
            (str(start or ""), Item(str(body.get("status", "")).capitalize(), dates.format_moment(start)))
        )
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [item for _, item in found[:_MOST]]


def texts(body: Mapping[str, Any]) -> list[str]:
    """The readable parts of a document; of other files what they are."""
    found = []
    for content in body.get("content") or ():
        attachment = content.get("attachment") or {}
        kind = str(attachment.get("contentType", "file")).partition(";")[0]
        stored = attachment.get("data")
        if isinstance(stored, str) and kind.startswith("text/"):
            try:
                found.append(base64.b64decode(stored, validate=True).decode("utf-8", "replace"))
            except (binascii.Error, ValueError):
                found.append("The text of this document cannot be read; it is kept as it came.")
        elif isinstance(stored, str):
            found.append(f"A file of the type {kind}, kept as it came; pages show text only.")
        else:
            found.append("The text lies outside this chart.")
    return found or ["The document is empty."]
