"""The policy says what may lie in the database; what it does not say is sealed."""

import pytest

from confide.errors import Misconfigured
from confide.fhir import compartment, tables
from confide.protect.elements import CATALOGUE, Element
from confide.protect.plan import Plan, plan
from confide.protect.policy import Action, _action, load


def test_every_path_of_the_policy_exists():
    """A word that is misspelt would protect nothing."""
    for path in load().paths:
        owner, _, member = path.rpartition(".")
        if not owner:
            assert member in tables.RESOURCES, path
        else:
            assert member in tables.TYPES[owner].elements, path


def test_every_kept_type_exists_and_lies_outside_every_compartment():
    kept = load().kept_types
    assert kept <= tables.RESOURCES
    assert not kept & compartment.IN_PATIENT


def test_owners_are_references_that_exist():
    for kind, paths in load().owners.items():
        assert kind in tables.RESOURCES
        assert kind not in compartment.IN_PATIENT, "FHIR's own definition says it already"
        assert paths


@pytest.mark.parametrize("verb", ["keep", "open", "seal", "away", "pseudonym", "work", "collection"])
def test_verbs_without_an_element(verb):
    assert _action("X.y", verb) == Action(verb)
    with pytest.raises(Misconfigured):
        _action("X.y", f"{verb}:ssn")


@pytest.mark.parametrize("text", ["as:ssn", "ff1:mrn"])
def test_verbs_with_an_element(text):
    assert _action("X.y", text).element in Element


@pytest.mark.parametrize("text", ["", "kept", "as", "as:", "as:shoe-size", "ff1:name:ssn", "KEEP"])
def test_what_the_grammar_does_not_know_stops_the_program(text):
    with pytest.raises(Misconfigured):
        _action("X.y", text)


def test_another_policy_that_lacks_something(tmp_path, monkeypatch):
    from confide.protect import policy

    (tmp_path / "policies").mkdir()
    monkeypatch.setattr(policy.resources, "files", lambda _: tmp_path)
    load.cache_clear()
    try:
        for text in ('name = "x"', 'name = "x"\noldest_age = 90\n[identifier_types]\nMR = "shoe-size"'):
            (tmp_path / "policies" / "at-rest.toml").write_text(text)
            with pytest.raises(Misconfigured):
                load()
    finally:
        load.cache_clear()


def test_every_type_has_a_plan():
    """Every member of every resource type gets a rule, and compiling all of them finds no hole."""
    compiled = Plan(load())
    for kind in tables.RESOURCES:
        root = compiled.root(kind)
        assert tables.TYPES[kind].elements.keys() <= root.rules.keys(), kind


def test_a_plan_is_compiled_once():
    assert plan() is plan()
    assert plan().root("Patient") is plan().root("Patient")


def test_only_what_one_person_has_is_indexed_at_rest():
    """An index of anything shared or guessable would fall to counting."""
    indexed = {e for e in Element if CATALOGUE[e].unique_to_person}
    assert indexed == {Element.SSN, Element.MRN, Element.LICENCE, Element.PASSPORT}


def test_masks_weigh_no_more_than_the_whole():
    assert all(kind.masked_weight <= kind.weight for kind in CATALOGUE.values())
    assert set(CATALOGUE) == set(Element)
    assert {e for e in Element if CATALOGUE[e].step_up} == {
        Element.SSN,
        Element.LICENCE,
        Element.PASSPORT,
        Element.ACCOUNT,
        Element.CARD,
    }
