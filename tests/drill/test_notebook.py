"""What the attacker has is counted as it is, and the journal is compared with it both ways."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from confide.drill import outcome, papers
from confide.drill.notebook import Notebook
from confide.drill.papers import Named
from confide.drill.population import draw
from confide.drill.scoping import compare

PEOPLE = draw(40, 1, 3, date(2026, 1, 1))


class Known:
    """Stands for the roll: everybody's id is the key that the source has for them."""

    def of(self, _practice: str) -> dict[str, Named]:
        return {one.key: one for one in papers.read(PEOPLE, 0, len(PEOPLE))}


@pytest.fixture
def notebook() -> Notebook:
    return Notebook(Known())  # type: ignore[arg-type]


def one(number: int) -> Named:
    return Known().of("")[f"p{number}"]


def bundle(*resources: dict[str, Any]) -> str:
    return json.dumps({"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]})


def test_values_count_where_they_are_the_persons_own_clear_or_masked(notebook: Notebook) -> None:
    covered = papers.patient(one(1)) | {"name": [{"family": "Badoki", "given": ["Tamire"]}]}
    covered |= {"birthDate": one(1).born[:4], "address": [{"state": one(1).state}], "telecom": []}
    covered["identifier"] = [{"value": f"***-**-{one(1).ssn[-4:]}"}, {"value": "000-11-2222"}]
    notebook.read("", bundle(papers.patient(one(0)), covered, {"resourceType": "Patient", "id": "nobody"}))
    assert notebook.shown["p0"] == dict.fromkeys(
        ("name", "birth-date", "ssn", "mrn", "phone", "address"), "clear"
    )
    assert notebook.shown["p1"] == {"ssn": "masked"}
    assert notebook.persons() == {"p0", "p1"}
    assert notebook.numbers == 1
    insured = next(each for each in Known().of("").values() if each.member)
    notebook.read(
        "", bundle(papers.coverage(insured) | {"beneficiary": {"reference": f"Patient/{insured.key}"}})
    )
    assert notebook.shown[insured.key]["member-id"] == "clear"
    for text in ("", "not JSON", "{broken"):
        notebook.read("", text)


def test_a_number_of_people_counts_as_so_many_whoever_they_are(notebook: Notebook) -> None:
    notebook.answer("", lambda p: p.key in {"p1", "p2"}, 2, (), "name")
    notebook.answer("", lambda _: True, 0, (), "name")
    assert notebook.persons() == {"p1", "p2"}
    notebook.answer("", lambda p: p.key in {"p2", "p3", "p4"}, 1, (), "birth-date")
    assert notebook.persons() == {"p1", "p2"}, "it may be of somebody of whom something is known"
    notebook.answer("", lambda p: p.key in {"p5", "p6", "p7"}, 2, {"p6"}, "birth-date")
    assert len(notebook) == 4
    assert "p6" in notebook.persons()


def test_the_journals_scope_is_exact_only_if_both_agree(notebook: Notebook) -> None:
    notebook.read("", bundle(papers.patient(one(0))))
    notebook.answer("", lambda p: p.key in {"p1", "p2", "p3"}, 2, (), "name")
    all_of = dict.fromkeys(("name", "birth-date", "ssn", "mrn", "phone", "address"), "clear")
    said: dict[str, dict[str, str]] = {"p0": all_of, "p2": {"name": "searched"}, "p3": {"name": "searched"}}
    assert compare(said, notebook, 0).percent == 100
    fewer = compare({**said, "p3": {}}, notebook, 0)
    assert (fewer.missing, fewer.beyond) == (1, 0)
    assert fewer.percent < 100
    assert compare({**said, "p0": {**all_of, "ssn": "masked"}}, notebook, 0).milder == 1
    assert compare({**said, "p9": {"name": "clear"}}, notebook, 0).beyond == 1
    assert compare({**said, "p1": {"phone": "clear"}}, notebook, 0).percent < 100
    assert compare({}, Notebook(Known()), 0).percent == 100  # type: ignore[arg-type]


def test_an_outcome_says_who_by_element_and_what_does_not_hold() -> None:
    rows = outcome.count(
        {"name": "Name", "ssn": "SSN", "phone": "Phone"},
        {"a": {"name": "clear", "ssn": "masked"}, "b": {"name": "clear"}},
        {"a": {"name"}, "c": {"name"}},
    )
    assert [(e.element, e.clear, e.masked, e.asked) for e in rows] == [("Name", 2, 0, 1), ("SSN", 0, 1, 0)]
    made = outcome.Outcome("x", "X", "", 1.0, checks=(outcome.most("a", 3, 2), outcome.least("b", 3, 2, "%")))
    assert not made.holds
    assert [each["holds"] for each in made.as_json()["checks"]] == [False, True]
    assert made.checks[1].found == "3%"
