"""Copies of what is stored, as thieves have them: all tables, all files, and one record after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from confide.drill import outcome
from confide.drill.census import census
from confide.drill.notebook import Roll
from confide.drill.outcome import Check
from confide.drill.papers import Named
from confide.drill.population import Population
from confide.drill.scanner import KINDS, Hits, Scanner, exceeds

if TYPE_CHECKING:
    from confide.drill.venue import Venue

_CHUNK: Final = 1 << 22


def dump(alias: str) -> Iterator[bytes]:
    """All bytes of a database: of SQLite the files, of PostgreSQL every table in its binary format."""
    from django.db import connections

    connection = connections[alias]
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        for each in (path, path.with_name(path.name + "-wal")):
            if each.exists():
                yield from read(each)
        return
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            whole = f"COPY (SELECT * FROM {quoted}) TO STDOUT (FORMAT BINARY)"  # noqa: S608 - our own tables
            with cursor.copy(whole) as copy:
                yield from _gathered(bytes(part) for part in copy)


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def read(path: Path) -> Iterator[bytes]:
    """A file in chunks."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def stored(venue: Venue) -> Iterator[tuple[Named, bytes, bytes]]:
    """Every stored record of a patient's, body and seal, with whom it is of."""
    from confide.records.models import Resource

    roll = Roll(venue.people, venue.practices, venue.system)
    for practice in venue.practices:
        known = roll.of(practice)
        rows = Resource.objects.filter(practice=practice).values_list("subject", "body", "seal")
        for subject, body, seal in rows.iterator(chunk_size=2000):
            if subject in known:
                yield known[subject], bytes(body), bytes(seal)


def judge(
    hits: Hits, scanner: Scanner, venue: Venue
) -> tuple[tuple[Check, ...], tuple[tuple[str, str], ...]]:
    """What must hold of a copy, and what was found."""
    records = own = short = others = 0
    kinds: set[str] = set()
    before: Named | None = None
    for one, body, seal in stored(venue):
        records += 1
        found = scanner.own(one, body, seal)
        own += bool(found)
        kinds.update(found)
        if before is not None and before.row != one.row:
            short += scanner.short(one, seal)
            others += scanner.short(before, seal)
        before = one
    beyond = hits.beyond()
    said = ", ".join(beyond) if beyond else "no kind"
    checks = (
        outcome.most("records that hold a direct identifier of their own person", own, 0),
        Check("kinds found more often than never entered values", said, "no kind", not beyond),
        Check(
            "seals with a short word of their own person, of another",
            f"{short:,}, {others:,}",
            "no more than by chance",
            not exceeds(short, others),
        ),
        outcome.least("records looked at", records, len(venue.people)),
    )
    figures = [
        ("bytes scanned", f"{hits.scanned:,}"),
        ("values looked for", f"{len(scanner.entered.numbers):,}"),
    ]
    figures += [
        (
            f"{kind}, different ones: found, never entered found",
            f"{hits.entered[kind]:,}, {hits.never[kind]:,}",
        )
        for kind in KINDS
    ]
    if kinds:
        figures.append(("kinds in own records", ", ".join(sorted(kinds))))
    return checks, (*figures, *remains(venue.people))


def remains(people: Population) -> tuple[tuple[str, str], ...]:
    """What a thief still learns of everybody, as such."""
    year = 1970 + people.born // 365.2425
    combined = ((people.state * 1000 + people.zip // 100) * 2 + people.woman) * 3000 + year.astype(np.int64)
    _, counts = np.unique(combined, return_counts=True)
    alone = int((counts == 1).sum())
    states = len(np.unique(people.state))
    return (
        ("learned of everybody", "state, sex, year of birth, ZIP3, codes, row times, sizes"),
        ("states seen", f"{states:,} of {len(census().states)}"),
        ("persons alone with state, ZIP3, sex and year", f"{alone:,} of {len(people):,}"),
    )
