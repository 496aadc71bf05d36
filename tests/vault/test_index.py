"""The identity index: finds by what identifies, keeps up, and never lies by being half built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import Damaged, GrantMismatch, JournalUnavailable, KeyUnavailable
from confide.protect.policy import load
from confide.records.models import Resource
from confide.records.rows import ChangedPatients
from confide.vault.index import IdentityIndex, Key, digits, fold, keys_of, words
from confide.vault.models import DataKey
from confide.wiring import Indexes
from tests.practice import PATIENT, build, journal, without_journal


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Müller", "muller"),
        ("STRAßE", "strasse"),
        ("Łukasz", "lukasz"),
        ("Ñandú", "nandu"),
        ("Ødegård", "odegard"),
        ("İpek", "ipek"),
        ("ﬁn", "fin"),
        ("Æsa", "aesa"),
        ("Zoe\u0308", "zoe"),
        ("Đặng", "dang"),
    ],
)
def test_names_are_found_without_their_accents(typed, folded):
    assert fold(typed) == folded


@pytest.mark.parametrize(
    ("name", "found_by"),
    [
        ("Müller-Ortiz", ["muller", "ortiz", "mullerortiz"]),
        ("O'Brien", ["obrien"]),
        ("O’Brien", ["obrien"]),
        ("van der Berg", ["van", "der", "berg"]),
        ("Anne  Marie", ["anne", "marie"]),
        ("--", []),
        ("", []),
        ("李 小龙", ["李", "小龙"]),
    ],
)
def test_words(name, found_by):
    assert words(name) == found_by


@given(st.text(max_size=30))
def test_any_text_folds_once_and_for_all(text):
    assert fold(fold(text)) == fold(text)
    assert all(w == fold(w) for w in words(text))
    assert digits(text).isdigit() or digits(text) == ""


def test_every_character_folds_once_and_for_all():
    """Whatever a keyboard or a copied text may hold, alone and between letters."""
    once = [fold(f"a{chr(code)}b") for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert [text for text in once if fold(text) != text] == []
    assert fold("𝙰𝚗𝚗𝚊") == "anna"


def test_what_a_patient_is_found_by():
    keys = keys_of(PATIENT, load())
    assert {
        (Key.FAMILY, "ortiz"),
        (Key.GIVEN, "zoe"),
        (Key.NAME, "mullerortiz"),
        (Key.BIRTH_DATE, "1963-05-04"),
        (Key.PHONE, "5550104477"),
        (Key.EMAIL, "zoe@example.org"),
        (Key.STREET, "elm"),
        (Key.CITY, "springfield"),
        (Key.ZIP, "01103"),
        (Key.STATE, "ma"),
        (Key.IDENTIFIER, "identifier|W88001122|http://plan.example/members|"),
    } <= keys
    assert not any("1120" in text or "4711" in text for _, text in keys), "these have a digest at rest"


@given(
    st.dictionaries(st.sampled_from(["name", "telecom", "address", "identifier"]), st.just([]), max_size=4)
)
def test_what_little_is_known_is_enough(members):
    assert keys_of({"resourceType": "Patient", **members}, load()) == set()


def _answers(index, patients):
    """All that an index says, of whoever is there."""
    return (
        {(key, start): index.prefix(key, start) for key in Key for start in ("", "f", "n1", "196")},
        {
            (key, text): index.exact(key, text)
            for key in Key
            for text in ("f1", "n2", "changed", "1963-01-02")
        },
        [index.between(Key.BIRTH_DATE, low, "1966-01-02") for low in ("", "1963-01-02", "1970")],
        [index.kin("N1 F1", patient, 3) for patient in patients],
        len(index),
    )


@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
class TestKeepingUp:
    @pytest.fixture
    def index(self, elm):
        return IdentityIndex(elm.system.vault, ChangedPatients(), elm.id, elm.clock)

    def test_it_follows_every_change(self, elm, index):
        index.catch_up()
        assert len(index) == 0
        zoe = elm.patient()
        una = elm.named("Una", "Doe")
        index.catch_up()
        assert index.exact(Key.FAMILY, "doe") == {una}
        assert index.prefix(Key.NAME, "mul") == {zoe}
        assert index.between(Key.BIRTH_DATE, "1963", "1964") == {zoe}
        assert index.holds(zoe, [(Key.NAME, "zo"), (Key.BIRTH_DATE, "1963")])
        elm.put("Patient", una, name=[{"family": "Roe", "given": ["Una"]}])
        index.catch_up()
        assert index.exact(Key.FAMILY, "doe") == set()
        assert index.prefix(Key.NAME, "ro") == {una}
        elm.system.charts.delete(elm.grant("write"), "Patient", zoe)
        index.catch_up()
        assert index.prefix(Key.NAME, "mul") == set()
        assert len(index) == 1
        assert index.exact(Key.GIVEN, "una") == {una}

    def test_another_process_keeps_up_with_this_one(self, elm, index):
        index.catch_up()
        theirs, clock = build()
        clock.now = elm.clock.now
        new = theirs.charts.create(elm.grant("write"), PATIENT).id
        index.catch_up()
        assert index.exact(Key.FAMILY, "ortiz") == {new}

    def test_grown_or_built_anew_it_is_the_same(self, elm, index, monkeypatch):
        monkeypatch.setattr("confide.vault.index._MOST_CHANGES", 3)  # packed now and then
        made = []
        for i in range(12):
            made.append(elm.named(f"N{i % 5}", f"F{i % 3}", birthDate=f"19{60 + i}-01-02"))
            index.catch_up()
            if i % 4 == 3:
                elm.put("Patient", made[i // 2], name=[{"family": "Changed"}])
            if i % 5 == 4:
                elm.system.charts.delete(elm.grant("write"), "Patient", made.pop(0))
        index.catch_up()
        anew = IdentityIndex(elm.system.vault, ChangedPatients(), elm.id, elm.clock)
        anew.catch_up()
        assert _answers(anew, made) == _answers(index, made)

    def test_what_was_not_asked_for_longest_makes_room(self, elm, oak):
        zoe, una = elm.patient(), oak.named("Una", "Doe")
        indexes = Indexes(elm.system.vault, elm.clock, 100)
        first, second = indexes(elm.id), indexes(oak.id)
        for index in (first, second):
            index.catch_up()
        assert indexes(oak.id) is second
        assert indexes(elm.id) is first, "nobody new has come"
        indexes("another")
        assert indexes(oak.id) is not second
        again = indexes(elm.id)
        assert again is not first
        again.catch_up()
        assert again.exact(Key.FAMILY, "ortiz") == {zoe}
        assert second.exact(Key.FAMILY, "doe") == {una}, "who holds it can still ask it"

    def test_only_its_own_practice(self, elm, oak, index):
        oak.patient()
        index.catch_up()
        assert len(index) == 0

    def test_it_is_journalled(self, elm, index):
        elm.patient()
        index.catch_up()
        [row] = journal(action="index")
        assert (row.actor_kind, row.role, row.practice) == ("system", "system", elm.id)
        assert "ssn" not in row.elements
        index.catch_up()
        assert len(journal(action="index")) == 1

    def test_without_a_journal_it_opens_nothing(self, elm, index):
        zoe = elm.patient()
        with without_journal(), pytest.raises(JournalUnavailable):
            index.catch_up()
        assert len(index) == 0
        index.catch_up()
        assert index.prefix(Key.NAME, "zo") == {zoe}

    def test_only_a_system_grant_builds_it(self, elm):
        with pytest.raises(GrantMismatch):
            list(elm.system.vault.open_for_index(elm.grant("search"), [], frozenset()))

    @pytest.mark.parametrize("fault", ["seal", "key"])
    def test_what_does_not_open_leaves_it_as_it_was(self, elm, fault):
        """Half an index would say that somebody is no patient here."""
        people = [elm.named(f"N{i}", "Smith") for i in range(4)]
        victim = sorted(people)[2]
        row = Resource.objects.get(pk=victim)
        key = DataKey.objects.get(subject=victim)
        if fault == "seal":
            Resource.objects.filter(pk=victim).update(seal=b"\0\1" + bytes(60))
        else:
            DataKey.objects.filter(subject=victim).delete()
        fresh, clock = build()
        clock.now = elm.clock.now
        index = fresh.indexes(elm.id)
        with pytest.raises((Damaged, KeyUnavailable)):
            index.catch_up()
        assert len(index) == 0
        Resource.objects.filter(pk=victim).update(seal=row.seal)
        if fault == "key":
            key.save(force_insert=True)
        index.catch_up()
        assert index.prefix(Key.NAME, "smi") == set(people)
