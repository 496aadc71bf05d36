"""The token table by itself, without the door before it: batches of 10,000, on a file and in the database."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import Figure, Peer, benchmark

if TYPE_CHECKING:
    from confide.protect.tokens import TokenStore

BATCHES, EACH = 10, 10_000
SUBJECT = "6f1c2f0e-3b1d-4222-8333-0a6be51a9d20"
PUBLISHED = "published, 8 vCPU"


@benchmark
def tokens_in_a_file() -> Iterator[Figure]:
    from confide.protect.tokenstore import FileTokenStore

    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        store = FileTokenStore(Path(folder) / "tokens.sqlite3")
        yield from _measure("a file", store, nullcontext())
        store.close()


@benchmark
def tokens_in_the_database() -> Iterator[Figure]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import transaction

    from confide.vault.tokens import DatabaseTokenStore

    call_command("migrate", database="default", verbosity=0)
    # The door opens the transaction, in which it also charges and journals.
    yield from _measure("the database", DatabaseTokenStore(), transaction.atomic())


def _measure(where: str, store: TokenStore, around: AbstractContextManager[object]) -> Iterator[Figure]:
    from confide.protect.elements import Element
    from confide.protect.keyring import Keyring
    from confide.protect.keystore import FileDataKeys
    from confide.protect.kms.file import FileKms
    from confide.protect.tokens import Tokens, Wanted

    with tempfile.TemporaryDirectory(prefix="confide-bench-") as folder:
        keys = FileDataKeys(Path(folder) / "keys.sqlite3")
        tokens = Tokens(Keyring.found(FileKms.create(Path(folder) / "root.key"), keys, "bench"), store)
        now = datetime.now(UTC)
        making, finding, opening, again = [], [], [], []
        for batch in range(BATCHES):
            first = batch * EACH
            wanted = [Wanted(Element.SSN, f"{first + i:09d}", SUBJECT) for i in range(EACH)]
            times = [time.perf_counter()]
            with around:
                made = tokens.tokenize("lab", wanted, now)
            times.append(time.perf_counter())
            found = tokens.find("lab", made, now)
            times.append(time.perf_counter())
            clear = tokens.open(found)
            times.append(time.perf_counter())
            with around:
                same = tokens.tokenize("lab", wanted, now)
            times.append(time.perf_counter())
            assert clear == [one.value for one in wanted]
            assert same == made
            for kept, start, end in zip((making, finding, opening, again), times, times[1:], strict=False):
                kept.append(end - start)
    written = Peer("Databunker Pro, records written", 5_800, PUBLISHED)
    yield Figure(f"tokenize, new, {where}", EACH / median(making), "tokens/s", written)
    yield Figure(f"tokenize, known, {where}", EACH / median(again), "tokens/s")
    both = [a + b for a, b in zip(finding, opening, strict=True)]
    yield Figure(f"find and open, {where}", EACH / median(both), "tokens/s")
    yield Figure(f"find, {where}", EACH / median(finding), "tokens/s")
