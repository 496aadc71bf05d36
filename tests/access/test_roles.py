"""The role table against roles.csv, which is written by hand, by element instead of by row."""

import csv
import gzip
import json
from itertools import product
from pathlib import Path

import pytest

from confide.access.roles import FORMS, Action, Form, Purpose, Role
from confide.protect.elements import Element

Cell = tuple[Role, Action, Purpose, Element]


def _expected() -> dict[Cell, Form]:
    cells: dict[Cell, Form] = {}
    with Path(__file__).with_name("roles.csv").open() as file:
        for line in csv.DictReader(file):
            elements = list(Element) if line["elements"] == "*" else map(Element, line["elements"].split())
            actions = map(Action, line["actions"].split())
            for action, element, purpose in product(list(actions), list(elements), Purpose):
                cell = Role(line["role"]), action, purpose, element
                assert cell not in cells, f"roles.csv has two lines for {cell}"
                cells[cell] = Form(line[purpose.value])
    return cells


EXPECTED = _expected()


@pytest.mark.asvs("8.1.1")
def test_the_list_has_every_cell():
    assert set(EXPECTED) == set(product(Role, Action, Purpose, Element))


@pytest.mark.asvs("8.1.2")
@pytest.mark.parametrize(
    ("role", "action", "purpose"), list(product(Role, Action, Purpose)), ids=lambda value: value.value
)
def test_every_cell_is_as_expected(role, action, purpose):
    row = FORMS[role, action, purpose]
    assert dict(row) == {element: EXPECTED[role, action, purpose, element] for element in Element}


def test_what_is_shown_is_never_only_searched():
    assert Form.SEARCHED not in EXPECTED.values()


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_some_roles_never_see_a_clear_value(role):
    assert not {
        cell for cell, form in EXPECTED.items() if cell[0] is role and form in {Form.CLEAR, Form.MASKED}
    }


def test_purposes_are_codes_of_act_reason(shared):
    with gzip.open(shared / "fhir/r4-definitions/CodeSystem.ndjson.gz") as lines:
        system = next(s for s in map(json.loads, lines) if s["id"] == "v3-ActReason")

    def codes(concepts):
        for concept in concepts:
            yield concept["code"]
            yield from codes(concept.get("concept", []))

    branch = next(
        c
        for top in system["concept"]
        for second in [top, *top.get("concept", [])]
        for c in [second, *second.get("concept", [])]
        if c["code"] == "PurposeOfUse"
    )
    assert {purpose.value for purpose in Purpose} <= set(codes([branch]))
