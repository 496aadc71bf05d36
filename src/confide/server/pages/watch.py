"""The watch, live: what each login has seen against its budget, what was found, and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods

from confide.access import budget, reach
from confide.access.decide import act_as_client, act_as_member
from confide.access.freshness import require_fresh
from confide.access.models import Account, Client, Membership
from confide.access.standing import State
from confide.audit import standing as written
from confide.audit.patterns import fill
from confide.audit.questions import Question, asking, find
from confide.errors import AccessDenied, Invalid, Unknown
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import ALL, actor_names, acts_of
from confide.server.pages.visitor import Visitor, show, staff
from confide.watch import containment
from confide.watch.answers import Answer
from confide.watch.findings import Code
from confide.watch.models import Found
from confide.watch.thresholds import LOOK

DAYS: Final = 30
_SHOWN: Final = 40
_NEAR: Final = 0.8  # part of a budget from which it is said in words

STEPS: Final = {
    State.STEP_UP: "Ask for a second factor",
    State.SUSPECT: "Cover what it sees",
    State.FROZEN: "Freeze it",
}
"""What a button says for the next step of the ladder."""

_STANDINGS: Final = {State.SUSPECT: "suspect", State.FROZEN: "frozen"}


@dataclass(frozen=True, slots=True)
class Spent:
    """What one login has seen in 24 hours."""

    actor: str
    name: str
    patients: int
    limit: int
    picture: SafeString
    near: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding, for people.

    Attributes:
        state: In words what is done to the login; empty where it is trusted.
        step: The code of the next step, and what its button says; empty where there is none.
        answer: In words what was answered.
        incident: The id of the open incident of its login; empty where there is none.
    """

    id: str
    who: str
    label: str
    sentence: str
    since: str
    at: str
    signals: int
    entries: int
    look: bool
    heavy: bool
    state: str
    step: str
    step_label: str
    answer: str
    incident: str


@require_http_methods(["GET", "POST"])
@staff
def watch(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Show what is found and seen now, which is an entry; or take the next step against a login."""
    _require(visitor)
    if request.method == "POST":
        _step(request, visitor)
        return redirect("pages:watch")
    now = system().clock()
    grant = visitor.reader()
    with asking(system().journal, grant, now, what="watch"):
        context = gather(visitor, now)
    return show(request, visitor, "pages/watch.html", context)


@require_GET
@staff
def part(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Show the live part again, as it stands now; that the page was opened is an entry already."""
    _require(visitor)
    return show(request, visitor, "pages/parts/watch.html", gather(visitor, system().clock()))


@require_http_methods(["GET", "POST"])
@staff
def one(request: HttpRequest, visitor: Visitor, finding: str) -> HttpResponse:
    """Show one finding with the entries that it rests on, or answer it."""
    _require(visitor)
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    practice, now = visitor.actor.practice, system().clock()
    row = Found.objects.filter(pk=finding[:36], practice=practice).first()
    if row is None:
        raise Unknown("there is no such finding in this practice")
    if request.method == "POST":
        keeper.require_trusted(request)
        require_fresh(visitor.actor.proved_at, now)  # a stolen session would explain its own findings away
        answer = request.POST.get("answer", "")
        if answer not in set(Answer):
            raise Invalid("the answer is chosen from its list")
        note, credential = request.POST.get("note", ""), visitor.actor.credential
        system().answers.answer(row.pk, Answer(answer), note, request.user, practice, now, credential)
        return redirect("pages:watch")
    grant = visitor.reader()
    lines = find(
        system().journal, grant, Question(ids=row.evidence, actions=ALL, limit=len(row.evidence)), now
    )
    acts, _ = acts_of(visitor, lines)
    names = actor_names({row.owner.partition(":")[2], row.answered_by})
    context = {
        "found": _shown(row, names, now),
        "acts": acts,
        "answers": [(each.value, each.label) for each in Answer],
        "open": row.closed_at is None,
        "note": system().answers.note_of(row),
        "by": names.get(row.answered_by, ""),
    }
    return show(request, visitor, "pages/finding.html", context)


def gather(visitor: Visitor, now: datetime) -> dict[str, object]:
    """Put the live part together."""
    practice = visitor.actor.practice
    rows = list(
        Found.objects.filter(closed_at__isnull=True, practice=practice).order_by("-weight", "-at")[:_SHOWN]
    )
    names = actor_names({row.owner.partition(":")[2] for row in rows})
    shown = [_shown(row, names, now) for row in rows]
    waits = [each for each in shown if each.look and not each.answer]
    counted: dict[object, int] = {}
    begin = now - timedelta(days=DAYS - 1)
    recent = Found.objects.filter(practice=practice, since__date__gte=begin.date(), weight__gte=LOOK)
    for since in recent.values_list("since", flat=True):
        counted[since.date()] = counted.get(since.date(), 0) + 1
    course = [
        (dates.write(day).rsplit(" ", 1)[0], number)
        for day, number in fill(counted, begin, now)  # type: ignore[arg-type] # keys are days
    ]
    spent = _spent(practice, now)
    return {
        "waits": waits,
        "others": [each for each in shown if each not in waits],
        "spent": spent,
        "seen": sum(each.patients for each in spent),
        "course": course,
        "found": sum(number for _, number in course),
        "course_picture": svg.columns("Findings to look at, by day", "findings", course),
        "at": f"{now:%H:%M}",
        "mark": mark(practice),
    }


def mark(practice: str) -> str:
    """Return a short text that changes when the page should: it is compared, and says nothing."""
    rows = Found.objects.filter(practice=practice).order_by("-at").values_list("at", "signals", "answered_at")
    newest = rows.first()
    answered = Found.objects.filter(practice=practice, answered_at__isnull=False).order_by("-answered_at")
    last = answered.values_list("answered_at", flat=True).first()
    stamps = [newest[0].timestamp() if newest else 0, newest[1] if newest else 0]
    return "-".join(f"{each:.0f}" for each in (*stamps, last.timestamp() if last else 0, rows.count()))


def _require(visitor: Visitor) -> None:
    if not (visitor.reads_journal and visitor.keeps):
        raise AccessDenied("the watch is for the privacy officer")


def _step(request: HttpRequest, visitor: Visitor) -> None:
    assert isinstance(request.user, Account)  # noqa: S101 - as above
    keeper.require_trusted(request)
    practice = visitor.actor.practice
    row = Found.objects.filter(pk=request.POST.get("finding", ""), practice=practice).first()
    subject = containment.find(row.owner) if row else None
    state = request.POST.get("step", "")
    if row is None or subject is None:
        raise Unknown("there is no such finding in this practice")
    if state not in set(STEPS):
        raise Invalid("the step is chosen from its list")
    written.take_step(
        system().journal,
        subject,
        State(state),
        system().clock(),
        by=request.user,
        practice=practice,
        credential=visitor.actor.credential,
    )


def _shown(row: Found, names: dict[str, str], now: datetime) -> Shown:
    state, step = _next(row.owner)
    incident = system().cases.found_for(row.practice, row.owner)
    return Shown(
        row.pk,
        names.get(row.owner.partition(":")[2], "Unknown login"),
        Code(row.code).label,
        row.sentence,
        _when(row.since, now),
        _when(row.at, now),
        row.signals,
        len(row.evidence),
        row.weight >= LOOK,
        row.weight >= containment.INCIDENT,
        _STANDINGS.get(state, "") if state else "",
        step.value if step else "",
        STEPS[step] if step else "",
        Answer(row.answer).label if row.answer else "",
        incident.pk if incident is not None else "",
    )


def _next(owner: str) -> tuple[State | None, State | None]:
    """What is done to a login, and the step above it."""
    subject = containment.find(owner)
    if subject is None:
        return None, None
    if subject.frozen_at is not None:
        return State.FROZEN, None
    if subject.suspect_at is not None:
        return State.SUSPECT, State.FROZEN
    asked = isinstance(subject, Account) and subject.sessions.filter(suspect_at__isnull=False).exists()
    return None, State.SUSPECT if asked else State.STEP_UP


def _when(moment: datetime, now: datetime) -> str:
    at = moment.isoformat()
    return (
        dates.format_time(at)
        if moment.date() == now.date()
        else f"{dates.format(at)}, {dates.format_time(at)}"
    )


def _spent(practice: str, now: datetime) -> list[Spent]:
    """What each person and program has seen, the nearest to its budget first; who saw nothing is left out."""
    members = Membership.objects.filter(practice=practice, active=True).select_related("account")
    actors = {member.account_id: act_as_member(member, "") for member in members}
    for client in Client.objects.filter(reach.inside(practice), active=True):
        actors[client.pk] = act_as_client(client, "", practice=practice)
    found = []
    for actor in actors.values():
        usage = budget.today(actor, now)
        if usage.patients or usage.units:
            part = max(usage.patients / max(usage.patient_limit, 1), usage.units / max(usage.unit_limit, 1))
            words = f"{actor.name}: {100 * part:.0f} % of the budget of 24 hours"
            picture = svg.bar(min(part, 1.0), words)
            found.append(
                (
                    part,
                    Spent(actor.id, actor.name, usage.patients, usage.patient_limit, picture, part >= _NEAR),
                )
            )
    return [each for _, each in sorted(found, key=lambda pair: (-pair[0], pair[1].name))][:_SHOWN]
