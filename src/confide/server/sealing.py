"""The journal is sealed while the server runs: a thread in each worker, of which one at a time does it."""

from __future__ import annotations

import logging
import time
from datetime import date, datetime
from typing import Final

from django.conf import settings
from django.db import connections

from confide.audit import openings, outlets, partitions
from confide.audit.outlets import Outlet
from confide.audit.tiles import Tiles
from confide.errors import ConfideError
from confide.server import apps
from confide.server import logging as log
from confide.wiring import utc_now

PAUSE: Final = 0.5
"""Seconds between two rounds: what is committed has its place, and a signature over it, within a second."""

_AFTER_FAILURE: Final = 5.0
_BETWEEN_OUTLETS: Final = 2.0
_QUIET: Final = 600.0  # seconds in which the same failure is not told again

_log = logging.getLogger(__name__)


class _Daily:
    """Something to do once a day in this process."""

    def __init__(self) -> None:
        self._day: date | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it has not been done today; asking counts as doing."""
        due, self._day = self._day != now.date(), now.date()
        return due


_due: Final = _Daily()


def run() -> None:
    """Seal until the process ends."""
    told: tuple[str, float] = ("", 0.0)
    while True:
        problem = attempt()
        if problem and (problem != told[0] or time.monotonic() - told[1] > _QUIET):
            _log.error("the journal is not sealed: %s", problem)
            told = (problem, time.monotonic())
        time.sleep(_AFTER_FAILURE if problem else PAUSE)


def hand_out() -> None:
    """Put checkpoints into the outlets until the process ends; in a thread of its own: they may be slow."""
    places = [Outlet.parse(each) for each in settings.CONFIG.journal_outlets]
    while places:
        try:
            note = Tiles(settings.CONFIG.journal).note()
            for problem in outlets.send(places, note, settings.CONFIG.journal, utc_now()) if note else ():
                _log.error("a checkpoint of the journal did not go out: %s", problem)
        except (ConfideError, OSError) as problem:
            _log.error("checkpoints of the journal do not go out: %s", log.name(problem))
        time.sleep(_BETWEEN_OUTLETS)


def attempt() -> str:
    """Seal what waits; return what is the matter, if anything."""
    try:
        system = apps.system()
        now = system.clock()
        system.sequencer.seal(now)
        openings.flush(now)
        if _due.is_due(now):
            partitions.make_ahead(now)
    except ConfideError as problem:
        return str(problem)
    except Exception as problem:  # noqa: BLE001 - the next round may go better; a traceback could show values
        return log.name(problem)
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
    return ""
