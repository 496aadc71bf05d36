"""Tokens: random, unique, scoped, mortal, and useless to whoever steals the table."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.derive import frame
from confide.errors import Damaged, DomainTooSmall, Invalid, KeyUnavailable, SealBroken, Unavailable, Unknown
from confide.protect.elements import Element
from confide.protect.keyring import Keyring, KeyUse, WrappedKey
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms
from confide.protect.tokens import MOST, FileTokenStore, Found, Tokens, Wanted
from tests.scale import scale

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
SSN = "078-05-1120"
MANY = scale(1_000_000, 50_000)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    return found_keyring(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.sqlite3"


@pytest.fixture
def store(path):
    store = FileTokenStore(path)
    yield store
    store.close()


@pytest.fixture(scope="module")
def one_store(tmp_path_factory):
    """For the many examples of one test."""
    store = FileTokenStore(tmp_path_factory.mktemp("one") / "tokens.sqlite3")
    yield store
    store.close()


@pytest.fixture
def tokens(keyring, store):
    return Tokens(keyring, store)


def found_keyring(folder, practice="elm"):
    return Keyring.found(FileKms.create(folder / "root.key"), FileDataKeys(folder / "keys.sqlite3"), practice)


def ask(*values, element=Element.SSN, subject=""):
    return [Wanted(element, value, subject) for value in values]


def make(tokens, value=SSN, scope="lab", now=NOW, expires=None, **more):
    (token,) = tokens.tokenize(scope, ask(value, **more), now, expires)
    assert isinstance(token, str)
    return token


def back(tokens, *asked, scope="lab", now=NOW):
    """The values of tokens; None for what is unknown."""
    found = tokens.find(scope, asked, now)
    return [tokens.open([one])[0] if isinstance(one, Found) else None for one in found]


def edit(path, statement, *parameters):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(statement, parameters).fetchall()


# There and back


def test_a_token_looks_like_its_value_and_comes_back(tokens):
    token = make(tokens)
    assert re.fullmatch(r"\d{3}-\d{2}-\d{4}", token)
    assert token != SSN
    assert back(tokens, token) == [SSN]


@given(st.lists(st.text(min_size=5, max_size=30), max_size=20))
def test_any_text_comes_back_or_is_refused(keyring, one_store, values):
    tokens = Tokens(keyring, one_store)
    made = tokens.tokenize("lab", ask(*values, element=Element.IDENTIFIER), NOW)
    for value, token in zip(values, made, strict=True):
        if isinstance(token, str):
            assert token != value
            assert len(token) == len(value)
            assert back(tokens, token) == [value]
        else:
            assert isinstance(token, Invalid)


def test_a_value_has_one_token_in_a_scope(tokens):
    token = make(tokens)
    assert make(tokens) == token
    assert tokens.tokenize("lab", ask(SSN, "219-09-9999", SSN), NOW)[::2] == [token, token]
    assert make(tokens, subject="another patient") == token


def test_two_writings_elements_or_scopes_are_two_tokens(tokens):
    made = [
        make(tokens),
        make(tokens, SSN.replace("-", "")),
        make(tokens, SSN.replace("-", " ")),
        make(tokens, element=Element.MRN),
        make(tokens, scope="lab-2"),
    ]
    assert len({re.sub(r"\D", "", token) for token in made}) == len(made)


def test_in_order_and_each_for_itself(tokens):
    given_ = ["078051120", "Li", "219099999", "x" * 257, "", "07805\n1120", "078051120", "457555462"]
    made = tokens.tokenize("lab", ask(*given_), NOW)
    kinds = [type(one) for one in made]
    assert kinds == [str, DomainTooSmall, str, Invalid, DomainTooSmall, Invalid, str, str]
    assert made[0] == made[6]
    assert [back(tokens, made[i]) for i in (0, 2, 7)] == [[given_[i]] for i in (0, 2, 7)]
    assert len({made[0], made[2], made[7]}) == 3


def test_what_is_found_before_it_is_opened(tokens):
    token = make(tokens, "E-0004711", element=Element.MRN, subject="patient-7")
    other = make(tokens, "W-8800-1122", element=Element.MEMBER_ID)
    found, none, two = tokens.find("lab", [token, "E-9999999", other], NOW)
    assert (found.element, found.subject, two.element, two.subject) == (
        Element.MRN, "patient-7", Element.MEMBER_ID, ""
    )  # fmt: skip
    assert re.fullmatch("[0-9a-f]{32}", found.handle)
    assert found.handle != two.handle
    assert isinstance(none, Unknown)
    assert tokens.open([two, found]) == ["W-8800-1122", "E-0004711"]
    shown = f"{found!r} {found} {tokens!r} {ask(SSN)!r}"
    assert "4711" not in shown
    assert "078" not in shown
    assert token not in shown


def test_in_another_scope_a_token_is_as_unknown_as_one_that_never_was(tokens):
    token = make(tokens)
    (elsewhere,) = tokens.find("lab-2", [token], NOW)
    (never,) = tokens.find("lab-2", ["961-24-6988"], NOW)
    assert type(elsewhere) is type(never) is Unknown
    assert str(elsewhere) == str(never)
    assert back(tokens, token, scope="lab-2") == [None]


def test_the_digest_of_a_value_tells_nothing_across_scopes(tokens, path):
    for scope in ("lab", "lab-2"):
        make(tokens, scope=scope)
    assert edit(path, "SELECT count(DISTINCT digest), count(*) FROM token") == [(2, 2)]


def test_tokens_that_cannot_be(tokens):
    make(tokens)
    asked = ["", "x", "078\0", "\ud800", "9" * 5000, "078-05-112%", "' OR 1=1 --", "['961']"]
    assert all(isinstance(one, Unknown) for one in tokens.find("lab", asked, NOW))


@pytest.mark.parametrize("scope", ["", "Lab", "-lab", "lab!", "l" * 64, "lab\n", "läb", "lab "])
def test_a_scope_has_a_name(tokens, scope):
    with pytest.raises(Invalid):
        tokens.tokenize(scope, ask(SSN), NOW)
    with pytest.raises(Invalid):
        tokens.find(scope, [SSN], NOW)


def test_the_longest_scope_value_and_subject(tokens):
    scope, value, subject = "l" + "-" * 62, "9" * 256, "s" * 64
    (token,) = tokens.tokenize(scope, ask(value, subject=subject), NOW)
    (found,) = tokens.find(scope, [token], NOW)
    assert (found.subject, tokens.open([found])) == (subject, [value])
    for none in ("s" * 65, "s\n", "s\0", "é", "\ud800"):
        (refused,) = tokens.tokenize(scope, ask(value, subject=none), NOW)
        assert isinstance(refused, Invalid)


def test_no_more_than_ten_thousand_at_once(tokens):
    assert tokens.tokenize("lab", [], NOW) == tokens.find("lab", [], NOW) == tokens.open([]) == []
    with pytest.raises(Invalid):
        tokens.tokenize("lab", ask(SSN) * (MOST + 1), NOW)
    with pytest.raises(Invalid):
        tokens.find("lab", [SSN] * (MOST + 1), NOW)
    assert len(set(tokens.tokenize("lab", ask(SSN) * MOST, NOW))) == 1


def test_an_error_keeps_no_value(tokens):
    (error,) = tokens.tokenize("lab", ask("Li"), NOW)
    assert error.__traceback__ is None
    assert "Li" not in f"{error!r}"


# Time


def test_an_expired_token_is_unknown(tokens):
    token = make(tokens, expires=NOW + timedelta(days=1))
    last = NOW + timedelta(days=1, microseconds=-1)
    assert back(tokens, token, now=last) == [SSN]
    assert back(tokens, token, now=last + timedelta(microseconds=1)) == [None]
    assert back(tokens, token, now=NOW + timedelta(days=9)) == [None]


def test_after_its_end_a_value_gets_a_new_token_and_the_old_one_stays_dead(tokens):
    token = make(tokens, expires=NOW + timedelta(days=1))
    later = NOW + timedelta(days=1)
    new = make(tokens, now=later, expires=later + timedelta(days=1))
    assert new != token
    assert back(tokens, token, new, now=later) == [None, SSN]
    assert back(tokens, token, new, now=NOW) == [None, SSN]


def test_asking_again_prolongs_and_never_shortens(tokens):
    days = [NOW + timedelta(days=day) for day in range(10)]
    token = make(tokens, expires=days[2])
    assert make(tokens, expires=days[5]) == token
    assert make(tokens, expires=days[3]) == token
    assert make(tokens) == token
    assert back(tokens, token, now=days[4]) == [SSN]
    assert back(tokens, token, now=days[5]) == [None]
    lasting = make(tokens, "219-09-9999")
    assert make(tokens, "219-09-9999", expires=days[1]) == lasting
    assert back(tokens, lasting, now=days[9]) == ["219-09-9999"]


def test_pruning_takes_everything_but_the_token(tokens, path):
    ending = make(tokens, subject="patient-7", expires=NOW + timedelta(days=1))
    lasting = make(tokens, "219-09-9999")
    assert tokens.prune(NOW) == 0
    assert tokens.prune(NOW + timedelta(days=1)) == 1
    assert tokens.prune(NOW + timedelta(days=1)) == 0
    assert back(tokens, ending, lasting) == [None, "219-09-9999"]
    rows = edit(path, "SELECT token, digest, element, subject, expires, sealed FROM token ORDER BY id")
    assert rows[0] == (ending, None, "", "", None, b"")
    assert make(tokens) != ending


def test_a_token_never_comes_to_stand_for_another_value(tokens, path):
    """Of six digits there are a million: all but one are given away and ended, and that one is left."""
    make(tokens, "000000", expires=NOW + timedelta(days=1))
    tokens.prune(NOW + timedelta(days=1))
    fill(path, "SELECT printf('%06d', n) FROM numbers WHERE n <> 123456")
    made = {answer for _ in range(40) for answer in tokens.tokenize("lab", ask("111111"), NOW)}
    assert {one for one in made if isinstance(one, str)} <= {"123456"}


def test_forgetting_a_patient(tokens):
    his = [make(tokens, value, subject="a", scope=s) for value, s in ((SSN, "lab"), ("457-55-5462", "lab-2"))]
    hers = make(tokens, "219-09-9999", subject="b")
    nobodys = make(tokens, "721-07-4426")
    assert tokens.forget("") == 0
    assert tokens.forget("a") == 2
    assert tokens.forget("a") == 0
    assert back(tokens, his[0], hers, nobodys) == [None, "219-09-9999", "721-07-4426"]
    assert back(tokens, his[1], scope="lab-2") == [None]
    assert make(tokens) not in his


def test_times_have_a_zone_and_the_end_comes_after_the_beginning(tokens):
    with pytest.raises(Invalid):
        tokens.tokenize("lab", ask(SSN), NOW.replace(tzinfo=None))
    with pytest.raises(Invalid):
        tokens.tokenize("lab", ask(SSN), NOW, NOW.replace(tzinfo=None))
    with pytest.raises(Invalid):
        tokens.tokenize("lab", ask(SSN), NOW, NOW)
    with pytest.raises(Invalid):
        tokens.find("lab", [SSN], NOW.replace(tzinfo=None))
    elsewhere = timezone(timedelta(hours=-5))
    token = make(tokens, expires=(NOW + timedelta(hours=1)).astimezone(elsewhere))
    assert back(tokens, token, now=(NOW + timedelta(minutes=59)).astimezone(elsewhere)) == [SSN]
    assert back(tokens, token, now=(NOW + timedelta(minutes=60)).astimezone(elsewhere)) == [None]


# Collisions


class Counted:
    """A real store that also counts the rows that it was given and those that it did not keep."""

    def __init__(self, store):
        self.store = store
        self.given = self.refused = 0

    def __getattr__(self, name):
        return getattr(self.store, name)

    def add(self, practice, scope, rows):
        kept = self.store.add(practice, scope, rows)
        self.given += len(rows)
        self.refused += len(rows) - len(kept)
        return kept


def test_very_many_nine_digit_tokens_and_none_lost(keyring, store):
    """Of 57 million tokens that are nobody's Social Security number, a million collide 8,800 times.

    Fifty thousand of them collide 22 times.
    """
    counted = Counted(store)
    tokens = Tokens(keyring, counted)
    made = {}
    for start in range(0, MANY, MOST):
        values = [f"{start + i:09d}" for i in range(MOST)]
        made.update(zip(tokens.tokenize("lab", ask(*values), NOW), values, strict=True))
    assert len(made) == MANY
    assert all(isinstance(token, str) for token in made)
    assert counted.given == MANY + counted.refused
    assert scale(8_000, 0) < counted.refused < scale(9_700, 70)
    some = list(made)[:: MANY // MOST]
    assert back(tokens, *some) == [made[token] for token in some]


def fill(path, select, scope="lab"):
    """Take tokens out of a scope's supply."""
    edit(
        path,
        "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT 1000000)"
        " INSERT INTO token (space, token, digest, element, subject, version, sealed)"
        f" SELECT (SELECT id FROM space WHERE scope = '{scope}'), *, NULL, '', '', 0, x'' FROM ({select})"
        " WHERE true ON CONFLICT DO NOTHING",
    )


def test_a_scope_that_is_full_says_so_and_does_the_rest(tokens, path):
    make(tokens, "000000")
    fill(path, "SELECT printf('%06d', n) FROM numbers")
    before = edit(path, "SELECT count(*) FROM token")
    full, fine = tokens.tokenize("lab", ask("111111", "1234567"), NOW)
    assert isinstance(full, DomainTooSmall)
    assert "hardly" in str(full)
    assert back(tokens, fine) == ["1234567"]
    assert edit(path, "SELECT count(*) FROM token") == [(before[0][0] + 1,)]
    assert isinstance(make(tokens, "111111", scope="lab-2"), str)


def test_a_scope_that_is_nearly_full_still_gives(tokens, path):
    make(tokens, "000000")
    fill(path, "SELECT printf('%06d', n) FROM numbers WHERE n % 2 = 0")
    values = [f"{number:06d}" for number in range(1, 2000)]
    made = tokens.tokenize("lab", ask(*values), NOW)
    assert len(set(made)) == len(values)
    assert all(int(token) % 2 for token in made)


def test_processes_that_want_the_same_at_the_same_time_get_the_same(tmp_path):
    found_keyring(tmp_path)
    script = [sys.executable, str(Path(__file__).with_name("tokenizer.py")), str(tmp_path), "20", "100"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [
        subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert told[0] == told[1] == told[2]
    assert len(set(told[0])) == 2000


def test_processes_that_make_the_same_file_at_the_same_time(path):
    program = (
        "import sys; from confide.protect.tokenstore import FileTokenStore; print(flush=True);"
        "sys.stdin.readline(); FileTokenStore(sys.argv[1]).close()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for _ in range(5)
    ]  # fmt: skip
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=120)
    assert [process.returncode for process in running] == [0] * 5


def test_threads_share_one(tokens):
    batches = [[f"{number:09d}" for number in range(start, start + 50)] for start in range(0, 500, 50)]

    def work(number):
        turned = batches[number:] + batches[:number]
        return {
            value: token
            for batch in turned
            for value, token in zip(batch, tokens.tokenize("lab", ask(*batch), NOW), strict=True)
        }

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(work, range(4)))
    assert told[0] == told[1] == told[2] == told[3]
    assert len(set(told[0].values())) == 500


# Keys


def with_second_version(folder):
    kms, store = FileKms.open(folder / "root.key"), FileDataKeys(folder / "keys.sqlite3")
    root = Keyring(kms, store, "elm")._root
    wrapped = root.wrap(os.urandom(32), frame("purpose key", "elm", "token", 2))
    store.add_purpose_key("elm", WrappedKey(KeyUse.TOKEN, 2, wrapped))
    return Keyring(kms, store, "elm"), store


def test_a_new_version_of_the_key(tmp_path, store, path):
    before = Tokens(found_keyring(tmp_path), store)
    end = NOW + timedelta(days=1)
    old = make(before, expires=end)
    rekeyed, keys = with_second_version(tmp_path)
    after = Tokens(rekeyed, store)
    assert make(after, expires=end + timedelta(days=1)) == old
    new = make(after, "219-09-9999")
    assert back(after, old, new, now=end) == [SSN, "219-09-9999"]
    assert edit(path, "SELECT version FROM token ORDER BY id") == [(1,), (2,)]
    keys._database.execute("DELETE FROM purpose_key WHERE use = 'token' AND version = 1")
    destroyed = Tokens(Keyring(FileKms.open(tmp_path / "root.key"), keys, "elm"), store)
    with pytest.raises(KeyUnavailable):
        back(destroyed, old)
    assert back(destroyed, new) == ["219-09-9999"]
    assert make(destroyed) != old


def test_without_a_token_key_there_are_no_tokens(tmp_path, store):
    found_keyring(tmp_path)
    keys = FileDataKeys(tmp_path / "keys.sqlite3")
    keys._database.execute("DELETE FROM purpose_key WHERE use = 'token'")
    with pytest.raises(KeyUnavailable):
        Tokens(Keyring(FileKms.open(tmp_path / "root.key"), keys, "elm"), store)


# What a thief has


VALUES = {
    Element.SSN: "078-05-1120",
    Element.NAME: "Müller-Ortiz, Zoë Ana",
    Element.EMAIL: "zoe.ortiz@example.org",
    Element.PHONE: "(555) 010-4477",
    Element.CARD: "4111 1111 1111 1111",
}


def bytes_of(path):
    return b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))


def test_the_file_holds_no_clear_value(tokens, path):
    for element, value in VALUES.items():
        make(tokens, value, element=element, subject="patient-7", expires=NOW + timedelta(days=1))
    raw = bytes_of(path)
    assert b"patient-7" in raw
    for value in VALUES.values():
        for written in (value, re.sub(r"\W", "", value), *re.findall(r"\w{4,}", value)):
            assert written.encode() not in raw
            assert written.encode("utf-16-le") not in raw


def test_what_is_spent_leaves_nothing_behind(tokens, path, store):
    make(tokens, subject="patient-7", expires=NOW + timedelta(days=1))
    ((digest, sealed),) = edit(path, "SELECT digest, sealed FROM token")
    assert digest.encode() in bytes_of(path)
    tokens.prune(NOW + timedelta(days=1))
    store.close()
    raw = bytes_of(path)
    assert not any(trace in raw for trace in (digest.encode(), sealed, b"patient-7"))


def test_the_table_without_the_key_answers_no_guess(tokens, tmp_path, store):
    """A thief has the file and all the code, and a key of his own: the right value looks like any other."""
    token = make(tokens)
    (tmp_path / "his").mkdir()
    thief = Tokens(found_keyring(tmp_path / "his"), store)
    assert make(thief) != token
    (found,) = thief.find("lab", [token], NOW)
    with pytest.raises(SealBroken):
        thief.open([found])


def test_equal_values_of_two_practices_have_nothing_in_common(tmp_path, path, store):
    kms, keys = FileKms.create(tmp_path / "root.key"), FileDataKeys(tmp_path / "keys.sqlite3")
    elm, oak = (Tokens(Keyring.found(kms, keys, practice), store) for practice in ("elm", "oak"))
    token = make(elm)
    assert back(oak, token) == [None]
    make(oak)
    assert edit(path, "SELECT count(DISTINCT digest), count(DISTINCT space) FROM token") == [(2, 2)]
    (found,) = elm.find("lab", [token], NOW)
    with pytest.raises(SealBroken):
        oak.open([found])


SWAP = (
    "UPDATE token SET {0} = (SELECT b.{0} FROM token b WHERE b.token <> token.token)"
    " WHERE id = (SELECT min(id) FROM token)"
)
TAMPERED = {
    "seal": SWAP.format("sealed"),
    "element": "UPDATE token SET element = 'name'",
    "subject": "UPDATE token SET subject = 'patient-8'",
    "expiry": "UPDATE token SET expires = expires + 86400000000",
    "no expiry": "UPDATE token SET expires = NULL",
    "version": "UPDATE token SET version = 2",
    "bytes": "UPDATE token SET sealed = CAST(substr(sealed, 1, 40) || 'x' || substr(sealed, 42) AS BLOB)",
    "length": "UPDATE token SET sealed = substr(sealed, 1, 12)",
    "nothing": "UPDATE token SET sealed = x''",
    "digest": "UPDATE token SET digest = substr(digest, 2) || '0'",
    "token": "UPDATE token SET token = '961-24-6988' WHERE id = (SELECT min(id) FROM token)",
    "scope": "UPDATE space SET scope = 'lab-2'",
    "practice": "UPDATE space SET practice = 'oak'",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_an_edited_row_does_not_open(tmp_path, path, store, what):
    mine = Tokens(found_keyring(tmp_path), store)
    first = make(mine, subject="patient-7", expires=NOW + timedelta(days=1))
    make(mine, "219-09-9999", subject="patient-7", expires=NOW + timedelta(days=1))
    rekeyed, keys = with_second_version(tmp_path)
    oak = Keyring.found(FileKms.open(tmp_path / "root.key"), keys, "oak")
    edit(path, TAMPERED[what])
    tokens = Tokens(oak if what == "practice" else rekeyed, store)
    asked = "961-24-6988" if what == "token" else first
    (found,) = tokens.find("lab-2" if what == "scope" else "lab", [asked], NOW)
    assert isinstance(found, Found)
    with pytest.raises(SealBroken):
        tokens.open([found])


@pytest.mark.parametrize(
    "change",
    ["element = 'shoe-size'", "expires = 'soon'", "sealed = 'text'", "version = 'x'", "subject = x'00ff'"],
)
def test_a_row_that_is_none_is_damaged(tokens, path, change):
    token = make(tokens)
    edit(path, f"UPDATE token SET {change}")
    with pytest.raises(Damaged):
        tokens.find("lab", [token], NOW)


def test_tokens_come_from_nowhere_but_chance(keyring, tmp_path):
    """The same values under the same key in two tables have different tokens, in no order."""
    values = [f"{number:09d}" for number in range(2000)]
    made = []
    for name in ("one", "two"):
        store = FileTokenStore(tmp_path / name)
        made.append(Tokens(keyring, store).tokenize("lab", ask(*values), NOW))
        store.close()
    assert Counter(one == other for one, other in zip(*made, strict=True))[False] >= 1998
    assert 850 < sum(a < b for a, b in zip(made[0], made[0][1:], strict=False)) < 1150


# The file


def test_the_file_is_private(store, path):
    files = list(path.parent.glob(path.name + "*"))
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.parametrize("what", ["text", "another program's", "a key store", "a folder"])
def test_something_else_is_not_taken_for_a_token_store(tmp_path, path, what):
    if what == "text":
        path.write_text("element,value\n" * 1000)
    elif what == "a folder":
        path.mkdir()
    elif what == "a key store":
        FileDataKeys(path).close()
    else:
        edit(path, "CREATE TABLE visit (id INTEGER)")
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(Unavailable if what == "a folder" else Damaged):
        FileTokenStore(path)
    assert before is None or path.read_bytes() == before


def test_a_store_that_does_not_answer(tokens, store):
    token = make(tokens)
    (found,) = tokens.find("lab", [token], NOW)
    store.close()
    for work in (
        lambda: tokens.tokenize("lab", ask(SSN), NOW),
        lambda: tokens.find("lab", [token], NOW),
        lambda: tokens.prune(NOW),
        lambda: tokens.forget("patient-7"),
    ):
        with pytest.raises(Unavailable):
            work()
    assert tokens.open([found]) == [SSN]


def test_a_disk_that_takes_no_more(tokens, store, path):
    make(tokens)
    store._database.execute(f"PRAGMA max_page_count={edit(path, 'PRAGMA page_count')[0][0]}")
    values = [f"{number:09d}" for number in range(MOST)]
    with pytest.raises(Unavailable):
        tokens.tokenize("lab", ask(*values), NOW)
    assert edit(path, "SELECT count(*) FROM token") == [(1,)]
    store._database.execute("PRAGMA max_page_count=100000")
    assert len(set(tokens.tokenize("lab", ask(*values), NOW))) == MOST
