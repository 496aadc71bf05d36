"""Logins and programs that are frozen or suspect, since when and why; to freeze one, to let one in again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from confide.access import outsiders, reach
from confide.access import standing as rules
from confide.access.containment import Standing
from confide.access.entrances import Session
from confide.access.freshness import require_fresh
from confide.access.models import Account, Client, Membership
from confide.access.standing import CHOSEN, Kind, Reason, State
from confide.audit import standing as written
from confide.errors import AccessDenied, Invalid
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import dates
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor, show, staff

_STATES: Final = {
    State.STEP_UP: "asked to prove a second factor",
    State.FROZEN: "frozen",
    State.SUSPECT: "suspect",
    State.WITHHELD: "not stopped",
}
_KINDS: Final = {Kind.PERSON: "login", Kind.CLIENT: "program", Kind.SESSION: "one session"}


@dataclass(frozen=True, slots=True)
class Held:
    """One measure that holds.

    Attributes:
        name: ``person:...``, as a form sends it back.
        kind: In words.
        state: In words.
        by: Who took it; empty where Confide did.
        frozen: It is refused everywhere.
        waiting: Confide has not stopped it, because it would have stopped many: a person decides.
    """

    name: str
    who: str
    kind: str
    state: str
    since: str
    why: str
    by: str
    frozen: bool
    waiting: bool


@require_http_methods(["GET", "POST"])
@staff
def standing(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List what holds; freeze a login or program, or let one in again."""
    if not visitor.keeps:
        raise AccessDenied("logins are kept by the privacy officer and the practice manager")
    if request.method == "POST":
        _act(request, visitor)
        return redirect("pages:standing")
    held = _held(rules.holding(visitor.actor.practice))
    context = {
        "held": held,
        "stopped": sum(1 for each in held if each.frozen),
        "suspect": sum(1 for each in held if not each.frozen and not each.waiting),
        "waiting": sum(1 for each in held if each.waiting),
        "choices": _choices(visitor),
        "reasons": [(reason.value, reason.label) for reason in CHOSEN],
    }
    return show(request, visitor, "pages/standing.html", context)


@require_http_methods(["GET", "POST"])
@staff
def outside(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """For the one outside a practice with one clinician: let its people in again."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    now = system().clock()
    mine = outsiders.practices_of(request.user, now)
    if not mine:
        raise AccessDenied("no practice has named you as its person outside")
    if request.method == "POST":
        keeper.require_trusted(request)
        require_fresh(visitor.actor.proved_at, now)
        practice = request.POST.get("practice", "")
        if practice not in [each.pk for each in mine]:
            raise AccessDenied("that practice has not named you as its person outside")
        subject = _subject(request.POST.get("lift", ""))
        written.lift(system().journal, subject, request.user, practice, now, visitor.actor.credential)
        return redirect("pages:outside")
    listed = [(each.pk, each.name, _held(rules.holding(each.pk))) for each in mine]
    return show(request, visitor, "pages/outside.html", {"listed": listed})


def _act(request: HttpRequest, visitor: Visitor) -> None:
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    keeper.require_trusted(request)
    practice, now, journal = visitor.actor.practice, system().clock(), system().journal
    credential = visitor.actor.credential
    if "freeze" in request.POST:
        subject = _subject(request.POST["freeze"])
        written.freeze(
            journal, subject, _reason(request), now, by=request.user, practice=practice, credential=credential
        )
    elif "lift" in request.POST:
        require_fresh(visitor.actor.proved_at, now)
        subject = _subject(request.POST["lift"])
        written.lift(journal, subject, request.user, practice, now, credential)
    else:
        raise Invalid("there is nothing to do")


def _subject(name: str) -> rules.Subject:
    kind, _, id_ = name.partition(":")
    return rules.find(kind, id_[:36])


def _reason(request: HttpRequest) -> Reason:
    reason = request.POST.get("reason", Reason.MISUSE.value)
    if reason not in [each.value for each in CHOSEN]:
        raise Invalid("the reason is chosen from its list")
    return Reason(reason)


def _held(rows: Sequence[Standing]) -> list[Held]:
    names = actor_names({row.owner.partition(":")[2] for row in rows} | {row.by for row in rows if row.by})
    devices = dict(
        Session.objects.filter(pk__in=[row.subject for row in rows if row.kind == Kind.SESSION]).values_list(
            "pk", "device__name"
        )
    )
    return [_one(row, names, devices) for row in rows]


def _one(row: Standing, names: dict[str, str], devices: dict[str, str]) -> Held:
    at = row.since.isoformat()
    kind = _KINDS[Kind(row.kind)]
    if row.subject in devices:
        kind = f"{kind}, {devices[row.subject]}"
    return Held(
        name=f"{row.kind}:{row.subject}",
        who=names.get(row.owner.partition(":")[2], "Unknown login"),
        kind=kind,
        state=_STATES[State(row.state)],
        since=f"{dates.format(at)}, {dates.format_time(at)}",
        why=Reason(row.reason).label if row.reason in set(Reason) else row.reason,
        by=names.get(row.by, ""),
        frozen=row.state == State.FROZEN,
        waiting=row.state == State.WITHHELD,
    )


def _choices(visitor: Visitor) -> list[tuple[str, str]]:
    """Whom one may freeze: everybody of the practice who is not frozen yet, and its programs."""
    people = Membership.objects.filter(
        practice=visitor.actor.practice, active=True, account__frozen_at__isnull=True
    )
    programs = Client.objects.filter(
        reach.inside(visitor.actor.practice), active=True, frozen_at__isnull=True
    )
    found = {(f"person:{pk}", name) for pk, name in people.values_list("account", "account__display_name")}
    listed = sorted(found, key=lambda pair: pair[1])
    return listed + [(f"client:{c.pk}", f"{c.name} (program)") for c in programs.order_by("name")]
