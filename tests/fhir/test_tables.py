"""The compiled definitions."""

from __future__ import annotations

import re
from importlib.resources import files

from confide.fhir import compartment, search, tables
from confide.fhir.primitives import CHECKS
from confide.fhir.tables import PRIMITIVES, RESOURCES, TYPES


def test_every_type_is_there():
    assert len(RESOURCES) == 146
    assert len(PRIMITIVES) == 20
    assert {"Patient", "HumanName", "Patient.contact", "Element"} <= set(TYPES)
    for definition in TYPES.values():
        for element in definition.elements.values():
            assert element.type in TYPES or element.type in PRIMITIVES
    assert set(CHECKS) == set(PRIMITIVES) - {"xhtml"}


def test_an_element_says_what_it_is():
    patient = TYPES["Patient"].elements
    assert patient["name"].many
    assert patient["name"].type == "HumanName"
    assert patient["gender"].allowed == {"male", "female", "other", "unknown"}
    assert patient["deceasedDateTime"].name == "deceased"
    assert patient["deceasedDateTime"].choice
    assert patient["managingOrganization"].targets == {"Organization"}
    assert patient["birthDate"].primitive
    assert not patient["contact"].primitive
    assert TYPES["Observation"].elements["status"].min == 1
    assert TYPES["Observation.component"].elements["referenceRange"].type == "Observation.referenceRange"
    assert TYPES["Attachment"].elements["contentType"].codes is None
    assert TYPES["Patient"].resource
    assert not TYPES["HumanName"].resource
    assert TYPES.get("Nothing") is None


def test_the_package_files_are_small():
    folder = files("confide.fhir")
    sizes = [len(entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".gz")]
    assert len(sizes) == 5
    assert sum(sizes) < 2_000_000


def test_the_patient_compartment():
    assert {"Patient", "Observation", "Encounter", "Claim", "RelatedPerson"} <= compartment.IN_PATIENT
    assert not {"Practitioner", "Organization", "Location", "Medication"} & compartment.IN_PATIENT
    assert set(tables.PATIENT_PATHS) < RESOURCES


def test_the_patients_of_a_resource():
    found = compartment.patients(
        {
            "resourceType": "Observation",
            "performer": [{"reference": "Practitioner/1"}, {"reference": "Patient/2"}, {"reference": "#p"}],
            "subject": {"reference": "urn:uuid:5"},
            "encounter": {"reference": "Patient/9"},
        }
    )
    assert found == ["Patient/2", "urn:uuid:5"]
    group = {
        "resourceType": "Group",
        "member": [{"entity": {"reference": f"Patient/{n}"}} for n in (1, 2, 1)],
    }
    assert compartment.patients(group) == ["Patient/1", "Patient/2"]
    absolute = {"resourceType": "Flag", "subject": {"reference": "https://other.example/fhir/Patient/1"}}
    assert compartment.patients(absolute) == ["https://other.example/fhir/Patient/1"]
    patient = {"resourceType": "Patient", "link": [{"other": {"reference": "Patient/7"}}]}
    assert compartment.patients(patient) == []
    for odd in (None, [], 1, {}, {"resourceType": 7}, {"resourceType": "Flag", "subject": [[1]]}):
        assert compartment.patients(odd) == []


def test_every_synthea_resource_has_its_patient(bundles):
    from confide.fhir.json import parse

    for data in bundles[:5]:
        for entry in parse(data)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in compartment.IN_PATIENT - {"Patient"}:
                assert len(compartment.patients(resource)) == 1


def test_the_search_parameters_of_the_main_types():
    patient = search.parameters("Patient")
    assert {"_id", "identifier", "birthdate", "family", "given", "email", "address-city"} <= set(patient)
    assert patient["birthdate"].kind == "date"
    assert patient["birthdate"].paths[0].keys == ("birthDate",)
    observation = search.parameters("Observation")
    assert {path.keys[-1] for path in observation["date"].paths} == {
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveTiming",
        "effectiveInstant",
    }
    assert "Patient" in observation["patient"].targets
    assert "code-value-quantity" in search.unsupported("Observation")
    assert search.parameters("Nothing") == {}
    for kind in RESOURCES:
        for parameter in search.parameters(kind).values():
            assert parameter.paths
            assert all(re.fullmatch(r"\w+", key) for path in parameter.paths for key in path.keys)


def test_the_values_of_a_parameter():
    telecom = [{"system": "phone", "value": "1"}, {"system": "email", "value": "a"}, {"value": "x"}]
    patient = {
        "resourceType": "Patient",
        "telecom": telecom,
        "name": [{"given": ["A", "B"]}, {"given": ["C"]}],
    }
    parameters = search.parameters("Patient")
    assert search.values(patient, parameters["email"]) == [telecom[1]]
    assert search.values(patient, parameters["given"]) == ["A", "B", "C"]
    person = {"reference": "Patient/1"}
    claim = {"resourceType": "Observation", "subject": {"reference": "Group/1"}}
    assert search.values(claim, search.parameters("Observation")["patient"]) == []
    assert search.values({**claim, "subject": person}, search.parameters("Observation")["patient"]) == [
        person
    ]
    assert search.values(claim, search.parameters("Observation")["subject"]) == [claim["subject"]]
