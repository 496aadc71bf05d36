"""A stolen OAuth client that reaches 1,600 practices: how many people it takes, driven as fast as it goes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any

from benchmarks import Figure, LeftOut, benchmark

PRACTICES = 1600
PATIENTS = 3
THREADS = 8
QUESTIONS = 30
"""About identity, one by one, in each practice, beside all other requests; tests/drill asks a thousand."""

SERVE = """
import django
django.setup()
from confide.server import config, serving
serving.serve(config.read(), workers=2, threads=4)
"""


@contextmanager
def _served() -> Iterator[str]:
    """A server of two processes on this run's databases; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    more = {"CONFIDE_PORT": str(port), "CONFIDE_PLAIN_HTTP": "true", "CONFIDE_LOG_LEVEL": "ERROR"}
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=os.environ | more)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise LeftOut("the server does not start")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _readmitted(vendor: Any, officer: Any) -> Iterator[list[datetime]]:
    """Let the program in again whenever it is stopped, so that only its budget holds it; the moments."""
    from django.db import connections, transaction

    from confide import wiring
    from confide.access import standing

    times: list[datetime] = []
    over = Event()

    def watch() -> None:
        while not over.wait(0.1):
            row = type(vendor).objects.get(pk=vendor.pk)
            if row.frozen_at or row.suspect_at:
                now = wiring.utc_now()
                with transaction.atomic():
                    standing.lift(row, officer, vendor.practice_id, now)
                times.append(now)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield times
        finally:
            over.set()
            watching.result()


def _vendor(key: dict[str, Any]) -> tuple[Any, Any, list[Any], list[Any]]:
    """A vendor's program with the default budget, an officer, the practices it reaches, their patients."""
    from django.conf import settings
    from django.core.management import call_command

    from confide import wiring
    from confide.access.decide import act_as_client, decide
    from confide.access.models import Account, Client
    from confide.access.reach import Reach
    from confide.access.roles import Action, Purpose
    from confide.drill import loot
    from confide.drill.intruder import SCOPES
    from confide.protect.elements import Element
    from confide.server.apps import log_of

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    practices = [system.found_practice(f"Practice {number}") for number in range(PRACTICES)]
    officer = Account.objects.create_user("bench officer")
    vendor = Client.objects.create(
        practice=practices[0], name="bench vendor", purpose="TREAT", scopes=SCOPES,
        elements=[each.value for each in Element], jwks={"keys": [key]},
    )  # fmt: skip
    now = wiring.utc_now()
    Reach.objects.bulk_create(
        Reach(client=vendor, practice=each, approved_by=officer, approved_at=now) for each in practices[1:]
    )
    people = []
    for number, practice in enumerate(practices):
        actor = act_as_client(vendor, "token", practice=practice.pk)
        grant = decide(actor, Action.WRITE, Purpose.TREAT, None, Element, wiring.utc_now())
        made = map(loot.make, range(1 + number * PATIENTS, 1 + (number + 1) * PATIENTS))
        people += [loot.person(practice.pk, system.charts.create(grant, each).id, each) for each in made]
    return vendor, officer, practices, people


@benchmark
def stolen_client() -> Iterator[Figure]:
    """Each practice has three patients whose every value is known, so whatever comes out is seen."""
    import django

    django.setup()
    from django.db import connection, connections
    from joserfc.jwk import ECKey

    from confide.access.limits import LIMITS
    from confide.access.roles import Role
    from confide.drill.intruder import Intruder
    from confide.drill.loot import Loot

    vendor_name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    key = ECKey.generate_key("P-384", {"kid": "bench", "alg": "ES384"}, private=True)
    begun = time.perf_counter()
    vendor, officer, practices, people = _vendor(key.as_dict(private=False))
    made = time.perf_counter() - begun
    connections.close_all()
    practice_ids = [each.pk for each in practices]
    private = key.as_dict(private=True)
    what = f"stolen OAuth client, {PRACTICES:,} practices, {len(people):,} patients, {vendor_name}"
    budget = LIMITS[Role.INTEGRATOR].day_patients
    taken = Loot(people)
    with _served() as address:
        begun = time.perf_counter()
        spree = Intruder(address, vendor.pk, private, taken).rob(practice_ids, THREADS, questions=QUESTIONS)
        took = time.perf_counter() - begun
        stopped = type(vendor).objects.get(pk=vendor.pk).frozen_at is not None
        yield Figure(f"{what}: taken or learned", len(taken), "patients", target=budget)
        yield Figure(f"{what}: shown clear or masked", len(taken.shown), "patients", target=budget)
        yield Figure(f"{what}: learned by asking", len(taken.learned), "patients", target=budget)
        yield Figure(
            f"{what}: tried until {'it was stopped' if stopped else 'the end'}, with {spree.tokens:,} tokens",
            spree.requests, "requests",
        )  # fmt: skip
        yield Figure("the same attack, how fast", spree.requests / took, "requests/s")
        with _readmitted(vendor, officer) as times:
            again = Intruder(address, vendor.pk, private, taken, seed=2)
            more = again.rob(practice_ids, THREADS, questions=QUESTIONS)
    yield Figure(
        f"{what}: in all, let in again {len(times):,} times, with {more.tokens:,} tokens more",
        len(taken), "patients", target=budget,
    )  # fmt: skip
    yield Figure(f"{PRACTICES:,} practices with keys and {PATIENTS} patients each, made", made, "s")
    broken = {status for each in (spree, more) for status in each.statuses if status >= 500} - {503}
    if not (stopped or spree.tokens >= PRACTICES) or more.tokens < PRACTICES or broken:
        raise LeftOut(f"the attack was not carried out: {spree}, {more}")
