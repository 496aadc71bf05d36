"""The main job: charts in, an identity out, a patient found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import Figure, LeftOut, Peer, benchmark, percentiles
from benchmarks.practice import practice_of
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


def _actor(practice: str, purpose: Any) -> Any:
    """A client that may see everything of everybody: what is measured is the door, not its refusals."""
    from django.conf import settings

    from confide.access import limits
    from confide.access.decide import act_as_client
    from confide.access.models import Client
    from confide.protect.elements import Element

    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 10**6
    limits.MISSES_OF_PROGRAM = 10**6  # type: ignore[misc] # it asks more in a minute than anybody may in an hour
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

    with practice_of(PATIENTS) as (system, practice, ids):
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

    started = time.perf_counter()
    index = system.indexes(practice)
    index.catch_up()
    yield Figure(f"identity index, {len(index):,} patients, built", time.perf_counter() - started, "s")
    typing, whole = [], []
    for i in range(KEYSTROKES):
        text = _TYPED[i % len(_TYPED)]
        grant = decide(actor, Action.SEARCH, Purpose.PATRQT, None, Element, datetime.now(UTC))
        started = time.perf_counter()
        system.finder.find(grant, text, typing=True)
        typing.append((time.perf_counter() - started) * 1e3)
        started = time.perf_counter()
        system.finder.find(grant, text)
        whole.append((time.perf_counter() - started) * 1e3)
    cut = percentiles(typing)
    yield Figure("finder at 10,000 patients, while typing, p50", cut[50], "ms")
    yield Figure("finder at 10,000 patients, while typing, p95", cut[95], "ms", target=20)
    cut = percentiles(whole)
    yield Figure("finder at 10,000 patients, shown and journalled, p50", cut[50], "ms")
    yield Figure("finder at 10,000 patients, shown and journalled, p95", cut[95], "ms", target=20)
    yield Figure("finder at 10,000 patients, shown and journalled, p99", cut[99], "ms")
