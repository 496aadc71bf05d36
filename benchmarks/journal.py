"""The journal under load: single reveals by many callers, batches of entries, and sealing."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import Figure, LeftOut, benchmark, percentiles

CALLERS = 32
HTTP_CALLERS = 8
PATIENTS = 150
BATCH = 100
BATCHES = 600


def _found() -> tuple[Any, str]:
    """An empty practice in this run's databases, with no low ceilings; the database's name."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from confide import wiring
    from tests.practice import Practice

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = settings.CONFIDE_HOST_DAY_PATIENTS = 10**8
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # a throw-away cluster writes down every statement
            cursor.execute("ALTER ROLE CURRENT_USER SET log_statement = 'none'")
        connection.close()
    log = wiring.Log("bench.example/journal", Path(settings.CONFIG.journal))
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log)
    return Practice(system, wiring.utc_now, "Journal"), vendor  # type: ignore[arg-type]


def _documents(practice: Any) -> list[Any]:
    """Patients as the vault sees them, with their keys in its memory."""
    from confide.protect.documents import Place
    from confide.vault.door import Document
    from tests.practice import PATIENT

    vault, grant = practice.system.vault, practice.grant("write")
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(PATIENTS)]
    keys = vault.subject_keys(grant, ids)
    documents = []
    for id_ in ids:
        place = Place(practice=practice.id, subject=id_, type="Patient", id=id_, version=1)
        made = vault.protect(grant, place, keys[id_], {**copy.deepcopy(PATIENT), "id": id_}, [id_])
        documents.append(Document(place, (id_,), made.body, made.seal, made.elements))
    return documents


def _together(work: Callable[[int], None], callers: int) -> float:
    """Seconds until *callers* threads have done their work, each with a connection of its own."""
    from django.db import connections

    failed: list[BaseException] = []
    ready = threading.Barrier(callers + 1)

    def run(caller: int) -> None:
        try:
            connections["default"].ensure_connection()
            ready.wait()
            work(caller)
        except BaseException as problem:
            failed.append(problem)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - started


_CALLERS = """
import base64, json, pickle, sys, threading, time
import django
django.setup()
from django.conf import settings
from django.db import connections
from confide import wiring
from confide.access.decide import act_as_client
from confide.access.models import Client
from confide.access.roles import Action, Purpose
from confide.protect.elements import Element
from confide.server.apps import log_of
from confide.server.serving import settle

system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
documents = pickle.loads(base64.b64decode(sys.stdin.readline()))
names = json.loads(sys.stdin.readline())
wanted, took, failed = frozenset({Element.SSN}), [], []
ready = threading.Barrier(len(names) + 1)

def reveal(grant, document):
    [shown] = system.vault.reveal(grant, [document], wanted)
    assert Element.SSN in shown.shown

def run(name):
    try:
        actor = act_as_client(Client.objects.get(pk=name), "token")
        grant = system.decide(actor, Action.REVEAL, Purpose.PATRQT, None, Element)
        reveal(grant, documents[0])  # the connection is open, and the statements are prepared
        own = []
        ready.wait()
        for document in documents[1:]:
            begun = time.perf_counter()
            reveal(grant, document)
            own.append((time.perf_counter() - begun) * 1e3)
        took.extend(own)
    except BaseException as problem:
        failed.append(repr(problem))
        ready.abort()
    finally:
        connections.close_all()

running = [threading.Thread(target=run, args=(name,)) for name in names]
for thread in running:
    thread.start()
settle()  # as a server does
print("ready", flush=True)
sys.stdin.readline()
ready.wait()
begun, cpu = time.time(), time.process_time()
for thread in running:
    thread.join()
assert not failed, failed
print(json.dumps([took, begun, time.time(), time.process_time() - cpu]))
"""


def _reveal(
    practice: Any, documents: list[Any], processes: int, callers: int
) -> tuple[list[float], float, float]:
    """Milliseconds of each reveal, seconds of all, and of cores; so many *callers* in each."""
    more = {"CONFIDE_PRACTICE_DAY_PATIENTS": str(10**8), "CONFIDE_HOST_DAY_PATIENTS": str(10**8)}
    more |= {"CONFIDE_CLIENT_CEILING_PATIENTS": str(10**6)}
    handed = base64.b64encode(pickle.dumps(documents)).decode()
    running = []
    for _ in range(processes):
        clients = [practice.client(day_patients=10**6, day_units=10**8).id for _ in range(callers)]
        process = subprocess.Popen(
            [sys.executable, "-c", _CALLERS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | more,
        )  # fmt: skip
        process.stdin.write(f"{handed}\n{json.dumps(clients)}\n")
        process.stdin.flush()
        running.append(process)
    if any(process.stdout.readline() != "ready\n" for process in running):
        raise LeftOut("the callers do not start")
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    took = [each for times, *_ in said for each in times]
    seconds = max(end for _, _, end, _ in said) - min(begun for _, begun, _, _ in said)
    return took, seconds, sum(cpu for *_, cpu in said)


@benchmark
def journal_reveals() -> Iterator[Figure]:
    """Programs at the vault's Python API, each patient new to each: paid, journalled, durable, opened.

    One alone; 32 of one process; and 32 of two processes, as the server runs on two cores.
    """
    practice, vendor = _found()
    documents = _documents(practice)
    took, seconds, _ = _reveal(practice, documents, 1, 1)
    yield Figure(f"single reveals, one caller, {vendor}", len(took) / seconds, "reveals/s")
    yield Figure(f"single reveals, one caller, {vendor}, p50", percentiles(took)[50], "ms")
    target = 400 if vendor == "SQLite" else 2000
    for processes in (1, 2):
        took, seconds, cpu = _reveal(practice, documents, processes, CALLERS // processes)
        cut = percentiles(took)
        shape = "one process" if processes == 1 else f"{processes} processes"
        name = f"single reveals, {CALLERS} callers of {shape}, {vendor}"
        yield Figure(name, len(took) / seconds, "reveals/s", target=target)
        yield Figure(f"{name}, time of a core in Python", cpu / len(took) * 1e6, "us")
        yield Figure(f"{name}, p50", cut[50], "ms")
        yield Figure(f"{name}, p99", cut[99], "ms")


@benchmark
def journal_batches() -> Iterator[Figure]:
    """Batches of 100 entries by two callers, and the sequencer beside them."""
    _, vendor = _found()
    from django.db import transaction

    from confide.audit.journal import Journal
    from confide.audit.notes import Kind, SigningKey
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles
    from confide.wiring import utc_now
    from tests.audit.test_sequencer import entry

    journal = Journal()
    rows = [entry(f"p{n % 5000}", f"s{n % 40}") for n in range(BATCH * 50)]
    done = threading.Event()
    behind: list[float] = []

    def write(caller: int) -> None:
        for n in range(BATCHES // 2):
            start = (n * 2 + caller) % 50 * BATCH
            with transaction.atomic():
                journal.append(rows[start : start + BATCH])

    with TemporaryDirectory() as folder:
        key = SigningKey("bench.example/journal", Kind.NOTE, bytes(32))
        sequencer = Sequencer(lambda: key, Tiles(Path(folder)))
        sequencer.seal(utc_now())

        def seal(_: int) -> None:
            while not done.is_set():
                begun = time.perf_counter()
                sequencer.seal(utc_now())
                behind.append(time.perf_counter() - begun + 0.5)
                time.sleep(0.5)

        def work(caller: int) -> None:
            if caller == 2:
                seal(caller)
                return
            write(caller)
            ended.append(time.perf_counter())
            if len(ended) == 2:
                done.set()

        ended: list[float] = []
        begun = time.perf_counter()
        _together(work, 3)
        took = max(ended) - begun
        yield Figure(
            f"batches of {BATCH} entries, sealed meanwhile, {vendor}", BATCHES * BATCH / took, "entries/s",
            target=20_000,
        )  # fmt: skip
        yield Figure(
            f"from a commit to its checkpoint and tiles, at most, {vendor}", max(behind), "s", target=2
        )
        with TemporaryDirectory() as other:
            begun = time.perf_counter()
            count = sequencer.seal(utc_now())
            Sequencer(lambda: key, Tiles(Path(other))).seal(utc_now())
            again = time.perf_counter() - begun
        size = sequencer.waiting().sealed
        yield Figure(f"tiles made anew from the database, {vendor}", (size + count) / again, "entries/s")


@benchmark
def journal_http() -> Iterator[Figure]:
    """Single values over HTTP, from a server of two processes, by clients on the same cores."""
    import django

    django.setup()
    from django.db import connection

    from benchmarks.vault import _Counter, _register, _served

    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    token = _register()
    with _served(workers=2) as port:
        first = _Counter(port, token)
        values = [{"element": "ssn", "value": f"{i:09d}"} for i in range(79_000_000, 79_000_000 + 1500)]
        tokens = [
            each for start in (0, 750) for each in first.ask("tokenize", values[start : start + 750])[1]
        ]
        alone = percentiles([first.ask("detokenize", [each])[0] for each in tokens[:200]])
        connections = [_Counter(port, token) for _ in range(HTTP_CALLERS)]
        took: list[float] = []

        def ask(caller: int) -> None:
            own = [
                connections[caller].ask("detokenize", [each])[0]
                for each in tokens[200 + caller :: HTTP_CALLERS]
            ]
            took.extend(own)

        served, asked = _used(), time.process_time()
        seconds = _together(ask, HTTP_CALLERS)
        served, asked = _used() - served, time.process_time() - asked
    cut = percentiles(took)
    name = f"single values over HTTP, {HTTP_CALLERS} clients, {vendor}"
    yield Figure(name, len(took) / seconds, "reveals/s", target=200)
    yield Figure(f"{name}, p50", cut[50], "ms")
    yield Figure(f"{name}, p99", cut[99], "ms")
    yield Figure(f"{name}, time of a core in the server", served / len(took) * 1e3, "ms")
    yield Figure(f"{name}, time of a core in the clients", asked / len(took) * 1e3, "ms")
    yield Figure(f"a single value over HTTP, one client, {vendor}, p50", alone[50], "ms")
    yield from _parts(tokens[200:400], vendor, alone[50])


def _used() -> float:
    """Seconds of a core that the processes have used that this one has begun, and those that they have."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that ends meanwhile
            words = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(words[1])
            used[int(stat.parent.name)] = int(words[11]) + int(words[12])

    def begun(process: int) -> bool:
        parent = parents.get(process, 0)
        return parent == os.getpid() or (parent > 1 and begun(parent))

    return sum(time for process, time in used.items() if begun(process)) / os.sysconf("SC_CLK_TCK")


def _parts(tokens: list[Any], vendor: str, whole: float) -> Iterator[Figure]:
    """What of that the decision and the vault take, asked in this process by another program."""
    from dataclasses import replace

    from django.conf import settings

    from benchmarks.vault import SCOPE
    from confide import wiring
    from confide.access.decide import act_as_client
    from confide.access.models import Client
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element
    from confide.server.apps import log_of

    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    actor = act_as_client(Client.objects.latest("created_at"), "bench")
    deciding, telling = [], []
    for each in tokens:
        begun = time.perf_counter()
        grant = system.decide(replace(actor), Action.REVEAL, Purpose.PATRQT, None, Element)
        decided = time.perf_counter()
        [shown] = system.values.detokenize(grant, SCOPE, [each["token"]])
        telling.append((time.perf_counter() - decided) * 1e3)
        deciding.append((decided - begun) * 1e3)
        if isinstance(shown, Exception):
            raise shown
    inside = percentiles(deciding)[50], percentiles(telling)[50]
    yield Figure(f"of that: the decision, {vendor}, p50", inside[0], "ms")
    yield Figure(f"of that: paid, journalled durably, opened, {vendor}, p50", inside[1], "ms")
    yield Figure(f"of that: HTTP, Django and the token, {vendor}", max(whole - sum(inside), 0.0), "ms")
