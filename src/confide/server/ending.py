"""That this process has been told to stop: whatever would go on for long asks now and then."""

from __future__ import annotations

from threading import Event
from typing import Final

_told: Final = Event()


def tell() -> None:
    """Say that the process is to stop; for a signal handler of the main thread, which never waits here."""
    _told.set()


def wait(seconds: float) -> bool:
    """Wait; return at once, and True, if the process is to stop."""
    return _told.wait(seconds)
