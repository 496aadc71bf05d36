"""Breaking the glass, allowing a colleague's, and the queue in which each is reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from confide.access import glass
from confide.access.containment import Emergency
from confide.access.freshness import require_fresh
from confide.access.glass import Verdict
from confide.access.models import Account
from confide.access.roles import Role
from confide.errors import AccessDenied, Invalid
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import compartment, dates
from confide.server.pages.journal import actor_names, stand_ins
from confide.server.pages.visitor import ROLE_LABELS, Visitor, show, staff
from confide.vault.emergencies import Told

_REVIEWED_SHOWN: Final = 20
_MINUTE: Final = 60
VERDICTS: Final = {Verdict.JUSTIFIED: "justified", Verdict.UNJUSTIFIED: "not justified"}


@dataclass(frozen=True, slots=True)
class Case:
    """One emergency as the reviewer reads it.

    Attributes:
        stand_in: The name under which the patient can be spoken of.
        second: Who allowed it, where a second person was needed.
        running: It has not ended yet.
        degraded: The session was suspect at the time.
        verdict: In words; empty until it is reviewed.
    """

    id: str
    who: str
    role: str
    at: str
    patient: str
    stand_in: str
    reason: str
    second: str
    running: bool
    waiting: bool
    degraded: bool
    overdue: bool
    verdict: str = ""
    note: str = ""
    reviewer: str = ""


# Breaking


@require_http_methods(["GET", "POST"])
@staff
def break_glass(request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Ask why, and break the glass for one patient."""
    if not visitor.breaks_glass:
        raise AccessDenied("this role does not break the glass")
    compartment.patient_row(visitor.actor.practice, patient)
    now = system().clock()
    context = {
        "patient": patient,
        "alone": glass.needs_nobody(visitor.actor.id, now),
        "most": glass.MOST_ALONE,
        "minutes": glass.LASTS.seconds // _MINUTE,
        "asked": glass.waiting_now(now)
        .filter(account=visitor.actor.id, session=visitor.actor.session, patient=patient)
        .exists(),
    }
    if request.method == "POST":
        try:
            made = system().emergencies.break_glass(
                visitor.actor, patient, request.POST.get("reason", "")[: 2 * glass.LONGEST]
            )
        except Invalid as problem:
            # What was typed stays on the page that it was typed on, and goes nowhere else.
            typed = {"problem": str(problem), "typed": request.POST.get("reason", "")[: glass.LONGEST]}
            return show(request, visitor, "pages/glass.html", {**context, **typed}, status=422)
        if made.begins_at is not None:
            return redirect("pages:chart", patient)
        context["asked"] = True
    return show(request, visitor, "pages/glass.html", context)


def minutes_left(until: datetime, now: datetime) -> int:
    """Whole minutes until then, the last one counted."""
    return max(1, -int((now - until).total_seconds() // _MINUTE))


# The queue


@require_http_methods(["GET", "POST"])
@staff
def emergencies(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List what waits for a second person or for its review; allow one, or review one."""
    if not visitor.allows_emergencies:
        raise AccessDenied("emergencies are for those who allow or review them")
    if request.method == "POST":
        _act(request, visitor)
        return redirect("pages:emergencies")
    now, practice = system().clock(), visitor.actor.practice
    waiting = list(glass.waiting_now(now).filter(practice=practice).order_by("asked_at"))
    context = {
        "waiting": _cases(visitor, [Told(row, "") for row in waiting], now),
        "reviews": visitor.reads_journal,
        "days": glass.REVIEWED_WITHIN.days,
    }
    if visitor.reads_journal:
        grant = visitor.reader()
        begun = Emergency.objects.filter(practice=practice, begins_at__isnull=False)
        done = begun.exclude(verdict="").order_by("-reviewed_at")[:_REVIEWED_SHOWN]
        rows = [*begun.filter(verdict="").order_by("asked_at", "id"), *done]
        cases = _cases(visitor, system().emergencies.read(grant, rows), now)
        context |= {
            "cases": [case for case in cases if not case.verdict],
            "reviewed": [case for case in cases if case.verdict],
            "verdicts": [(verdict.value, words) for verdict, words in VERDICTS.items()],
        }
    return show(request, visitor, "pages/emergencies.html", context)


def _act(request: HttpRequest, visitor: Visitor) -> None:
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    keeper.require_trusted(request)
    # Else a session that was stolen, or left open, is the second person of another thief.
    require_fresh(visitor.actor.proved_at, system().clock())
    practice = visitor.actor.practice
    if "allow" in request.POST:
        row = glass.find(practice, request.POST["allow"])
        system().emergencies.allow(visitor.actor, request.user, row)
    elif "review" in request.POST:
        row = glass.find(practice, request.POST["review"])
        verdict = request.POST.get("verdict", "")
        if verdict not in set(Verdict):
            raise Invalid("the verdict is chosen from its list")
        note = request.POST.get("note", "")[: 2 * glass.LONGEST]
        system().emergencies.review(visitor.actor, request.user, row, Verdict(verdict), note)
    else:
        raise Invalid("there is nothing to do")


def _cases(visitor: Visitor, told: Sequence[Told], now: datetime) -> list[Case]:
    rows = [each.row for each in told]
    people = actor_names({row.account_id for row in rows})
    people |= actor_names({pk for row in rows for pk in (row.allowed_by_id, row.reviewed_by_id) if pk})
    names = stand_ins(visitor, {row.patient for row in rows}) if visitor.reads_journal else {}
    return [_case(each, people, names, now) for each in told]


def _case(told: Told, people: dict[str, str], names: dict[str, str], now: datetime) -> Case:
    row = told.row
    at = row.asked_at.isoformat()
    return Case(
        id=row.pk,
        who=people.get(row.account_id, "Unknown login"),
        role=ROLE_LABELS[Role(row.role)],
        at=f"{dates.format(at)}, {dates.format_time(at)}",
        patient=row.patient,
        stand_in=names.get(row.patient, "One patient"),
        reason=told.reason,
        second=people.get(row.allowed_by_id or "", ""),
        running=row.expires_at is not None and row.expires_at > now,
        waiting=row.begins_at is None,
        degraded=row.degraded,
        overdue=glass.is_overdue(row, now),
        verdict=VERDICTS[Verdict(row.verdict)] if row.verdict else "",
        note=told.note,
        reviewer=people.get(row.reviewed_by_id or "", ""),
    )
