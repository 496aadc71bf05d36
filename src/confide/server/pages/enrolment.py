"""Enrolment: an invitation, then a password, a passkey or an app. Nobody has a session before it is done."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from confide.access import terminal
from confide.access.entrances import Invitation
from confide.access.invitations import Opens
from confide.access.models import Account
from confide.errors import AccessDenied, WeakPassword
from confide.server import enrolling, factors, invited, validators
from confide.server.stages import ENROLMENT

_NOT_GOOD: Final = (
    "No good invitation for this login has these words. It may have been used, or be older than 72 hours."
)
_NO_PASSKEY: Final = "The passkey was not made: it has to verify that it is you, with a PIN, finger or face."
_WRONG_CODE: Final = "This is not the code that the app shows now. Mind the clock of your telephone."


@never_cache
@sensitive_post_parameters("words")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Begin with an invitation that opens a password: in place of the password that there is not."""
    if request.user.is_authenticated:
        return redirect("pages:front")
    trouble = ""
    name = request.POST.get("login", "")[:254]
    if request.method == "POST":
        account = terminal.find(name)
        found = invited.take(request, name, account, request.POST.get("words", ""))
        if found is not None and account is not None and Opens(found.opens).password:
            answer: HttpResponse = perform_login(request, Login(user=account))
            return answer
        if found is not None:
            return redirect(
                "account_login"
            )  # it is remembered: the password comes first, and then what it opens
        trouble = _NOT_GOOD
    context = {"login": name, "trouble": trouble}
    return render(request, "pages/invitation.html", context)


@sensitive_post_parameters("words", "password1", "password2", "code")
@require_http_methods(["GET", "POST"])
@login_stage_required(stage=ENROLMENT, redirect_urlname="account_login")  # type: ignore[untyped-decorator]
def enrol(request: HttpRequest) -> HttpResponse:
    """Ask for the invitation, then for what it opens."""
    stage = request._login_stage  # type: ignore[attr-defined] # noqa: SLF001 - allauth passes it so
    account: Account = stage.login.user
    held = invited.invited(request, account)
    if held is None:
        return _ask(request, account)
    if request.method != "POST" or "words" in request.POST:
        return _offer(request, account, held)
    try:
        codes = _set(request, account, held)
    except (ValidationError, WeakPassword, AccessDenied) as problem:
        said = " ".join(getattr(problem, "messages", [str(problem)]))
        return _offer(request, account, held, f"{said[:1].upper()}{said[1:].rstrip('.')}.")
    answer: HttpResponse = stage.exit()
    if codes and answer.status_code == 302:
        return render(request, "pages/codes.html", {"recovery": codes, "next": answer["Location"]})
    return answer


def _ask(request: HttpRequest, account: Account) -> HttpResponse:
    trouble = ""
    if request.method == "POST" and "words" in request.POST:
        if invited.take(request, account.username, account, request.POST["words"]) is not None:
            return redirect("enrolment")
        trouble = _NOT_GOOD
    context = {"login": account.username, "trouble": trouble, "signing_in": True}
    return render(request, "pages/invitation.html", context)


def _offer(request: HttpRequest, account: Account, held: Invitation, trouble: str = "") -> HttpResponse:
    opens = Opens(held.opens)
    wants = not factors.enrolled(account)
    context: dict[str, Any] = {"trouble": trouble, "wants": wants, "sets_password": opens.password}
    if wants:
        secret = enrolling.pending_secret(request, account, anew=request.method == "GET")
        context |= {"passkey": factors.offer_passkey(account), **enrolling.picture(account, secret)}
    return render(request, "pages/enrolment.html", context)


def _set(request: HttpRequest, account: Account, held: Invitation) -> list[str]:
    """Set what the form brings; return the recovery codes that came with it.

    Raises:
        ValidationError: What was typed is wrong; the message says what.
        WeakPassword: The password is not accepted.
        AccessDenied: The invitation does not open that, or is used up.
    """
    opens = Opens(held.opens)
    password = request.POST.get("password1", "") if opens.password else ""
    if password:
        if password != request.POST.get("password2", ""):
            raise ValidationError("The two passwords differ.")
        validators.require_strong(password, account, alone=False)
    if factors.enrolled(account):
        if not password:
            raise ValidationError("Type a new password.")
        enrolling.reset_password(request, account, held, password)
        return []
    if request.POST.get("credential"):
        credential = factors.read_passkey(request.POST["credential"])
        if credential is None:
            raise ValidationError(_NO_PASSKEY)
        enrolling.first_passkey(request, account, held, credential)
        return []
    if opens.password and not password:
        raise ValidationError("Type a new password.")
    secret = enrolling.pending_secret(request, account)
    step = enrolling.check(secret, request.POST.get("code", ""))
    if step is None:
        raise ValidationError(_WRONG_CODE)
    return enrolling.first_totp(request, account, held, secret, step, password)
