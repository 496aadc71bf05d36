"""Who is in front of the page: a signed-in person, in one role, in one practice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django_htmx.http import HttpResponseClientRedirect

from confide.access import budget, challenges
from confide.access.budget import Usage
from confide.access.decide import Actor, Grant, act_as_member
from confide.access.glass import ALLOWING
from confide.access.invitations import INVITERS
from confide.access.memberships import WORKS
from confide.access.models import Account, Membership
from confide.access.raises import APPROVERS
from confide.access.roles import FORMS, Action, Form, Purpose, Role
from confide.errors import AccessDenied, ConfideError, StepUpNeeded, TooFast
from confide.protect.elements import Element
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import svg, troubles

MEMBERSHIP: Final = "membership"
"""The key in the session under which the chosen membership's id is kept."""

ROLE_LABELS: Final = {
    Role.FRONT_DESK: "Front desk",
    Role.NURSE: "Nurse",
    Role.CLINICIAN: "Clinician",
    Role.BILLER: "Biller",
    Role.PRACTICE_MANAGER: "Practice manager",
    Role.PRIVACY_OFFICER: "Privacy officer",
    Role.AUDITOR: "Auditor",
    Role.INTEGRATOR: "Integrator",
    Role.OPERATOR: "Operator",
    Role.SYSTEM: "System",
}
# Why a person of each role opens a page, unless another purpose is chosen.
_PURPOSES: Final = {
    Role.FRONT_DESK: Purpose.HOPERAT,
    Role.NURSE: Purpose.TREAT,
    Role.CLINICIAN: Purpose.TREAT,
    Role.BILLER: Purpose.HPAYMT,
    Role.PRIVACY_OFFICER: Purpose.PATRQT,
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person at work.

    Attributes:
        purpose: Why pages are opened in this role.
        practice: The practice's name.
        choices: How many memberships the person has to choose from.
        suspect: The login or its session is suspect, so that it sees little.
        asked: It is suspect only until the person proves a second factor.
    """

    actor: Actor
    purpose: Purpose
    practice: str
    choices: int
    suspect: bool = False
    asked: bool = False

    @property
    def role(self) -> Role:
        return self.actor.role

    @property
    def role_label(self) -> str:
        return ROLE_LABELS[self.role]

    def form(self, action: Action, element: Element, purpose: Purpose | None = None) -> Form:
        """What the table says of one element for this person."""
        return FORMS[self.role, action, purpose or self.purpose][element]

    @property
    def finds(self) -> bool:
        """Whether the finder is for this role: it shows names and birth dates."""
        return all(self.form(Action.SEARCH, e) is Form.CLEAR for e in (Element.NAME, Element.BIRTH_DATE))

    @property
    def reads_journal(self) -> bool:
        return self.form(Action.JOURNAL_READ, Element.NAME) is not Form.REFUSED

    def reader(self, refusal: str = "the journal is for the privacy officer") -> Grant:
        """Return what lets the person read the practice's journal, which is running the practice.

        Raises:
            AccessDenied: It is not for this role; *refusal* says so.
        """
        if not self.reads_journal:
            raise AccessDenied(refusal)
        return system().decide(self.actor, Action.JOURNAL_READ, Purpose.HOPERAT, None, ())

    @property
    def mails(self) -> bool:
        """Whether letters about a breach are asked for and approved in this role."""
        return self.form(Action.MAIL, Element.NAME, Purpose.HOPERAT) is Form.CLEAR

    @property
    def keeps(self) -> bool:
        """Whether the role freezes logins and lets them in again."""
        return self.role in APPROVERS

    @property
    def breaks_glass(self) -> bool:
        """Whether the role has emergencies."""
        return self.form(Action.READ, Element.NAME, Purpose.BTG) is Form.CLEAR

    @property
    def allows_emergencies(self) -> bool:
        """Whether the role is a second person's, or reviews."""
        return self.role in ALLOWING

    @property
    def usual(self) -> Purpose:
        """Why pages are opened in this role, also while a glass is broken."""
        return _PURPOSES.get(self.role, Purpose.HOPERAT)

    @property
    def answers_for_people(self) -> bool:
        """Whether people are invited and roles approved in this role."""
        return self.role in INVITERS

    @property
    def treats(self) -> bool:
        """Whether clinical text is opened with the page."""
        return self.form(Action.READ, Element.CLINICAL) is Form.CLEAR


def memberships(account: Account) -> list[Membership]:
    """Where the person may work, by name of the practice."""
    rows = Membership.objects.filter(WORKS, account=account).select_related("account", "practice")
    return list(rows.order_by("practice__name", "role"))


def visit(request: HttpRequest) -> Visitor | None:
    """Return who is there; None if the person has still to choose a practice, or has none."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    rows = memberships(request.user)
    chosen = request.session.get(MEMBERSHIP)
    row = next((m for m in rows if m.pk == chosen), rows[0] if len(rows) == 1 else None)
    if row is None:
        return None
    # The session's key is a secret; its hash is a name by which the journal can tell sessions apart.
    name = hashlib.sha256(f"session {request.session.session_key}".encode()).hexdigest()[:16]
    session = keeper.session_of(request)
    actor = act_as_member(row, f"session:{name}", request.META.get("REMOTE_ADDR", ""), session)
    purpose = _PURPOSES.get(actor.role, Purpose.HOPERAT)
    alone = session is not None and session.suspect_at is not None
    suspect = alone or request.user.suspect_at is not None
    asked = session is not None and alone and request.user.suspect_at is None and challenges.is_asked(session)
    return Visitor(actor, purpose, row.practice.name, len(rows), suspect, asked)


P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def staff(view: Callable[Concatenate[HttpRequest, Visitor, P], HttpResponse]) -> View[P]:
    """Let only a signed-in person with a chosen practice in; turn refusals into readable answers."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return _elsewhere(request, redirect_to_login(request.get_full_path(), settings.LOGIN_URL))
        if request.user.password_found_at is not None:
            return _elsewhere(request, redirect("account_change_password"))
        from confide.server.pages import stepup

        right = stepup.take(request)  # before the actor is made, for it says when a factor was proved
        visitor = visit(request)
        if visitor is None:
            return _elsewhere(request, redirect("pages:choose"))
        try:
            if right:
                response = view(request, visitor, *args, **kwargs)
            else:
                response = stepup.ask(request, visitor, wrong=True)
        except StepUpNeeded:
            response = stepup.ask(request, visitor)
        except ConfideError as problem:
            response = refuse(request, visitor, troubles.explain(problem))
            if isinstance(problem, TooFast):
                response["Retry-After"] = str(problem.wait)
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def _elsewhere(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """A redirect of the whole page, also where only a part of it was asked for."""
    if asks_part(request):
        return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
    return response


def asks_part(request: HttpRequest) -> bool:
    """Whether htmx asked for a part of a page."""
    return bool(getattr(request, "htmx", False))


def number_of(text: str) -> int:
    """Return the number of a row that a form names; 0, which no row has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def refuse(request: HttpRequest, visitor: Visitor, trouble: troubles.Trouble) -> HttpResponse:
    """Answer with a refusal: as a part where a part was asked for, else as a page."""
    template = "pages/parts/trouble.html" if asks_part(request) else "pages/trouble.html"
    return show(request, visitor, template, {"trouble": trouble}, status=trouble.status)


def show(
    request: HttpRequest, visitor: Visitor, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render a page with what every page shows: who is signed in, and what it has cost today."""
    from confide.server.pages.calls import calls  # it asks this module who is there

    every = {
        "visitor": visitor,
        "ring": ring(visitor),
        # Asked by whole pages only: a part has no place for them.
        "new_devices": partial(keeper.unconfirmed, request),
        "is_new_here": partial(keeper.is_new_here, request),
        "calls": partial(calls, visitor),
    }
    return render(request, template, {**every, **context}, status=status)


@dataclass(frozen=True, slots=True)
class Ring:
    """Today's exposure as a picture and as words."""

    picture: str
    words: str
    nearly: bool


def ring(visitor: Visitor) -> Ring | None:
    """The exposure ring of the person at the page; None where there is no budget, or it cannot be read."""
    try:
        usage = budget.today(visitor.actor, system().clock())
    except ConfideError:
        return None
    if not usage.patient_limit:
        return None
    part = _filled(usage)
    words = (
        f"Last 24 hours: {usage.patients} of {usage.patient_limit} patients, "
        f"{usage.units} of {usage.unit_limit} units of exposure"
    )
    return Ring(svg.ring(part, words), words, part >= 0.8)


def _filled(usage: Usage) -> float:
    return min(1.0, max(usage.patients / usage.patient_limit, usage.units / max(usage.unit_limit, 1)))
