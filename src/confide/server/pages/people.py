"""The people of a practice: who waits for approval, who has no factor yet, and invitations and resets."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from confide.access import memberships
from confide.access.freshness import require_fresh
from confide.access.memberships import Standing
from confide.access.models import Account, Membership
from confide.access.roles import Role
from confide.audit import people as journalled
from confide.errors import AccessDenied, Unknown
from confide.server import inviting
from confide.server.apps import system
from confide.server.pages.visitor import ROLE_LABELS, Visitor, number_of, show, staff


@dataclass(frozen=True, slots=True)
class Person:
    """A membership as those read it who answer for people.

    Attributes:
        waits: The role waits for the privacy officer.
        enrolled: They have a second factor.
        here: It is whoever reads this.
    """

    membership: int
    account: str
    name: str
    username: str
    role: str
    waits: bool
    enrolled: bool
    frozen: bool
    here: bool


@require_http_methods(["GET", "POST"])
@staff
def people(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List the people of the practice; approve a role; invite or reset a person."""
    if not visitor.answers_for_people:
        raise AccessDenied("people are for the practice manager and the privacy officer")
    given: dict[str, str] = {}
    if request.method == "POST":
        require_fresh(visitor.actor.proved_at, system().clock())
        if "approve" in request.POST:
            _approve(request, visitor)
            return redirect("pages:people")
        given = _invite(request, visitor)
    rows = _people(visitor)
    context = {
        "waiting": [row for row in rows if row.waits],
        "people": [row for row in rows if not row.waits],
        "approves": visitor.role is Role.PRIVACY_OFFICER,
        **given,
    }
    return show(request, visitor, "pages/people.html", context)


def _approve(request: HttpRequest, visitor: Visitor) -> None:
    journalled.approve(
        system().journal,
        _me(request),
        visitor.actor.practice,
        number_of(request.POST["approve"]),
        system().clock(),
        credential=visitor.actor.credential,
        address=visitor.actor.address,
    )


def _invite(request: HttpRequest, visitor: Visitor) -> dict[str, str]:
    """Give an invitation, and show it this once."""
    wanted = request.POST.get("invite") or request.POST.get("reset") or ""
    member = (
        Membership.objects.filter(practice=visitor.actor.practice, account=wanted, active=True)
        .select_related("account")
        .first()
    )
    if member is None:
        raise Unknown("there is no such person in this practice")
    give = inviting.reset if "reset" in request.POST else inviting.invite
    words = give(
        member.account,
        system().clock(),
        by=inviting.By(_me(request), visitor.actor.practice, visitor.actor.credential, visitor.actor.address),
    )
    return {"words": words, "invited": member.account.display_name, "username": member.account.username}


def _me(request: HttpRequest) -> Account:
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    return request.user


def _people(visitor: Visitor) -> list[Person]:
    rows = list(
        Membership.objects.filter(practice=visitor.actor.practice, active=True)
        .select_related("account")
        .order_by("account__display_name", "role")
    )
    enrolled = set(
        Authenticator.objects.filter(
            user_id__in=[row.account_id for row in rows],
            type__in=[Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN],
        ).values_list("user_id", flat=True)
    )
    return [
        Person(
            row.pk,
            row.account_id,
            row.account.display_name,
            row.account.username,
            ROLE_LABELS[Role(row.role)],
            memberships.standing(row) is Standing.PENDING,
            row.account_id in enrolled,
            row.account.frozen_at is not None or not row.account.is_active,
            row.account_id == visitor.actor.id,
        )
        for row in rows
    ]
