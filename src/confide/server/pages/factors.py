"""One's own second factors: which there are, one more, one less.

Each change asks for a proof of the last minute: what a stolen session added would sign in ever after. Only a
page that was opened so may be filled in for longer: it holds a mark that is nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from confide.access.entrances import Session
from confide.access.factors import Factor
from confide.access.freshness import FRESH, JUST, require_fresh
from confide.access.models import Account
from confide.audit.entrances import Event
from confide.server import connections, enrolling, factors, keeper, oidc, throttle
from confide.server.apps import system
from confide.server.pages import dates
from confide.server.pages.visitor import Visitor, number_of, show, staff

_MARK: Final = "opened"
"""The field of a form that says with which proof its page was opened."""


@dataclass(frozen=True, slots=True)
class Held:
    """A factor as its owner reads it."""

    id: int
    name: str
    since: str
    used: str


@require_http_methods(["GET", "POST"])
@staff
def held(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List the person's factors; remove one, but never the last; or make new recovery codes."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    account = request.user
    trouble = ""
    if request.method == "POST":
        require_fresh(visitor.actor.proved_at, system().clock(), JUST)
        with transaction.atomic(using=router.db_for_write(Session)):
            if "codes" in request.POST and Factor.TOTP in factors.enrolled(account):
                codes = enrolling.renew_codes(request, account)
                return show(request, visitor, "pages/codes.html", {"recovery": codes, "next": request.path})
            if "disconnect" in request.POST:
                return _disconnect(request, account, request.POST["disconnect"])
            gone = factors.remove(account, number_of(request.POST.get("remove", "")))
            if gone is not None:
                keeper.note(request, Event.FACTOR_REMOVED, account, reason=gone)
                return redirect("pages:factors")
        trouble = "The last one stays: without any, only an invitation lets you in again."
    rows = [
        Held(
            row.pk,
            row.wrap().name if row.type == row.Type.WEBAUTHN else "Code app",
            dates.format(row.created_at.isoformat()),
            dates.format(row.last_used_at.isoformat()) if row.last_used_at else "",
        )
        for row in factors.rows_of(account)
    ]
    context = {
        "held": rows,
        "app": Factor.TOTP in factors.enrolled(account),
        "trouble": trouble,
        "connected": [
            (each.issuer, dates.format(each.since.isoformat())) for each in connections.listed(account)
        ],
        "offered": connections.offered(account),
    }
    return show(request, visitor, "pages/factors.html", context)


def _disconnect(request: HttpRequest, account: Account, issuer: str) -> HttpResponse:
    """Disconnect a login elsewhere; every session of the person ends, and they sign in again."""
    found = oidc.find(issuer)
    if found is None:
        return redirect("pages:factors")
    now, address = system().clock(), throttle.address(request)
    connections.disconnect(system().journal, account, found, now, address=address)
    return redirect("account_login")


@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
@staff
def add(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Add a passkey, or an app in place of the one that there is."""
    assert isinstance(request.user, Account)  # noqa: S101 - as above
    account = request.user
    mark = _mark(visitor)
    marked = constant_time_compare(request.POST.get(_MARK, ""), mark)
    require_fresh(visitor.actor.proved_at, system().clock(), FRESH if marked else JUST)
    trouble = ""
    if request.method == "POST" and request.POST.get("credential"):
        credential = factors.read_passkey(request.POST["credential"])
        if credential is not None:
            with transaction.atomic(using=router.db_for_write(Session)):
                enrolling.add_passkey(request, account, credential, request.POST.get("name", ""))
            return redirect("pages:factors")
        trouble = "The passkey was not added: it has to verify that it is you, with a PIN, finger or face."
    elif request.method == "POST":
        secret = enrolling.pending_secret(request, account)
        step = enrolling.check(secret, request.POST.get("code", ""))
        if step is not None:
            with transaction.atomic(using=router.db_for_write(Session)):
                codes = enrolling.add_totp(request, account, secret, step)
            enrolling.forget_pending(request)
            return show(request, visitor, "pages/codes.html", {"recovery": codes, "next": "/factors"})
        trouble = "This is not the code that the app shows now. Mind the clock of your telephone."
    secret = enrolling.pending_secret(request, account, anew=request.method == "GET")
    context = {
        "trouble": trouble,
        "opened": mark,
        "passkey": factors.offer_passkey(account),
        "app": Factor.TOTP in factors.enrolled(account),
        **enrolling.picture(account, secret),
    }
    return show(request, visitor, "pages/factor_add.html", context)


def _mark(visitor: Visitor) -> str:
    """What a page says that was opened with the proof that the session has now: 64 hexadecimal digits."""
    said = f"{visitor.actor.session} {visitor.actor.proved_at}"
    return salted_hmac("confide.server.pages.factors", said, algorithm="sha256").hexdigest()
