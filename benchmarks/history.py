"""A journal of years, filled fast with the real schema; its hashes, places and checkpoint are right.

`make bench-large` fills a million entries, or JOURNAL_ENTRIES; see ``filling``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from benchmarks import Figure, LeftOut, large, percentiles
from benchmarks.filling import WINDOW, YEARS, Filler

if TYPE_CHECKING:
    from confide.access.decide import Grant
    from confide.wiring import System

ENTRIES: Final = int(os.environ.get("JOURNAL_ENTRIES", "1000000"))


@large
def journal_of_years() -> Iterator[Figure]:
    """What the privacy officer asks of a journal of years, and a proof from its tree."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from confide import wiring
    from confide.access.decide import act_as_member, decide
    from confide.access.models import Account, Membership
    from confide.access.roles import Action, Purpose
    from confide.server.apps import log_of

    if connection.vendor != "postgresql":
        raise LeftOut(
            "it is filled on PostgreSQL: python -m tools.postgres python -m benchmarks --large history"
        )
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    practice = system.found_practice("Bench")
    now = datetime.now(UTC)
    filler = Filler(practice.pk, ENTRIES, now)
    started = time.perf_counter()
    filler.fill(system)
    yield Figure("journal, filled", ENTRIES / (time.perf_counter() - started), "entries/s")
    account = Account.objects.create_user("officer", display_name="Officer")
    member = Membership.objects.create(
        account=account, practice=practice, role="privacy_officer", approved_at=now
    )
    officer = act_as_member(member, "session:bench")
    grant = decide(officer, Action.JOURNAL_READ, Purpose.HOPERAT, None, (), now)
    yield from _questions(system, grant, filler, now)
    yield from _proofs(system, filler)


def _questions(system: System, grant: Grant, filler: Filler, now: datetime) -> Iterator[Figure]:
    from confide.audit.accesses import report_accesses
    from confide.audit.patterns import find_patterns
    from confide.audit.questions import Question, find
    from confide.audit.scope import scope

    size = f"{ENTRIES:,} entries"
    times = []
    for _ in range(3):
        started = time.perf_counter()
        found = scope(system.journal, grant, now - WINDOW, now, now, actor=filler.thief)
        times.append(time.perf_counter() - started)
    if not found.patients:
        raise LeftOut("the thief has seen nothing")
    seen = f"{len(found.patients):,} patients"
    yield Figure(f"scope of a login over 17 days, {seen}, {size}", min(times), "s", target=2)
    yield Figure(f"the same, the first time, {size}", times[0], "s", target=2)
    since, times = now - timedelta(days=365 * YEARS + 2), []
    for patient in filler.patients[:20]:
        started = time.perf_counter()
        report = report_accesses(system.journal, grant, patient, since, now)
        times.append((time.perf_counter() - started) * 1e3)
    lines = f"{sum(len(a.elements) > 0 for a in report.accesses):,} lines"
    cut = percentiles(times)
    yield Figure(f"access report of a patient, {lines}, {size}, p50", cut[50], "ms", target=200)
    yield Figure(f"access report of a patient, {size}, p95", cut[95], "ms", target=200)
    started = time.perf_counter()
    find_patterns(system.journal, grant, now - timedelta(days=30), now, now)
    yield Figure(f"who sees most in 30 days, {size}", time.perf_counter() - started, "s")
    question = Question(patient=filler.patients[3], element="ssn", since=since, until=now)
    started = time.perf_counter()
    find(system.journal, grant, question, now)
    yield Figure(f"search by patient and element, {size}", (time.perf_counter() - started) * 1e3, "ms")


def _proofs(system: System, filler: Filler) -> Iterator[Figure]:
    """A proof of inclusion for an entry, from the published tiles; and as it is written for an outsider."""
    from confide.audit.models import Checkpoint, JournalEntry, Leaf
    from confide.audit.proofs import prove, prove_entries
    from confide.audit.publication import hash_leaf
    from confide.cipher.tree import verify_inclusion

    system.sequencer.seal(datetime.now(UTC))  # publishes, too
    newest = Checkpoint.objects.latest("size")
    tiles, dice = system.sequencer.tiles, random.Random(2)
    times: list[float] = []
    written: list[float] = []
    for _ in range(200):
        wanted = dice.randrange(1, ENTRIES + 1)
        hashed = bytes(JournalEntry.objects.get(pk=wanted).leaf)
        started = time.perf_counter()
        leaf = Leaf.objects.get(entry=wanted)
        place = hash_leaf(hashed, wanted, leaf.of_patient, leaf.of_credential)
        path = prove(place, leaf.position, newest, tiles)
        times.append((time.perf_counter() - started) * 1e3)
        verify_inclusion(leaf.position, newest.size, place, path, bytes(newest.root))
        wanted = dice.randrange(1, ENTRIES + 1)
        started = time.perf_counter()
        for _ in prove_entries([wanted], tiles):
            pass
        written.append((time.perf_counter() - started) * 1e3)
    for what, measured in (("proof of inclusion", times), ("the same, with the entry and note", written)):
        cut = percentiles(measured)
        yield Figure(f"{what}, {ENTRIES:,} entries, p50", cut[50], "ms", target=5)
        yield Figure(f"{what}, {ENTRIES:,} entries, p99", cut[99], "ms", target=5)
