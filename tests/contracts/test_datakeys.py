"""What every key store does. An implementation joins by a line in STORES: how to open one on a folder.

``pytest.param(make, marks=...)`` takes what it needs besides. Opening the same folder twice gives the
same store, as a second process would see it.
"""

import pytest

from confide.errors import KeyUnavailable
from confide.protect.keystore import FileDataKeys, KeyUse, WrappedDataKey, WrappedKey


def database(_folder):
    from confide.vault.store import DatabaseDataKeys

    return DatabaseDataKeys()


STORES = [
    pytest.param(lambda folder: FileDataKeys(folder / "keys.sqlite3"), id="file"),
    pytest.param(
        database,
        marks=pytest.mark.django_db(transaction=True, databases=["default", "keys"]),
        id="database",
    ),
]


@pytest.fixture(params=STORES)
def open_store(request, tmp_path):
    return lambda: request.param(tmp_path)


@pytest.fixture
def store(open_store):
    return open_store()


def row(subject, under="", version=1, wrapped=b"wrapped"):
    return WrappedDataKey(subject, under, version, wrapped)


def test_an_empty_one(store):
    assert store.practice_key("p") is None
    assert store.purpose_keys("p") == []
    assert store.data_keys("p", ["a"]) == {}
    assert store.data_keys("p", []) == {}


def test_practice_key(store):
    store.add_practice_key("p", b"\0\xff wrapped")
    kept = store.practice_key("p")
    assert (kept, type(kept)) == (b"\0\xff wrapped", bytes)
    assert store.practice_key("q") is None


def test_purpose_keys(store):
    keys = [
        WrappedKey(KeyUse.FF1, 1, b"a"),
        WrappedKey(KeyUse.FF1, 2, b"b"),
        WrappedKey(KeyUse.INDEX, 1, b"c"),
    ]
    for key in keys:
        store.add_purpose_key("p", key)
    kept = store.purpose_keys("p")
    assert sorted(kept, key=lambda key: (key.use, key.version)) == keys
    assert all(isinstance(key.use, KeyUse) and type(key.wrapped) is bytes for key in kept)
    assert store.purpose_keys("q") == []


def test_data_keys(store):
    store.add_data_keys("p", [row("a", wrapped=b"\0"), row("g", "a"), row("g", "b", wrapped=b"2"), row("b")])
    store.add_data_keys("q", [row("a", wrapped=b"another practice's")])
    store.add_data_keys("p", [])
    found = store.data_keys("p", {"a", "g", "none"})
    assert set(found) == {"a", "g"}
    assert found["a"] == [row("a", wrapped=b"\0")]
    assert sorted(found["g"], key=lambda key: key.under) == [row("g", "a"), row("g", "b", wrapped=b"2")]
    assert all(type(key.wrapped) is bytes for keys in found.values() for key in keys)


def test_many_at_once(store):
    subjects = [f"subject-{i}" for i in range(5000)]
    store.add_data_keys("p", [row(subject) for subject in subjects])
    assert len(store.data_keys("p", subjects)) == 5000


def test_ids_are_taken_as_they_are(store):
    odd = ["a'b", 'a"b', "a,b", "a\\b", "é", "e\u0301", "A", "a", "a ", "1", "01"]
    store.add_data_keys("p", [row(subject, wrapped=subject.encode()) for subject in odd])
    found = store.data_keys("p", odd)
    assert {subject: keys[0].wrapped.decode() for subject, keys in found.items()} == {s: s for s in odd}


def test_a_key_is_never_written_over(store):
    store.add_practice_key("p", b"first")
    store.add_purpose_key("p", WrappedKey(KeyUse.FF1, 1, b"first"))
    store.add_data_keys("p", [row("a", wrapped=b"first")])
    with pytest.raises(KeyUnavailable):
        store.add_practice_key("p", b"second")
    with pytest.raises(KeyUnavailable):
        store.add_purpose_key("p", WrappedKey(KeyUse.FF1, 1, b"second"))
    with pytest.raises(KeyUnavailable):
        store.add_data_keys("p", [row("a", wrapped=b"second")])
    assert store.practice_key("p") == b"first"
    assert store.purpose_keys("p") == [WrappedKey(KeyUse.FF1, 1, b"first")]
    assert store.data_keys("p", ["a"])["a"] == [row("a", wrapped=b"first")]


def test_all_or_nothing(store):
    store.add_data_keys("p", [row("a")])
    with pytest.raises(KeyUnavailable):
        store.add_data_keys("p", [row("b"), row("a"), row("c")])
    assert set(store.data_keys("p", ["a", "b", "c"])) == {"a"}
    store.add_data_keys("p", [row("b"), row("c")])


def test_what_one_stored_another_sees(open_store):
    one, other = open_store(), open_store()
    one.add_data_keys("p", [row("a")])
    assert other.data_keys("p", ["a"]) == {"a": [row("a")]}
    with pytest.raises(KeyUnavailable):
        other.add_data_keys("p", [row("a")])


def test_only_the_keys_that_are_named_are_destroyed(store):
    there = [
        row("a"),
        row("a", version=2),
        row("g", "a"),
        row("g", "b"),
        row("b"),
        *map(row, map(str, range(950))),
    ]
    store.add_data_keys("p", there)
    store.add_data_keys("q", [row("a")])
    store.drop_data_keys("p", [])
    gone = [row("a"), row("g", "a"), *map(row, map(str, range(950)))]
    store.drop_data_keys("p", gone)
    found = store.data_keys("p", ["a", "b", "g", "0", "949"])
    assert {subject: [(k.under, k.version) for k in keys] for subject, keys in found.items()} == {
        "a": [("", 2)], "b": [("", 1)], "g": [("b", 1)],
    }  # fmt: skip
    assert store.data_keys("q", ["a"])["a"] == [row("a")]
