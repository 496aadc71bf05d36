"""Incidents: which there are, one of them as a story on one page, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from confide.access.decide import Grant
from confide.access.roles import Role
from confide.errors import Invalid
from confide.incidents.assessments import Factor, Finding, Outcome
from confide.incidents.course import State
from confide.incidents.facts import Encryption, Way
from confide.incidents.models import Incident
from confide.incidents.questions import Copy, Keys, Question
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import dates, proceedings, story
from confide.server.pages.visitor import Visitor, show, staff


@require_http_methods(["GET", "POST"])
@staff
def incidents(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List a practice's incidents; open one."""
    grant = story.grant(visitor)
    context: dict[str, Any] = {}
    if request.method == "POST":
        keeper.require_trusted(request)
        said = request.POST
        try:
            if said.get("way") not in set(Way):
                raise Invalid("choose from the list how the data were reached")
            made = system().cases.open(
                grant, said.get("title", ""), _moment(said.get("discovered", "")), way=Way(said["way"])
            )
        except Invalid as problem:
            context = {"problem": str(problem), "typed": said}
        else:
            return redirect("pages:incident", made.pk)
    listed = [story.head(each) for each in system().cases.listed(grant)]
    near = system().deadlines.near(visitor.actor.practice)
    context |= {
        "listed": listed,
        "open_count": sum(1 for each in listed if each["state"] != State.CLOSED),
        "near": [story.clock(duty, system().clock()) | {"id": row.pk} for row, duty in near[:6]],
        "near_more": max(0, len(near) - 6),
        "ways": list(story.WAYS.items()),
        "now": f"{system().clock():%Y-%m-%dT%H:%M}",
        "leads": visitor.role is Role.PRIVACY_OFFICER,
    }
    return show(request, visitor, "pages/incidents.html", context, 422 if "problem" in context else 200)


@require_GET
@staff
def incident(request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """Tell one incident as a story."""
    row = system().cases.find(story.grant(visitor), incident)
    return show(request, visitor, "pages/incident.html", _whole(visitor, row))


@require_POST
@staff
def act(request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """Do one thing to an incident."""
    keeper.require_trusted(request)
    grant = story.grant(visitor)
    row = system().cases.find(grant, incident)
    doing = _ACTS.get(request.POST.get("act", ""))
    try:
        if doing is None:
            raise Invalid("there is nothing to do")
        doing(request, visitor, grant, row)
    except Invalid as problem:
        context = _whole(visitor, row) | {"problem": str(problem), "typed": request.POST}
        return show(request, visitor, "pages/incident.html", context, 422)
    return redirect("pages:incident", row.pk)


@require_GET
@staff
def calendar(_request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """The clocks as an iCalendar file."""
    row = system().cases.find(story.grant(visitor), incident)
    response = HttpResponse(system().deadlines.feed(row), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="clocks-{row.pk[:8]}.ics"'
    return response


def _whole(visitor: Visitor, row: Incident) -> dict[str, Any]:
    return story.whole(visitor, row) | proceedings.tell(row, visitor)


# What is done


def _move(request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    if request.POST.get("state") not in set(State):
        raise Invalid("choose from the list where it stands now")
    system().cases.move(grant, row, State(request.POST["state"]), request.POST.get("text", "").strip())


def _note(request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    at = request.POST.get("at", "")
    system().cases.note(grant, row, request.POST.get("text", ""), _moment(at) if at else None)


def _task(request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    due = request.POST.get("due", "")
    system().cases.add_task(grant, row, request.POST.get("text", ""), dates.read(due) if due else None)


def _done(request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    system().cases.finish(grant, row, request.POST.get("task", "")[:36])


def _hold(_request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    if row.hold_at is None:
        system().cases.hold(grant, row)
    else:
        system().cases.release(grant, row)


def _scope(request: HttpRequest, visitor: Visitor, grant: Grant, row: Incident) -> None:
    said = request.POST
    if said.get("copy", "") not in set(Copy) or said.get("keys", Keys.TAKEN) not in set(Keys):
        raise Invalid("choose from the lists what was taken")
    actors = tuple(each.partition(":")[2][:36] for each in said.getlist("actor") if each)
    known = {id_.partition(":")[2] for id_, _ in story.actors(visitor.actor.practice)}
    if not set(actors) <= known:
        raise Invalid("choose from the list whose login or program it was")
    counted = system().scopes.measure(
        grant, row,
        Question(
            since=_midnight(dates.read(said.get("since", ""))),
            until=_midnight(dates.read(said.get("until", "")) + timedelta(days=1)),
            actors=actors,
            addresses=tuple(filter(None, [said.get("address", "").strip()[:64]])),
            copy=Copy(said.get("copy", "")), keys=Keys(said.get("keys", Keys.TAKEN)),
        ),
    )  # fmt: skip
    system().scopes.prove(grant, counted, story.verify)


def _freeze(_request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    newest = row.scopes.order_by("version").last()
    if newest is None:
        raise Invalid("nothing is counted yet")
    system().scopes.freeze(grant, newest)


def _assess(request: HttpRequest, visitor: Visitor, grant: Grant, row: Incident) -> None:
    counted = row.latest_scope()
    if counted is None:
        raise Invalid("nothing is counted yet")
    said = request.POST
    if said.get("outcome") not in set(Outcome) or said.get("encryption") not in set(Encryption):
        raise Invalid("choose from the lists what you decide")
    findings, reasons = {}, {}
    for factor in Factor:
        if said.get(factor.value) in set(Finding):
            findings[factor] = Finding(said[factor.value])
        reasons[factor] = said.get(f"{factor}-why", "")
    system().assessments.sign(
        grant, row, counted, findings, reasons, Outcome(said["outcome"]), Encryption(said["encryption"]),
        visitor.actor.proved_at,
    )  # fmt: skip


_Doing = Callable[[HttpRequest, Visitor, Grant, Incident], None]
_ACTS: Final[dict[str, _Doing]] = {
    "move": _move,
    "note": _note,
    "task": _task,
    "done": _done,
    "hold": _hold,
    "scope": _scope,
    "freeze": _freeze,
    "assess": _assess,
    "match": proceedings.match,
    "remedy": proceedings.ask,
    "renew": proceedings.renew,
    "agree": proceedings.agree,
    "evidence": proceedings.keep,
}


def _moment(said: str) -> datetime:
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid("a moment is written 2026-11-02T16:40 (UTC)") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
