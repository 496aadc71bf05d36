"""Real charts: nothing of a person is in what is stored of them, nor in all bytes more than by chance."""

from __future__ import annotations

import gzip
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from confide.fhir import json
from confide.fhir.validate import validate
from tests.leaks.canaries import files, held
from tests.leaks.planting import KEPT
from tests.leaks.premises import Premises, dump, empty_databases

CHARTS = 8
SHORTEST = 4
MOST_COUNTED = 800
MOST_COUNTED_IN_A_CLUSTER = 150  # which is larger by far
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WORDS = re.compile(r"\w+")
_IDENTIFYING = frozenset(
    {"name", "birthDate", "address", "telecom", "identifier", "contact", "photo", "deceasedDateTime"}
)
_CODED = frozenset(
    {"use", "contentType", "system", "rank", "state", "country", "type", "relationship", "gender", "period"}
)


@dataclass
class Chart:
    """One person's real values.

    Attributes:
        values: Names, streets, cities, numbers, full dates: everything that must not be stored clear.
        kept: Words of the resources that are kept, and so may be stored clear.
    """

    path: Path
    values: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Chart:
        chart = cls(path)
        for resource in resources(path):
            kind = resource["resourceType"]
            texts = list(strings(resource))
            if kind in KEPT:
                chart.kept |= set(texts)
                continue
            chart.values |= {d for t in texts for d in _DATE.findall(t)}
            if kind in {"Patient", "RelatedPerson"}:
                for key in _IDENTIFYING & resource.keys():
                    chart.values |= set(strings(resource[key], _CODED))
            if kind in {"DocumentReference", "DiagnosticReport"}:
                chart.values |= {t for t in texts if len(t) > 200}
        # A year is what is left of a date.
        chart.values = {v for v in chart.values if len(v) >= SHORTEST and not re.fullmatch(r"\d{4}", v)}
        return chart


def resources(path: Path) -> list[dict[str, Any]]:
    unpacked = gzip.decompress(path.read_bytes())
    if ".ndjson" in path.name:
        return [r for r in map(json.parse, unpacked.splitlines()) if not validate(r)]
    return [entry["resource"] for entry in json.parse(unpacked)["entry"]]


def strings(node: Any, without: frozenset[str] = frozenset()) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in without:
                yield from strings(value, without)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value, without)


def spoken(text: str) -> str:
    """The words of a text, so that a value is found however it is punctuated."""
    return f" {' '.join(_WORDS.findall(text)).lower()} "


@pytest.fixture(scope="module")
def brought(
    shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Premises, list[Chart], list[Chart]]]:
    """An installation with some charts, those charts, and as many that were never entered."""
    paths = sorted((shared / "fhir/synthea").glob("*.gz"))
    charts = [Chart.read(path) for path in random.Random(4).sample(paths, 2 * CHARTS)]
    with empty_databases() as databases:
        premises = Premises(tmp_path_factory.mktemp("real") / "premises", databases)
        premises.found()
        inbox = premises.folder.parent / "inbox"
        inbox.mkdir()
        for n, chart in enumerate(charts[:CHARTS]):
            # A file's name may be a person's; the operator gave it, and sees it again.
            (inbox / f"{n}.json.gz").write_bytes(chart.path.read_bytes())
        for folder in ("r4-examples", "us-core-examples"):
            for kind in ("Patient", "RelatedPerson"):
                path = shared / "fhir" / folder / f"{kind}.ndjson.gz"
                (inbox / f"{folder}-{kind}.ndjson.gz").write_bytes(path.read_bytes())
                charts.insert(0, Chart.read(path))
        premises.run("import", str(inbox), codes=(0, 1))
        yield premises, charts[:-CHARTS], charts[-CHARTS:]


def test_no_resource_holds_a_value_of_its_own_person(brought: Any) -> None:
    premises, entered, _ = brought
    stored: dict[str, list[str]] = defaultdict(list)
    for patients, body in premises.rows("SELECT patients, body FROM records_resource WHERE patients <> ''"):
        for patient in patients.split():
            resource = json.parse(bytes(body))
            resource["meta"].pop("lastUpdated")
            stored[patient].append(spoken(" \0 ".join(strings(resource, frozenset({"resourceType"})))))
    assert len(stored) >= len(entered)
    # Which person is whose is known to nobody without the keys: each must be free of everyone's values.
    values = {v: spoken(v) for chart in entered for v in chart.values}
    assert len(values) > 700
    everything = {patient: "".join(bodies) for patient, bodies in stored.items()}
    found = [v for v, said in values.items() if any(said in text for text in everything.values())]
    assert not found, f"{len(found)} of {len(values)}: {found[:10]}"


def test_all_bytes_hold_no_more_of_them_than_of_values_never_entered(
    brought: Any, request: pytest.FixtureRequest
) -> None:
    premises, entered, never = brought
    kept = " ".join(text for chart in entered for text in chart.kept)
    there = {v for chart in entered for v in chart.values}
    not_there = {v for chart in never for v in chart.values} - there
    there, not_there = ({v for v in group if v not in kept} for group in (there, not_there))
    most = MOST_COUNTED_IN_A_CLUSTER if premises.databases else MOST_COUNTED
    size = min(len(there), len(not_there), most)
    assert size > 100
    dice = random.Random(5)
    there, not_there = (dice.sample(sorted(group), size) for group in (there, not_there))
    left = [premises.folder]
    if "DATABASE_URL" in os.environ:
        left += [request.getfixturevalue("postgres_cluster"), Path(os.environ["CONFIDE_TEST_PGLOG"])]
    haystack = [held(p) for p in files(left)] + [dumped for _, dumped in dump(premises.databases)]
    hits = [count(group, haystack) for group in (there, not_there)]
    # Both counts are of chance alone: their difference is within three standard deviations.
    assert hits[0] - hits[1] <= 3 * (hits[0] + hits[1] + 1) ** 0.5, (hits, size)


def count(values: list[str], haystack: list[bytes]) -> int:
    """How many of *values* occur anywhere."""
    left = {v.encode() for v in values}
    found = 0
    for hay in haystack:
        hits = {v for v in left if v in hay}
        found += len(hits)
        left -= hits
    return found
