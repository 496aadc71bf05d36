"""What every token store does. An implementation joins by a line in STORES: how to open one on a folder.

``pytest.param(make, marks=...)`` takes what it needs besides. Opening the same folder twice gives the
same store, as a second process would see it.
"""

import pytest

from confide.errors import ConfideError, Invalid
from confide.protect.tokenstore import FileTokenStore, TokenRow


def database(_folder):
    from confide.vault.tokens import DatabaseTokenStore

    return DatabaseTokenStore()


STORES = [
    pytest.param(lambda folder: FileTokenStore(folder / "tokens.sqlite3"), id="file"),
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


def row(token, digest=None, **more):
    made = TokenRow(token, digest or f"digest of {token}", "ssn", "patient", None, 1, b"\0\xff sealed")
    return made._replace(**more)


def tokens(store, *wanted, practice="p", scope="lab"):
    return set(store.by_token(practice, scope, wanted))


def test_an_empty_one(store):
    assert store.by_digest("p", "lab", ["a"]) == {}
    assert store.by_token("p", "lab", ["a"]) == {}
    assert store.by_digest("p", "lab", []) == store.by_token("p", "lab", []) == {}
    assert store.add("p", "lab", []) == set()
    store.extend("p", "lab", [])
    store.spend("p", "lab", [], 5)
    assert store.spend_expired("p", 10**18) == store.spend_subject("p", "patient") == 0


def test_a_row_comes_back_as_it_was_kept(store):
    rows = [row("1"), row("2", subject="", expires=2**53 + 1), row("3", element="birth-date", version=7)]
    assert store.add("p", "lab", rows) == {one.digest for one in rows}
    assert store.by_token("p", "lab", ["3", "1", "4", "2"]) == {one.token: one for one in rows}
    assert store.by_digest("p", "lab", {one.digest for one in rows}) == {one.digest: one for one in rows}
    kept = store.by_token("p", "lab", ["1"])["1"]
    assert [type(part) for part in kept] == [str, str, str, str, type(None), int, bytes]


def test_a_row_shows_nothing(store):
    store.add("p", "lab", [row("961-24-6988")])
    (kept,) = store.by_token("p", "lab", ["961-24-6988"]).values()
    assert "961" not in f"{kept!r} {kept}"


def test_practices_and_scopes_are_apart(store):
    places = [("p", "lab"), ("p", "lab-2"), ("q", "lab")]
    for practice, scope in places:
        mine = row("1", f"digest in {practice} {scope}", subject=practice + scope, expires=5)
        assert store.add(practice, scope, [mine]) == {mine.digest}
    for practice, scope in places:
        assert store.by_token(practice, scope, ["1"])["1"].subject == practice + scope
        found = store.by_digest(practice, scope, [f"digest in {a} {b}" for a, b in places])
        assert set(found) == {f"digest in {practice} {scope}"}
    store.spend("p", "lab", [f"digest in {a} {b}" for a, b in places], 5)
    assert [tokens(store, "1", practice=p, scope=s) for p, s in places] == [set(), {"1"}, {"1"}]


def test_of_two_with_one_token_or_one_digest_the_first_is_kept(store):
    assert store.add("p", "lab", [row("1", "a"), row("2", "b")]) == {"a", "b"}
    again = [row("1", "c"), row("3", "a", subject="other"), row("4", "d"), row("4", "e"), row("5", "d")]
    assert store.add("p", "lab", again) == {"d"}
    assert {name: one.token for name, one in store.by_digest("p", "lab", "abcde").items()} == {
        "a": "1", "b": "2", "d": "4"
    }  # fmt: skip
    assert store.by_token("p", "lab", ["1"])["1"].subject == "patient"
    assert store.add("p", "lab", [row("1", "c")]) == set()


def test_many_at_once(store):
    rows = [row(f"{number:05d}") for number in range(10_000)]
    assert len(store.add("p", "lab", rows)) == 10_000
    assert len(store.by_token("p", "lab", [one.token for one in rows])) == 10_000
    assert len(store.by_digest("p", "lab", [one.digest for one in rows])) == 10_000
    more = [*rows[:5_000], *(row(f"{number:05d}") for number in range(10_000, 15_000))]
    assert len(store.add("p", "lab", more)) == 5_000


def test_tokens_are_taken_as_they_are(store):
    odd = [
        "a'b",
        'a"b',
        "a,b",
        "a\\b",
        "é",
        "e\u0301",
        "A",
        "a",
        "a ",
        "1",
        "01",
        "王伟",
        "🙂",
        "{x}",
        "%s",
        "[",
        "",
    ]
    odd.append("9" * 256)
    store.add("p", "lab", [row(token, str(number)) for number, token in enumerate(odd)])
    assert tokens(store, *odd) == set(odd)
    assert tokens(store, "É", "E", " a", "a  ", "001", "%", "_") == set()


def test_extending(store):
    store.add("p", "lab", [row("1", expires=5), row("2", expires=5), row("3", expires=5)])
    store.extend(
        "p", "lab", [row("1", expires=9, sealed=b"anew"), row("2", "other", expires=9, sealed=b"no")]
    )
    kept = store.by_token("p", "lab", ["1", "2", "3"])
    assert [(kept[t].expires, kept[t].sealed[:4]) for t in "123"] == [
        (9, b"anew"), (5, b"\0\xff s"), (5, b"\0\xff s")
    ]  # fmt: skip


def test_what_is_spent_is_gone_but_its_token_is_not_given_again(store):
    store.add("p", "lab", [row("1", expires=5), row("2", expires=5)])
    store.spend("p", "lab", ["digest of 1", "digest of nothing"], 5)
    assert tokens(store, "1", "2") == {"2"}
    assert set(store.by_digest("p", "lab", ["digest of 1", "digest of 2"])) == {"digest of 2"}
    assert store.add("p", "lab", [row("1", "other")]) == set()
    assert store.add("p", "lab", [row("3", "digest of 1", expires=6)]) == {"digest of 1"}
    store.spend("p", "lab", ["digest of 1"], 6)
    assert store.add("p", "lab", [row("4", "digest of 1")]) == {"digest of 1"}


def test_what_lives_is_not_spent(store):
    """Who saw a row expire must not spend the new one that somebody else has made of the digest since."""
    store.add("p", "lab", [row("1", "a", expires=5), row("2", "b")])
    store.spend("p", "lab", ["a"], 5)
    store.add("p", "lab", [row("3", "a", expires=9)])
    store.spend("p", "lab", ["a", "b"], 5)
    assert tokens(store, "1", "2", "3") == {"2", "3"}


def test_spending_what_has_expired(store):
    store.add("p", "lab", [row("1", expires=5), row("2", expires=6), row("3", expires=7), row("4")])
    store.add("p", "lab-2", [row("1", "b", expires=4)])
    store.add("q", "lab", [row("1", "c", expires=4)])
    assert store.spend_expired("p", 6) == 3
    assert store.spend_expired("p", 6) == 0
    assert tokens(store, "1", "2", "3", "4") == {"3", "4"}
    assert tokens(store, "1", practice="q") == {"1"}


def test_spending_what_is_a_patients(store):
    store.add("p", "lab", [row("1", subject="a"), row("2", subject="b"), row("3", subject="")])
    store.add("p", "lab-2", [row("1", "x", subject="a")])
    store.add("q", "lab", [row("1", "y", subject="a")])
    assert store.spend_subject("p", "a") == 2
    assert store.spend_subject("p", "a") == 0
    assert tokens(store, "1", "2", "3") == {"2", "3"}
    assert tokens(store, "1", practice="q") == {"1"}


def test_all_or_nothing(store):
    store.add("p", "lab", [row("1", expires=5)])

    def fail_in_the_middle():
        with store.transaction():
            store.add("p", "lab", [row("2")])
            store.extend("p", "lab", [row("1", expires=9)])
            store.spend("p", "lab", ["digest of 1"], 9)
            assert tokens(store, "1", "2") == {"2"}
            raise Invalid("something else went wrong")

    with pytest.raises(Invalid):
        fail_in_the_middle()
    assert store.by_token("p", "lab", ["1", "2"]) == {"1": row("1", expires=5)}
    with store.transaction(), store.transaction():
        store.add("p", "lab", [row("2")])
    assert tokens(store, "1", "2") == {"1", "2"}


def test_what_one_stored_another_sees(open_store):
    one, other = open_store(), open_store()
    one.add("p", "lab", [row("1", expires=5)])
    assert other.by_token("p", "lab", ["1"]) == {"1": row("1", expires=5)}
    assert other.add("p", "lab", [row("1", "other"), row("2", "digest of 1")]) == set()
    other.spend("p", "lab", ["digest of 1"], 5)
    assert tokens(one, "1") == set()


def test_a_failure_is_one_of_ours(store):
    """A value that no database takes: it must come out as ours, and the store must still work."""
    with pytest.raises(ConfideError):
        store.add("p", "lab", [row("1"), row("2", element=None)])
    assert tokens(store, "1") == set()
    assert store.add("p", "lab", [row("1")]) == {"digest of 1"}
