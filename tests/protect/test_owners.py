"""Whose a resource is: by FHIR's compartments, and by what they forgot."""

import pytest

from confide.fhir import tables
from confide.protect.owners import owners
from confide.protect.policy import load

POLICY = load()
A, B = {"reference": "Patient/a"}, {"reference": "Patient/b/_history/3"}


@pytest.mark.parametrize(
    ("resource", "ids"),
    [
        ({"resourceType": "Patient", "id": "p", "link": [{"other": A}]}, ("p",)),
        ({"resourceType": "Observation", "subject": A}, ("a",)),
        ({"resourceType": "Observation", "subject": A, "performer": [A, B]}, ("a", "b")),
        ({"resourceType": "Observation", "subject": {"reference": "Group/g"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "http://far.example/Patient/a"}}, ()),
        ({"resourceType": "Observation", "subject": {"display": "Ana"}}, ()),
        ({"resourceType": "Coverage", "beneficiary": A, "subscriber": B}, ("a", "b")),
        ({"resourceType": "Group", "member": [{"entity": B}, {"entity": A}]}, ("b", "a")),
        ({"resourceType": "Task", "for": A}, ("a",)),
        ({"resourceType": "Device", "patient": A}, ("a",)),
        ({"resourceType": "Organization", "name": "Elm"}, ()),
    ],
)
def test_owners(resource, ids):
    assert owners(POLICY, resource) == ids


def test_every_type_answers():
    for kind in tables.RESOURCES:
        assert owners(POLICY, {"resourceType": kind, "id": "x"}) == (("x",) if kind == "Patient" else ())
