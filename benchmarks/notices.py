"""Letters about a breach: PDF letters, and records for a print house, set, encrypted and journalled by two
processes, as `confide notice letters` does it.

Beside the rate by the clock stands the one by the CPU that it took, on two cores: what it is on a machine
that has nothing else to do. On PostgreSQL the database's own CPU is not in it. NOTICES_PEOPLE says how many
persons there are.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import Figure, benchmark, large

PEOPLE = int(os.environ.get("NOTICES_PEOPLE", "0"))
CORES = 2


def _spent() -> float:
    """CPU seconds of this process and of those that it has ended."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in each)


def _post(people: int, folder: Path) -> Any:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from confide import wiring
    from confide.server.apps import log_of
    from tests.notices.post import Post
    from tests.practice import Clock, Practice

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    kms, clock = wiring.open_file_kms(settings.CONFIG.keyring, None), Clock()
    system = wiring.build(kms, log_of(settings.CONFIG), clock=clock)
    post = Post(Practice(system, clock, f"Elm {folder.name}"), folder)
    for n in range(people):
        shown = "name ssn birth-date address clinical" if n % 2 else "name member-id date"
        post.expose(shown, given=f"Given{n}", state=("TX", "MA", "CA", "ME")[n % 4])
    return post


def build() -> Any:
    """Open the installation in a process that writes."""
    import django

    django.setup()
    from django.conf import settings

    from confide import wiring
    from confide.server.apps import log_of
    from tests.practice import Clock

    clock = Clock()
    clock.advance(days=5)
    kms = wiring.open_file_kms(settings.CONFIG.keyring, None)
    return wiring.build(kms, log_of(settings.CONFIG), clock=clock)


def _measure(people: int) -> Iterator[Figure]:
    from datetime import date

    from confide.cli import scribes
    from tests.notices.post import OFFER

    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        post = _post(people, Path(folder))
        place = post.destination()
        for channel, size, target, what in (
            ("letters", 100, 300, "letters in PDFs of 100"),
            ("records", 500, 1_049_375 / 600, "encrypted records"),
        ):
            incident = f"bench-{channel}"
            post.system.offers.make(post.practice.id, incident, people, date(2026, 12, 31))
            wanted = post.wanted(channel, place, size=size, offer=OFFER)
            mailing = post.system.mailings.request(post.grant(), post.frozen(incident), wanted)
            post.system.mailings.approve(post.grant(post.manager), mailing)
            cpu, started = _spent(), time.perf_counter()
            with scribes.at_work(CORES, build) as hands:
                post.system.sender.run(post.officer.id, mailing, hands=hands)
                took = time.perf_counter() - started
            spent = _spent() - cpu
            name = f"{what}, with entries and codes, {people:,} persons"
            yield Figure(name, people / took, "persons/s", target=target)
            yield Figure(f"{name}, by CPU on two cores", CORES * people / spent, "persons/s", target=target)
        each = [resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        peak = (each[0] + CORES * each[1]) / 1024
        yield Figure("mailings, memory of the three processes at most", peak, "MB", target=1000)


@benchmark
def letters_about_a_breach() -> Iterator[Figure]:
    yield from _measure(PEOPLE or 2000)


@large
def a_hundred_thousand_letters() -> Iterator[Figure]:
    yield from _measure(PEOPLE or 100_000)
