"""The finder: one box, answers while typing. What is typed goes by POST and is in no address."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from confide.access.roles import Action
from confide.access.visits import find_today
from confide.protect.elements import Element
from confide.records.finder import MOST_SHOWN
from confide.records.models import Resource
from confide.records.rows import View, parse_id, some
from confide.server.apps import system
from confide.server.pace import pace
from confide.server.pages import compartment, dates
from confide.server.pages.visitor import Visitor, asks_part, show, staff


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of the answer."""

    id: str
    name: str
    hidden: bool
    born: str
    age: str
    sex: str
    died: bool


@require_GET
@staff
def finder(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """The page with the box, empty."""
    if not visitor.finds:
        return redirect("pages:front")
    return show(request, visitor, "pages/finder.html", {"coming": coming(visitor), "most": MOST_SHOWN})


def coming(visitor: Visitor) -> list[Hit]:
    """Today's patients, for a suspect session: it asks for nobody else, so it has no need to search."""
    if not visitor.suspect:
        return []
    whose = find_today(visitor.actor, system().days, system().clock())
    if not whose:
        return []
    elements = frozenset({Element.NAME, Element.BIRTH_DATE})
    grant = system().decide(visitor.actor, Action.READ, visitor.purpose, whose, elements)
    rows = Resource.objects.filter(practice=visitor.actor.practice, type="Patient", deleted=False)
    views = system().charts.views(
        grant, list(some(rows, [parse_id(each) for each in sorted(whose)])), elements
    )
    return sorted(map(_hit, views), key=lambda hit: (hit.hidden, hit.name))


@require_POST
@staff
def find(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Answer what is in the box; to a suspect session always the same, today's patients."""
    pace.keep(visitor.actor)
    if visitor.suspect:
        context = {"coming": coming(visitor), "most": MOST_SHOWN, "part": asks_part(request)}
        page = "pages/parts/coming.html" if asks_part(request) else "pages/finder.html"
        return show(request, visitor, page, context)
    text = request.POST.get("q", "")
    grant = system().decide(visitor.actor, Action.SEARCH, visitor.purpose, None, Element)
    finding = system().finder.find(grant, text, typing="typing" in request.POST)
    hits = [_hit(view) for view in finding.views]
    context = {
        "finding": finding,
        "hits": hits,
        "most": MOST_SHOWN,
        "spent": finding.spent or any(h.hidden for h in hits),
    }
    if asks_part(request):
        return show(request, visitor, "pages/parts/found.html", {**context, "part": True})
    return show(request, visitor, "pages/finder.html", {**context, "asked": True})


def _hit(view: View) -> Hit:
    body = view.body or {}
    born = body.get("birthDate")
    clear = Element.BIRTH_DATE not in view.hidden
    died = bool(body.get("deceasedDateTime") or body.get("deceasedBoolean"))
    today = system().clock().date()
    return Hit(
        id=view.id,
        name=compartment.person(body.get("name")) or "No name",
        hidden=Element.NAME in view.hidden,
        born=dates.format(born),
        age=dates.age(born, today) if clear and not died else "",
        sex=str(body.get("gender", "")),
        died=died,
    )
