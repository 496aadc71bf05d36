"""Notices to nobody in person: which are due, their words with the scope's figures, and that they went."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from confide.access.freshness import require_fresh
from confide.access.models import Practice
from confide.errors import AccessDenied, Invalid, Unknown
from confide.incidents import exhibits, reading
from confide.incidents.calendar import shown
from confide.incidents.models import Incident, Scope
from confide.incidents.notices import announcements, facts, publications, templates
from confide.incidents.notices.announcements import Owed
from confide.incidents.notices.templates import Kind
from confide.server import filed, keeper
from confide.server.apps import system
from confide.server.pages import dates, story
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor, show, staff
from confide.server.paper import MEDIA

_KINDS: Final = {
    Kind.MEDIA: "To the media of {state}",
    Kind.SUBSTITUTE: "On the home page, or in print",
    Kind.AGENCIES: "To the consumer reporting agencies",
}
_FIGURES: Final = {
    "residents": "residents",
    "unreachable": "persons without a good address",
    "persons": "persons",
    "states": "",
}
_MOST: Final = 200
"""Notices on one page; the command writes all of them."""


@require_http_methods(["GET", "POST"])
@staff
def public(request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """List what is due to nobody in person; take what these notices say."""
    grant = story.grant(visitor)
    row = system().cases.find(grant, incident)
    problem = ""
    if request.method == "POST":
        keeper.require_trusted(request)
        require_fresh(visitor.actor.proved_at, system().clock())
        try:
            upload = request.FILES.get("facts")
            told = facts.read(tomllib.loads(upload.read(100_000).decode() if upload is not None else ""))
            publications.write(system().cases, grant, row, told, system().clock())
            return redirect("pages:public", row.pk)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            problem = "what the notices say is a TOML file"
        except (Invalid, AccessDenied) as found:
            problem = str(found)
    context = _listed(row) | {"problem": problem}
    return show(request, visitor, "pages/public.html", context, 422 if problem else 200)


@require_http_methods(["GET", "POST"])
@staff
def announced(request: HttpRequest, visitor: Visitor, incident: str, name: str) -> HttpResponse:
    """Show one of them to be copied or printed, as a PDF where ``paper`` is asked for; mark it as sent."""
    grant = story.grant(visitor)
    row = system().cases.find(grant, incident)
    scope, all_ = _owed(row)
    each = next((one for one in all_ if one.name == name), None)
    told = publications.words(row)
    if scope is None or each is None or told is None:
        raise Unknown("there is no such notice (or nobody has said what it says)")
    notice = announcements.tell(each, announcements.names(scope), templates.built_in(), told)
    now, problem = system().clock(), ""
    if "paper" in request.GET:
        response = HttpResponse(filed.notice(notice, told.practice, now), content_type=MEDIA)
        response["Content-Disposition"] = f'attachment; filename="{each.kind}-{row.pk[:8]}.pdf"'
        return response
    if request.method == "POST":
        keeper.require_trusted(request)
        require_fresh(visitor.actor.proved_at, now)
        upload = request.FILES.get("proof")
        try:
            if upload is None or upload.size is None or upload.size > exhibits.LARGEST:
                raise Invalid("choose a file of at most 64 MiB that proves it")
            publications.publish(
                system().cases, grant, row, scope, each, notice,
                day=dates.read(request.POST.get("day", ""), "say on which day it went"),
                to=request.POST.get("to", ""), proof=(upload.name or "", upload.read()), now=now,
            )  # fmt: skip
            return redirect("pages:announced", row.pk, name)
        except (Invalid, AccessDenied) as found:
            problem = str(found)
    made = publications.sent(row, scope).get(name)
    measured = notice.measured()
    lines = made.text.splitlines() if made is not None else None
    context = {
        **_line(each, _names([each]), {} if made is None else {name: made}),
        "incident": row.pk,
        "title": system().cases.title(row),
        "problem": problem,
        "blocks": [(part.value, text) for part, text in notice.blocks],
        "as_sent": lines,
        "measured": measured.told,
        "reached": measured.reached,
        "unsound": not scope.sound,
        "version": scope.version,
        "today": now.date().isoformat(),
        "to": "" if made is None else publications.whom(system().cases, row, made),
        "proof": None if made is None else publications.proof(made),
        "by": "" if made is None else actor_names({made.noted_by}).get(made.noted_by, "Unknown login"),
    }
    return show(request, visitor, "pages/announced.html", context, 422 if problem else 200)


def _owed(row: Incident) -> tuple[Scope | None, list[Owed]]:
    scope = row.latest_scope()
    if scope is None or scope.frozen_at is None:
        return scope, []
    found = system().deadlines.reckon(row, scope)
    return scope, [] if found is None else list(announcements.owed(scope, found))


def _listed(row: Incident) -> dict[str, Any]:
    scope, all_ = _owed(row)
    sent = {} if scope is None else publications.sent(row, scope)
    told, names = publications.words(row), _names(all_[:_MOST])
    waiting = [each for each in all_ if each.name not in sent]
    return {
        "id": row.pk,
        "title": system().cases.title(row),
        "frozen": scope is not None and scope.frozen_at is not None,
        "unsound": scope is not None and not scope.sound,
        "version": 0 if scope is None else scope.version,
        "notices": [_line(each, names, sent) for each in all_[:_MOST]],
        "more": len(all_) - _MOST,
        "waiting": len(waiting),
        "all": len(all_),
        "worded": told is not None,
        "practice_words": "" if told is None else told.practice,
    }


def _line(each: Owed, names: dict[str, str], sent: dict[str, Any]) -> dict[str, Any]:
    state, now = reading.held().states.get(each.state), system().clock()
    duty, made = each.duty, sent.get(each.name)
    left = None if duty is None else duty.left(now)
    until = None if duty is None else duty.until
    figures = [
        f"{value:,} {_FIGURES[key]}" if isinstance(value, int) else value
        for key, value in each.counts.items()
    ]
    return {
        "name": each.name,
        "what": _KINDS[each.kind].format(state="" if state is None else state.state),
        "of": names.get(each.practice, ""),
        "figures": "; ".join(figures),
        "cite": "" if duty is None else duty.cite,
        "until": "" if until is None else dates.write(until) if type(until) is date else shown(until),
        "left": "" if left is None else dates.left(left),
        "over": left is not None and left < 0,
        "near": left is not None and 0 <= left <= max(reading.held().rules.warnings.calendar_days),
        "sent": "" if made is None else dates.write(made.sent_on),
    }


def _names(all_: list[Owed]) -> dict[str, str]:
    return dict(Practice.objects.filter(pk__in={each.practice for each in all_}).values_list("pk", "name"))
