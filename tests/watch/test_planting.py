"""Synthetic patients: planted among real ones, told from them by nobody but the vault, left out of counts."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import timedelta

import pytest

from tests.practice import PATIENT, observation

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def town(elm):
    """Some people from another system."""
    from confide.records.imports import Unit

    elm.system.planter._dice = random.Random(7)
    dice, resources = random.Random(1), []
    for n in range(30):
        name = [{"family": f"Fam{dice.randrange(12)}", "given": [f"Giv{dice.randrange(9)}"]}]
        changes = {"id": f"p{n}", "name": name, "birthDate": f"19{dice.randrange(30, 99)}-0{n % 9 + 1}-11"}
        resources.append({**PATIENT, **changes, "identifier": [
            {**PATIENT["identifier"][0], "value": f"212-{n + 10}-{dice.randrange(1000, 9999)}"},
            {**PATIENT["identifier"][1], "value": f"E-00{dice.randrange(10000, 99999)}"},
        ]})  # fmt: skip
        weight = {"value": 61.5 + n, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
        resources.append({**observation(f"p{n}"), "id": f"o{n}", "valueQuantity": weight})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    report = elm.importer("old").unit(Unit("files", 0, json.dumps(bundle).encode()))
    assert not report.refused
    return elm


def plant(elm, count=6):
    assert elm.system.planter.plant(elm.id, count, "old", elm.clock()) == count
    return elm.system.baits.of(elm.id)


def test_they_are_found_read_and_stored_like_the_others(town):
    from confide.records.models import Resource, SourceId, Term

    real = {str(pk) for pk in Resource.objects.filter(type="Patient").values_list("pk", flat=True)}
    baits = plant(town)
    assert len(baits) == 6
    assert not baits & real
    rows = {str(row.pk): row for row in Resource.objects.filter(type="Patient")}

    def shape(row):
        body = json.loads(bytes(row.body))
        identifiers = [(each.get("system"), len(each["value"])) for each in body["identifier"]]
        return (
            sorted(body), identifiers, row.version, row.elements, bool(row.subject), sorted(body["meta"]),
            SourceId.objects.filter(id=row.pk).count(),
        )  # fmt: skip

    assert {str(shape(rows[each])) for each in baits} <= {str(shape(rows[each])) for each in real}
    # No term and no row holds what the others have not.
    kinds = Counter(row.type for row in Resource.objects.filter(subject__in=baits))
    assert kinds.keys() <= {"Patient", "Observation"}
    assert kinds["Observation"] > 0
    keys = set(Term.objects.filter(resource__in=baits).values_list("key", flat=True))
    assert len(keys) < 6 * 12
    # They are in search and in the index.
    clear = {each: town.read("Patient", each).body for each in baits}
    for each, body in clear.items():
        assert each in town.ids("Patient", ("family", body["name"][0]["family"]), ("_count", "100"))
        digits = [c for c in body["telecom"][0]["value"] if c.isdigit()]
        assert digits[3:8] == list("55501")
    # Nobody is copied, and no SSN was ever issued.
    people = [town.read("Patient", each).body for each in real]
    copied = {(p["name"][0]["family"], p["name"][0]["given"][0], p["birthDate"]) for p in people}
    for body in clear.values():
        assert (body["name"][0]["family"], body["name"][0]["given"][0], body["birthDate"]) not in copied
        assert body["identifier"][0]["value"].startswith("9")
        assert body["address"][0]["line"][0].endswith("Elm Street")


def test_what_is_stored_has_the_same_parts_in_the_same_order(elm):
    """A source that says much of each person: a thief of the database compares bytes."""
    from confide.records.imports import Unit
    from confide.records.models import Resource

    core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
    common = "http://hl7.org/fhir/StructureDefinition/"
    white = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}
    places = [{"url": "latitude", "valueDecimal": 42.16}, {"url": "longitude", "valueDecimal": -71.08}]
    resources = []
    for n in range(12):
        name = [
            {"family": f"Fam{n}", "given": [f"Giv{n}", f"Mid{n}"], "use": "official", "prefix": ["Mrs."]},
            {"use": "maiden", "text": f"Giv{n} Old{n}", "family": f"Old{n}", "given": [f"Giv{n}"]},
        ]
        street = {
            "city": "Boston",
            "line": [f"{n} Oak Street"],
            "state": "MA",
            "text": f"{n} Oak Street, Boston",
        }
        number = {"value": f"E-00{4711 + n}", "system": "http://elm.example/mrn", "use": "usual"}
        resources.append({
            "resourceType": "Patient", "id": f"p{n}", "meta": {"profile": [core]},
            "extension": [
                {"url": core, "extension": [{"url": "ombCategory", "valueCoding": white},
                                            {"url": "text", "valueString": "White"}]},
                {"url": f"{common}patient-mothersMaidenName", "valueString": f"Ida Mother{n}"},
                {"url": "http://elm.example/years", "valueDecimal": 1.25 + n},
            ],
            "name": name, "birthDate": f"19{40 + n}-03-11", "gender": "female",
            "address": [street | {"extension": [{"url": f"{common}geolocation", "extension": places}]}],
            "telecom": [{"value": "212-555-0199", "use": "home", "system": "phone"}],
            "multipleBirthBoolean": False, "identifier": [number],
            "contact": [
                {"telecom": [{"system": "phone", "value": "212-555-0111"}], "name": {"text": f"Kin{n}"}},
            ],
        })  # fmt: skip
        resources.append({"id": f"o{n}", "meta": {"profile": [core]}, **observation(f"p{n}")})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
    assert not elm.importer("old").unit(Unit("files", 0, json.dumps(bundle).encode())).refused
    baits = plant(elm)
    shapes = {True: set(), False: set()}
    for row in Resource.objects.filter(type__in=["Patient", "Observation"]):
        shapes[bool({str(row.pk), row.subject} & baits)].add(
            (row.elements, shape_of(json.loads(bytes(row.body))))
        )
    assert shapes[True] <= shapes[False]
    clear = [elm.read("Patient", each).body for each in baits]
    assert {shape_of(body) for body in clear} <= {
        shape_of(elm.read("Patient", str(pk)).body)
        for pk in Resource.objects.filter(type="Patient").exclude(pk__in=baits).values_list("pk", flat=True)
    }
    for body in clear:
        assert re.fullmatch(r"E-00[4]\d{3}", body["identifier"][0]["value"])
        assert body["contact"][0]["name"]["text"] not in {f"Kin{n}" for n in range(12)}
        given, family = body["name"][1]["given"][0], body["name"][1]["family"]
        assert body["name"][1]["text"] == f"{given} {family}"


def shape_of(value, key=""):
    """Keys in their order, how long lists are, and what is no value of a person."""
    if isinstance(value, dict):
        return str([(name, shape_of(each, name)) for name, each in value.items()])
    if isinstance(value, list):
        return str([shape_of(each, key) for each in value])
    return (
        str(value)
        if key in {"url", "system", "use", "code", "resourceType", "profile"}
        else type(value).__name__
    )


def test_the_database_does_not_say_who_they_are(town):
    from confide.audit.models import JournalEntry
    from confide.watch.models import Bait

    actions = set(JournalEntry.objects.values_list("action", "actor_kind", "resource_type"))
    baits = plant(town)
    [row] = Bait.objects.all()
    dumped = bytes(row.sealed)
    for each in baits:
        assert each.encode() not in dumped
        assert bytes.fromhex(each.replace("-", "")) not in dumped
    new = set(JournalEntry.objects.values_list("action", "actor_kind", "resource_type")) - actions
    # That others were opened to mix them reads as the index's own reading on, which goes on all day.
    assert new == {("watch-setup", "system", "Watch"), ("index", "system", "")}
    told = JournalEntry.objects.get(action="watch-setup")
    assert (told.patient, told.resource_id) == ("", "setup")


def test_they_age_as_others_do_and_explain_nothing(town):
    from confide.access.ties import Relationship
    from confide.records.models import Resource

    baits = plant(town)
    before = Resource.objects.count()
    written = sum(town.system.planter.age(town.id, town.clock()) for _ in range(40))
    assert written > 0
    assert Resource.objects.count() == before + written
    assert not Relationship.objects.filter(patient__in=baits).exists()
    assert town.system.planter.is_due(town.clock())
    assert not town.system.planter.is_due(town.clock())
    assert town.system.planter.is_due(town.clock() + timedelta(days=1))


def test_a_practice_where_they_cannot_age_keeps_no_other_from_it(town):
    from confide.access.models import Practice
    from confide.errors import Damaged
    from confide.records.models import Resource
    from confide.watch.models import Bait

    plant(town)
    Practice.objects.create(pk="00000000-0000-4000-8000-000000000000", name="First")
    Bait.objects.create(practice="00000000-0000-4000-8000-000000000000", sealed=b"x")
    before = Resource.objects.count()
    for _ in range(40):
        with pytest.raises(Damaged):
            town.system.planter.age_everywhere(town.clock())
    assert Resource.objects.count() > before


def test_they_are_left_out_of_a_scope(town):
    from confide.audit import scope

    baits = plant(town, 2)
    reader = town.client()
    for each in baits:
        town.read("Patient", each, town.grant("read", reader))
    grant = town.grant("journal-read", town.member("privacy_officer"), "PATRQT", elements=())
    window = (town.clock() - timedelta(days=1), town.clock() + timedelta(days=1), town.clock())
    seen = scope.scope(town.system.journal, grant, *window, actor=reader.id)
    assert baits <= set(seen.patients)
    left = scope.scope(town.system.journal, grant, *window, actor=reader.id, nobody=town.system.baits.among())
    assert not baits & set(left.patients)


def test_too_few_people_hide_nobody(elm):
    from confide.errors import Invalid

    with pytest.raises(Invalid):
        elm.system.planter.plant(elm.id, 3, "old", elm.clock())
    assert elm.system.planter.wanted(elm.id) == 3
