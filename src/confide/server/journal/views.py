"""What a witness fetches, and what it hands in. Whoever is in no named network is told that there is nothing.

There are sizes and hashes here, no entries; and what is handed in counts only under a key that is named.

Source:
    C2SP tlog-tiles (addresses and media types).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address, ip_network
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from confide.audit import cosignatures as taken
from confide.audit.notes import PublicKey
from confide.audit.tiles import Tiles
from confide.errors import ConfideError, Unavailable
from confide.server import bodies
from confide.wiring import utc_now

_LIMIT: Final = 64 * 1024
_TILE: Final = re.compile(
    r"(?:[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?", re.ASCII
)
_STATUSES: Final = {"not-found": 404, "journal-unavailable": 503, "unavailable": 503, "too-large": 413}

View = Callable[..., HttpResponse]


def for_readers(view: View) -> View:
    """Answer only who comes from a network in ``journal.readers``."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_reader(request.META.get("REMOTE_ADDR", "")):
            raise Http404
        return view(request, *args, **kwargs)

    return answer


@require_safe
@for_readers
def checkpoint(_request: HttpRequest) -> HttpResponse:
    """Answer ``GET /journal/checkpoint``."""
    try:
        note = Tiles(settings.CONFIG.journal).note()
    except Unavailable as problem:
        return _say(str(problem), 503)
    if note is None:
        raise Http404
    return HttpResponse(note.encode(), content_type="text/plain; charset=utf-8")


@require_safe
@for_readers
def tile(_request: HttpRequest, tile: str) -> HttpResponse:
    """Answer ``GET /journal/tile/...``."""
    if not _TILE.fullmatch(tile):
        raise Http404
    try:
        data = (settings.CONFIG.journal / "tile" / tile).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Http404 from None
    except OSError:
        return _say("the journal's folder cannot be read", 503)
    return HttpResponse(data, content_type="application/octet-stream")


@csrf_exempt
@require_POST
@for_readers
def cosignatures(request: HttpRequest) -> HttpResponse:
    """Answer ``POST /journal/cosignatures``: a checkpoint with cosignatures under it."""
    try:
        keys = [PublicKey.parse(each) for each in settings.CONFIG.journal_witnesses]
        taken.take(bodies.read(request, _LIMIT), keys, utc_now())
    except ConfideError as problem:
        return _say(str(problem), _STATUSES.get(problem.code, 400))
    return HttpResponse(status=204)


def _is_reader(address: str) -> bool:
    try:
        here = ip_address(address)
    except ValueError:
        return False
    networks = [ip_network(each, strict=False) for each in settings.CONFIG.journal_readers]
    return any(here.version == network.version and here in network for network in networks)


def _say(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
