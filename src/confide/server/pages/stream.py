"""Server-sent events for the page of the watch: that something has changed, and nothing of what.

A stream holds a thread, so a process has few of them; whoever gets none asks now and then instead. It ends
after a minute, and with the session: the browser comes again by itself, and is looked at anew.

Source:
    HTML, server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import BoundedSemaphore
from typing import Final, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from confide.access.entrances import Session
from confide.errors import AccessDenied
from confide.server import ending, keeper
from confide.server.apps import system
from confide.server.pages.visitor import Visitor, staff
from confide.server.pages.watch import mark

MOST: Final = 1
"""Streams of one process at a time: one of its four threads."""

LASTS: Final = 60.0
"""Seconds; then the browser comes again."""

_LOOKS: Final = 1.0
_BEATS: Final = 15
_free: Final = BoundedSemaphore(MOST)


@require_GET
@staff
def stream(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Send an event whenever the page should be asked for again."""
    if not (visitor.reads_journal and visitor.keeps):
        raise AccessDenied("the watch is for the privacy officer")
    if not _free.acquire(blocking=False):
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    row = keeper.session_of(request)
    response = StreamingHttpResponse(
        _Held(tell(visitor.actor.practice, row.pk if row else "")), content_type="text/event-stream"
    )
    response["X-Accel-Buffering"] = "no"
    return cast("HttpResponse", response)  # both are answers; `staff` sets a header


def tell(practice: str, session: str) -> Iterator[str]:
    """Look every second for a minute, as long as the session may go on."""
    known = mark(practice)
    yield f"retry: 3000\nevent: mark\ndata: {known}\n\n"
    begun, beats = time.monotonic(), 0
    while time.monotonic() - begun < LASTS and not ending.wait(_LOOKS):
        live = Session.objects.filter(pk=session, frozen_at__isnull=True, suspect_at__isnull=True)
        if not live.filter(account__frozen_at__isnull=True, account__suspect_at__isnull=True).exists():
            return
        now = mark(practice)
        beats += 1
        if now != known:
            known = now
            yield f"event: mark\ndata: {known}\n\n"
        elif beats % _BEATS == 0:
            yield f": {system().clock():%H:%M:%S}\n\n"


class _Held:
    """Gives the place back when the stream has ended, however it did."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._held = True

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._lines
        finally:
            self.close()

    def close(self) -> None:
        """Django closes what it streams when the browser has gone."""
        if self._held:
            self._held = False
            _free.release()
