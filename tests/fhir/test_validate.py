"""Every rule of the validator, the published examples, and values of any kind."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import Issue
from confide.fhir.json import Number, parse
from confide.fhir.tables import RESOURCES
from confide.fhir.validate import validate

XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">'


def patient(**elements):
    return {"resourceType": "Patient", **elements}


def observation(**elements):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


GOOD = [
    patient(),
    patient(id="a-1.B", birthDate="1990", name=[{"given": ["A", "B"], "family": "C"}]),
    patient(birthDate="2024-02-29", deceasedDateTime="2024-02-29T23:59:60.5+14:00"),
    patient(_birthDate={"extension": [{"url": "http://x", "valueCode": "masked"}]}),
    patient(birthDate="1990", _birthDate={"id": "x"}),
    patient(name=[{"given": ["A", "B"], "_given": [None, {"id": "x"}]}]),
    patient(name=[{"given": [None], "_given": [{"extension": [{"url": "u", "valueBoolean": False}]}]}]),
    patient(name=[{"_given": [{"extension": [{"url": "u", "valueCode": "masked"}]}]}]),
    {
        "resourceType": "Observation",
        "code": {"text": "x"},
        "_status": {"extension": [{"url": "u", "valueCode": "masked"}]},
    },
    patient(multipleBirthInteger=2),
    patient(text={"status": "generated", "div": f"{XHTML}a &amp; b<br/><!-- c --><a href='#x'>y</a></div>"}),
    patient(
        contained=[{"resourceType": "Organization", "id": "o"}], managingOrganization={"reference": "#o"}
    ),
    patient(extension=[{"url": "http://x", "extension": [{"url": "y", "_valueString": {"id": "z"}}]}]),
    patient(managingOrganization={"reference": "https://other.example/fhir/Organization/1/_history/2"}),
    patient(managingOrganization={"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}),
    patient(managingOrganization={"reference": "Organization?identifier=x|y"}),
    patient(link=[{"other": {"identifier": {"value": "1"}}, "type": "seealso"}]),
    observation(valueQuantity={"value": Number("1.10"), "system": "http://unitsofmeasure.org", "code": "mg"}),
    observation(effectivePeriod={"start": "2020", "end": "2020-01-01"}),
    observation(effectivePeriod={"start": "2020-01-02T00:30:00+14:00", "end": "2020-01-01T23:00:00Z"}),
]


@pytest.mark.parametrize("resource", GOOD, ids=range(len(GOOD)))
def test_good_resources_have_no_issues(resource):
    assert validate(resource) == []


BAD = [
    (None, "Resource", "structure"),
    ([], "Resource", "structure"),
    ({}, "Resource", "structure"),
    ({"resourceType": "Nothing"}, "Resource", "not-supported"),
    ({"resourceType": "HumanName"}, "Resource", "not-supported"),
    ({"resourceType": "DomainResource"}, "Resource", "not-supported"),
    ({"resourceType": ["Patient"]}, "Resource", "structure"),
    (patient(id="a b"), "Patient.id", "value"),
    (patient(id="a" * 65), "Patient.id", "value"),
    (patient(id=7), "Patient.id", "value"),
    (patient(birthDate="2023-02-30"), "Patient.birthDate", "value"),
    (patient(birthDate="2023-13"), "Patient.birthDate", "value"),
    (patient(birthDate="0000"), "Patient.birthDate", "value"),
    (patient(birthDate="2023-01-01\n"), "Patient.birthDate", "value"),
    (patient(birthDate="2023-W01-1"), "Patient.birthDate", "value"),
    (patient(birthDate=None), "Patient.birthDate", "value"),
    (patient(deceasedDateTime="2023-02-29T00:00:00Z"), "Patient.deceased", "value"),
    (patient(deceasedDateTime="2023-02-28T00:00:00"), "Patient.deceased", "value"),
    (patient(deceasedBoolean=1), "Patient.deceased", "value"),
    (patient(deceasedBoolean=True, deceasedDateTime="2020"), "Patient.deceased", "structure"),
    (patient(deceasedBoolean=True, _deceasedDateTime={"id": "x"}), "Patient.deceased", "structure"),
    (patient(multipleBirthInteger=Number("1.0")), "Patient.multipleBirth", "value"),
    (patient(multipleBirthInteger=2**31), "Patient.multipleBirth", "value"),
    (patient(multipleBirthInteger=True), "Patient.multipleBirth", "value"),
    (patient(gender="FEMALE"), "Patient.gender", "code-invalid"),
    (patient(gender=["female"]), "Patient.gender", "code-invalid"),
    (patient(active="true"), "Patient.active", "value"),
    (patient(name={}), "Patient.name", "structure"),
    (patient(name=[]), "Patient.name", "structure"),
    (patient(name=[{}]), "Patient.name[0]", "structure"),
    (patient(name=[None]), "Patient.name[0]", "structure"),
    (patient(name=[{"id": "x"}]), "Patient.name[0]", "invariant"),
    (patient(name=[{"family": ""}]), "Patient.name[0].family", "value"),
    (patient(name=[{"family": "a\x00b"}]), "Patient.name[0].family", "value"),
    (patient(name=[{"family": "a"}, {"given": ["b", 7]}]), "Patient.name[1].given[1]", "value"),
    (patient(name=[{"given": [None]}]), "Patient.name[0].given[0]", "structure"),
    (
        patient(name=[{"given": ["a", None], "_given": [{"id": "x"}, None]}]),
        "Patient.name[0].given[1]",
        "structure",
    ),
    (patient(name=[{"given": ["a"], "_given": [None, {"id": "x"}]}]), "Patient.name[0].given", "structure"),
    (patient(name=[{"given": ["a"], "_given": [None]}]), "Patient.name[0].given", "structure"),
    (patient(name=[{"given": ["a"], "_given": {"id": "x"}}]), "Patient.name[0].given", "structure"),
    (patient(_birthDate=[{"id": "x"}]), "Patient.birthDate", "structure"),
    (patient(_birthDate={}), "Patient.birthDate", "structure"),
    (patient(_birthDate={"value": "x"}), "Patient.birthDate", "structure"),
    (patient(_name=[{"id": "x"}]), "Patient", "structure"),
    (patient(unknown=1), "Patient", "structure"),
    (patient(extension=[{"url": "u"}]), "Patient.extension[0]", "invariant"),
    (patient(extension=[{"valueString": "x"}]), "Patient.extension[0].url", "required"),
    (
        patient(extension=[{"url": "u", "valueString": "x", "extension": [{"url": "u", "valueCode": "x"}]}]),
        "Patient.extension[0]",
        "invariant",
    ),
    (
        patient(extension=[{"url": "u", "valueString": "x", "valueCode": "x"}]),
        "Patient.extension[0].value",
        "structure",
    ),
    (patient(contact=[{"gender": "male"}]), "Patient.contact[0]", "invariant"),
    (patient(telecom=[{"value": "x"}]), "Patient.telecom[0]", "invariant"),
    (
        patient(identifier=[{"period": {"start": "2021", "end": "2020"}}]),
        "Patient.identifier[0].period",
        "invariant",
    ),
    (patient(managingOrganization={"reference": "Patient/1"}), "Patient.managingOrganization", "value"),
    (
        patient(managingOrganization={"reference": "nonsense"}),
        "Patient.managingOrganization.reference",
        "value",
    ),
    (patient(managingOrganization={"reference": "Foo/1"}), "Patient.managingOrganization.reference", "value"),
    (
        patient(managingOrganization={"reference": "#o"}),
        "Patient.managingOrganization.reference",
        "not-found",
    ),
    (
        patient(managingOrganization={"id": "x", "type": "Patient"}),
        "Patient.managingOrganization",
        "invariant",
    ),
    (patient(link=[{"type": "seealso"}]), "Patient.link[0].other", "required"),
    (patient(contained=[{"resourceType": "Organization"}]), "Patient.contained[0]", "required"),
    (
        patient(contained=[{"resourceType": "Organization", "id": "a"}] * 2),
        "Patient.contained[1].id",
        "duplicate",
    ),
    (
        patient(contained=[{"resourceType": "Patient", "id": "a", "contained": [patient(id="b")]}]),
        "Patient.contained[0]",
        "invariant",
    ),
    (
        patient(name=[{"given": ["a", None], "_given": [None, {"id": "x"}]}]),
        "Patient.name[0].given[1]",
        "structure",
    ),
    ({"resourceType": "Observation", "_status": {"id": "x"}, "code": {}}, "Observation.status", "required"),
    (observation(status=None), "Observation.status", "code-invalid"),
    ({"resourceType": "Observation", "status": "final"}, "Observation.code", "required"),
    (observation(valueString="x", dataAbsentReason={"text": "y"}), "Observation", "invariant"),
    (observation(valueQuantity={"value": "1"}), "Observation.value.value", "value"),
    (observation(valueQuantity={"value": 1, "code": "mg"}), "Observation.value", "invariant"),
    (observation(subject={"reference": "Practitioner/1"}), "Observation.subject", "value"),
    (
        {
            "resourceType": "AllergyIntolerance",
            "patient": {"reference": "Patient/1"},
            "clinicalStatus": {"coding": [{"system": "http://x", "code": "active"}]},
        },
        "AllergyIntolerance.clinicalStatus",
        "code-invalid",
    ),
    (
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patient()}]},
        "Bundle.entry[0]",
        "invariant",
    ),
    (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(gender="x")}]},
        "Bundle.entry[0].resource.gender",
        "code-invalid",
    ),
    ({"resourceType": "Bundle", "type": "collection", "total": 1}, "Bundle.total", "invariant"),
    ({"resourceType": "Binary", "contentType": "text/plain", "data": "a b"}, "Binary.data", "value"),
]


@pytest.mark.parametrize(("resource", "path", "kind"), BAD, ids=range(len(BAD)))
def test_each_rule_has_its_path_and_kind(resource, path, kind):
    issues = validate(resource)
    assert (path, kind) in [(issue.path, issue.kind) for issue in issues]


DIVS = [
    "<script>x</script>",
    "<p onclick='x'>a</p>",
    "<a href='javascript:x'>a</a>",
    "<a href='java&#115;cript:x'>a</a>",
    "<a href='javascript&colon;x'>a</a>",
    "<a href=' java\tscript:x'>a</a>",
    "<a href='vbscript:x'>a</a>",
    "<img src='data:text/html;base64,x'/>",
    "<img src='data:image/svg+xml;base64,x'/>",
    "<p style='background:url(javascript:x)'>a</p>",
    "<p style='width:expr&#101;ssion(x)'>a</p>",
    "<iframe src='x'/>",
    "<form><input/></form>",
    "<object/>",
    "<p>a",
    "<p>a</b>",
    "a < b",
    "a & b",
    "<!DOCTYPE x>",
    "<![CDATA[x]]>",
    "<?php x?>",
    "<p class='a' class='b'>a</p>",
    "<p class=a>a</p>",
    "</div><div>",
    "\x00",
]


@pytest.mark.parametrize("inner", DIVS)
def test_unsafe_narratives_are_refused(inner):
    narrative = {"status": "generated", "div": f"{XHTML}{inner}</div>"}
    assert [issue.path for issue in validate(patient(text=narrative))] == ["Patient.text.div"]


@pytest.mark.parametrize(
    "div", ["", "x", "<p>x</p>", "<div", "<div>x", "<div>x</div>y", "<divx>x</divx>", 7, None]
)
def test_a_narrative_is_one_div(div):
    assert validate(patient(text={"status": "generated", "div": div}))


def test_issues_never_hold_a_value():
    canary = "canary0123456789"
    resource = patient(
        id=f"{canary} ",
        gender=canary,
        birthDate=canary,
        name=[{canary: canary, "family": 7, "given": [{canary: 1}]}],
        managingOrganization={"reference": canary},
        text={"status": canary, "div": canary},
        contained=[{"resourceType": canary}],
        **{canary: canary},
    )
    issues = validate(resource)
    assert len(issues) >= 9
    assert canary not in repr(issues)
    assert canary not in repr(validate({"resourceType": canary}))


def _rejected(texts):
    return [(r["resourceType"], r.get("id")) for r in map(parse, texts) if validate(r)]


def test_the_official_examples(official):
    rejected = _rejected(official)
    assert len(official) == 5298
    assert len(rejected) <= 15
    assert {kind for kind, _ in rejected} == {
        "CodeSystem",
        "ImplementationGuide",
        "Questionnaire",
        "SearchParameter",
    }


def test_the_us_core_examples(us_core):
    assert _rejected(us_core) == []


def test_the_synthea_bundles(bundles):
    assert _rejected(bundles) == []


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(Number("1.0"))
_WORDS = """
resourceType id meta text div status name given _given family birthDate _birthDate extension url valueString
contained reference subject code coding system value entry resource request fullUrl type period start end
"""
_keys = st.sampled_from(_WORDS.split())
_any = st.recursive(
    _scalars | st.sampled_from(["Patient", "Bundle", "Observation", "#a", "Patient/1", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys | st.text(), inner, max_size=6),
)


@given(_any, st.sampled_from(sorted(RESOURCES)))
def test_any_value_gives_issues_and_never_an_exception(value, kind):
    assert all(isinstance(issue, Issue) for issue in validate(value))
    if isinstance(value, dict):
        assert all(isinstance(issue, Issue) for issue in validate({**value, "resourceType": kind}))


def test_a_bottomless_value_gives_an_issue():
    value: dict[str, object] = {"url": "u", "valueString": "x"}
    for _ in range(5000):
        value = {"url": "u", "extension": [value]}
    assert [issue.text for issue in validate(patient(extension=[value]))] == ["is nested too deeply"]


def _places(value, found):
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found.append((value, key))
        _places(child, found)
    return found


def test_mutated_examples_give_issues_and_never_an_exception(official):
    chance = random.Random(4)
    odd = [
        None,
        True,
        0,
        -1,
        Number("1.5"),
        "",
        " ",
        "x",
        "#",
        "/",
        "?",
        "Patient/",
        [],
        [None],
        [[]],
        {},
        {"a": 1},
    ]
    odd += [
        ["x"],
        {"id": "x"},
        {"resourceType": "Patient"},
        [{"reference": "#"}],
        "\ud800",
        "<div>",
        {"coding": [{}]},
    ]
    texts = [text for text in official if len(text) < 20_000]
    for text in chance.sample(texts, 1200):
        resource = parse(text)
        for _ in range(4):
            twin = copy.deepcopy(resource)
            places = _places(twin, [])
            for container, key in chance.sample(places, min(2, len(places))):
                container[key] = copy.deepcopy(chance.choice(odd))
            assert all(isinstance(issue, Issue) for issue in validate(twin))
