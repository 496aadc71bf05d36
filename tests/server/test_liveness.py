"""Connections that answered lately are not asked again in every request; those that are dead are noticed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.signals import request_started
from django.db import connection

from confide.server import liveness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it is a file, and always there")
    connection.close()
    run("SELECT 'begun'")


def run(text: str, on: Any = connection) -> Any:
    with on.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def of_other(text: str) -> Any:
    other = connection.copy()
    try:
        return run(text, other)
    finally:
        other.close()


def begin_request() -> None:
    request_started.send(sender=None)


def pid() -> int:
    raw: Any = connection.connection
    return int(raw.info.backend_pid)


def last_heard() -> str:
    """What the server was told last on the connection."""
    [[text]] = of_other(f"SELECT query FROM pg_stat_activity WHERE pid = {pid()}")
    return str(text)


def test_a_connection_is_asked_once_in_a_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_request()
    assert last_heard() == "SELECT 1"
    for _ in range(3):
        run("SELECT 'work'")
        begin_request()
        assert last_heard() == "SELECT 'work'"
    monkeypatch.setattr(liveness, "TRUSTED", 0.0)
    begin_request()
    assert last_heard() == "SELECT 1"


def test_one_that_was_cut_meanwhile_is_made_anew() -> None:
    begin_request()
    run("SELECT 'work'")
    before = pid()
    of_other(f"SELECT pg_terminate_backend({before}, 10000)")
    begin_request()
    assert run("SELECT 'goes on'") == [("goes on",)]
    assert pid() != before


def test_one_that_was_made_anew_is_asked_itself() -> None:
    begin_request()
    connection.close()
    run("SELECT 'anew'")
    begin_request()
    assert last_heard() == "SELECT 1"


def test_one_that_was_closed_on_the_way_is_made_anew() -> None:
    begin_request()
    raw: Any = connection.connection
    raw.close()  # as where the answers of an exchange were not those that were asked for
    begin_request()
    assert run("SELECT 'goes on'") == [("goes on",)]
