"""Changing one's password: allauth's page, for whoever has one."""

from __future__ import annotations

from allauth.account import views as allauth
from django.http import HttpRequest, HttpResponseBase

from confide.server import errors


def change(request: HttpRequest) -> HttpResponseBase:
    """Let the person choose another password.

    Who has none is told so: allauth would send them to where one is set without an invitation, and there is
    no such page.
    """
    if request.user.is_authenticated and not request.user.has_usable_password():
        return errors.say(request, 404, "This login has no password to change. An invitation sets one.")
    response: HttpResponseBase = allauth.password_change(request)
    return response
