"""One's own sessions: where one is signed in, and how to end it there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from confide.access import sessions as rows
from confide.access.models import Account
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import dates
from confide.server.pages.visitor import Visitor, show, staff


@dataclass(frozen=True, slots=True)
class Open:
    """A session as its owner reads it."""

    id: str
    device: str
    address: str
    began: str
    seen: str
    here: bool


@require_http_methods(["GET", "POST"])
@staff
def sessions(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List the sessions of the person; end one, or all; or say that a new device is one's own."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    if request.method == "POST":
        if "everywhere" in request.POST:
            keeper.end_all(request, request.user)
            return redirect("account_login")
        if "own" in request.POST:
            keeper.confirm(request, request.user, request.POST["own"])
        elif "end" in request.POST:
            keeper.end(request, request.user, request.POST["end"])
        return redirect("pages:sessions")
    here = request.session.get(keeper.KEY)
    listed = [
        Open(
            row.pk,
            row.device.name,
            row.address,
            _write(row.began_at),
            _write(row.seen_at),
            row.pk == here,
        )
        for row in rows.live(request.user, system().clock())
    ]
    listed.sort(key=lambda each: not each.here)
    minutes = rows.idle_minutes(request.user)
    hours = rows.LONGEST.total_seconds() // 3600
    context = {"sessions": listed, "minutes": minutes, "hours": int(hours)}
    return show(request, visitor, "pages/sessions.html", context)


def _write(moment: datetime) -> str:
    at = moment.isoformat()
    return f"{dates.format(at)}, {dates.format_time(at)}"
