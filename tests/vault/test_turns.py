"""Who pays on SQLite waits for their turn and is woken; who holds the database already waits for nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from confide.errors import JournalUnavailable
from confide.vault.desk import durable
from confide.vault.turns import SUFFIX, take_turn
from tests.vault.test_rush import together

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_one_at_a_time_is_in_turn(transactional_db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("not for PostgreSQL: there nobody waits for every other writer")
    inside, most = [], []

    def work(caller: int) -> None:
        for _ in range(20):
            with take_turn(connection):
                inside.append(caller)
                most.append(len(inside))
                inside.remove(caller)

    assert together(work) == [None] * 8
    assert len(most) == 160
    assert max(most) == 1
    assert Path(str(connection.settings_dict["NAME"]) + SUFFIX).stat().st_size == 0


def test_who_is_in_a_transaction_waits_for_no_turn_and_is_refused(transactional_db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("not for PostgreSQL: there nobody waits for every other writer")
    held, done = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        with take_turn(connection):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=together, args=(hold, 1))
    holder.start()
    held.wait(30)
    try:
        with transaction.atomic(), pytest.raises(JournalUnavailable), durable():
            pytest.fail("it was let in")
        assert holder.is_alive(), "the turn was not waited for"
    finally:
        done.set()
        holder.join(30)


def test_without_the_file_it_goes_on(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", "/proc/no-such-folder/confide.sqlite3")
    with take_turn(connection):
        pass
