"""What is stored so that it reads and hashes as before, and yet no report finds it; what is never sealed."""

from __future__ import annotations

import random
from base64 import b64decode
from dataclasses import replace

import pytest
from django.db import connection, transaction

from confide.audit import places
from confide.audit.inserts import COLUMNS
from confide.audit.journal import Journal
from confide.audit.models import Checkpoint, JournalEntry, Opened
from confide.audit.sequencer import Sequencer
from confide.errors import Damaged
from confide.records import bodies
from tests.audit import made, tampering

HUGE = 2**62
FIRST = "(SELECT min(id) FROM audit_journalentry WHERE action = 'read')"
KEPT = [name for name in COLUMNS if name not in {"at", "actor"}]


@pytest.fixture
def case(db, tmp_path):
    case = tampering.Case(tmp_path, 40, random.Random(6))
    tampering.drop_triggers()
    return case


@pytest.fixture
def sequencer(case):
    return Sequencer(lambda: made.LOG, case.tiles)


def need(vendor):
    if connection.vendor != vendor:
        pytest.skip(f"not for {connection.vendor}")


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def append(case, **changes):
    """One more entry, as another one was."""
    with transaction.atomic():
        row = places.line_of(JournalEntry.objects.order_by("id")[0]).entry
        return Journal().append([replace(row, **changes)])[0]


def told(case):
    return [f"{each.where}: {each.what}" for each in case.verify().wrong]


@pytest.mark.parametrize(
    "disguise",
    [
        "at = replace(replace(at, '-', ''), ' ', 'T')",
        "at = at || '+00:00'",
        "action = x'" + b64decode("read").hex() + "'",
        "body_sha256 = 0",
        r"""elements = '{"\u0073sn":"clear"}'""",
        r"""elements = '{"ssn":"masked","ssn":"clear"}'""",
    ],
)
def test_an_entry_that_reads_as_before_and_is_in_no_report_is_named(disguise, case, sequencer):
    need("sqlite")
    append(case, action="read", elements={"ssn": "clear"}, body_sha256=b"")
    sequencer.seal(case.now)
    case.cosign(case.now)
    assert told(case) == []
    id_ = JournalEntry.objects.get(action="read").pk
    run(f"UPDATE audit_journalentry SET {disguise} WHERE id = {FIRST}")
    assert next(places.read(40, 41)).sound
    [said] = told(case)
    assert said.startswith(f"entry with id {id_}: ")


@pytest.mark.parametrize("fraction", [0, 1, 999_499, 999_500, 999_999])
def test_any_moment_of_a_second_is_as_we_write_it(fraction, case, sequencer):
    at = case.now.replace(microsecond=fraction)
    append(case, at=at)
    sequencer.seal(at)
    case.cosign(at)
    assert told(case) == []


@pytest.mark.parametrize("days", [-40, 40])
def test_a_second_entry_with_an_id_that_is_taken_is_found(days, case):
    need("postgresql")
    columns = ", ".join([*KEPT, "leaf"])
    run(
        f"INSERT INTO audit_journalentry (id, at, actor, {columns}) OVERRIDING SYSTEM VALUE"
        f" SELECT id, at + interval '{days} days', 'other', {columns} FROM audit_journalentry"
        " ORDER BY id OFFSET 7 LIMIT 1"
    )
    assert told(case)[0].startswith("entry 7 ")


def test_a_moment_that_is_none_is_named(case):
    need("postgresql")
    run("UPDATE audit_journalentry SET at = 'infinity' WHERE id = (SELECT max(id) FROM audit_journalentry)")
    last = JournalEntry.objects.order_by("-id").values_list("id", flat=True)[0]
    assert told(case) == [f"entry with id {last}: changed: it holds what Confide never writes there"]


@pytest.mark.parametrize(
    ("seals", "entries"), [(1, "9" * 20), (1, "5-4"), (1, "\u0663"), (-5, ""), (1, "1,1"), (1, "01")]
)
def test_a_use_of_keys_that_no_process_writes_is_named(seals, entries, case):
    Opened.objects.create(at=case.now, process="x", kind="reveal", seals=seals, entries=entries)
    assert told(case)[0].endswith("of process x: it is not as it was written")


@pytest.mark.parametrize("what", ["folder", "link"])
def test_a_tile_that_is_no_file_is_named(what, case):
    path = case.folder / "tile" / "0" / "000.p" / "40"
    path.unlink()
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    assert told(case)[0].startswith("tile/0/000: the journal's folder cannot be read")


def test_an_id_that_somebody_chose_keeps_no_later_entry_from_its_place(case, sequencer):
    """Else all later ones lie below the floor, and who reveals something has for ever to remove it."""
    columns = ", ".join([*KEPT, "at", "actor", "leaf"])
    how = "OVERRIDING SYSTEM VALUE" if connection.vendor == "postgresql" else ""
    run(
        f"INSERT INTO audit_journalentry (id, {columns}) {how}"
        f" SELECT {HUGE}, {columns} FROM audit_journalentry ORDER BY id LIMIT 1"
    )
    for _ in range(3):  # whoever may still be writing has to be waited for
        sequencer.seal(case.now)
    assert Checkpoint.objects.count() > 1
    for _ in range(3):
        append(case)
        assert sequencer.seal(case.now) == 1
        assert sequencer.seal(case.now) == 0
    assert Sequencer.waiting().entries == 0
    case.cosign(case.now)
    assert told(case) == []


def test_where_later_entries_would_lie_below_the_floor_it_is_said(case, sequencer):
    newest = Checkpoint.objects.order_by("-size")[0]
    Checkpoint.objects.filter(pk=newest.pk).update(floor=HUGE)
    id_ = append(case)
    with pytest.raises(Damaged, match="would never be sealed"):
        sequencer.seal(case.now)
    with pytest.raises(Damaged, match="would never be sealed"):
        Sequencer.waiting()
    assert told(case)[-1].startswith(f"entry with id {id_}: it has no place in the tree")
    Checkpoint.objects.filter(pk=newest.pk).update(floor=newest.floor)
    assert sequencer.seal(case.now) == 1


@pytest.mark.parametrize("value", ["'x'", "x'c3'", "1.5", "'2026-02-30 09:00:00'"])
@pytest.mark.parametrize(
    "column",
    ["journalentry.at", "journalentry.leaf", "journalentry.reason_sealed", "leaf.entry", "checkpoint.size",
     "checkpoint.root", "checkpoint.frontier", "checkpoint.floor", "cosignature.at", "cosignature.size",
     "cosignature.line", "tally.count", "opened.at", "opened.seals", "opened.entries"],
)  # fmt: skip
def test_what_a_column_never_holds_is_named_and_ends_nothing(column, value, case):
    need("sqlite")
    if (column, value) in {("cosignature.line", "'x'"), ("opened.entries", "'x'"), ("checkpoint.at", "'x'")}:
        return  # words, which are looked at as such
    Opened.objects.create(at=case.now, process="x", kind="reveal", seals=1, entries="1")
    table, _, name = column.partition(".")
    run(f"UPDATE audit_{table} SET {name} = {value} WHERE rowid = (SELECT max(rowid) FROM audit_{table})")
    assert case.verify().wrong
    assert len(list(bodies.check())) < 2


def test_a_moment_that_is_none_is_named_wherever_it_stands(case):
    need("postgresql")
    Opened.objects.create(at=case.now, process="x", kind="reveal", seals=1, entries="1")
    for table in ("opened", "cosignature", "checkpoint"):
        run(f"UPDATE audit_{table} SET at = '-infinity'")
        assert f"of audit_{table}: changed: it holds" in told(case)[0]
