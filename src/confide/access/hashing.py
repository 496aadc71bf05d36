"""Passwords hashed by Argon2id, only so many at once: each takes 100 MiB, and a flood must not take all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from confide.errors import Unavailable

PATIENCE: Final = 5.0
"""Seconds that a caller waits for its turn."""

_TURNS: Final = BoundedSemaphore(settings.CONFIDE_CONCURRENT_HASHES)


class Bounded(Argon2PasswordHasher):
    """Django's hasher by Argon2id, behind a turnstile of this process."""

    def encode(self, password: str, salt: str) -> str:
        with _turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turn():
            return super().verify(password, encoded)

    def harden_runtime(self, *_: Any) -> None:
        """Do nothing, as Argon2 does: its costs stand in what is stored."""


@contextmanager
def _turn() -> Iterator[None]:
    if not _TURNS.acquire(timeout=PATIENCE):
        raise Unavailable("too many passwords are being checked at once (try again in a moment)")
    try:
        yield
    finally:
        _TURNS.release()
