"""The watch while the server runs: threads in each worker, of which one at a time reads the journal on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connections

from confide.errors import ConfideError
from confide.server import apps
from confide.server import logging as log
from confide.watch import notices

PAUSE: Final = 0.5
"""Seconds between two rounds: what the sequencer has placed is looked at within a second."""

_AFTER_FAILURE: Final = 5.0
_BETWEEN_NOTICES: Final = 2.0
_QUIET: Final = 600.0  # seconds in which the same failure is not told again
_BETWEEN_READINGS: Final = 20.0  # so that a scope finds little that it must read itself
_BETWEEN_WARNINGS: Final = 600.0  # clocks of the law are counted in days
_KEPT: Final = timedelta(days=30)

_warned = -_BETWEEN_WARNINGS
_log = logging.getLogger(__name__)


def run() -> None:
    """Read the journal on until the process ends."""
    _go_on(attempt, PAUSE, "the watch does not see")


def tell() -> None:
    """Send notices, and retire keys, until the process ends; in a thread of its own: others may be slow."""
    _go_on(send, _BETWEEN_NOTICES, "notices do not go out")


def follow() -> None:
    """Keep in which state patients live, until the process ends: a scope is counted by it."""
    _go_on(read_on, _BETWEEN_READINGS, "where patients live is not kept")


def _go_on(step: Callable[[], str], pause: float, words: str) -> None:
    told: tuple[str, float] = ("", 0.0)
    while True:
        problem = step()
        if problem and (problem != told[0] or time.monotonic() - told[1] > _QUIET):
            _log.error("%s: %s", words, problem)
            told = (problem, time.monotonic())
        time.sleep(_AFTER_FAILURE if problem else pause)


def attempt() -> str:
    """Look at what waits; return what is the matter, if anything."""
    return _guarded(_look)


def _look() -> None:
    system = apps.system()
    now = system.clock()
    system.watch.run(now)
    if system.planter.is_due(now):
        system.planter.age_everywhere(now)


def read_on() -> str:
    """Read where those live whose records changed; return what is the matter, if anything."""
    from confide.incidents import residences  # rows: there is no Django yet where this file is read

    return _guarded(residences.refresh)


def send() -> str:
    """Try the notices that are due; return what is the matter, if anything."""
    return _guarded(_send)


def _send() -> None:
    system = apps.system()
    now = system.clock()
    global _warned  # noqa: PLW0603 - one thread of a process sends
    is_due = time.monotonic() - _warned > _BETWEEN_WARNINGS
    if is_due:
        _warned = time.monotonic()
        system.warnings.queue(now)
    ways = settings.CONFIG.watch.ways
    if ways.named():
        for way in notices.deliver(ways, lambda: system.keepsakes.secret("webhook"), now):
            _log.warning("a notice was not taken (%s); it is tried again", way)
        notices.prune(now - _KEPT)
    if is_due:
        system.renewals.retire(now)


def _guarded(step: Callable[[], object]) -> str:
    try:
        step()
    except ConfideError as problem:
        return str(problem)
    except Exception as problem:  # noqa: BLE001 - the next round may go better; a traceback could show values
        return log.name(problem)
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
    return ""
