"""Signing in beside the password: with a passkey alone, and with the second factor after a password."""

from __future__ import annotations

import json

from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.mfa.stages import AuthenticateStage
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from confide.access.factors import Factor
from confide.server import factors, proving
from confide.server.pages import prompt

_REFUSED = "This passkey is not known here, or it did not verify that it is you."


@never_cache
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    """Answer a script with a challenge, and sign in whoever meets it."""
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    if request.method == "GET":
        return JsonResponse(json.loads(factors.ask_passkey(None)))
    owner = proving.prove_alone(request)
    if owner is None:
        messages.error(request, _REFUSED)
        return redirect("account_login")
    factors.record(request, owner, Factor.PASSKEY)
    answer: HttpResponse = perform_login(request, Login(user=owner, redirect_url=_next(request)))
    return answer


@require_http_methods(["GET", "POST"])
@login_stage_required(stage=AuthenticateStage.key, redirect_urlname="account_login")  # type: ignore[untyped-decorator]
def factor(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor after the password; a wrong one leaves nobody signed in."""
    stage = request._login_stage  # type: ignore[attr-defined] # noqa: SLF001 - allauth passes it so
    account = stage.login.user
    wrong = False
    if request.method == "POST":
        found = proving.prove(request, account)
        if found is not None:
            factors.record(request, account, found)
            answer: HttpResponse = stage.exit()
            return answer
        wrong = True
    context = {**prompt.context(request, account), "wrong": wrong}
    return render(request, "pages/factor.html", context)


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if safe else resolve_url(settings.LOGIN_REDIRECT_URL)
