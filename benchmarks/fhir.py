"""FHIR: the validator, and JSON whose decimals keep their digits; on real resources."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import Figure, LeftOut, Peer, benchmark, seconds
from confide.fhir import json as fhir_json
from tools import outside

MEASURED = "measured, 2 cores"
TABLES = "table validator"
MODELS = "fhir.resources 8 (R4B)"


def resources() -> dict[str, list[bytes]]:
    """The resources of one synthetic patient by type, as bytes."""
    folder = outside.shared()
    if folder is None:
        raise LeftOut(outside.NO_SHARED)
    bundle: Path = min((folder / "fhir" / "synthea").glob("*.json.gz"))
    found: dict[str, list[bytes]] = {}
    for entry in json.loads(gzip.decompress(bundle.read_bytes()))["entry"]:
        resource: dict[str, Any] = entry["resource"]
        found.setdefault(resource["resourceType"], []).append(json.dumps(resource).encode())
    return found


@benchmark
def validator() -> Iterator[Figure]:
    from confide.fhir.validate import validate

    bodies = resources()
    for kind, target, tables, models in (
        ("Patient", 100.0, 80.0, 1310.0),
        ("Observation", None, 23.0, 255.0),
    ):
        parsed = [fhir_json.parse(body) for body in bodies[kind][:20]]
        together = seconds(lambda parsed=parsed: [validate(resource) for resource in parsed])
        once = together / len(parsed) * 1e6
        yield Figure(f"validate a {kind}", once, "us", Peer(TABLES, tables, MEASURED), target)
        yield Figure(f"validate a {kind}, for scale", once, "us", Peer(MODELS, models, MEASURED))


@benchmark
def lossless_json() -> Iterator[Figure]:
    """Parse and format keep every decimal's digits, which the fastest JSON parsers do not."""
    body = resources()["Observation"][0]
    parsed = fhir_json.parse(body)
    yield Figure("parse an Observation", seconds(lambda: fhir_json.parse(body)) * 1e6, "us")
    yield Figure("format an Observation", seconds(lambda: fhir_json.format(parsed)) * 1e6, "us")
