"""What the watch costs: CPU for each read event, and memory for a thousand credentials.

A batch of one request is one event. In memory are the detectors alone; with rows, a round reads the journal,
asks the vault and the rows about each patient, and seals what it remembers.
"""

from __future__ import annotations

import random
import time
import tracemalloc
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import TYPE_CHECKING

import msgspec

from benchmarks import Figure, benchmark

if TYPE_CHECKING:
    from confide.audit.journal import Entry

LOGINS = 1000
DAYS = 3
CHARTS = 15
WHOLE = 20_000
PATIENTS = 300
ROUNDS = 40
AT_ONCE = 50
TARGET = 300  # microseconds of CPU for an event
ROOM = 100.0  # megabytes for a thousand credentials
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


def _days() -> tuple[list[str], list[list[tuple[int, Entry]]]]:
    """Patients, and by day what a thousand logins of 25 practices do: six of a hundred charts unexplained."""
    from confide.audit.journal import Entry

    dice = random.Random(1)
    whole = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(WHOLE)]
    days: list[list[tuple[int, Entry]]] = []
    for number in range(DAYS):
        entries = [
            Entry(
                at=BEGIN + timedelta(days=number, seconds=n * 600 + login),
                practice=f"p{login % 25}",
                actor_kind="person",
                actor=f"a{login}",
                credential=f"session:{login}",
                role="nurse",
                action="read",
                purpose="TREAT",
                patient=dice.choice(whole),
                elements={"name": "clear"},
                address="192.0.2.7",
                device=f"d{login}",
                relationship="appointment" if dice.random() > 0.06 else "",
            )
            for login in range(LOGINS)
            for n in range(CHARTS)
        ]
        entries.sort(key=lambda each: each.at)
        days.append(list(enumerate(entries, number * len(entries))))
    return whole, days


@benchmark
def watch_in_memory() -> Iterator[Figure]:
    """The detectors, over three days of a thousand logins."""
    import django

    django.setup()
    from confide.watch.traits import Bare
    from confide.watch.watch import Watch

    whole, days = _days()
    orders = {p: {"name": n, "birth": n * 7 % WHOLE, "number": n * 13 % WHOLE} for n, p in enumerate(whole)}
    quick = Watch(Bare(orders=orders))
    began = time.process_time()
    for lines in days[:2]:
        quick.feed(lines, lines[-1][1].at)
    spent = (time.process_time() - began) / sum(map(len, days[:2]))
    yield Figure("watch: CPU of the detectors for an event", 1e6 * spent, "us", target=TARGET)
    del quick
    tracemalloc.start()
    held = Watch(Bare(orders=orders))
    for lines in days:
        held.feed(lines, lines[-1][1].at)
    room, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield Figure("watch: memory of 1,000 credentials, in MB", room / 1e6, "MB", target=ROOM)
    most = max(len(msgspec.msgpack.encode(each)) for each in held.memories.values())
    yield Figure("watch: the largest memory of a credential, at rest", most, "bytes", target=100_000)


@benchmark
def watch_rounds() -> Iterator[Figure]:
    """Rounds over the journal's rows, 50 events in each, as in a busy half second of a server."""
    import django

    django.setup()
    from django.db import connection, transaction

    from benchmarks.practice import practice_of
    from confide.access.models import Account
    from confide.server.serving import settle

    with practice_of(PATIENTS) as (system, practice, ids):
        staff = [
            Account.objects.create_user(f"person{n}@bench.example", display_name=f"Robin Miller-{n}").pk
            for n in range(ROUNDS * AT_ONCE // CHARTS)
        ]
        system.indexes(practice).catch_up()
        settle()
        times = []
        for entries in _stream(practice, ids, staff):
            with transaction.atomic():
                system.journal.append(entries)
            system.sequencer.seal(system.clock())
            began = time.process_time()
            system.watch.run(system.clock())
            times.append(1e6 * (time.process_time() - began) / AT_ONCE)
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    yield Figure(
        f"watch: CPU of a round for an event, {AT_ONCE} at once, {vendor}, mean",
        fmean(times), "us", target=TARGET,
    )  # fmt: skip
    yield Figure(f"the same, median of the rounds, {vendor}", median(times), "us", target=TARGET)


def _stream(practice: str, patients: Sequence[str], staff: Sequence[str]) -> Iterator[list[Entry]]:
    """What is appended for each round: a fifth are searches, six of a hundred charts have no explanation.

    A search finds five people, and is one event; nothing says why somebody was found.
    """
    from confide.audit.journal import Entry

    dice = random.Random(1)
    now = datetime.now(UTC)
    for number in range(ROUNDS):
        entries: list[Entry] = []
        for event in range(AT_ONCE):
            search = dice.random() < 0.2
            actor = dice.choice(staff)
            entries += [
                Entry(
                    at=now + timedelta(seconds=number, milliseconds=event),
                    practice=practice,
                    actor_kind="person",
                    actor=actor,
                    credential=f"session:{actor}",
                    role="nurse",
                    action="search" if search else "read",
                    purpose="TREAT",
                    patient=patient,
                    elements={"name": "clear", "birth-date": "masked" if search else "clear"},
                    address="192.0.2.7",
                    device=f"d{actor}",
                    relationship="" if search or dice.random() < 0.06 else "appointment",
                )
                for patient in dice.sample(patients, 5 if search else 1)
            ]
        yield entries
