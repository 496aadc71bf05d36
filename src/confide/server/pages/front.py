"""The way in: after sign-in to the practice and the page where one's work is."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from confide.access.models import Account, Membership
from confide.access.roles import Role
from confide.server.pages.visitor import MEMBERSHIP, ROLE_LABELS, Visitor, memberships, show, staff


@require_GET
@staff
def front(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Lead to the page where this role begins its day."""
    if visitor.reads_journal:
        return redirect("pages:journal")
    if visitor.finds:
        return redirect("pages:finder")
    return show(request, visitor, "pages/nothing.html", {})


@never_cache
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """Choose one of several practices, or roles in one; the session keeps the choice."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    rows = memberships(request.user)
    if request.method == "POST":
        chosen = next((m for m in rows if str(m.pk) == request.POST.get("membership")), None)
        if chosen is not None:
            request.session.cycle_key()
            request.session[MEMBERSHIP] = chosen.pk
            return redirect("pages:front")
    waits = Membership.objects.filter(account=request.user, active=True).exists() and not rows
    choices = [(m.pk, m.practice.name, ROLE_LABELS[Role(m.role)]) for m in rows]
    return render(
        request,
        "pages/choose.html",
        {"choices": choices, "waits": waits, "now": request.session.get(MEMBERSHIP)},
    )
