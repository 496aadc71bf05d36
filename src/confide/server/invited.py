"""An invitation that was typed, remembered in the session until it is used: its id, never its words."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest

from confide.access import invitations
from confide.access.attempts import Kind
from confide.access.entrances import Invitation
from confide.access.models import Account
from confide.server import throttle
from confide.server.apps import system

KEY: Final = "invited"


def invited(request: HttpRequest, account: Account) -> Invitation | None:
    """Return the account's invitation that was typed in this session, if it is still good."""
    held = request.session.get(KEY)
    return invitations.still(account, str(held), system().clock()) if held else None


def take(request: HttpRequest, name: str, account: Account | None, typed: str) -> Invitation | None:
    """Look at typed words, as one try of that name, and remember the invitation if they are right."""
    with throttle.trying(request, name, Kind.INVITATION) as this:
        found = invitations.find(account, typed, system().clock())
        if found is not None:
            this.succeed()
            request.session[KEY] = found.pk
    return found


def forget(request: HttpRequest) -> None:
    """Remember no invitation any more."""
    request.session.pop(KEY, None)
