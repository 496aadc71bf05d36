"""The journal under load: single reveals by many callers, batches of entries, and sealing."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import Figure, benchmark, percentiles

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


@benchmark
def journal_reveals() -> Iterator[Figure]:
    """32 programs at the vault's Python API, each patient new to each: paid, journalled, durable, opened."""
    from confide.protect.elements import Element

    practice, vendor = _found()
    documents = _documents(practice)
    clients = [practice.client(day_patients=10**6, day_units=10**8) for _ in range(CALLERS + 1)]
    grants = [practice.grant("reveal", client) for client in clients]
    wanted = frozenset({Element.SSN})
    took: list[float] = []

    def reveal(caller: int) -> None:
        own = []
        for document in documents:
            begun = time.perf_counter()
            [shown] = practice.system.vault.reveal(grants[caller], [document], wanted)
            own.append((time.perf_counter() - begun) * 1e3)
            if Element.SSN not in shown.shown:
                raise AssertionError("it was not shown")
        took.extend(own)

    alone = _together(lambda _: reveal(CALLERS), 1)
    one = percentiles(took)
    yield Figure(f"single reveals, one caller, {vendor}", PATIENTS / alone, "reveals/s")
    yield Figure(f"single reveals, one caller, {vendor}, p50", one[50], "ms")
    took.clear()
    cpu = time.process_time()
    seconds = _together(reveal, CALLERS)
    cpu = time.process_time() - cpu
    cut = percentiles(took)
    target = 400 if vendor == "SQLite" else 2000
    name = f"single reveals, {CALLERS} callers, {vendor}"
    yield Figure(name, len(took) / seconds, "reveals/s", target=target)
    yield Figure(f"{name}, this process's share of a core's time", cpu / len(took) * 1e6, "us")
    yield Figure(f"{name}, p50", cut[50], "ms")
    yield Figure(f"{name}, p99", cut[99], "ms")


@benchmark
def journal_batches() -> Iterator[Figure]:
    """Batches of 100 entries by two callers, and the sequencer beside them."""
    from django.db import transaction

    from confide.audit.journal import Journal
    from confide.audit.notes import Kind, SigningKey
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles
    from confide.wiring import utc_now
    from tests.audit.test_sequencer import entry

    _, vendor = _found()
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

        seconds = _together(ask, HTTP_CALLERS)
    cut = percentiles(took)
    name = f"single values over HTTP, {HTTP_CALLERS} clients, {vendor}"
    yield Figure(name, len(took) / seconds, "reveals/s", target=200)
    yield Figure(f"{name}, p50", cut[50], "ms")
    yield Figure(f"{name}, p99", cut[99], "ms")
    yield Figure(f"a single value over HTTP, one client, {vendor}, p50", alone[50], "ms")
    yield from _parts(tokens[200:400], vendor, alone[50])


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
