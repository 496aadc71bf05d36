"""Export policies: closed unless opened, checked when read, and never looser than the law they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import Invalid
from confide.protect.elements import Element
from confide.protect.exports.policy import (
    NAMES,
    Basis,
    ExportPolicy,
    Method,
    Released,
    load,
    parse,
    shipped,
)
from tests.protect.exports.cohort import POLICIES, RESEARCH

BEGIN = 'name = "x"\nbasis = "research"\ntitle = "x"\n'
HEAD = 'name = "{0}"\nbasis = "{0}"\ntitle = "Study"\n[elements]\n'
DIRECT = {
    "name", "address", "phone", "email", "ssn", "mrn", "member-id", "account", "card", "licence",
    "passport", "identifier", "photo", "contact", "clinical", "document",
}  # fmt: skip


def make(basis: str, **methods: str) -> ExportPolicy:
    return parse(HEAD.format(basis) + "".join(f'{k.replace("_", "-")} = "{v}"\n' for k, v in methods.items()))


def test_what_ships_says_all_and_cites_the_law() -> None:
    for name in shipped():
        policy = load(name)
        assert policy.name == policy.basis == name
        assert set(policy.methods) == NAMES, "nothing is left to the reader to guess"
        assert all(rule.source.startswith("45 CFR 164.514") for rule in policy.rules)
        assert all(rule.certainty for rule in policy.rules)
        assert parse(policy.text) == policy
        assert len(policy.sha256) == 32
        assert policy.sources


def test_no_shipped_policy_lets_out_a_direct_identifier() -> None:
    for name in shipped():
        kept = {e for e in DIRECT if load(name).method(e) is Method.KEEP}
        assert not kept
    assert {load("safe-harbor").method(e) for e in DIRECT} == {Method.REMOVE}


def test_what_is_unconfirmed_is_said() -> None:
    unconfirmed = {rule.element for rule in load("limited-data-set").unconfirmed}
    assert unconfirmed == {"mrn", "member-id", "account", "identifier"}
    assert not load("safe-harbor").unconfirmed


def test_what_may_leave_is_told_beforehand() -> None:
    assert load("safe-harbor").releases == {
        Element.BIRTH_DATE: Released.STAND_IN,
        Element.DATE: Released.STAND_IN,
        Element.ADDRESS: Released.STAND_IN,
    }
    assert load("limited-data-set").releases[Element.ADDRESS] is Released.CLEAR
    assert make("research", zip="zip3", city="keep").releases == {Element.ADDRESS: Released.CLEAR}
    assert make("research", city="keep", zip="zip3").releases == {Element.ADDRESS: Released.CLEAR}
    assert make("research", state="keep", age="keep").releases == {}


def test_what_is_not_named_is_removed() -> None:
    policy = make("research", zip="zip3")
    assert {name for name in NAMES if policy.method(name) is not Method.REMOVE} == {"zip"}


@pytest.mark.parametrize(
    ("basis", "element", "method"),
    [
        *(("safe-harbor", e, m) for e in ("date", "birth-date") for m in ("shift", "shift-time", "keep")),
        ("safe-harbor", "zip", "keep"),
        ("safe-harbor", "city", "keep"),
        ("safe-harbor", "address", "keep"),
        ("safe-harbor", "age", "keep"),
        ("safe-harbor", "name", "pseudonym"),
        *(("safe-harbor", e, m) for e in ("ssn", "mrn", "identifier", "phone") for m in ("stand-in", "keep")),
        *(("limited-data-set", e, "keep") for e in ("ssn", "mrn", "phone", "account", "address")),
        *((b, e, "keep") for b in Basis for e in ("name", "email", "photo", "contact")),
        *((b, e, "keep") for b in Basis for e in ("clinical", "document")),
    ],
)
def test_a_basis_cannot_be_loosened(basis: str, element: str, method: str) -> None:
    with pytest.raises(Invalid, match="line 5"):
        make(basis, **{element: method})


@pytest.mark.parametrize("claim", ["safe-harbor", "my-safe-harbor-2", "limited-data-set"])
def test_a_name_binds(claim: str) -> None:
    with pytest.raises(Invalid, match="line 2"):
        parse(HEAD.format("research").replace('name = "research"', f'name = "{claim}"'))


@pytest.mark.parametrize("title", ["Safe Harbor", "safe harbor, but with dates", "A LIMITED DATA  SET"])
def test_a_title_binds(title: str) -> None:
    with pytest.raises(Invalid, match="calls itself"):
        parse(HEAD.format("research").replace("Study", title))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('nickname = "remove"', "line 5: there is no element 'nickname'"),
        ('zip = "zip4"', "line 5: for zip there is remove, zip3, keep"),
        ('zip = "shift"', "line 5: for zip there is"),
        ('email = "keep"', "line 5: for email there is remove"),
        ("zip = 3", "line 5: zip needs a method"),
        ('zip = { source = "x" }', "line 5: zip needs a method"),
        ('zip = { method = "zip3", because = "x" }', "line 5: zip needs a method"),
        ('zip = { method = "zip3", certainty = "sure" }', "line 5: a certainty is one of"),
        ('[elements.zip]\nmethod = "zip4"', "line 5: for zip"),
        ("zip = ", "not TOML"),
        ('zip = "zip3"\nzip = "keep"', "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, says: str) -> None:
    with pytest.raises(Invalid) as told:
        parse(HEAD.format("research") + line)
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs name"),
        ('name = "x"\nbasis = "whim"\ntitle = "x"\n[elements]', "line 2: the basis is one of"),
        ('name = "X y"\nbasis = "research"\ntitle = "x"\n[elements]', "line 1: a name has"),
        ('name = "x"\nbasis = "research"\n[elements]', "needs title"),
        (BEGIN, "no table"),
        (BEGIN + 'elements = "all"', "no table"),
        (BEGIN + "colour = 1\n[elements]", "line 4: a policy has no 'colour'"),
        (BEGIN + 'shared_types = ["Persons"]\n[elements]', "line 4: shared_types"),
    ],
)
def test_a_broken_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(Invalid) as told:
        parse(text)
    assert says in str(told.value)


@given(data=st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_are_refused_by_an_error_of_ours(data: bytes | str) -> None:
    with pytest.raises(Invalid):
        parse(data)


def test_files(tmp_path) -> None:
    path = tmp_path / "study.toml"
    with pytest.raises(Invalid, match="limited-data-set or safe-harbor, or a file"):
        load(path)
    path.write_text(HEAD.format("research") + 'zip = "zip3"')
    assert load(path).method("zip") is Method.ZIP3
    assert load(RESEARCH).basis is Basis.RESEARCH
    assert len({load(policy).sha256 for policy in POLICIES}) == len(POLICIES)
