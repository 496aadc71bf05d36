"""Several statements and the end of their transaction in one exchange with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from confide.access.statements import COMMIT, ask

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = "INSERT INTO kept (n, word) SELECT n, word FROM json_to_recordset(%s::json) w(n int, word text)"
ALL = ("SELECT n, word FROM kept ORDER BY n", [])


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """A table that every connection sees."""
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it answers at once")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (n integer PRIMARY KEY, word text CHECK (word <> 'never'))")
    try:
        yield
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE kept")


def rows(*numbers: int, word: str = "a") -> tuple[str, list[Any]]:
    import json

    return WRITE, [json.dumps([{"n": n, "word": word} for n in numbers])]


def elsewhere() -> int:
    """What another connection counts."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM kept")
            return int(cursor.fetchone()[0])
    finally:
        other.close()


def status() -> int:
    raw: Any = connection.connection
    return int(raw.pgconn.transaction_status)


def test_each_statement_has_its_own_answer() -> None:
    first, second, third = ask(
        connection,
        [("SELECT %s::int, %s", [1, "it's 5%"]), ("SELECT 2 WHERE %s = 1", [2]), ("SELECT 7 %% 4", [])],
    )
    assert (first, second, third) == ([(1, "it's 5%")], [], [(3,)])


def test_a_transaction_begins_and_ends_in_the_exchange() -> None:
    with transaction.atomic():
        assert status() == 0, "nothing was sent yet"
        [before] = ask(connection, [ALL], [rows(1, 2)])
        assert (len(before), elsewhere()) == (2, 0)
        [found] = ask(connection, [ALL], [rows(3)], [COMMIT])
        assert found == [(1, "a"), (2, "a"), (3, "a")]
        assert (status(), elsewhere()) == (0, 3), "it is durable before anything else is done"
    assert elsewhere() == 3


WRONG = (rows(9, 9), rows(9, word="never"), ("SELECT 1 / %s", [0]), ("SELECT nothing FROM nowhere", []))


@pytest.mark.parametrize("wrong", WRONG)
def test_what_follows_a_failure_is_not_run_and_nothing_is_committed(wrong: tuple[str, list[Any]]) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        ask(connection, [], [rows(1), wrong, rows(2)], [COMMIT])
    assert elsewhere() == 0
    with transaction.atomic():
        ask(connection, [], [rows(1)], [COMMIT])  # the connection goes on
    assert elsewhere() == 1


def fail_and_commit() -> None:
    with pytest.raises(DatabaseError):
        ask(connection, [("SELECT 1 / %s", [0])], [rows(1)])
    ask(connection, [], [], [COMMIT])  # PostgreSQL answers this by rolling back, and calls it no error


def test_a_transaction_that_failed_before_is_not_committed() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        fail_and_commit()
    assert elsewhere() == 0


def test_what_is_longer_than_any_buffer_arrives_both_ways() -> None:
    long = "x" * 5_000_000
    answers = ask(connection, [("SELECT %s::text", [long])] * 3)
    assert [len(each) for [(each,)] in answers] == [5_000_000] * 3


def test_statements_that_come_again_are_prepared_and_survive_what_is_undone() -> None:
    for n in range(4):
        with transaction.atomic():
            ask(connection, [ALL], [rows(n)])
            transaction.set_rollback(True)
    ask(connection, [ALL], [rows(5)])
    [found] = ask(connection, [("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'kept'", [])])
    assert found == [(1,)]
    assert elsewhere() == 1


def test_statements_are_prepared_anew_where_the_database_has_forgotten_them() -> None:
    ask(connection, [], [rows(1)])
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(DatabaseError):
        ask(connection, [], [rows(2)])
    ask(connection, [], [rows(3)])
    assert elsewhere() == 2


def test_who_watches_sees_every_statement() -> None:
    seen: list[str] = []

    def watch(execute: Any, text: str, *words: Any) -> Any:
        seen.append(text)
        return execute(text, *words)

    with connection.execute_wrapper(watch), transaction.atomic():
        [found] = ask(connection, [ALL], [rows(1)], [COMMIT])
    assert found == [(1, "a")]
    assert seen == [WRITE, ALL[0], "COMMIT"]
    assert elsewhere() == 1


def test_a_connection_that_is_cut_is_closed_and_made_anew() -> None:
    [[(pid,)]] = ask(connection, [("SELECT pg_backend_pid()", [])])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    with pytest.raises(OperationalError), transaction.atomic():
        ask(connection, [], [rows(1)], [COMMIT])
    connection.close_if_unusable_or_obsolete()
    ask(connection, [], [rows(2)])
    assert elsewhere() == 1


def test_what_cannot_be_sent_leaves_nothing_half_said() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        ask(connection, [("SELECT %s", [object()])], [rows(1)], [COMMIT])
    connection.close_if_unusable_or_obsolete()
    assert elsewhere() == 0
    assert ask(connection, [ALL]) == [[]]


@pytest.fixture
def serializable() -> Iterator[None]:
    """A database whose operator has set another level; it holds for connections that are made from now on."""
    quoted = connection.ops.quote_name(str(connection.settings_dict["NAME"]))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {quoted} SET default_transaction_isolation = 'serializable'")
    connection.close()
    try:
        yield
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {quoted} RESET default_transaction_isolation")
        connection.close()


LEVEL = "SHOW transaction_isolation"
LOCK = ("SELECT 1 FROM pg_advisory_xact_lock(%s)", [75_001])


@pytest.mark.usefixtures("serializable")
def test_a_transaction_is_read_committed_whatever_the_database_says() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        assert cursor.fetchone() == ("serializable",)
    with transaction.atomic():
        assert ask(connection, [(LEVEL, [])]) == [[("read committed",)]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LEVEL)
        assert cursor.fetchone() == ("read committed",)


@pytest.mark.usefixtures("serializable")
def test_who_waits_for_a_lock_counts_what_was_committed_meanwhile() -> None:
    """So do budgets: whoever counted before the wait would count less than was spent."""
    counted: list[Any] = []

    def count() -> None:
        try:
            with transaction.atomic():
                counted.extend(ask(connection, [("SELECT count(*) FROM kept", [])], [LOCK]))
        finally:
            connection.close()

    second = Thread(target=count)
    with transaction.atomic():
        ask(connection, [], [LOCK, rows(1)])
        second.start()
        waiting = [(0,)]
        while waiting == [(0,)] and second.is_alive():
            [waiting] = ask(
                connection,
                [("SELECT count(*) FROM pg_locks WHERE objid = %s AND NOT granted", [75_001])],
            )
    second.join()
    assert counted == [[(1,)]]
