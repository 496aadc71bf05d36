"""Passwords are hashed by Argon2id, and only so many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password

from confide.access import hashing
from confide.errors import Unavailable
from tests import hashes

PASSWORD = "winter otters under lamps"


@pytest.fixture(autouse=True)
def full_price(monkeypatch):
    """The hasher as the server has it, not as the other tests do."""
    for name in hashes.CHEAP:
        monkeypatch.delattr(hashing.Bounded, name)


@pytest.mark.asvs("11.4.2")
def test_it_is_argon2id_with_djangos_costs():
    made = make_password(PASSWORD)
    assert made.startswith("argon2$argon2id$v=19$m=102400,t=2,p=8$")
    assert check_password(PASSWORD, made)
    assert not check_password("another", made)


@pytest.mark.asvs("15.2.2")
def test_no_more_are_hashed_at_once_than_the_setting_says(monkeypatch):
    """The real turnstile, around a hash that waits for the others to arrive."""
    inside, most = [0], [0]
    lock, all_here = threading.Lock(), threading.Event()

    def encode(self, password, salt):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        all_here.wait(0.2)
        with lock:
            inside[0] -= 1
        return "argon2$made"

    monkeypatch.setattr("django.contrib.auth.hashers.Argon2PasswordHasher.encode", encode)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: hashing.Bounded().encode(PASSWORD, "salt"), range(8)))
    assert made == ["argon2$made"] * 8
    assert most[0] == settings.CONFIDE_CONCURRENT_HASHES


def test_whoever_waits_too_long_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(hashing, "PATIENCE", 0.05)
    turns = [hashing._TURNS.acquire(blocking=False) for _ in range(settings.CONFIDE_CONCURRENT_HASHES)]
    try:
        assert all(turns)
        made = "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$aGFzaA"
        for work in (lambda: make_password(PASSWORD), lambda: check_password(PASSWORD, made)):
            with pytest.raises(Unavailable):
                work()
    finally:
        for _ in turns:
            hashing._TURNS.release()
    assert make_password(PASSWORD)
