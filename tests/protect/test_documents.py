"""A protected document is valid FHIR that says of nobody who it is; revealed, it is what it was."""

import copy
import gzip
import random
from datetime import date

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from confide.errors import ConfideError, Damaged, SealBroken
from confide.fhir import json
from confide.fhir.validate import validate
from confide.protect.documents import ALL, PSEUDED, Place, Protector
from confide.protect.elements import Element
from confide.protect.keyring import Keyring
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms
from confide.protect.plan import plan

TODAY = date(2026, 3, 2)
OURS = "6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11"
OTHER = "0f8b1a52-3c77-4d0e-8b52-1d8e4f5a6b7c"
CANARY = "Qvzx7WmTr4KpLd92Hs"
MASKED = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
    ]
}

PATIENT = {
    "resourceType": "Patient",
    "id": OURS,
    "meta": {
        "versionId": "1",
        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"],
    },
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">Zoë Müller-Ortiz</div>',
    },
    "extension": [{"url": "http://example.org/favourite", "valueString": CANARY}],
    "identifier": [
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "078-05-1120"},
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            "system": "http://elm.example/mrn",
            "value": "0004711",
        },
        {"system": "http://elm.example/badge", "value": "X7"},
    ],
    "name": [{"use": "official", "family": "Müller-Ortiz", "given": ["Zoë", "Ana"]}],
    "telecom": [
        {"system": "phone", "value": "(555) 010-4477", "use": "home"},
        {"system": "email", "value": "zoe@example.org"},
    ],
    "gender": "female",
    "birthDate": "1963-05-04",
    "_birthDate": {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "1963-05-04T03:17:00-05:00",
            }
        ]
    },
    "address": [
        {
            "id": "home",
            "line": ["12 Elm Street"],
            "city": "Springfield",
            "state": "MA",
            "postalCode": "01103",
            "country": "US",
        }
    ],
    "contact": [{"name": {"family": "Ortiz"}, "relationship": [{"text": "sister"}]}],
    "link": [{"other": {"reference": f"Patient/{OTHER}", "display": "Ana Müller"}, "type": "seealso"}],
}

OBSERVATION = {
    "resourceType": "Observation",
    "id": OTHER,
    "contained": [
        {"resourceType": "Device", "id": "cuff", "deviceName": [{"name": CANARY, "type": "other"}]}
    ],
    "status": "final",
    "_status": {"id": CANARY},
    "code": {
        "id": CANARY,
        "coding": [
            {"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"},
            {"system": "http://elm.example/codes", "code": CANARY, "display": CANARY},
        ],
        "text": CANARY,
    },
    "subject": {"reference": f"Patient/{OURS}", "display": CANARY},
    "device": {"reference": "#cuff"},
    "effectiveDateTime": "2024-05-04T10:30:00-05:00",
    "issued": "2024-05-04T10:31:00.123-05:00",
    "valueQuantity": {"value": 120, "unit": CANARY, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
            "valueQuantity": {
                "value": 1,
                "unit": CANARY,
                "system": "http://unitsofmeasure.org",
                "code": "{Qvzx7W}",
            },
        }
    ],
    "note": [{"text": CANARY, "time": "2024-05-04"}],
}


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return Keyring.found(
        FileKms.create(folder / "root.key"), FileDataKeys(folder / "keys.sqlite3"), "practice"
    )


@pytest.fixture(scope="module")
def protector(keyring):
    return Protector(plan(), keyring)


@pytest.fixture(scope="module")
def keys(keyring):
    return keyring.create([OURS, OTHER])


@pytest.fixture(scope="module")
def protect(protector, keys):
    return lambda resource, subject=OURS: protector.protect(
        resource, place(resource, subject), keys[subject], TODAY
    )


@pytest.fixture(scope="module")
def reveal(protector, keys):
    def reveal(protected, resource, subject=OURS, **asked):
        return protector.reveal(
            protected.body, protected.seal, place(resource, subject), keys[subject], **asked
        )

    return reveal


def place(resource, subject=OURS, version=1):
    return Place("practice", subject, resource["resourceType"], resource.get("id", OURS), version)


def plain(value):
    """As Python values, numbers by their digits, so that they compare whatever the order of members."""
    return json.parse(json.format(value))


def codes(protected):
    return [label.get("code") for label in protected.resource.get("meta", {}).get("security", ())]


# There and back


@pytest.mark.parametrize("resource", [PATIENT, OBSERVATION], ids=["Patient", "Observation"])
def test_there_and_back(protect, reveal, resource):
    before = copy.deepcopy(resource)
    protected = protect(resource)
    assert resource == before, "the caller's resource is not changed"
    assert validate(protected.resource) == []
    assert json.parse(protected.body) == plain(protected.resource)
    assert codes(protected) == ["PSEUDED"]
    assert CANARY.encode() not in protected.body
    revealed = reveal(protected, resource)
    assert revealed.resource == plain(resource)
    assert revealed.hidden == frozenset()
    assert revealed.shown == protected.elements


def test_nobody_is_in_the_stored_form(protect):
    body = json.parse(protect(PATIENT).body)
    pseudonym = body.pop("name")[0]  # random syllables, which may be like a piece of any name
    assert pseudonym["family"] != "Müller-Ortiz"
    assert pseudonym["given"] != ["Zoë", "Ana"]
    stored = json.format(body).decode()
    for value in (
        "ller",
        "Zo",
        "Ortiz",
        "078-05",
        "1120",
        "0004711",
        "010-4477",
        "zoe",
        "1963-",
        "Elm",
        "Springf",
        "01103",
        "sister",
        "Ana",
        "03:17",
        "X7",
    ):
        assert value not in stored, value
    for value in ('"1963"', '"MA"', '"011"', "female", "us-ssn", f"Patient/{OTHER}", "seealso"):
        assert value in stored, value


def test_public_codes_and_numbers_stay(protect):
    stored = protect(OBSERVATION).resource
    assert stored["code"]["coding"] == [OBSERVATION["code"]["coding"][0], MASKED]
    assert stored["valueQuantity"]["value"] == 120
    assert stored["valueQuantity"]["code"] == "mm[Hg]"
    assert stored["effectiveDateTime"] == "2024"
    assert stored["status"] == "final"
    assert stored["subject"] == {"reference": f"Patient/{OURS}"}


def test_only_what_is_asked_for_is_shown(protect, reveal):
    protected = protect(PATIENT)
    revealed = reveal(protected, PATIENT, clear={Element.NAME}, masked={Element.SSN, Element.BIRTH_DATE})
    assert revealed.resource["name"] == PATIENT["name"]
    assert revealed.resource["identifier"][0]["value"] == "***-**-1120"
    assert revealed.resource["birthDate"] == "1963", "a birth date has no mask"
    assert revealed.shown == {Element.NAME, Element.SSN}
    assert revealed.hidden == protected.elements - {Element.NAME}
    assert "01103" not in json.format(revealed.resource).decode()
    assert PSEUDED in revealed.resource["meta"]["security"], "it still holds stand-ins"
    assert validate(revealed.resource) == []


@pytest.mark.parametrize("element", Element)
def test_each_element_alone_gives_valid_fhir(protect, reveal, element):
    for resource in (PATIENT, OBSERVATION):
        revealed = reveal(protect(resource), resource, clear={element})
        assert validate(revealed.resource) == []
        assert revealed.shown <= {element}


def test_nothing_to_hide(protect, reveal):
    device = {
        "resourceType": "Basic",
        "id": OURS,
        "meta": {"versionId": "1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
    }
    protected = protect(device)
    assert protected.elements == frozenset()
    assert protected.seal, "a missing seal must be noticed, so there is always one"
    assert protected.resource == device
    assert reveal(protected, device).resource == device


def test_a_label_that_came_stays(protect, reveal):
    for label in (
        PSEUDED,
        {"system": PSEUDED["system"], "code": "PSEUDED"},
        {"system": "http://x.example", "code": "PSEUDED"},
    ):
        resource = PATIENT | {"meta": {"security": [label]}}
        protected = protect(resource)
        assert "PSEUDED" in codes(protected)
        assert reveal(protected, resource).resource == plain(resource)


def test_meta_of_which_nothing_is_kept(protect, reveal):
    for meta in ({"id": CANARY}, {"extension": [{"url": "http://x.example", "valueString": CANARY}]}):
        resource = PATIENT | {"meta": meta}
        protected = protect(resource)
        assert validate(protected.resource) == []
        assert CANARY.encode() not in protected.body
        assert reveal(protected, resource).resource == plain(resource)
    assert protect(OBSERVATION).resource["code"]["coding"][1] == MASKED, "the mask is nobody's to change"


def test_nulls_beside_companions(protect, reveal):
    resource = {
        "resourceType": "MedicationRequest",
        "id": OTHER,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": CANARY},
        "subject": {"reference": f"Patient/{OURS}"},
        "dosageInstruction": [
            {
                "timing": {
                    "event": ["2024-05-04", None],
                    "_event": [None, {"extension": [{"url": "http://x.example", "valueString": CANARY}]}],
                    "repeat": {
                        "dayOfWeek": [None, "mon"],
                        "_dayOfWeek": [
                            {"extension": [{"url": "http://x.example", "valueString": CANARY}]},
                            None,
                        ],
                    },
                }
            }
        ],
    }
    assert validate(resource) == []
    protected = protect(resource)
    assert CANARY.encode() not in protected.body
    assert validate(protected.resource) == []
    assert protected.resource["dosageInstruction"][0]["timing"]["event"] == ["2024", None]
    assert reveal(protected, resource).resource == plain(resource)


# Classes


@pytest.mark.parametrize(
    ("born", "stored"),
    [
        ("1937-01-01", "1937"),
        ("1936-12-31", "1900"),
        ("1936", "1900"),
        ("1901-02-03", "1900"),
        ("1850-01", "1900"),
        ("2026-03-02", "2026"),
    ],
)
def test_ninety_and_over_are_one_class(protect, reveal, born, stored):
    resource = PATIENT | {"birthDate": born}
    protected = protect(resource)
    assert protected.resource["birthDate"] == stored
    assert reveal(protected, resource).resource["birthDate"] == born


def test_old_events_are_of_that_class_too(protect):
    assert protect(OBSERVATION | {"effectiveDateTime": "1931-01-02"}).resource["effectiveDateTime"] == "1900"
    assert protect(OBSERVATION | {"issued": "1931-01-02T00:00:00Z"}).resource.get("issued") is None


def test_a_required_instant_becomes_new_years_day(protect, reveal):
    resource = {
        "resourceType": "AuditEvent",
        "id": OTHER,
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2024-05-04T10:31:00.123-05:00",
        "agent": [{"requestor": True}],
        "source": {"observer": {"reference": f"Patient/{OURS}"}},
    }
    protected = protect(resource)
    assert protected.resource["recorded"] == "2024-01-01T00:00:00Z"
    assert reveal(protected, resource).resource == plain(resource)


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        ("01103", "011"),
        ("90210-1234", "902"),
        ("03601", "000"),
        ("20301", "000"),
        ("89301", "000"),
        ("SW1A 1AA", None),
        ("1234", None),
    ],
)
def test_zip(protect, reveal, code, stored):
    resource = PATIENT | {"address": [{"postalCode": code}]}
    protected = protect(resource)
    assert protected.resource["address"][0].get("postalCode") == stored
    assert reveal(protected, resource).resource == plain(resource)


@pytest.mark.parametrize(("age", "kept"), [(89, True), (90, False), (104, False)])
def test_ages(protect, age, kept):
    value = {"value": age, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    resource = {
        "resourceType": "Condition",
        "id": OTHER,
        "subject": {"reference": f"Patient/{OURS}"},
        "onsetAge": value,
    }
    assert ("value" in protect(resource).resource["onsetAge"]) is kept


def test_equal_numbers_of_two_people_have_unrelated_stand_ins(protect):
    stand_ins = {protect(PATIENT, subject).resource["identifier"][0]["value"] for subject in (OURS, OTHER)}
    assert len(stand_ins) == 2
    assert all(len(s) == 11 and s[3] == s[6] == "-" for s in stand_ins)


def test_a_short_identifier_is_sealed(protect):
    assert protect(PATIENT).resource["identifier"][2] == {"_system": MASKED, "_value": MASKED}


def test_practitioners_keep_their_work_and_not_their_home(protect, protector):
    doctor = {
        "resourceType": "Practitioner",
        "id": OTHER,
        "name": [{"family": "Grey"}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
    }
    assert not protector.identifies(doctor, TODAY)
    home = doctor | {"birthDate": "1971-02-03", "address": [{"use": "home", "line": ["12 Elm Street"]}]}
    assert protector.identifies(home, TODAY)
    stored = protect(home).body.decode()
    assert "Grey" in stored
    assert "1234567893" in stored
    assert "12 Elm" not in stored
    assert "1971-02" not in stored


# Damage


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_flipped_bit_anywhere_is_noticed(protector, protect, keys):
    protected = protect(OBSERVATION)
    where = place(OBSERVATION)
    for at in range(0, len(protected.body), 17):
        with pytest.raises(Damaged):
            protector.reveal(flip(protected.body, at), protected.seal, where, keys[OURS])
    for at in range(0, len(protected.seal), 17):
        with pytest.raises(Damaged):
            protector.reveal(protected.body, flip(protected.seal, at), where, keys[OURS])


def test_an_edited_code_or_stand_in_is_noticed(protector, protect, keys):
    for resource, old, new in (
        (OBSERVATION, b"8480-6", b"8462-4"),
        (PATIENT, b"female", b"male"),
        (PATIENT, protect(PATIENT).resource["identifier"][0]["value"].encode(), b"078-05-1120"),
    ):
        protected = protect(resource)
        assert old in protected.body
        with pytest.raises(SealBroken):
            protector.reveal(protected.body.replace(old, new), protected.seal, place(resource), keys[OURS])


def test_a_seal_opens_in_its_own_place_only(protector, protect, keys):
    protected = protect(OBSERVATION)
    here = place(OBSERVATION)
    moved = [
        Place("practise", OURS, here.type, here.id, 1),
        Place("practice", OTHER, here.type, here.id, 1),
        Place("practice", OURS, "Condition", here.id, 1),
        Place("practice", OURS, here.type, OURS, 1),
        Place("practice", OURS, here.type, here.id, 2),
    ]
    for where in moved:
        with pytest.raises(SealBroken):
            protector.reveal(protected.body, protected.seal, where, keys[OURS])
    with pytest.raises(SealBroken):
        protector.reveal(protected.body, protected.seal, here, keys[OTHER])


def test_bodies_and_seals_are_not_swapped(protector, protect, keys):
    one, other = protect(OBSERVATION), protect(OBSERVATION | {"status": "amended"})
    for body, seal in ((one.body, other.seal), (other.body, one.seal)):
        with pytest.raises(SealBroken):
            protector.reveal(body, seal, place(OBSERVATION), keys[OURS])


def test_a_version_is_not_rolled_back(protector, keys):
    old = protector.protect(OBSERVATION, place(OBSERVATION, version=1), keys[OURS], TODAY)
    with pytest.raises(SealBroken):
        protector.reveal(old.body, old.seal, place(OBSERVATION, version=2), keys[OURS])


@pytest.mark.parametrize("seal", [b"", b"\0", b"\0\1", b"\0\1" + bytes(40)])
def test_no_seal_at_all_is_damage(protector, protect, keys, seal):
    with pytest.raises(Damaged):
        protector.reveal(protect(PATIENT).body, seal, place(PATIENT), keys[OURS])


def test_lengths_hardly_show(protect):
    lengths = {len(protect(PATIENT | {"name": [{"family": "x" * n}]}).seal) for n in range(1, 30)}
    assert len(lengths) <= 4


# Whatever comes


@pytest.fixture(scope="module")
def examples(shared):
    """Small official examples of the types that are sealed, one in four."""
    found = []
    for path in sorted((shared / "fhir" / "r4-examples").glob("*.ndjson.gz")):
        lines = gzip.decompress(path.read_bytes()).splitlines()
        kept = path.name.removesuffix(".ndjson.gz") in plan().policy.kept_types
        found += [] if kept else [line for line in lines[:: 1 + len(lines) // 40] if len(line) < 20_000]
    parsed = [json.parse(line) for line in found]
    return [resource | {"id": OTHER} for resource in parsed if not validate(resource)]


def objects(node):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def plant(chance, resource, text):
    """Put *text* where nobody thinks of it; False where it does not fit."""
    chosen = chance.choice([o for o in objects(resource) if "url" not in o and "div" not in o])
    way = chance.choice(["extension", "id", "companion", "string", "contained", "display"])
    strings = [k for k, v in chosen.items() if isinstance(v, str) and k not in {"resourceType", "id"}]
    if way == "extension" and "reference" not in chosen:
        chosen["extension"] = [
            *chosen.get("extension", []),
            {"url": "http://x.example/e", "valueString": text},
        ]
    elif way == "id" and "resourceType" not in chosen:
        chosen["id"] = text
    elif way == "companion" and strings:
        member = chance.choice(strings)
        if not member.startswith("_"):
            chosen["_" + member] = {
                "id": text,
                "extension": [{"url": "http://x.example/e", "valueCode": text}],
            }
    elif way == "string" and strings:
        chosen[chance.choice(strings)] = text
    elif way == "contained":
        resource["contained"] = [{"resourceType": "Basic", "id": "c", "code": {"text": text}}]
    elif way == "display":
        chosen["display"] = text


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64))
def test_reveal_inverts_protect(examples, protect, reveal, seed):
    chance = random.Random(seed)
    resource = copy.deepcopy(chance.choice(examples))
    for _ in range(chance.randint(1, 4)):
        plant(chance, resource, CANARY)
    assume(not validate(resource))
    protected = protect(resource)
    assert validate(protected.resource) == []
    assert CANARY.encode() not in protected.body
    assert not protected.elements or "PSEUDED" in codes(protected)
    revealed = reveal(protected, resource)
    assert revealed.resource == plain(resource)
    assert revealed.hidden == frozenset()


def test_any_part_revealed_is_valid_fhir(examples, protect, reveal):
    chance = random.Random(1)
    for resource in examples:
        clear = {e for e in Element if chance.random() < 0.5}
        protected = protect(resource)
        revealed = reveal(protected, resource, clear=clear, masked=ALL - clear)
        assert validate(revealed.resource) == [], (resource["resourceType"], clear)
        assert revealed.hidden == protected.elements - clear


@settings(max_examples=150)
@given(body=st.binary(max_size=80), seal=st.binary(max_size=80))
def test_any_bytes_give_an_error_of_ours(protector, keys, body, seal):
    with pytest.raises(ConfideError):
        protector.reveal(body, seal, place(PATIENT), keys[OURS])


def test_every_official_example(examples, protect, reveal):
    assert len(examples) > 400
    for resource in examples:
        protected = protect(resource)
        assert validate(protected.resource) == []
        assert reveal(protected, resource).resource == resource
