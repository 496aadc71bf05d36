"""The published resources that the tests of FHIR read, from outside the project."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fhir_folder(shared: Path) -> Path:
    return shared / "fhir"


@pytest.fixture(scope="session")
def bundles(fhir_folder: Path) -> list[bytes]:
    """The Synthea bundles as bytes."""
    return [gzip.decompress(path.read_bytes()) for path in sorted((fhir_folder / "synthea").glob("*.gz"))]


def lines(folder: Path) -> Iterator[bytes]:
    """Yield each resource of a folder of NDJSON files."""
    for path in sorted(folder.glob("*.ndjson.gz")):
        yield from gzip.decompress(path.read_bytes()).splitlines()


@pytest.fixture(scope="session")
def official(fhir_folder: Path) -> list[bytes]:
    """The official R4 examples, one JSON text each."""
    return list(lines(fhir_folder / "r4-examples"))


@pytest.fixture(scope="session")
def us_core(fhir_folder: Path) -> list[bytes]:
    """The US Core examples, one JSON text each."""
    return list(lines(fhir_folder / "us-core-examples"))
