"""Patterns in the journal: who sees most, in which hours, and what was seen when hardly anybody works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from confide.audit.patterns import Night, Seer, find_patterns
from confide.errors import Invalid
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor, show, staff

WINDOWS: Final = (7, 30, 90)
"""Days that can be looked at."""

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """How much one login has seen, and the part of the most that this is."""

    actor: str
    name: str
    patients: int
    entries: int
    picture: str


@dataclass(frozen=True, slots=True)
class Late:
    """What one login saw on one day in unusual hours."""

    day: str
    iso: str
    actor: str
    name: str
    hours: str
    patients: int


@require_GET
@staff
def patterns(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Show who sees most and when; the looking is an entry itself."""
    grant = visitor.reader()
    chosen = request.GET.get("days", "") or "30"
    if chosen not in set(map(str, WINDOWS)):
        raise Invalid("the window is chosen from its list")
    days, now = int(chosen), system().clock()
    found = find_patterns(system().journal, grant, now - timedelta(days=days), now, now)
    names = actor_names({s.actor for s in found.seers} | {n.actor for n in found.nights})
    hours = [(f"{hour:02d}", number) for hour, number in enumerate(found.hours)]
    course = [(dates.write(day).rsplit(" ", 1)[0], number) for day, number in found.days]
    context = {
        "days": days,
        "windows": WINDOWS,
        "seers": [_bar(each, names, found.seers[0].patients) for each in found.seers[:_SHOWN]],
        "more": max(0, len(found.seers) - _SHOWN),
        "hours": hours,
        "hours_picture": svg.columns("Openings by hour of the day (UTC)", "openings", hours),
        "course": course,
        "course_picture": svg.columns("People whose records were opened, by day", "people", course),
        "unusual": [f"{hour:02d}" for hour in found.unusual],
        "nights": [_late(each, names) for each in found.nights[:_SHOWN]],
        "nights_more": max(0, len(found.nights) - _SHOWN),
        "since": (now - timedelta(days=days)).date().isoformat(),
    }
    return show(request, visitor, "pages/patterns.html", context)


def _bar(seer: Seer, names: dict[str, str], most: int) -> Bar:
    name = names.get(seer.actor, "Unknown login")
    picture = svg.bar(seer.patients / max(most, 1), f"{name}: {seer.patients} people")
    return Bar(seer.actor, name, seer.patients, seer.entries, picture)


def _late(night: Night, names: dict[str, str]) -> Late:
    return Late(
        dates.write(night.day),
        night.day.isoformat(),
        night.actor,
        names.get(night.actor, "Unknown login"),
        ", ".join(f"{hour:02d}:00" for hour in night.hours),
        night.patients,
    )
