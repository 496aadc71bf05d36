"""Synthetic patients: planted among real ones, told from them by nobody but the vault, left out of counts."""

from __future__ import annotations

import json
import random
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
