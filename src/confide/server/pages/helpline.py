"""The help line: staff find a letter by its number, and are shown whose it is through the door."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from confide.access.roles import Action
from confide.errors import AccessDenied, BudgetSpent, Invalid, Unknown
from confide.incidents.notices import mailings, reached, wording
from confide.incidents.notices.models import Unreached
from confide.protect.elements import Element
from confide.server.apps import system
from confide.server.pages import compartment, dates
from confide.server.pages.visitor import Visitor, show, staff

_NAME = frozenset({Element.NAME})


@require_http_methods(["GET", "POST"])
@staff
def helpline(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Say what a letter told, for somebody who calls; by the number that they read out."""
    if not visitor.finds:
        raise AccessDenied("the help line is for those who find patients")
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            context = _told(visitor, request.POST.get("number", ""))
        except (Invalid, Unknown, BudgetSpent) as problem:
            context = {"problem": str(problem)}
    return show(request, visitor, "pages/helpline.html", context, 422 if "problem" in context else 200)


def _told(visitor: Visitor, number: str) -> dict[str, Any]:
    mailing, patient, shown = reached.find_person(visitor.actor.practice, number)
    # Whose it is is paid for and journalled, as wherever a name is shown.
    grant = system().decide(visitor.actor, Action.READ, visitor.purpose, [patient], _NAME)
    view = system().charts.read(grant, "Patient", patient, _NAME)
    told = mailings.facts_of(mailing)
    code = system().offers.status(mailing.practice, mailing.incident, patient)
    came_back = Unreached.objects.filter(mailing=mailing, patient=patient).exists()
    return {
        "found": True,
        "patient": patient,
        "person": compartment.person((view.body or {}).get("name")),
        "is_name": Element.NAME in view.shown,
        "sent": dates.write(mailing.finished_at.date()) if mailing.finished_at else "",
        "came_back": came_back,
        "shown": wording.spoken(shown, "en"),
        "offer": told.offer,
        "until": dates.write(code[0]) if code else "",
        "used": dates.write(code[1].date()) if code and code[1] else "",
    }
