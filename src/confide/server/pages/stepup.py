"""Step-up: what is sensitive asks for a factor again, and goes on in the same flow.

The form that asks carries the fields of the form that was refused, and goes to the same address.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from confide.access.models import Account
from confide.server import connections, keeper, proving
from confide.server.pages import prompt
from confide.server.pages.visitor import Visitor, asks_part, show, staff


def ask(request: HttpRequest, visitor: Visitor, *, wrong: bool = False) -> HttpResponse:
    """Ask for a factor: as a part where a part was asked for, else as a page."""
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    posted = request.method == "POST" and request.path != resolve_url("pages:prove")
    context = {
        **prompt.context(request, request.user),
        "wrong": wrong,
        "target": request.path if posted else resolve_url("pages:prove"),
        "next": "" if posted else request.POST.get("next") or _wanted(request),
        "connected": connections.listed(request.user),
        "back": _page(request),
    }
    template = "pages/parts/stepup.html" if asks_part(request) else "pages/stepup.html"
    return show(request, visitor, template, context)


def _wanted(request: HttpRequest) -> str:
    """Where to go once it is proved: where the person was, if the banner of a suspect session sent them."""
    if request.path == resolve_url("pages:prove"):
        return request.GET.get("next", "/")
    return request.get_full_path()


def _page(request: HttpRequest) -> str:
    """The page from which it was asked: a form that was refused is filled in there again."""
    if request.method == "GET" and not asks_part(request):
        return request.get_full_path()
    came_from = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    return came_from.path or resolve_url("pages:front")


def take(request: HttpRequest) -> bool:
    """Look at the factor that a form brings along, if it brings one; tell whether all is well."""
    if request.method != "POST" or not any(request.POST.get(field) for field in proving.FIELDS):
        return True
    assert isinstance(request.user, Account)  # noqa: S101 - as above
    found = proving.prove(request, request.user)
    if found is None:
        return False
    keeper.prove(request, request.user, found)
    return True


@require_http_methods(["GET", "POST"])
@staff
def prove(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Ask for a factor; once ``staff`` has looked at it, go on to the page that was asked for."""
    if request.method == "GET":
        return ask(request, visitor)
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return HttpResponseRedirect(wanted if safe else resolve_url(settings.LOGIN_REDIRECT_URL))
