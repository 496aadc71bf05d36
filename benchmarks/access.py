"""The door's price: an exposure budget spent and a journal entry committed, by several clients at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks import Figure, LeftOut, benchmark, percentiles

CLIENTS = 8
EACH = 300
_CLIENT = """
import json, sys, time
import django
django.setup()
from confide.access import budget
from confide.access.decide import act_as_client, decide
from confide.access.models import Client
from confide.access.roles import Action, Form, Purpose
from confide.audit.journal import Journal, entry_for
from confide.protect.elements import Element
from confide.vault.telling import durable
from confide.wiring import utc_now

name, each, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
actor = act_as_client(Client.objects.get(name=name), "token")
journal, took = Journal(), []
print("ready", flush=True)
sys.stdin.readline()
for i in range(each):
    if pause:
        time.sleep(pause)
    patient = f"{name}-{i:06}"
    begun = time.perf_counter()
    grant = decide(actor, Action.READ, Purpose.TREAT, [patient], [Element.NAME], utc_now())
    decided = time.perf_counter()
    with durable():
        paid = budget.reserve(grant, [(patient, Element.NAME, Form.CLEAR)], utc_now())
        journal.append([entry_for(grant, utc_now(), patient=patient, elements={Element.NAME: Form.CLEAR})])
    took.append((time.perf_counter() - decided) * 1e3)
    assert paid == 1
print(json.dumps(took))
"""


def _register() -> str:
    """Eight programs of one practice, with budgets that do not end; the database's name."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection, connections

    from confide.access.models import Client, Practice
    from confide.protect.elements import Element

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    Client.objects.filter(name__startswith="bench budget ").delete()
    practice = Practice.objects.create(name="Budgets")
    for number in range(CLIENTS):
        Client.objects.create(
            practice=practice, name=f"bench budget {number}", elements=[str(e) for e in Element],
            day_patients=10**6, day_units=10**8,
        )  # fmt: skip
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    connections.close_all()
    return vendor


def _run(pause: float) -> tuple[list[float], float]:
    """Milliseconds of each commit; seconds of all together."""
    words = [sys.executable, "-c", _CLIENT]
    more = {"CONFIDE_CLIENT_CEILING_PATIENTS": str(10**6)}
    clients = [
        subprocess.Popen(
            [*words, f"bench budget {number}", str(EACH), str(pause)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | more,
        )
        for number in range(CLIENTS)
    ]  # fmt: skip
    for client in clients:
        if client.stdout is None or client.stdout.readline() != "ready\n":
            raise LeftOut("a client does not start")
    for client in clients:
        client.stdin.write("\n")
        client.stdin.flush()
    begun = time.perf_counter()
    times: list[float] = []
    for client in clients:
        said, _ = client.communicate()
        times += json.loads(said)
    return times, time.perf_counter() - begun


@benchmark
def exposure_budget() -> Iterator[Figure]:
    """Eight processes, each with another program: at a pace that no desk reaches, and as fast as they go."""
    vendor = _register()
    what = f"budget spend + journal commit, {vendor}, {CLIENTS} clients"
    cut = percentiles(_run(0.05)[0])
    yield Figure(f"{what} at some 20 a second each, p50", cut[50], "ms")
    yield Figure(f"{what} at some 20 a second each, p99", cut[99], "ms", target=15)
    times, took = _run(0.0)
    yield Figure(f"{what} as fast as they go", len(times) / took, "commits/s")
    yield Figure(f"{what} as fast as they go, p99", percentiles(times)[99], "ms")


@benchmark
def exposure_budget_on_postgresql() -> Iterator[Figure]:
    """The same in a cluster of its own, where PostgreSQL is installed and this run is on SQLite."""
    from tools import outside
    from tools.postgres import cluster

    if "DATABASE_URL" in os.environ:
        raise LeftOut("this run has a database of its own")
    programs = outside.postgres()
    if programs is None:
        raise LeftOut(outside.NO_POSTGRES)
    words = "import json; from benchmarks import access; print(json.dumps(access.rows()))"
    with cluster(programs) as environment:
        run = subprocess.run(
            [sys.executable, "-c", words],
            env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if run.returncode:
        raise LeftOut("the clients of PostgreSQL do not answer")
    for name, value, unit, target in json.loads(run.stdout.splitlines()[-1]):
        yield Figure(name, value, unit, target=target)


def rows() -> list[tuple[str, float, str, float | None]]:
    """The figures of one database, for another process."""
    return [(f.name, f.value, f.unit, f.target) for f in exposure_budget()]
