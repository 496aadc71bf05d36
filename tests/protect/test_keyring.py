"""The keyring: keys hang together as designed, and nothing else opens them."""

import json
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.cipher.derive import frame, hkdf
from confide.errors import ConfideError, Damaged, Invalid, KeyUnavailable, Misconfigured, SealBroken
from confide.protect.keyring import Keyring, KeyUse, WrappedKey
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms, check


class Counted:
    """A real store that also counts the questions put to it."""

    def __init__(self, store):
        self.store = store
        self.asked = []

    def __getattr__(self, name):
        self.asked.append(name)
        return getattr(self.store, name)


@pytest.fixture
def kms(tmp_path):
    return FileKms.create(tmp_path / "root.key")


@pytest.fixture
def store(tmp_path):
    return Counted(FileDataKeys(tmp_path / "keys.sqlite3"))


@pytest.fixture
def keyring(kms, store):
    Keyring.found(kms, store, "practice")
    keyring = Keyring(kms, store, "practice")
    store.asked.clear()
    return keyring


def shred(store, *subjects):
    database = store.store._database
    for subject in subjects:
        database.execute("DELETE FROM data_key WHERE subject = ?", (subject,))
        database.execute("DELETE FROM data_key WHERE under = ?", (subject,))


# Practice and purposes


def test_founding_makes_a_key_for_every_use(keyring):
    keys = {keyring.use(use) for use in KeyUse}
    assert len(keys) == len(KeyUse)
    assert {len(key) for key in keys} == {32}
    assert keyring.version == 1


def test_founding_again_changes_nothing_and_completes(kms, store, keyring):
    again = Keyring.found(kms, store, "practice")
    assert [again.use(use) for use in KeyUse] == [keyring.use(use) for use in KeyUse]
    store.store._database.execute("DELETE FROM purpose_key WHERE use = 'token'")
    with pytest.raises(KeyUnavailable):
        Keyring(kms, store, "practice").use(KeyUse.TOKEN)
    completed = Keyring.found(kms, store, "practice")
    assert len(completed.use(KeyUse.TOKEN)) == 32
    assert completed.use(KeyUse.INDEX) == keyring.use(KeyUse.INDEX)


def test_no_keyring_for_a_practice_without_a_key(kms, store):
    with pytest.raises(KeyUnavailable):
        Keyring(kms, store, "practice")


def test_versions(kms, store, keyring):
    old, subject = keyring.use(KeyUse.FF1), keyring.create(["a"])["a"]
    wrapped = keyring._root.wrap(b"n" * 32, frame("purpose key", "practice", "ff1", 2))
    store.add_purpose_key("practice", WrappedKey(KeyUse.FF1, 2, wrapped))
    rekeyed = Keyring(kms, store, "practice")
    assert rekeyed.version == 2
    assert rekeyed.versions(KeyUse.FF1) == (1, 2)
    assert keyring.versions(KeyUse.FF1) == (1,)
    assert rekeyed.use(KeyUse.FF1) == b"n" * 32
    assert rekeyed.use(KeyUse.FF1, 1) == old
    assert rekeyed.subject("a").tweak("ssn") != subject.tweak("ssn")
    assert rekeyed.subject("a").tweak("ssn", 1) == subject.tweak("ssn")
    with pytest.raises(KeyUnavailable):
        rekeyed.use(KeyUse.FF1, 3)


def test_another_root_key_opens_nothing(tmp_path, store, keyring):
    with pytest.raises(SealBroken):
        Keyring(FileKms.create(tmp_path / "other.key"), store, "practice")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE practice_key SET practice = 'q'",
        "UPDATE purpose_key SET use = CASE use WHEN 'ff1' THEN 'x' ELSE 'ff1' END WHERE use GLOB '[fi]*'",
        "UPDATE purpose_key SET version = 7 WHERE use = 'ff1'",
        "UPDATE purpose_key SET wrapped = x'00'",
    ],
)
def test_moved_or_edited_practice_rows(kms, store, keyring, change):
    store.store._database.execute(change)
    with pytest.raises((Damaged, KeyUnavailable)):
        Keyring(kms, store, "practice")


# Subjects


def test_created_keys_come_back(kms, store, keyring):
    made = keyring.create(["a", "b", "a"])
    assert set(made) == {"a", "b"}
    sealed = made["a"].seal(b"value", b"aad")
    other_process = Keyring(kms, store, "practice")
    assert other_process.subject("a").open(sealed, b"aad") == b"value"
    assert other_process.create(["a", "c"])["a"].open(sealed, b"aad") == b"value"
    with pytest.raises(SealBroken):
        other_process.subject("b").open(sealed, b"aad")
    with pytest.raises(SealBroken):
        other_process.subject("a").open(sealed, b"other")


def test_no_key(keyring):
    for _ in range(2):
        with pytest.raises(KeyUnavailable) as refused:
            keyring.subject("nobody")
    assert "nobody" not in str(refused.value)
    assert keyring.subjects(["nobody"]) == {}
    assert keyring.create([]) == {}


def test_one_question_for_many(kms, store, keyring):
    keyring.create(f"s{i}" for i in range(100))
    assert store.asked == ["data_keys", "add_data_keys"]
    store.asked.clear()
    assert len(keyring.subjects(f"s{i}" for i in range(100))) == 100
    assert store.asked == []
    fresh = Keyring(kms, store, "practice")
    store.asked.clear()
    assert len(fresh.subjects([f"s{i}" for i in range(100)] + ["none"])) == 100
    assert store.asked == ["data_keys"]


def test_the_memory_is_bounded_and_forgets(kms, store, keyring):
    small = Keyring(kms, store, "practice", capacity=3)
    small.create("abcde")
    assert list(small._held) == ["c", "d", "e"]
    small.subject("c")
    small.subject("a")
    assert list(small._held) == ["e", "c", "a"]
    small.forget(["c", "none"])
    assert list(small._held) == ["e", "a"]
    small.forget()
    assert not small._held


def test_a_key_shredded_elsewhere_lives_no_longer_than_max_age(kms, store, keyring):
    keyring.create(["a"])
    aged = Keyring(kms, store, "practice", max_age=-1.0)
    assert aged.subject("a")
    shred(store, "a")
    with pytest.raises(KeyUnavailable):
        aged.subject("a")
    keyring.forget(["a"])
    with pytest.raises(KeyUnavailable):
        keyring.subject("a")


def test_after_a_rollback_a_new_key_is_made_and_stored(kms, store, keyring):
    lost = keyring.create(["a"])["a"]
    shred(store, "a")  # as if the transaction had been rolled back
    made = keyring.create(["a"])["a"]
    assert made.tweak("ssn") != lost.tweak("ssn")
    assert keyring.subject("a") is made
    assert Keyring(kms, store, "practice").subject("a").tweak("ssn") == made.tweak("ssn")


def test_rows_cannot_be_moved(kms, store, keyring):
    keyring.create(["a", "b"])
    database = store.store._database
    database.execute("UPDATE data_key SET subject = 'c' WHERE subject = 'a'")
    database.execute("UPDATE data_key SET version = 2 WHERE subject = 'b'")
    fresh = Keyring(kms, store, "practice")
    for subject in "bc":
        with pytest.raises(SealBroken):
            fresh.subject(subject)
        with pytest.raises(SealBroken):
            fresh.create([subject])
    database.execute("UPDATE data_key SET subject = 'a' WHERE subject = 'c'")
    assert fresh.subject("a")
    Keyring.found(kms, store, "other practice")
    database.execute("UPDATE data_key SET practice = 'other practice'")
    with pytest.raises(SealBroken):
        Keyring(kms, store, "other practice").subject("a")


# What is derived


def test_tweaks(keyring):
    keys = keyring.create(["a", "b"])
    tweaks = {
        key.tweak(element, version)
        for key in keys.values()
        for element in ("ssn", "mrn")
        for version in (1, 2)
    }
    assert len(tweaks) == 8
    assert {len(tweak) for tweak in tweaks} == {16}
    assert keys["a"].tweak("ssn") == keys["a"].tweak("ssn", 1)
    assert keys["a"].tweak("ssn") == hkdf(keys["a"]._key, frame("tweak", "ssn", 1), 16)


def test_sealing_wrapping_and_data_key_are_three(keyring):
    key = keyring.create(["a"])["a"]
    sealed = key.sealing.seal(b"x", b"")
    with pytest.raises(SealBroken):
        key.wrapping.open(sealed, b"")
    with pytest.raises(SealBroken):
        key.sealing.unwrap(key.wrapping.wrap(b"x", b""), b"")


def test_lengths_hardly_show(keyring):
    key = keyring.create(["a"])["a"]
    assert len(key.seal(b"Li", b"")) == len(key.seal(b"Wolfeschlegelsteinhausen", b""))
    assert key.open(key.seal(b"", b""), b"") == b""


def test_repr_shows_no_key(keyring):
    key = keyring.create(["a"])["a"]
    key.tweak("ssn")
    assert repr(key) == "SubjectKey('a')"
    assert repr(keyring) == "Keyring('practice')"


# Shared subjects


def test_shared_by_two_patients_opens_while_one_is_left(kms, store, keyring):
    sealed = keyring.create_shared("coverage", ["a", "b"]).seal(b"both", b"")
    assert set(keyring.subjects("ab")) == {"a", "b"}  # a patient named before existing has a key

    def opened():
        return Keyring(kms, store, "practice").subject("coverage").open(sealed, b"")

    assert opened() == b"both"
    shred(store, "a")
    assert opened() == b"both"
    shred(store, "b")
    with pytest.raises(KeyUnavailable):
        opened()


def test_a_shredded_patient_s_row_alone_opens_nothing(kms, store, keyring):
    """Even where the wrap under the patient was left lying, and the patient's key is still in memory."""
    keyring.create_shared("group", ["a"])
    store.store._database.execute("DELETE FROM data_key WHERE subject = 'a'")
    keyring.forget(["group"])
    with pytest.raises(KeyUnavailable):
        keyring.subject("group")
    with pytest.raises(KeyUnavailable):
        keyring.create(["group"])


def test_shared_by_nobody(kms, store, keyring):
    sealed = keyring.create_shared("group", []).seal(b"nobody's", b"")
    assert Keyring(kms, store, "practice").subject("group").open(sealed, b"") == b"nobody's"
    assert keyring.create_shared("group", []).open(sealed, b"") == b"nobody's"


def test_more_patients_later(kms, store, keyring):
    sealed = keyring.create_shared("group", ["a"]).seal(b"value", b"")
    assert keyring.create_shared("group", ["a", "b"]).open(sealed, b"") == b"value"
    assert keyring.create_shared("group", []).open(sealed, b"") == b"value"
    assert [row.under for row in store.data_keys("practice", ["group"])["group"]] == ["a", "b"]
    shred(store, "a")
    assert Keyring(kms, store, "practice").subject("group").open(sealed, b"") == b"value"


def test_shared_under_shared_is_refused(keyring):
    keyring.create_shared("group", ["a"])
    with pytest.raises(Invalid):
        keyring.create_shared("other", ["group"])


def test_shared_and_own_in_one_question(kms, store, keyring):
    keyring.create_shared("group", ["a", "b"])
    fresh = Keyring(kms, store, "practice")
    store.asked.clear()
    assert set(fresh.subjects(["a", "b", "group"])) == {"a", "b", "group"}
    assert store.asked == ["data_keys"]
    fresh.forget()
    store.asked.clear()
    assert set(fresh.subjects(["group"])) == {"group"}
    assert store.asked == ["data_keys", "data_keys"]


# Threads


def test_threads_share_a_keyring(kms, store, keyring):
    small = Keyring(kms, store, "practice", capacity=5)
    made = {subject: key.tweak("ssn") for subject, key in small.create(f"s{i}" for i in range(40)).items()}

    def look(number):
        subject = f"s{number % 40}"
        if number % 50 == 0:
            small.forget()
        return small.subject(subject).tweak("ssn") == made[subject]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look, range(2000)))


def test_many_who_come_for_one_key_at_once_ask_the_store_once(kms, store, keyring):
    made = keyring.create(["p1"])["p1"]
    fresh = Keyring(kms, store, "practice")
    store.asked.clear()
    ready = threading.Barrier(8)
    aad = b"place"

    def come(_):
        ready.wait(10)
        return made.open(fresh.subjects(["p1"])["p1"].seal(b"value", aad), aad)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(come, range(8))) == [b"value"] * 8
    assert store.asked == ["data_keys"]
    assert fresh.subjects(["unknown"]) == {}
    with pytest.raises(KeyUnavailable):
        fresh.subject("unknown")


def test_two_who_make_the_same_key_end_with_one(kms, store, keyring):
    keyrings = [Keyring(kms, store, "practice") for _ in range(4)]
    ready = threading.Barrier(4)

    def make(one):
        ready.wait()
        try:
            return one.create(["a"])["a"].tweak("ssn")
        except KeyUnavailable:
            return None

    with ThreadPoolExecutor(4) as threads:
        tweaks = set(threads.map(make, keyrings)) - {None}
    assert tweaks == {Keyring(kms, store, "practice").subject("a").tweak("ssn")}


# The key file


@pytest.mark.parametrize("passphrase", [None, "correct horse", "Zürich – 密码"])
def test_key_file(tmp_path, passphrase):
    path = tmp_path / "root.key"
    wrapped = FileKms.create(path, passphrase, datetime(2026, 1, 2, tzinfo=UTC)).wrap(b"k" * 32, b"a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileKms.open(path, passphrase).unwrap(wrapped, b"a") == b"k" * 32
    content = json.loads(path.read_text())
    assert content["created"] == "2026-01-02T00:00:00+00:00"
    assert ("key" in content) == (passphrase is None)
    if passphrase is not None:
        assert {"iterations": 3, "lanes": 4, "memory_kib": 65536}.items() <= content["argon2id"].items()


def test_passphrase_is_the_same_on_another_keyboard(tmp_path):
    path = tmp_path / "root.key"
    FileKms.create(path, "Z\u00fcrich")
    assert FileKms.open(path, "Zu\u0308rich")


def test_passphrase_wrong_missing_or_too_many(tmp_path):
    plain, locked = tmp_path / "plain.key", tmp_path / "locked.key"
    FileKms.create(plain)
    FileKms.create(locked, "correct horse")
    for passphrase in ("battery staple", "", None):
        with pytest.raises(KeyUnavailable) as refused:
            FileKms.open(locked, passphrase)
        assert "staple" not in str(refused.value)
    with pytest.raises(Misconfigured):
        FileKms.open(plain, "correct horse")
    with pytest.raises(Misconfigured):
        FileKms.create(tmp_path / "third.key", "")
    assert not (tmp_path / "third.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644, 0o610])
def test_readable_by_others(tmp_path, mode):
    path = tmp_path / "root.key"
    FileKms.create(path)
    check(path)
    path.chmod(mode)
    for look in (FileKms.open, check):
        with pytest.raises(Misconfigured, match="chmod 600"):
            look(path)


def test_missing_existing_or_nowhere(tmp_path):
    path = tmp_path / "root.key"
    for look in (FileKms.open, check):
        with pytest.raises(KeyUnavailable):
            look(path)
    FileKms.create(path)
    before = path.read_bytes()
    with pytest.raises(Misconfigured):
        FileKms.create(path)
    assert path.read_bytes() == before
    with pytest.raises(Misconfigured):
        FileKms.create(tmp_path / "no folder" / "root.key")
    for look in (FileKms.open, check):
        with pytest.raises((Misconfigured, KeyUnavailable)):
            look(tmp_path)


def test_edited_parameters_do_not_weaken_it(tmp_path):
    path = tmp_path / "root.key"
    FileKms.create(path, "correct horse")
    content = json.loads(path.read_text())
    for name, values in {
        "iterations": [1, 2**40, -1, "3", None, 1.5],
        "memory_kib": [64, 2**31, 2**70],
        "lanes": [1, 0],
    }.items():
        for value in values:
            path.write_text(json.dumps(content | {"argon2id": content["argon2id"] | {name: value}}))
            with pytest.raises((KeyUnavailable, Damaged)):
                FileKms.open(path, "correct horse")


@given(st.binary(max_size=80) | st.sampled_from([b"{}", b"[]", b"null", b"[" * 100_000, b'{"format": 1}']))
def test_any_bytes_in_the_key_file(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("k") / "root.key"
    path.touch(0o600)
    path.write_bytes(junk)
    with pytest.raises(Damaged):
        FileKms.open(path)


@pytest.mark.parametrize("part", ["key", "argon2id", "sealed"])
@pytest.mark.parametrize("value", [None, 7, "", "!!!", "AAAA", [], {}, {"salt": "AA=="}])
def test_broken_parts_of_the_key_file(tmp_path, part, value):
    path = tmp_path / "root.key"
    FileKms.create(path, None if part == "key" else "correct horse")
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    with pytest.raises((Damaged, KeyUnavailable)):
        FileKms.open(path, None if part == "key" else "correct horse")


# The key store's file


def test_key_store_file_is_private(tmp_path):
    store = FileDataKeys(tmp_path / "keys.sqlite3")
    store.add_practice_key("p", b"wrapped")
    for file in tmp_path.glob("keys.sqlite3*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_key_store_that_is_none(tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(Damaged):
        FileDataKeys(junk)
    with pytest.raises(KeyUnavailable):
        FileDataKeys(tmp_path / "no folder" / "keys")


def test_key_store_that_is_closed_or_broken(tmp_path):
    store = FileDataKeys(tmp_path / "keys.sqlite3")
    with sqlite3.connect(tmp_path / "keys.sqlite3") as other:
        other.execute("DROP TABLE data_key")
    other.close()
    with pytest.raises(ConfideError):
        store.data_keys("p", ["a"])
    store.add_practice_key("p", b"wrapped")
    store.close()
    with pytest.raises(KeyUnavailable):
        store.practice_key("p")
    with pytest.raises(KeyUnavailable):
        store.add_practice_key("q", b"wrapped")


def test_key_store_rolls_back_and_stays_usable(tmp_path):
    store = FileDataKeys(tmp_path / "keys.sqlite3")

    def interrupted():
        with store._writing() as database:
            database.execute("INSERT INTO practice_key VALUES ('p', x'00')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.practice_key("p") is None
    store.add_practice_key("p", b"wrapped")


# Rekeying


def test_a_newer_key_seals_and_the_older_ones_open_until_they_are_retired(kms, store, keyring):
    first = keyring.create(["a", "b"])
    sealed = first["a"].seal(b"told", b"where")
    tweak = first["a"].tweak("ssn")
    stale = Keyring(kms, store, "practice")
    held = stale.subject("a")
    newer = keyring.renew(["a", "none"])
    assert set(newer) == {"a"}
    assert (newer["a"].version, keyring.subject("b").version) == (2, 1)
    assert newer["a"].tweak("ssn") != tweak
    again = newer["a"].seal(b"told", b"where")
    _, by = newer["a"].find(sealed, b"where")
    assert (by.version, by.tweak("ssn")) == (1, tweak)
    assert held.open(again, b"where") == b"told", "another process asks anew for what it cannot open"
    with pytest.raises(SealBroken):
        held.open(again, b"elsewhere")
    assert keyring.renew(["a"])["a"].open(sealed, b"where") == b"told"
    assert keyring.retire(["a", "b"]) == 2
    kept = Keyring(kms, store, "practice").subject("a")
    assert kept.version == 3
    for old in (sealed, again):
        with pytest.raises(SealBroken):
            kept.open(old, b"where")


def test_a_shared_key_is_renewed_under_the_newest_keys_of_all_its_owners(kms, store, keyring):
    keyring.create(["a", "b"])
    sealed = keyring.create_shared("g", ["a", "b"]).seal(b"told", b"where")
    keyring.renew(["a"])
    assert Keyring(kms, store, "practice").subject("g").open(sealed, b"where") == b"told"
    newer = keyring.renew_shared("g")
    again = newer.seal(b"more", b"where")
    assert keyring.retire(["a", "g"]) == 3, "the older key of one owner, and two wraps of the shared one"
    for gone in ("a", "b"):
        fresh = Keyring(kms, store, "practice").subject("g")
        assert fresh.open(again, b"where") == b"more"
        with pytest.raises(SealBroken):
            fresh.open(sealed, b"where")
        if gone == "a":
            shred(store, "a")
    shred(store, "b")
    with pytest.raises(KeyUnavailable):
        Keyring(kms, store, "practice").renew_shared("g")
