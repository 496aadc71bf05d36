"""The main promise on published data: everything comes in, nobody is in the stored form, all comes back."""

from __future__ import annotations

import gc
import hashlib
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from confide.fhir import json
from confide.fhir.validate import validate
from confide.records import checks, imports
from confide.records.models import ImportedUnit, Resource, Superseded
from tests import scale
from tests.practice import counts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
EXAMPLES = Path(__file__).parents[2] / "docs" / "fhir-examples.md"
PAGE = 300
EACH = 1 if scale.WHOLE else 5
"""One file in so many, of what has thousands: all of the official examples on SQLite, always."""


@pytest.fixture
def elm(elm, settings):
    """With one reader who may see thousands of patients, as no real client may."""
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 10**6
    elm.reader = elm.client(day_patients=10**6, day_units=10**9)
    gc.disable()  # a third of the time; nothing here goes in circles
    yield elm
    gc.enable()


def essence(resource):
    """A digest of all but id, version, time, and what references were rewritten to; uses *resource* up."""
    resource.pop("id", None)
    meta = resource.get("meta", {})
    for member in ("versionId", "lastUpdated"):
        meta.pop(member, None)
    if not meta:
        resource.pop("meta", None)
    for holder in checks.holders(resource):
        if not holder["reference"].startswith(("#", "http:", "https:")):
            holder["reference"] = "rewritten"
    return hashlib.sha256(_in_order(resource)).digest()


_in_order = msgspec.json.Encoder(order="sorted", enc_hook=lambda number: f"as written: {number.text}").encode


def units(folder, each):
    return [unit for path in imports.files([folder])[::each] for unit in imports.units(path)]


def bring_in(elm, folder, each=1):
    """Import one file in *each*; return the report, what came in, and the refused as (type, id, rule)."""
    importer = elm.importer(folder.name)
    report = imports.Report()
    came: Counter[bytes] = Counter()
    refused = []
    for unit in units(folder, each):
        elm.clock.advance(seconds=1)
        done = importer.unit(unit)
        report.add(done)
        if not unit.lines:
            came.update(essence(entry["resource"]) for entry in json.parse(unit.data)["entry"])
            continue
        lines = unit.data.splitlines()
        bad = {int(r.place.split()[1]) - unit.lines: r.reason for r in done.refused}
        for i, line in enumerate(lines):
            resource = json.parse(line)
            if i in bad:
                refused.append((resource["resourceType"], resource.get("id"), bad[i]))
            else:
                came[essence(resource)] += 1
    return report, came, refused


def bring_out(elm, *, check=1):
    """Every resource revealed in full; one stored form in *check* is validated on the way."""
    out: Counter[bytes] = Counter()
    rows = list(Resource.objects.filter(practice=elm.id).values_list("pk", flat=True))
    for start in range(0, len(rows), PAGE):
        some = list(Resource.objects.filter(pk__in=rows[start : start + PAGE]))
        for row in some[::check]:
            stored = json.parse(bytes(row.body))
            assert validate(stored) == [], row.type
            labels = [label.get("code") for label in stored.get("meta", {}).get("security", ())]
            assert not row.elements or "PSEUDED" in labels
        for view in elm.system.charts.views(elm.grant("read", elm.reader), some):
            assert view.hidden == frozenset(), view.type
            out[essence(view.body)] += 1
    return out


def test_synthea(elm, shared):
    folder = shared / "fhir" / "synthea"
    report, came, refused = bring_in(elm, folder, EACH)
    assert (report.refused, refused) == ([], [])
    assert ImportedUnit.objects.count() == len(units(folder, EACH)) == 60 // EACH
    assert report.created == Resource.objects.count() > 10_000 // EACH
    shared_ones = report.unchanged
    assert sum(came.values()) == report.created + shared_ones, "bundles repeat their organisations"
    out = bring_out(elm, check=10)
    assert set(out) == set(came)
    assert sum(out.values()) == report.created
    assert imports.to_nothing(elm.id) == 0
    unchanged(elm, folder, EACH)


def test_official_examples(elm, shared):
    folder = shared / "fhir" / "r4-examples"
    some = EACH if scale.AGAIN else 1  # of 140 types
    report, came, refused = bring_in(elm, folder, some)
    assert report.created == sum(came.values()) > 100
    assert bring_out(elm, check=EACH) == came
    if some == 1:
        assert report.created == 5283
        listed = re.findall(r"^\| (\w+) \| (\S+) \| (.+) \|$", EXAMPLES.read_text(), re.MULTILINE)
        assert sorted((kind, id_) for kind, id_, _ in listed if kind != "type") == sorted(
            (kind, id_) for kind, id_, _ in refused
        )
    assert all(reason for _, _, reason in refused)
    unchanged(elm, folder, some * EACH)


def test_us_core(elm, shared):
    report, came, refused = bring_in(elm, shared / "fhir" / "us-core-examples")
    assert (report.created, refused) == (230, [])
    assert bring_out(elm) == came
    unchanged(elm, shared / "fhir" / "us-core-examples", 1)


def unchanged(elm, folder, each):
    """A second import of what is there changes nothing."""
    before = counts()
    importer = elm.importer(folder.name)
    for unit in units(folder, each):
        done = importer.unit(unit)
        assert (done.created, done.updated) == (0, 0)
    assert counts() == before
    assert not Superseded.objects.exists()
