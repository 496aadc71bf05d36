"""Imports: whole units, ids of ours, a second time nothing, and no value in what is reported."""

import gzip
import threading
from pathlib import Path

import pytest
from django.db import DatabaseError, connections

from confide.errors import ConfideError, Damaged, InvalidResource, Unavailable
from confide.fhir import json
from confide.records import imports
from confide.records.imports import Report, Unit
from confide.records.models import Resource, SourceId
from confide.vault.models import DataKey
from tests.practice import PATIENT, counts, journal, observation, read_only, without_journal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CANARY = "Qvzx7WmTr4KpLd92Hs"
ORGANIZATION = {"resourceType": "Organization", "id": "o1", "name": "Elm"}


def bundle(*resources, kind="transaction", urns=False):
    entries = []
    for resource in resources:
        made = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        entries.append(made | ({"fullUrl": f"urn:uuid:{resource['id']}"} if urns else {}))
    return Unit("bundle.json", 0, json.format({"resourceType": "Bundle", "type": kind, "entry": entries}))


def ndjson(*resources):
    lines = [r if isinstance(r, bytes) else json.format(r) for r in resources]
    return Unit("lines.ndjson", 1, b"\n".join(lines))


def told(report):
    return (report.created, report.updated, report.unchanged, len(report.refused))


@pytest.fixture
def run(elm):
    importer = elm.importer()
    return importer.unit


# What comes in


def test_a_bundle(elm, run):
    report = run(bundle(observation("p1", id="x1"), PATIENT | {"id": "p1"}, kind="collection"))
    assert told(report) == (2, 0, 0, 0)
    [patient] = elm.ids("Patient", ("name", "zoe"))
    assert patient != "p1"
    [seen] = elm.ids("Observation", ("patient", patient))
    assert elm.read("Observation", seen).body["subject"] == {"reference": f"Patient/{patient}"}
    rows = journal(action="import")
    assert {(r.resource_type, r.patient) for r in rows} == {("Patient", patient), ("Observation", patient)}
    assert {r.actor_kind for r in rows} == {"system"}


def test_urns_lead_to_the_entries(elm, run):
    seen = observation("x", id="x1") | {"subject": {"reference": "urn:uuid:p1"}}
    assert told(run(bundle(PATIENT | {"id": "p1"}, seen, urns=True))) == (2, 0, 0, 0)
    assert len(elm.ids("Observation", ("patient", elm.ids("Patient")[0]))) == 1


def test_lines_whatever_their_order(elm, run):
    assert told(run(ndjson(observation("p1", id="x1"), PATIENT | {"id": "p1"}, b"", b"  "))) == (2, 0, 0, 0)
    assert len(elm.ids("Observation", ("patient", elm.ids("Patient")[0]))) == 1


def test_one_resource_alone(elm, run):
    assert told(run(Unit("p.json", 0, json.format(PATIENT | {"id": "p1"})))) == (1, 0, 0, 0)
    document = {
        "resourceType": "Bundle",
        "id": "d",
        "type": "document",
        "identifier": {"system": "urn:x", "value": "1"},
        "timestamp": "2024-05-04T00:00:00Z",
        "entry": [
            {
                "fullUrl": "urn:uuid:6b1f0c1e-8a57-4c58-9a3f-0d6b8f5f2f11",
                "resource": {
                    "resourceType": "Composition",
                    "status": "final",
                    "type": {"text": CANARY},
                    "date": "2024-05-04",
                    "author": [{"display": CANARY}],
                    "title": CANARY,
                },
            }
        ],
    }
    assert told(run(Unit("d.json", 0, json.format(document)))) == (1, 0, 0, 0), (
        "a document is a record of its own"
    )
    [row] = Resource.objects.filter(type="Bundle")
    assert CANARY.encode() not in bytes(row.body)


def test_references_across_units_and_to_nothing(elm, run):
    """A patient who is named before existing has a key by then, and is found when coming."""
    assert told(run(ndjson(observation("p1", id="x1"), observation("p2", id="x2")))) == (2, 0, 0, 0)
    assert imports.to_nothing(elm.id) == 2
    [promised] = {r.patients for r in Resource.objects.all() if r.patients} - {
        r.patients for r in Resource.objects.order_by("pk")[1:]
    }
    assert DataKey.objects.filter(subject=promised).exists()
    assert told(run(ndjson(PATIENT | {"id": "p1"}))) == (1, 0, 0, 0)
    assert imports.to_nothing(elm.id) == 1
    assert len(elm.ids("Observation", ("patient", elm.ids("Patient")[0]))) == 1


def test_references_to_nobody_at_all_are_counted(run):
    seen = observation("x", id="x1") | {"subject": {"reference": "urn:uuid:gone"}}
    report = run(bundle(seen))
    assert (report.created, report.to_nothing) == (1, 1)


def test_what_is_not_a_reference_to_here_stays(elm, run):
    seen = observation("p1", id="x1", performer=[{"reference": "http://far.example/Practitioner/7"}])
    run(bundle(PATIENT | {"id": "p1"}, seen))
    [view] = elm.search("Observation", ("code", "8480-6")).views
    assert view.body["performer"] == [{"reference": "http://far.example/Practitioner/7"}]


def test_unknown_code_systems_are_kept_and_sealed(elm, run):
    code = {"coding": [{"system": "http://other.example/codes", "code": CANARY}]}
    assert told(run(bundle(PATIENT | {"id": "p1"}, observation("p1", id="x1") | {"code": code}))) == (
        2,
        0,
        0,
        0,
    )
    assert elm.search("Observation").views[0].body["code"] == code
    assert all(CANARY.encode() not in bytes(r.body) for r in Resource.objects.all())


# A second time


def test_a_second_time_changes_nothing(elm, run):
    units = [
        bundle(PATIENT | {"id": "p1"}, observation("p1", id="x1"), ORGANIZATION),
        ndjson(PATIENT | {"id": "p9"}),
    ]
    for unit in units:
        run(unit)
    before = counts()
    for unit in units:
        assert run(unit).skipped_units == 1
    again = ndjson(ORGANIZATION, PATIENT | {"id": "p1"}, observation("p1", id="x1"), PATIENT | {"id": "p9"})
    assert told(run(again)) == (0, 0, 4, 0), "the same in other files"
    assert {k: v for k, v in counts().items() if k != "ImportedUnit"} == {
        k: v for k, v in before.items() if k != "ImportedUnit"
    }


def test_what_changed_becomes_a_version(elm, run):
    run(bundle(PATIENT | {"id": "p1"}, ORGANIZATION))
    assert told(run(bundle(PATIENT | {"id": "p1", "gender": "male"}, ORGANIZATION))) == (0, 1, 1, 0)
    [view] = elm.search("Patient").views
    assert (view.version, view.body["gender"]) == (2, "male")


def test_two_systems_may_use_the_same_ids(elm):
    for source in ("one", "two"):
        assert told(elm.importer(source).unit(bundle(PATIENT | {"id": "p1"}))) == (1, 0, 0, 0)
    assert len(elm.ids("Patient")) == 2


def test_two_practices_are_strangers(elm, oak):
    for practice in (elm, oak):
        assert told(practice.importer().unit(bundle(PATIENT | {"id": "p1"}))) == (1, 0, 0, 0)
        assert len(practice.ids("Patient")) == 1


def test_source_ids_are_not_kept(run):
    run(bundle(PATIENT | {"id": CANARY}))
    row = SourceId.objects.get()
    assert CANARY not in str(row.id)
    assert CANARY.encode() not in bytes(row.digest) + bytes(row.content)


# Refused


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"{" + CANARY.encode(), ""),
        (CANARY.encode(), ""),
        (b"\xff\xfe", ""),
        (b"", ""),
        (json.format({"resourceType": "Bundle", "type": "transaction", "entry": CANARY}), "Bundle.entry"),
        (json.format({"resourceType": "Bundle", "type": "batch", "entry": [CANARY]}), "Bundle.entry[0]"),
        (
            json.format(
                {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "DELETE"}}]}
            ),
            "Bundle.entry[0]",
        ),
        (json.format({"resourceType": CANARY}), None),
    ],
)
def test_a_broken_unit(run, data, place):
    before = counts()
    report = run(Unit("x.json", 0, data))
    assert told(report) == (0, 0, 0, 1)
    [refusal] = report.refused
    assert refusal.path == "x.json"
    assert place is None or refusal.place == place
    assert refusal.reason
    assert CANARY not in str(refusal)
    assert counts() == before


def test_one_bad_entry_and_nothing_of_its_bundle(run):
    before = counts()
    report = run(bundle(PATIENT | {"id": "p1"}, observation("p1", id="x1", status=CANARY)))
    assert told(report) == (0, 0, 0, 1)
    assert report.refused[0].place == "Bundle.entry[1].resource.Observation.status"
    assert CANARY not in str(report)
    assert counts() == before


def test_a_duplicate_id(run):
    before = counts()
    report = run(bundle(PATIENT | {"id": "p1"}, PATIENT | {"id": "p1", "gender": "male"}))
    assert (told(report), report.refused[0].place) == ((0, 0, 0, 1), "Bundle.entry[1].resource.id")
    assert counts() == before


def test_a_bad_line_does_not_stop_the_others(run):
    unit = ndjson(
        PATIENT | {"id": "p1"},
        b"{" + CANARY.encode(),
        PATIENT | {"id": "p2", "gender": CANARY},
        PATIENT | {"id": "p1"},
        PATIENT | {"id": "p3"},
    )
    report = run(unit)
    assert told(report) == (2, 0, 0, 3)
    assert [r.place.split(" ")[1] for r in report.refused] == ["2", "3", "4"]
    assert CANARY not in str(report)
    assert told(run(unit)) == (0, 0, 2, 3), "what was refused is told again"


# Not available


def test_without_keys_or_journal_nothing_is_half_done(elm, run):
    run(bundle(ORGANIZATION))
    before = counts()
    unit = bundle(PATIENT | {"id": "p1"}, observation("p1", id="x1"))
    for fault in (without_journal(), read_only("keys"), read_only("default")):
        with fault, pytest.raises(Unavailable):
            run(unit)
        assert counts() == before
    assert told(run(unit)) == (2, 0, 0, 0), "and it resumes"


def test_another_root_key_is_damage(elm, tmp_path):
    from confide import wiring
    from confide.protect.kms.file import FileKms

    strange = wiring.build(
        FileKms.create(tmp_path / "other.key"), wiring.Log("elsewhere", tmp_path), clock=elm.clock
    )
    with pytest.raises(Damaged):
        strange.importer(elm.id, "elsewhere").unit(bundle(PATIENT))


# At the same time


def at_once(work, arguments):
    results, problems = [], []

    def one(argument):
        try:
            results.append(work(argument))
        except (ConfideError, DatabaseError) as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(a,)) for a in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    total = Report()
    for result in results:
        total.add(result)
    return total


def test_all_bring_the_same_organization(elm):
    """Two files that name it first, at the same time: one makes it, the others find it."""
    elm.importer().unit(
        ndjson(
            {"resourceType": "Location", "id": "l", "managingOrganization": {"reference": "Organization/o1"}}
        )
    )
    units = [
        bundle(
            ORGANIZATION,
            PATIENT | {"id": f"p{i}", "managingOrganization": {"reference": "Organization/o1"}},
            *(observation(f"p{i}", id=f"x{i}{j}") for j in range(8)),
        )
        for i in range(6)
    ]
    total = at_once(lambda unit: elm.importer().unit(unit), units)
    assert told(total) == (1 + 6 * 9, 0, 5, 0)
    assert len(elm.ids("Organization")) == 1
    assert imports.to_nothing(elm.id) == 0


def test_the_same_unit_twice_at_once(elm):
    total = at_once(
        lambda unit: elm.importer().unit(unit), [bundle(PATIENT | {"id": "p1"}, ORGANIZATION)] * 4
    )
    assert (total.created, total.updated, total.refused) == (2, 0, [])
    assert len(elm.ids("Patient")) == 1


# Files


def test_files(tmp_path):
    for name in ("b.json", "a.ndjson.gz", "sub/c.json.gz", "notes.txt", "d.JSON", "e.gz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    found = [str(p.relative_to(tmp_path)) for p in imports.files([tmp_path])]
    assert found == ["a.ndjson.gz", "b.json", "sub/c.json.gz"]
    assert imports.files([Path("x.txt")]) == [Path("x.txt")], "what is named is tried, and says why not"


def test_units_of_a_file(tmp_path):
    lines = b"".join(b'{"n":%d}\n' % i for i in range(600))
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(lines, mtime=0))
    cut = list(imports.units(tmp_path / "a.ndjson.gz"))
    assert [u.lines for u in cut] == [1, 251, 501]
    assert b"".join(u.data for u in cut) == lines
    (tmp_path / "b.json").write_bytes(b"{}")
    assert list(imports.units(tmp_path / "b.json")) == [Unit(str(tmp_path / "b.json"), 0, b"{}")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json.gz", b"{}"),
        ("a.json.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9]),
        ("a.txt", b""),
        ("gone.json", None),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, data):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidResource):
        list(imports.units(tmp_path / name))
