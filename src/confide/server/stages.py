"""The steps of signing in after who it is was said: a first factor by invitation, and the proof of one.

Nobody has a session before the last: an account without a factor has none, whoever knows its password.
"""

from __future__ import annotations

from typing import Final

from allauth.account.stages import LoginStage
from allauth.mfa.stages import AuthenticateStage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from confide.server import factors
from confide.server.invited import invited

ENROLMENT: Final = "enrolment"


class Enrolment(LoginStage):  # type: ignore[misc] # allauth has no annotations
    """Asks for an invitation, and for what it opens."""

    key = ENROLMENT
    urlname = "enrolment"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Go on where there is a factor, and no invitation to set a password waits in this session."""
        account = self.login.user
        if account is None:
            return redirect("account_login"), False
        held = invited(self.request, account)
        if held is not None or not (factors.enrolled(account) or factors.proven(self.request, account)):
            return redirect("enrolment"), True
        return None, True


class Proof(AuthenticateStage):  # type: ignore[misc] # allauth has no annotations
    """Asks for the second factor, unless this sign-in has proved one already. No browser is trusted."""

    def _should_handle(self, request: HttpRequest) -> bool:
        return self.login.user is None or factors.proven(request, self.login.user) is None
