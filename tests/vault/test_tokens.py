"""Tokens in the database: all or nothing with their caller, one per value among processes, no clear value."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

from confide.errors import Damaged, SealBroken, Unavailable
from confide.protect.elements import Element
from confide.protect.keyring import Keyring
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms
from confide.protect.tokens import MOST, Found, Tokens, Wanted
from confide.vault.models import Token
from confide.vault.tokens import DatabaseTokenStore
from tests.practice import NOW, read_only

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

SSN = "078-05-1120"
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return Keyring.found(FileKms.create(folder / "root.key"), FileDataKeys(folder / "keys.sqlite3"), "elm")


@pytest.fixture
def tokens(keyring):
    return Tokens(keyring, DatabaseTokenStore())


def ask(*values, subject=""):
    return [Wanted(Element.SSN, value, subject) for value in values]


def numbers(first, count=MOST):
    return ask(*(f"{number:09d}" for number in range(first, first + count)))


def back(tokens, *asked, now=NOW):
    found = tokens.find("lab", asked, now)
    return [tokens.open([one])[0] if isinstance(one, Found) else None for one in found]


def test_it_lies_with_the_records_and_not_with_the_keys():
    assert "vault_token" in connections["default"].introspection.table_names()
    assert "vault_token" not in connections["keys"].introspection.table_names()


def test_a_batch_comes_back(tokens, django_assert_max_num_queries):
    wanted = numbers(0)
    with django_assert_max_num_queries(20):  # one or two of them may collide, which costs four
        made = tokens.tokenize("lab", wanted, NOW)
    assert len(set(made)) == MOST
    with django_assert_max_num_queries(1):
        found = tokens.find("lab", made, NOW)
    assert tokens.open(found) == [one.value for one in wanted]
    assert tokens.tokenize("lab", wanted, NOW) == made


def test_the_callers_transaction_takes_it_in(tokens):
    with transaction.atomic():
        (lost,) = tokens.tokenize("lab", ask(SSN), NOW)
        assert back(tokens, lost) == [SSN]
        transaction.set_rollback(True)
    assert Token.objects.count() == 0
    assert back(tokens, lost) == [None]
    (kept,) = tokens.tokenize("lab", ask(SSN), NOW)
    assert back(tokens, kept) == [SSN]


def test_the_database_itself_keeps_tokens_and_digests_apart(tokens):
    tokens.tokenize("lab", ask(SSN), NOW)
    row = Token.objects.get()
    for same in ({"token": row.token, "scope": "lab"}, {"digest": row.digest, "token": "1"}):
        other = {
            "practice": "elm",
            "scope": "lab-2",
            "token": "2",
            "digest": "3",
            "version": 1,
            "sealed": b"",
        }
        with pytest.raises(IntegrityError), transaction.atomic():
            Token.objects.create(**other | same)
    assert Token.objects.count() == 1


def test_time_and_forgetting(tokens):
    (ending,) = tokens.tokenize("lab", ask(SSN), NOW, TOMORROW)
    (his,) = tokens.tokenize("lab", ask("219-09-9999", subject="a"), NOW)
    assert tokens.tokenize("lab", ask(SSN), NOW, TOMORROW + timedelta(days=1)) == [ending]
    assert back(tokens, ending, his, now=TOMORROW) == [SSN, "219-09-9999"]
    later = TOMORROW + timedelta(days=1)
    assert back(tokens, ending, now=later) == [None]
    (new,) = tokens.tokenize("lab", ask(SSN), later, later + timedelta(days=1))
    assert new != ending
    assert (tokens.prune(later), tokens.prune(later + timedelta(days=1)), tokens.forget("a")) == (0, 1, 1)
    spent = Token.objects.filter(digest=None, element="", subject="", expires=None)
    assert {row.token for row in spent if bytes(row.sealed) == b""} == {ending, his, new}


def dump():
    """Every value of every column, as the database keeps it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM vault_token")
        return b"\n".join(
            bytes(part) if isinstance(part, bytes | memoryview) else str(part).encode()
            for row in cursor.fetchall()
            for part in row
        )


def test_the_table_holds_no_clear_value(tokens):
    values = {Element.SSN: SSN, Element.NAME: "Müller-Ortiz, Zoë", Element.EMAIL: "zoe.ortiz@example.org"}
    tokens.tokenize("lab", [Wanted(element, value, "patient-7") for element, value in values.items()], NOW)
    raw = dump()
    assert b"patient-7" in raw
    for trace in ("078-05-1120", "078051120", "1120", "Müller", "Ortiz", "Zoë", "zoe", "ortiz", "example"):
        assert trace.encode() not in raw


def test_swapped_rows_do_not_open(tokens):
    one, two = tokens.tokenize("lab", ask(SSN, "219-09-9999"), NOW)
    rows = {row.token: row for row in Token.objects.all()}
    Token.objects.filter(token=one).update(sealed=rows[two].sealed)
    Token.objects.filter(token=two).update(sealed=rows[one].sealed)
    for token in (one, two):
        found = tokens.find("lab", [token], NOW)
        with pytest.raises(SealBroken):
            tokens.open(found)


def test_a_row_that_is_none_is_damaged(tokens):
    if connection.vendor == "postgresql":
        pytest.skip("not for PostgreSQL: its columns have types")
    made = tokens.tokenize("lab", ask(SSN), NOW)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vault_token SET sealed = 'text'")
    with pytest.raises(Damaged):
        tokens.find("lab", made, NOW)


def test_a_database_that_takes_nothing(tokens):
    (token,) = tokens.tokenize("lab", ask(SSN), NOW, TOMORROW)
    with read_only("default"):
        for work in (
            lambda: tokens.tokenize("lab", ask("219-09-9999"), NOW),
            lambda: tokens.tokenize("lab", ask(SSN), NOW, TOMORROW + timedelta(days=1)),
            lambda: tokens.prune(TOMORROW),
        ):
            with pytest.raises(Unavailable):
                work()
        assert back(tokens, token) == [SSN]
    assert back(tokens, token, now=TOMORROW) == [None]


def test_a_database_without_the_table(tokens):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE vault_token RENAME TO away")
    try:
        for work in (
            lambda: tokens.tokenize("lab", ask(SSN), NOW),
            lambda: tokens.find("lab", [SSN], NOW),
            lambda: tokens.forget("a"),
        ):
            with pytest.raises(Unavailable) as told:
                work()
            assert SSN not in str(told.value)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO vault_token")


def together(count, work):
    """What *work* gives in so many threads at once, each with a connection of its own."""
    start, told, failed = threading.Barrier(count), [None] * count, []

    def run(number):
        try:
            start.wait()
            told[number] = work(number)
        except Exception as error:  # noqa: BLE001 - the test wants to know of every one
            failed.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    return told


def test_many_that_want_the_same_at_the_same_time_get_the_same(tokens):
    batches = [numbers(start, 50) for start in range(0, 1000, 50)]

    def work(number):
        # In another order each, so that they meet in the middle of each other's work.
        made = {}
        for batch in batches[number:] + batches[:number]:
            mine = batch[::-1] if number % 2 else batch
            answers = tokens.tokenize("lab", mine, NOW)
            made |= {one.value: token for one, token in zip(mine, answers, strict=True)}
        return made

    told = together(4, work)
    assert told[0] == told[1] == told[2] == told[3]
    assert len(set(told[0].values())) == 1000
    assert Token.objects.count() == 1000


def test_after_their_end_values_get_one_new_token_too(tokens):
    old = tokens.tokenize("lab", numbers(0, 200), NOW, TOMORROW)
    told = together(4, lambda _: tokens.tokenize("lab", numbers(0, 200), TOMORROW))
    assert told[0] == told[1] == told[2] == told[3]
    assert not set(told[0]) & set(old)
    assert Token.objects.filter(digest=None).count() == 200


def test_a_batch_that_waits_for_one_that_is_taken_back(tokens):
    """PostgreSQL lets both begin; the second waits, and then makes the token itself."""
    holding, asked = threading.Event(), threading.Event()

    def work(number):
        if number:
            holding.wait(20)
            asked.set()
            return tokens.tokenize("lab", ask(SSN), NOW)[0]
        with transaction.atomic():
            (token,) = tokens.tokenize("lab", ask(SSN), NOW)
            holding.set()
            asked.wait(20)
            transaction.set_rollback(True)
        return token

    lost, kept = together(2, work)
    assert back(tokens, kept) == [SSN]
    assert Token.objects.count() == 1
    assert lost == kept or back(tokens, lost) == [None]
