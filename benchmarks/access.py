"""The door's price: an exposure budget spent and a journal entry committed, by several clients at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks import Figure, LeftOut, benchmark, percentiles

PROCESSES, THREADS = 2, 4  # as the server runs on two cores
CLIENTS = PROCESSES * THREADS
EACH = 300
_CLIENT = """
import json, random, sys, threading, time
import django
django.setup()
from django.db import connections
from confide.access import budget
from confide.access.charges import Operation, charge
from confide.access.decide import act_as_client, decide
from confide.access.models import Client
from confide.access.roles import Action, Form, Purpose
from confide.audit.journal import Journal, entry_for
from confide.protect.elements import Element
from confide.server.serving import settle
from confide.vault import desk
from confide.wiring import utc_now

first, threads, each, pause = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
journal, took, shown = Journal(), [], {Element.NAME: Form.CLEAR}
ready = threading.Barrier(threads + 1)

def pay(grant, patient):
    now = utc_now()
    charges = charge(Operation.READ, shown=[(patient, shown)])
    entry = entry_for(grant, now, patient=patient, elements=shown)

    def alone():
        paid = budget.reserve(grant, charges, now)
        return paid == 1, journal.append([entry])

    bill = desk.Bill(journal, grant, now, charges, True, lambda: [entry], alone)
    assert desk.pay(bill)[0]

def run(number):
    name, own, dice = f"bench budget {number}", [], random.Random(number)
    actor = act_as_client(Client.objects.get(name=name), "token")
    grant = decide(actor, Action.READ, Purpose.TREAT, None, [Element.NAME], utc_now())
    pay(grant, name)
    ready.wait()
    for i in range(each):
        if pause:
            time.sleep(dice.uniform(0, 2 * pause))  # clients do not walk in step
        begun = time.perf_counter()
        pay(grant, f"{name}-{pause}-{i:06}")
        own.append((time.perf_counter() - begun) * 1e3)
    took.extend(own)
    connections.close_all()

running = [threading.Thread(target=run, args=(first + n,)) for n in range(threads)]
for thread in running:
    thread.start()
settle()  # as a server does
print("ready", flush=True)
sys.stdin.readline()
ready.wait()
for thread in running:
    thread.join()
assert len(took) == threads * each
print(json.dumps([took, time.process_time()]))
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
    processes = [
        subprocess.Popen(
            [*words, str(number * THREADS), str(THREADS), str(EACH), str(pause)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | more,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise LeftOut("a client does not start")
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    begun = time.perf_counter()
    times: list[float] = []
    for process in processes:
        said, _ = process.communicate()
        times += json.loads(said)[0]
    return times, time.perf_counter() - begun


@benchmark
def exposure_budget() -> Iterator[Figure]:
    """Eight programs at the vault's desk, four in each of two processes, as the server runs.

    Whoever comes while another one pays is paid for in one commit. At a pace that no desk reaches, and as
    fast as they go.
    """
    vendor = _register()
    what = f"budget spend + journal commit, {vendor}, {CLIENTS} clients of {PROCESSES} processes"
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
