"""A practice of synthetic patients in an installation of this process, for whatever is measured there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confide.wiring import System


@contextmanager
def practice_of(patients: int) -> Iterator[tuple[System, str, list[str]]]:
    """An installation in this process with so many synthetic patients; their ids."""
    from django.conf import settings
    from django.core.management import call_command

    from confide import wiring
    from confide.drill.synthetic import SyntheticPractice
    from confide.fhir import json
    from confide.records.imports import LINES_PER_UNIT, Unit
    from confide.records.models import Resource
    from confide.server.apps import log_of

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    practice = system.found_practice("Bench")
    made = SyntheticPractice(patients, 1, date(2026, 11, 1))
    ids = {e["fullUrl"]: f"{e['resource']['resourceType']}/x" for e in made.practice_bundle()["entry"]}
    lines = [
        json.format({**entry["resource"], "id": entry["fullUrl"].removeprefix("urn:uuid:")})
        for bundle in made.patient_bundles(ids)
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    ]
    importer = system.importer(practice.pk, "bench")
    for start in range(0, len(lines), LINES_PER_UNIT):
        importer.unit(Unit("bench", start + 1, b"\n".join(lines[start : start + LINES_PER_UNIT])))
    known = Resource.objects.filter(practice=practice.pk, type="Patient").values_list("id", flat=True)
    yield system, practice.pk, [str(i) for i in known]
