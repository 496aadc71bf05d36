"""Ages of 90 and over are one class, in whatever unit, type and field they are written."""

import pytest

from confide.fhir.json import Number
from confide.fhir.validate import validate
from confide.protect.exports.ages import OLDEST, years
from tests.protect.exports.cohort import TODAY, exporter, ours

PERSON = ours("Patient/old")
SUBJECT = {"reference": f"Patient/{PERSON}"}
UCUM = "http://unitsofmeasure.org"
AGE = {"coding": [{"system": "http://loinc.org", "code": "30525-0", "display": "Age"}]}
HEIGHT = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}


def observation(code, **value):
    return {
        "resourceType": "Observation", "id": ours("Observation/1"), "status": "final", "code": code,
        "subject": SUBJECT, **value,
    }  # fmt: skip


def condition(**onset):
    return {"resourceType": "Condition", "id": ours("Condition/1"), "subject": SUBJECT, **onset}


def patient(born):
    return {"resourceType": "Patient", "id": PERSON, "birthDate": born}


def go(resource, policy="safe-harbor", born="1980-01-01"):
    out = exporter(policy)
    out.export(patient(born), PERSON, TODAY)
    exported = out.export(resource, PERSON, TODAY).resource
    assert validate(exported) == []
    return exported


@pytest.mark.parametrize("policy", ["safe-harbor", "limited-data-set"])
@pytest.mark.parametrize(
    ("quantity", "old"),
    [
        ({"value": 89, "code": "a", "system": UCUM}, False),
        ({"value": 90, "code": "a", "system": UCUM}, True),
        ({"value": Number("93.5"), "unit": "years"}, True),
        ({"value": 1090, "code": "mo", "system": UCUM}, True),
        ({"value": 100, "code": "mo", "system": UCUM}, False),
        ({"value": 33000, "unit": "days"}, True),
        ({"value": 104}, True),
        ({"value": 104, "unit": "Jahre"}, True),
        ({"value": 89, "comparator": ">", "code": "a", "system": UCUM}, True),
    ],
    ids=lambda value: "".join(str(v) for v in value.values()) if isinstance(value, dict) else "",
)
def test_an_onset(quantity, old, policy):
    exported = go(condition(onsetAge=quantity), policy)["onsetAge"]
    assert (exported == OLDEST) is old
    assert old or exported["value"] == quantity["value"]


@pytest.mark.parametrize(
    "value",
    [
        {"valueInteger": 93},
        {"valueQuantity": {"value": 93}},
        {"valueQuantity": {"value": 93, "unit": "years", "system": UCUM, "code": "a"}},
        {"valueRange": {"low": {"value": 91}, "high": {"value": 95}}},
        {"valueString": "93 years"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_an_observed_age(value):
    called = {"text": "Age at interview"}
    for exported in (
        go(observation(AGE, **value)),
        go(observation(called, **value)),
        go(observation(HEIGHT, component=[{"code": AGE, **value}]))["component"][0],
    ):
        values = {key: str(v) for key, v in exported.items() if "value" in key}
        assert values, "what was there is marked"
        assert not any(number in str(values) for number in ("91", "93", "95"))


def test_other_numbers_of_ninety_stay():
    centimetres = {"value": 193, "unit": "cm", "system": UCUM, "code": "cm"}
    assert go(observation(HEIGHT, valueQuantity=centimetres))["valueQuantity"] == centimetres
    assert go(observation(HEIGHT, valueInteger=93))["valueInteger"] == 93
    young = {"value": 42, "unit": "a", "system": UCUM, "code": "a"}
    assert go(observation(AGE, valueQuantity=young))["valueQuantity"] == young


@pytest.mark.parametrize("policy", ["safe-harbor", "limited-data-set"])
def test_nobody_of_the_class_has_an_age_at_some_event(policy):
    """Sixty in 1990 is a year of birth."""
    event = condition(onsetAge={"value": 60, "code": "a", "system": UCUM}, recordedDate="1990-05-04")
    assert "value" in go(event, policy)["onsetAge"]
    assert "value" not in go(event, policy, born="1930-02-03")["onsetAge"]
    seen = observation(AGE, valueQuantity={"value": 61, "unit": "a", "system": UCUM, "code": "a"})
    assert "value" not in go(seen, policy, born="1930-02-03")["valueQuantity"]


@pytest.mark.parametrize("policy", ["safe-harbor", "limited-data-set"])
@pytest.mark.parametrize("born", ["1936-03-02", "1936", "1930-01", "1899-12-31"])
def test_a_birth_of_the_class(born, policy):
    exported = exporter(policy).export({**patient(born), "deceasedDateTime": "1935-01-01"}, PERSON, TODAY)
    assert exported.resource["birthDate"] == "1900"
    assert exported.resource["deceasedDateTime"] == "1900"


def test_a_shift_makes_nobody_look_older_than_the_class():
    born = patient("1937-01-01")
    exported = [exporter("limited-data-set", root).export(born, PERSON, TODAY) for root in range(40)]
    dates = {e.resource["birthDate"] for e in exported}
    assert dates == {"1900"}, "every shift is into the year before, which is of the class"


def test_years():
    assert years({"value": 2, "code": "A"}, unitless=False) is None, "amperes"
    assert years({"value": True}, unitless=True) is None
    assert years({}, unitless=True) is None
    assert years({"value": 7}, unitless=False) is None
