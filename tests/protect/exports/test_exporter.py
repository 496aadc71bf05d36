"""A resource as it leaves: valid FHIR R4, with what the policy names and nothing else."""

import copy
import random
from collections import defaultdict
from datetime import date
from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from confide.errors import Invalid
from confide.fhir.validate import validate
from confide.protect.documents import PSEUDED
from confide.protect.elements import Element
from confide.protect.exports.ages import OLDEST
from confide.protect.exports.exporter import Exporter
from confide.protect.exports.policy import NAMES, Released, load, parse
from confide.protect.identifiers import StandIns
from confide.protect.plan import plan
from confide.protect.rules import Work, protect_object
from tests.protect.exports.cohort import (
    POLICIES,
    TODAY,
    examples,
    exporter,
    keys,
    leaves,
    open_to_all,
    ours,
    patient_of,
)
from tests.protect.test_documents import CANARY, MASKED, OBSERVATION, OTHER, OURS, PATIENT, plant

SUBJECT = {"reference": f"Patient/{OURS}"}
LIMITED, SAFE, RESEARCH = POLICIES


def go(resource, policy=LIMITED, root=1, patient=OURS, **options):
    exported = exporter(policy, root, **options).export(resource, patient, TODAY)
    assert exported is not None
    assert validate(exported.resource) == []
    return exported


def study(basis="research", shared=(), **methods):
    lines = [f'{name.replace("_", "-")} = "{method}"' for name, method in methods.items()]
    listed = ", ".join(f'"{kind}"' for kind in shared)
    head = [f'name = "study"\nbasis = "{basis}"\ntitle = "Study"\nshared_types = [{listed}]\n[elements]']
    return parse("\n".join(head + lines))


# What goes out


@pytest.mark.parametrize("policy", POLICIES, ids=["limited", "safe-harbor", "research"])
@pytest.mark.parametrize("resource", [PATIENT, OBSERVATION], ids=["Patient", "Observation"])
def test_it_is_valid_labelled_and_says_of_nobody_who_it_is(policy, resource):
    before = copy.deepcopy(resource)
    exported = go(resource, policy)
    assert resource == before, "the caller's resource is not changed"
    assert PSEUDED in exported.resource["meta"]["security"]
    assert exported.resource["id"] == exported.id == keys().handle(resource["id"])
    assert exported.patient == keys().person(OURS)
    text = str(exported.resource)
    for value in (
        OURS, OTHER, CANARY, "ller", "Zoë", "Ortiz", "078-05-1120", "0004711", "010-4477", "zoe",
        "1963-05-04", "Elm", "sister", "Ana", "03:17", "X7", "2024-05-04",
    ):  # fmt: skip
        assert value not in text, value
    assert exported.elements.keys() <= load(policy).releases.keys()


def test_a_limited_data_set_keeps_town_state_and_zip():
    exported = go(PATIENT)
    place = exported.resource["address"][0]
    assert (place["city"], place["state"], place["postalCode"]) == ("Springfield", "MA", "01103")
    assert exported.elements == {
        Element.ADDRESS: Released.CLEAR,
        Element.MRN: Released.STAND_IN,
        Element.BIRTH_DATE: Released.STAND_IN,
    }


def test_safe_harbor_keeps_a_year_a_state_and_three_digits():
    exported = go(PATIENT, SAFE)
    place = exported.resource["address"][0]
    assert "city" not in place
    assert (place["state"], place["postalCode"]) == ("MA", "011")
    assert exported.resource["birthDate"] == "1963"
    assert exported.elements == {Element.ADDRESS: Released.STAND_IN, Element.BIRTH_DATE: Released.STAND_IN}


@pytest.mark.parametrize(
    ("code", "safe"),
    [("90210-1234", "902"), ("03601", "000"), ("89301", "000"), ("SW1A 1AA", None), ("1234", None)],
)
def test_zip(code, safe):
    resource = PATIENT | {"address": [{"postalCode": code}]}
    assert go(resource, SAFE).resource["address"][0].get("postalCode") == safe
    assert go(resource).resource["address"][0].get("postalCode") == (code if safe else None)


@pytest.mark.parametrize("city", ["12 Elm Street", "Springfield 01103", "zoe@example.org", "x" * 61])
def test_a_town_that_is_none_stays_here(city):
    assert "city" not in go(PATIENT | {"address": [{"city": city, "state": "MA"}]}).resource["address"][0]


def test_a_name_that_can_be_said_aloud():
    names = [go(PATIENT, RESEARCH, root).resource["name"] for root in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    assert names[0][0]["use"] == "anonymous"
    assert go(PATIENT, RESEARCH).elements[Element.NAME] is Released.STAND_IN


def test_public_codes_numbers_and_units_stay():
    exported = go(OBSERVATION, SAFE).resource
    assert exported["code"]["coding"] == [OBSERVATION["code"]["coding"][0], MASKED]
    assert exported["valueQuantity"]["value"] == 120
    assert exported["valueQuantity"]["code"] == "mm[Hg]"
    assert exported["status"] == "final"


@pytest.mark.parametrize("bare", [5550104477, 78051120])
def test_a_number_as_long_as_somebodys_stays_here(bare):
    value = {"valueQuantity": {"value": bare}, "component": []}
    exported = go({k: v for k, v in (OBSERVATION | value).items() if v != []})
    assert str(bare) not in str(exported.resource)
    whole = {k: v for k, v in OBSERVATION.items() if k != "valueQuantity"} | {"valueInteger": 78051120}
    assert "78051120" not in str(go(whole).resource)


def test_an_npi_is_a_number_like_any():
    npi = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}
    doctor = {"resourceType": "Practitioner", "id": OTHER, "identifier": [npi], "name": [{"family": "Grey"}],
              "birthDate": "1971-02-03", "address": [{"city": "Salem", "use": "work"}]}  # fmt: skip
    for resource, patient in ((doctor, ""), (PATIENT | {"identifier": [npi]}, OURS)):
        exported = go(resource, patient=patient)
        text = str(exported.resource)
        assert not any(value in text for value in ("1234567893", "Grey", "1971", "Salem"))
        assert exported.resource["identifier"][0]["value"] != npi["value"]


def test_years_of_life_that_sum_up_to_an_age_stay_here():
    base = "http://synthetichealth.github.io/synthea/"
    extension = [
        {"url": f"{base}{kind}-adjusted-life-years", "valueDecimal": years}
        for kind, years in (("disability", 3), ("quality", 90))
    ]
    assert "extension" not in go(PATIENT | {"extension": extension}, SAFE).resource


def test_when_a_record_was_written_stays_here():
    meta = {"versionId": "7", "lastUpdated": "2024-05-04T10:31:00Z", "source": "http://elm.example/a"}
    assert go(PATIENT | {"meta": meta}).resource["meta"] == {"security": [PSEUDED]}


def test_a_house_is_not_found_by_its_position():
    place = {
        "resourceType": "Location",
        "id": OTHER,
        "name": "Elm House",
        "position": {"longitude": -72.589811, "latitude": 42.101483},
        "address": {"line": ["12 Elm Street"], "city": "Springfield", "state": "MA"},
    }
    exported = go(place, patient="").resource
    assert exported["address"]["city"] == "Springfield"
    assert "position" not in exported
    assert "Elm" not in str(exported)


def test_answers_without_their_questions_stay_here():
    answers = {
        "resourceType": "QuestionnaireResponse",
        "id": OTHER,
        "status": "completed",
        "subject": SUBJECT,
        "item": [{"linkId": "age", "answer": [{"valueInteger": 93}]}],
    }
    assert "item" not in go(answers, SAFE).resource


@pytest.mark.parametrize("policy", POLICIES, ids=["limited", "safe-harbor", "research"])
def test_of_somebody_elses_days_nothing_goes_out(policy):
    years = ("1971", "1999", "2003", "2011", "1970", "1998", "2002", "2010")
    relative = {
        "resourceType": "RelatedPerson",
        "id": OTHER,
        "patient": SUBJECT,
        "gender": "male",
        "birthDate": "1971-02-03",
        "address": [
            {"city": "Salem", "state": "MA", "postalCode": "01970", "period": {"start": "1999-01-01"}}
        ],
        "identifier": [{"value": "078-05-1120", "period": {"start": "2003-05-04"}}],
    }
    emergency = PATIENT | {
        "contact": [{"address": {"city": "Salem"}, "period": {"start": "1999-01-01"}, "gender": "male"}],
        "photo": [{"contentType": "image/png", "data": "AAAA", "creation": "2011-05-04"}],
    }
    doctor = {
        "resourceType": "Practitioner",
        "id": OTHER,
        "birthDate": "1971-02-03",
        "identifier": [{"value": "X123456", "period": {"start": "2003-05-04"}}],
    }
    assert go(relative, policy).resource["gender"] == "male"
    for resource, patient in ((relative, OURS), (emergency, OURS), (doctor, "")):
        exported = opened(load(policy).text).export(resource, patient, TODAY).resource
        texts = [text for _, text in leaves({k: v for k, v in exported.items() if k != "id"})]
        assert not [t for t in texts if t[:4] in years or "Salem" in t or t[:3] in {"019", "078"}]


# Dates


def test_every_date_of_a_person_moves_alike():
    days = []
    for resource in (PATIENT, OBSERVATION):
        out = go(resource).resource
        for key in {"birthDate", "effectiveDateTime", "issued"} & out.keys():
            before, after = (date.fromisoformat(text[:10]) for text in (resource[key], out[key]))
            days.append((after - before).days)
    assert days == [keys().shift(OURS)] * 3


def test_times_of_day_stay_only_where_the_policy_says_so():
    assert go(OBSERVATION).resource["issued"].endswith("T00:00:00Z")
    assert len(go(OBSERVATION).resource["effectiveDateTime"]) == 10
    assert go(OBSERVATION, RESEARCH).resource["issued"].endswith("T15:31:00.123Z")
    kept = Exporter(study(date="keep"), keys()).export(OBSERVATION, OURS, TODAY)
    assert kept.resource["issued"] == OBSERVATION["issued"]
    assert kept.elements == {Element.DATE: Released.CLEAR}


def test_a_year_has_no_instant():
    exported = go(OBSERVATION, SAFE).resource
    assert exported["effectiveDateTime"] == "2024"
    assert exported["_issued"] == MASKED
    audit = {
        "resourceType": "AuditEvent",
        "id": OTHER,
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2024-05-04T10:31:00.123-05:00",
        "agent": [{"requestor": True, "who": SUBJECT}],
        "source": {"observer": SUBJECT},
    }
    assert go(audit, SAFE).resource["_recorded"] == MASKED


def test_a_period_stays_a_period():
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    visit = {
        "resourceType": "Encounter",
        "id": OTHER,
        "status": "finished",
        "subject": SUBJECT,
        "class": kind,
    }
    for start, end in (
        ("2024-05-05T01:00:00+02:00", "2024-05-04T23:30:00Z"),
        ("2024-01-01T01:00:00+02:00", "2023-12-31T23:30:00Z"),
        ("2024-05-28", "2024-05"),
        ("2024-12", "2024"),
    ):
        resource = visit | {"period": {"start": start, "end": end}}
        assert validate(resource) == []
        for policy in POLICIES:
            for root in range(12):
                assert go(resource, policy, root).resource["period"]["start"]


def test_what_is_several_peoples_has_years():
    both = [{"who": {"reference": f"Patient/{id}"}} for id in (OURS, OTHER)]
    group = {"resourceType": "Group", "id": ours("Group/1"), "type": "person", "actual": True,
             "member": [{"entity": m["who"], "period": {"start": "2024-05-04"}} for m in both]}  # fmt: skip
    assert exporter(LIMITED).export(group, "", TODAY) is None, "not listed, not exported"
    listed = Exporter(study(shared=["Group"], date="shift"), keys(), cohort={OURS})
    exported = listed.export(group, "", TODAY)
    assert exported.patient == ""
    assert [m["period"]["start"] for m in exported.resource["member"]] == ["2024", "2024"]
    inside, outside = (m["entity"] for m in exported.resource["member"])
    assert inside == {"reference": f"Patient/{keys().person(OURS)}"}
    assert outside == {"_reference": MASKED}, "somebody else is not in the cohort"


# Ids and references


def test_references_lead_to_what_may_go_out():
    for policy, leads in ((LIMITED, True), (SAFE, False)):
        performer = {"reference": f"Practitioner/{OTHER}/_history/3", "display": "Dr Grey"}
        out = go(OBSERVATION | {"performer": [performer]}, policy).resource["performer"]
        handle = keys().handle(OTHER)
        assert out == [{"reference": f"Practitioner/{handle}"} if leads else {"_reference": MASKED}]


def test_equal_numbers_join_inside_an_export_only():
    other = PATIENT | {"id": OTHER, "identifier": [PATIENT["identifier"][1]]}
    one, two, elsewhere = (
        go(resource, root=root, patient=resource["id"]).resource["identifier"]
        for resource, root in ((PATIENT, 1), (other, 1), (other, 2))
    )
    assert one[1]["value"] == two[0]["value"] != elsewhere[0]["value"]
    assert keys(1).clear(Element.MRN, two[0]["value"]) == "0004711"


def test_whose_it_is_must_fit():
    assert exporter(LIMITED).export(OBSERVATION, OTHER, TODAY) is None
    assert exporter(LIMITED).export(OBSERVATION, "", TODAY) is None
    medication = {"resourceType": "Medication", "id": OTHER}
    assert go(medication, patient="").patient == ""
    with pytest.raises(Invalid):
        exporter(LIMITED).export({"resourceType": "Medication", "id": "med-1"}, "", TODAY)


# Whatever comes


@pytest.fixture(scope="module")
def specimens(shared):
    return examples(shared)


def hidden(resource):
    """What is hidden at rest: the resource without it, and the strings of each element."""
    policy = plan().policy
    work = Work(None, StandIns(bytes(32)), TODAY.year - policy.oldest_age, policy.oldest_class, ("", ""))
    rest = protect_object(resource, plan().root(resource["resourceType"]), (), work)
    taken = defaultdict(set)
    for _, element, *value in work.edits:
        taken[element] |= {text for part in value for _, text in leaves(part)}
    return rest, taken


@cache
def opened(policy):
    return Exporter(open_to_all(parse(policy)), keys())


def export_all(policy, resource):
    exported = opened(policy.text).export(resource, patient_of(resource), TODAY)
    assert validate(exported.resource) == [], resource["resourceType"]
    return exported


FIXED = {*PSEUDED.values(), *map(str, OLDEST.values()), *(text for _, text in leaves(MASKED))}
# What the examples have of it and a policy may let out as it is.
KEPT = {
    "account",
    "address",
    "birth-date",
    "city",
    "date",
    "identifier",
    "licence",
    "member-id",
    "mrn",
    "phone",
}
KEPT |= {"ssn", "zip"}
PART_OF = {"zip": "address", "city": "address", "state": "address", "age": "clinical"}


@pytest.mark.parametrize("element", [None, *sorted(NAMES)])
def test_what_is_not_named_never_appears(specimens, element):
    """Every string of an export is one that is kept at rest, or of the one element that is named."""
    policy = study(**{element: "keep"}) if element and possible(element, "keep") else study()
    grown = set()
    for resource in specimens:
        rest, taken = hidden(resource)
        exported = export_all(policy, resource)
        known = FIXED | {text for _, text in leaves(rest)} | {exported.id}
        allowed = taken[PART_OF.get(element, element)]
        new = {(path[-1], text) for path, text in leaves(exported.resource) if text not in known}
        new = {text for key, text in new if key != "reference"}
        assert new <= allowed, (resource["resourceType"], new - allowed)
        grown |= new
    assert bool(grown) == (element in KEPT)


def possible(element, method):
    try:
        study(**{element: method})
    except Invalid:
        return False
    return True


def test_nothing_named_is_nothing_released(specimens):
    for resource in specimens:
        assert export_all(study(), resource).elements == {}


@pytest.mark.parametrize("policy", POLICIES, ids=["limited", "safe-harbor", "research"])
def test_every_official_example_goes_out_valid(specimens, policy):
    assert len(specimens) > 500
    for resource in specimens:
        exported = export_all(load(policy), resource)
        assert exported.elements.keys() <= load(policy).releases.keys()
        if exported.patient:
            # What a row says beforehand; only a public number is not said there.
            assert exported.elements.keys() <= hidden(resource)[1].keys() | {Element.IDENTIFIER}
        assert PSEUDED in exported.resource["meta"]["security"]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64), policy=st.sampled_from(POLICIES))
def test_what_nobody_thinks_of_stays_here(specimens, seed, policy):
    chance = random.Random(seed)
    resource = copy.deepcopy(chance.choice(specimens))
    for _ in range(chance.randint(1, 4)):
        plant(chance, resource, CANARY)
    assume(not validate(resource))
    exported = export_all(load(policy), resource)
    assert CANARY not in str(exported.resource)
