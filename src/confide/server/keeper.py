"""Sessions are kept here: begun when somebody has signed in, ended by time, by their owner, or by a rule."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django_htmx.http import HttpResponseClientRedirect

from confide.access import attempts, challenges, sessions, standing
from confide.access.entrances import Device, Session
from confide.access.factors import Factor
from confide.access.models import Account
from confide.access.sessions import End
from confide.audit.entrances import Event, entries_of
from confide.errors import AccessDenied
from confide.server import errors, factors, throttle
from confide.server.apps import system

KEY: Final = "entrance"
"""The key in the session under which the id of its row is kept."""

NEW: Final = "new-device"
"""The key in the session that says that its first page tells of a new device."""

_BY_ITSELF: Final = "/watch/live/"
"""Below this address a page asks by itself, again and again."""

_TOKEN: Final = "_device_token"  # noqa: S105 - the name of an attribute
_ROW: Final = "_session_row"
_FOR: Final = 400 * 24 * 3600  # seconds; browsers keep no cookie longer


class Keeper:
    """Lets no request pass as a person's whose session is over, and hands out the device's cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        ended = _check(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if isinstance(ended, Account):
            return _stop(request, ended)
        if ended is not None:
            return _show_out(request, ended)
        response = self._get_response(request)
        token = getattr(request, _TOKEN, None)
        if token is not None:
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                token,
                max_age=_FOR,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Strict",
            )
        return response

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        """Refuse a NUL in the address or the form of a page: it is in no text, and PostgreSQL takes none."""
        if errors.is_for_programs(request):
            return None
        fields = chain(request.GET.lists(), request.POST.lists())
        if any("\0" in text for text in chain([request.path_info], *(texts for _, texts in fields))):
            return errors.say(request, 400, "The request holds a character that no text has.")
        return None


def _check(request: HttpRequest) -> End | Account | None:
    """Return why the session does not go on; the account where it is frozen, and None where all is well."""
    account = request.session.get(SESSION_KEY)
    if account is None:
        return None
    now = system().clock()
    found = sessions.resume(
        str(request.session.get(KEY, "")), account, now, by_itself=request.path.startswith(_BY_ITSELF)
    )
    if isinstance(found, Session):
        setattr(request, _ROW, found)
        return None
    person = Account.objects.filter(pk=account).first()
    if found is End.FROZEN and person is not None and person.frozen_at is not None:
        return None if request.path == resolve_url("account_logout") else person
    if found is End.FROZEN:
        Session.objects.filter(pk=request.session.get(KEY, "")).delete()
    if found is not End.ENDED and person is not None:
        _tell(request, Event.SESSION_END, person, found.value)
    logout(request)
    return found


def _show_out(request: HttpRequest, ended: End) -> HttpResponse:
    """Lead to the sign-in, which says why, and back afterwards."""
    asked = {"ended": ended.value}
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode(asked)}")
    if request.method == "GET" and request.path != resolve_url(settings.LOGIN_URL):
        asked["next"] = request.get_full_path()
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode(asked)}")


def _stop(request: HttpRequest, person: Account) -> HttpResponse:
    """Say that the login is frozen, what was kept and whom to call; a part of a page leads to all of it."""
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(resolve_url("pages:front"))
    context = {"contacts": standing.contacts(person), "sending": request.method == "POST"}
    return render(request, "pages/frozen.html", context, status=403)


def begin(sender: object, request: HttpRequest, user: Account, **_: Any) -> None:  # noqa: ARG001 - a signal's receiver
    """Begin a session; Django calls it after the last factor. Without an entry there is no session."""
    now = system().clock()
    agent = request.META.get("HTTP_USER_AGENT", "")
    token = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    with transaction.atomic(using=router.db_for_write(Session)):
        factor = factors.proven(request, user)
        begun = sessions.begin(user, token, agent, throttle.address(request), now, factor=factor)
        session = begun.session
        note(request, Event.SIGN_IN, user, session=session.pk, reason=factor or "")
        if session.began_on_new_device:
            note(request, Event.NEW_DEVICE, user, session=session.pk)
        attempts.prune(now)
    request.session[KEY] = session.pk
    if session.began_on_new_device:
        request.session[NEW] = True
    setattr(request, _TOKEN, begun.token)


def finish(sender: object, request: HttpRequest, user: Account | None, **_: Any) -> None:  # noqa: ARG001 - as above
    """End the session of somebody who signs out."""
    row = Session.objects.filter(pk=request.session.get(KEY, ""), account=user).first() if user else None
    if row is not None and user is not None:
        with transaction.atomic(using=router.db_for_write(Session)):
            note(request, Event.SIGN_OUT, user, session=row.pk)
            row.delete()


def prove(request: HttpRequest, person: Account, factor: Factor) -> None:
    """Write that the person has just proved a second factor in this session: a step up."""
    row = session_of(request)
    if row is None:
        return
    with transaction.atomic(using=router.db_for_write(Session)):
        challenges.settle(row, system().clock())  # first: whoever takes a measure locks in this order, too
        sessions.prove(row, factor, system().clock())
        note(request, Event.STEP_UP, person, session=row.pk, reason=factor)


def end(request: HttpRequest, person: Account, session: str) -> bool:
    """End another session of the person's, and forget its device.

    Returns:
        Whether there was one.
    """
    with transaction.atomic(using=router.db_for_write(Session)):
        row = sessions.end(person, session)
        if row is not None:
            note(request, Event.SESSION_END, person, session=session, reason="owner")
    return row is not None


def end_all(request: HttpRequest, person: Account) -> None:
    """End every session of the person's, this one too, and forget every device but this one."""
    here = sessions.know(person, request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))
    with transaction.atomic(using=router.db_for_write(Session)):
        sessions.end_all(person, here.pk if here else "")
        note(request, Event.SESSION_END, person, reason="everywhere")
    logout(request)


def confirm(request: HttpRequest, person: Account, device: str) -> None:
    """Take the person's word that a device is theirs."""
    with transaction.atomic(using=router.db_for_write(Session)):
        if sessions.confirm(person, device_of(request), device, system().clock()):
            note(request, Event.OWN_DEVICE, person)


def unconfirmed(request: HttpRequest) -> list[Device]:
    """New devices of the person at the page, of which they have not spoken yet."""
    person = request.user
    return sessions.unconfirmed(person, device_of(request)) if isinstance(person, Account) else []


def is_new_here(request: HttpRequest) -> bool:
    """Tell once, on the first page of a session, that its device is new."""
    return bool(request.session.pop(NEW, False))


def session_of(request: HttpRequest) -> Session | None:
    """The live session that the request belongs to, as it stood when the request came."""
    row: Session | None = getattr(request, _ROW, None)
    return row


def require_trusted(request: HttpRequest) -> None:
    """Refuse to let a suspect session decide about others.

    Raises:
        AccessDenied: The session is suspect.
    """
    session = session_of(request)
    if session is not None and session.suspect_at is not None:
        raise AccessDenied("a suspect session decides about nobody else")


def device_of(request: HttpRequest) -> str:
    """The id of the device that a session began on; empty where there is no session."""
    return _device(request.session.get(KEY, ""))


def _device(session: str) -> str:
    row = Session.objects.filter(pk=session).values_list("device_id", flat=True)
    return row.first() or ""


def _tell(request: HttpRequest, event: Event, person: Account, reason: str) -> None:
    with transaction.atomic(using=router.db_for_write(Session)):
        note(request, event, person, session=str(request.session.get(KEY, "")), reason=reason)


def note(request: HttpRequest, event: Event, person: Account, session: str = "", reason: str = "") -> None:
    """Write what happened at the entrance into the journals of the person's practices."""
    entries = entries_of(
        event,
        throttle.places(person),
        system().clock(),
        account=person.pk,
        credential=f"session:{session[:16]}" if session else "",
        reason=reason,
        address=throttle.address(request),
        device=_device(session),
    )
    system().journal.append(entries)
