"""The main job: charts in, an identity out, a patient found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import Figure, LeftOut, Peer, benchmark, percentiles
from tools import installation, outside

if TYPE_CHECKING:
    from confide.wiring import System

PUBLISHED = "published by a vendor, 8 vCPU, June 2026"
PATIENTS = 10_000
REVEALS = 400
KEYSTROKES = 1500
_TYPED = ("gar", "mu", "nune", "whit", "sm", "an", "jo 19", "ngu", "mar gar", "555-01")


@benchmark
def imports() -> Iterator[Figure]:
    """All 60 Synthea bundles through ``confide import``, from its start to its end."""
    shared = outside.shared()
    if shared is None:
        raise LeftOut(outside.NO_SHARED)
    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        environment = os.environ | installation.lay(Path(folder))
        confide = [sys.executable, "-m", "confide.cli"]
        init = [*confide, "init", "--practice", "Bench", "--admin", "bench"]
        subprocess.run(init, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        started = time.perf_counter()
        told = subprocess.run(
            [*confide, "import", str(shared / "fhir" / "synthea")],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        took = time.perf_counter() - started
    numbers = re.search(r"created\D+([\d,]+)", told.stdout)
    if told.returncode or numbers is None:
        raise LeftOut(f"confide import did not end well ({told.returncode})")
    rate = int(numbers[1].replace(",", "")) / took
    yield Figure(
        "import, resources", rate, "resources/s", Peer("Aidbox, import", 2_678, PUBLISHED), target=1_000
    )


@contextmanager
def _practice(patients: int) -> Iterator[tuple[System, str, list[str]]]:
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


def _actor(practice: str, purpose: Any) -> Any:
    """A client that may see everything of everybody: what is measured is the door, not its refusals."""
    from django.conf import settings

    from confide.access.decide import act_as_client
    from confide.access.models import Client
    from confide.protect.elements import Element

    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 10**6
    client = Client.objects.create(
        practice_id=practice, name="bench", purpose=purpose, elements=[str(e) for e in Element],
        day_patients=10**6, day_units=10**8,
    )  # fmt: skip
    return act_as_client(client, "bench")


@benchmark
def door_and_finder() -> Iterator[Figure]:
    """One patient's identity, paid for and journalled durably; a keystroke in the finder."""
    import django

    django.setup()
    from confide.access.decide import decide
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    with _practice(PATIENTS) as (system, practice, ids):
        actor = _actor(practice, Purpose.PATRQT)
        times = []
        for patient in ids[:REVEALS]:
            started = time.perf_counter()
            grant = decide(actor, Action.REVEAL, Purpose.PATRQT, [patient], Element, datetime.now(UTC))
            view = system.charts.read(grant, "Patient", patient)
            times.append((time.perf_counter() - started) * 1e3)
            if view.hidden:
                raise LeftOut("something stayed hidden")
        cut = percentiles(times)
        peer = "Databunker Pro, detokenise"
        yield Figure("reveal an identity, p50", cut[50], "ms", Peer(f"{peer} p50", 14, PUBLISHED))
        yield Figure("reveal an identity, p99", cut[99], "ms", Peer(f"{peer} p99", 16, PUBLISHED))
        yield from _finder(system, practice, actor)


def _finder(system: System, practice: str, actor: Any) -> Iterator[Figure]:
    from confide.access.decide import decide
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element
    from confide.records import finder

    started = time.perf_counter()
    index = system.indexes(practice)
    index.catch_up()
    yield Figure(f"identity index, {len(index):,} patients, built", time.perf_counter() - started, "s")
    matching, whole = [], []
    for i in range(KEYSTROKES):
        text = _TYPED[i % len(_TYPED)]
        grant = decide(actor, Action.SEARCH, Purpose.PATRQT, None, Element, datetime.now(UTC))
        started = time.perf_counter()
        index.catch_up()
        system.finder.matches(grant, index, finder.parse(text))
        matching.append((time.perf_counter() - started) * 1e3)
        started = time.perf_counter()
        system.finder.find(grant, text)
        whole.append((time.perf_counter() - started) * 1e3)
    cut = percentiles(matching)
    yield Figure("finder at 10,000 patients, matching, p50", cut[50], "ms")
    yield Figure("finder at 10,000 patients, matching, p95", cut[95], "ms", target=20)
    cut = percentiles(whole)
    yield Figure("finder at 10,000 patients, shown and journalled, p50", cut[50], "ms")
    yield Figure("finder at 10,000 patients, shown and journalled, p95", cut[95], "ms", target=20)
    yield Figure("finder at 10,000 patients, shown and journalled, p99", cut[99], "ms")
