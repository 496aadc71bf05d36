"""Signing in at a practice's own identity provider: the way there, the way back, and connecting it.

Both ways lead over a page of ours. Chromium lets no form lead to another site (``form-action``), and a strict
cookie does not come along when another site sends the browser back; the page's own step is ours again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.socialaccount.adapter import get_adapter
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from confide.access import sessions
from confide.access.attempts import Kind
from confide.access.entrances import Session
from confide.access.factors import Factor
from confide.access.freshness import JUST, require_fresh
from confide.access.models import Account
from confide.errors import AccessDenied
from confide.server import connections, factors, idtoken, keeper, oidc, throttle
from confide.server.apps import system
from confide.server.issuers import Issuer
from confide.server.oidc import Exchange
from confide.server.pages.visitor import Visitor, staff

SIGN_IN: Final = "sign-in"
CONNECT: Final = "connect"
PROVE: Final = "prove"
_HERE: Final = "here"
"""Marks the second request of the way back: the first was sent by another site."""

_LONGEST: Final = 8192


@never_cache
@require_POST
def begin(request: HttpRequest, issuer: str) -> HttpResponse:
    """Lead to the identity provider: to sign in, to connect its login, or to prove a factor again."""
    asked = _find(issuer)
    process = request.POST.get("process", SIGN_IN)
    if request.user.is_authenticated:
        answer: HttpResponse = _begin_inside(request, issuer=issuer)
        return answer
    return _leave(request, asked, SIGN_IN) if process == SIGN_IN else redirect("account_login")


@staff
def _begin_inside(request: HttpRequest, visitor: Visitor, issuer: str) -> HttpResponse:
    process = request.POST.get("process", SIGN_IN)
    if process not in {CONNECT, PROVE}:
        return redirect("pages:front")
    if process == CONNECT:
        require_fresh(visitor.actor.proved_at, system().clock(), JUST)  # it signs in ever after
    return _leave(request, _find(issuer), process)


def _leave(request: HttpRequest, issuer: Issuer, process: str) -> HttpResponse:
    made = get_adapter(request).get_provider(request, issuer.id)
    address = made.address(
        request,
        process,
        anew=process != SIGN_IN,
        next_url=_safe(request.POST.get("next", "")),
        account=request.user.pk if isinstance(request.user, Account) else "",
    )
    return render(request, "pages/onward.html", {"issuer": issuer, "target": address, "leaving": True})


@never_cache
@require_GET
def finish(request: HttpRequest, issuer: str) -> HttpResponse:
    """Take what the identity provider sends back."""
    asked = _find(issuer)
    if len(request.META.get("QUERY_STRING", "")) > _LONGEST:
        raise PermissionDenied
    if _HERE not in request.GET:
        kept = {name: request.GET[name] for name in ("state", "code", "error", "iss") if name in request.GET}
        target = f"{request.path}?{urlencode({**kept, _HERE: '1'})}"
        return render(request, "pages/onward.html", {"issuer": asked, "target": target, "leaving": False})
    made = get_adapter(request).get_provider(request, asked.id)
    try:
        state = made.unstash_redirect_state(request, request.GET.get("state", ""))
    except PermissionDenied:
        state = {}
    if state and request.GET.get("error") == "access_denied":
        return _turn_back(request, f"You did not sign in at {asked.name}.")
    exchange = Exchange(request, asked.id)
    # Nobody's name is typed: tries count by the provider and by where they come from.
    with throttle.trying(request, f"{asked.id} at {throttle.address(request)}", Kind.PROVIDER) as this:
        try:
            _redeem(request, asked, exchange, state)
            account = _whose(request, asked, exchange, state)
        except AccessDenied:
            account = None
        if account is not None:
            this.succeed()
    if account is None:
        return _turn_back(
            request,
            f"What {asked.name} sent back signs nobody in here. If its login is yours, connect it first.",
        )
    if state["process"] == SIGN_IN:
        return _sign_in(request, asked, exchange, account, state)
    return _go_on(request, asked, exchange, account, state)


def _find(id_: str) -> Issuer:
    found = oidc.find(id_)
    if found is None:
        raise Http404
    return found


def _redeem(request: HttpRequest, issuer: Issuer, exchange: Exchange, state: dict[str, Any]) -> None:
    """Take the code to the issuer; AccessDenied if anything about its answer is not as it was asked for."""
    code = request.GET.get("code", "")
    # RFC 9207: where the issuer names itself, it has to be the one that was asked.
    if not state or not code or request.GET.get("iss", issuer.url) != issuer.url:
        raise AccessDenied("this is not an answer to a question of ours")
    exchange.redeem(state.get("nonce", ""), state.get("pkce_code_verifier", ""))


def _whose(request: HttpRequest, issuer: Issuer, exchange: Exchange, state: dict[str, Any]) -> Account | None:
    """Return the person, if the browser's session is still that of whoever asked."""
    here = request.user if isinstance(request.user, Account) else None
    if (here.pk if here else "") != state["account"]:
        return None
    if state["process"] == CONNECT:
        return here
    found = connections.owner(issuer, exchange.claims.uid)
    return found if here is None or found == here else None


def _sign_in(
    request: HttpRequest,
    issuer: Issuer,
    exchange: Exchange,
    account: Account,
    state: dict[str, Any],
) -> HttpResponse:
    """Let allauth go on: a frozen account stops; without a proved factor, one of our own is asked for."""
    proved = idtoken.proves_factor(exchange.claims, issuer, system().clock())
    if proved and account.is_active and account.frozen_at is None:
        factors.record(request, account, Factor.PROVIDER)
    answer: HttpResponse = perform_login(
        request, Login(user=account, redirect_url=_safe(state.get("next", "")))
    )
    row = Session.objects.filter(pk=request.session.get(keeper.KEY, "")).first()
    if row is not None and row.factor == Factor.PROVIDER and exchange.claims.proved_at is not None:
        # It was proved there and then, not here and now.
        sessions.prove(row, Factor.PROVIDER, min(exchange.claims.proved_at, row.began_at))
    return answer


def _go_on(
    request: HttpRequest, issuer: Issuer, exchange: Exchange, account: Account, state: dict[str, Any]
) -> HttpResponse:
    """Connect the login, or take its proof for this session."""
    if state["process"] == CONNECT:
        row = keeper.session_of(request)
        credential = f"session:{row.pk[:16]}" if row else ""
        try:
            connections.connect(
                system().journal, account, issuer, exchange.claims.uid, system().clock(),
                credential=credential, address=throttle.address(request),
            )  # fmt: skip
        except AccessDenied as problem:
            messages.error(request, f"{issuer.name} was not connected: {problem}.")
        return redirect("pages:factors")
    when = exchange.claims.proved_at
    began = datetime.fromtimestamp(state["began"], UTC) - idtoken.DRIFT
    if when is None or when < began or not idtoken.proves_factor(exchange.claims, issuer, system().clock()):
        messages.error(request, f"{issuer.name} did not say that you proved a second factor just now.")
    else:
        keeper.prove(request, account, Factor.PROVIDER)
    return HttpResponseRedirect(_safe(state.get("next", "")))


def _turn_back(request: HttpRequest, words: str) -> HttpResponse:
    messages.error(request, words)
    return redirect("pages:factors" if request.user.is_authenticated else "account_login")


def _safe(wanted: str) -> str:
    """A page of this server; the front where another was asked for."""
    return (
        wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else resolve_url("pages:front")
    )
