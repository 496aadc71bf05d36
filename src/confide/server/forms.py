"""Forms of allauth's that are asked for more than allauth asks."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context

from confide.access import passwords, terminal
from confide.access.attempts import Kind
from confide.server import factors, throttle


class ChangePassword(ChangePasswordForm):  # type: ignore[misc] # allauth has no annotations
    """Changes a password. Whoever has found an open session must not guess the old one at leisure."""

    @property
    def shortest(self) -> int:
        """How many characters the new password has at least."""
        return passwords.WITH_SECOND_FACTOR if factors.enrolled(self.user) else passwords.ALONE

    def clean_oldpassword(self) -> str:
        """Count the try as one to sign in is counted."""
        given = str(self.cleaned_data.get("oldpassword", ""))
        with throttle.trying(context.request, self.user.username, Kind.CHANGE) as this:
            if terminal.prove(self.user, given):
                this.succeed()
        if not this.passed:
            raise get_adapter().validation_error("enter_current_password")
        return given
