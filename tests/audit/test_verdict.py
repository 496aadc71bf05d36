"""Whatever is changed in the journal, its tree or its files is found, and the first wrong entry is named."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from confide.audit import verdict
from confide.audit.journal import Journal
from confide.audit.models import Checkpoint
from confide.audit.sequencer import Sequencer
from tests import scale
from tests.audit import made, tampering

COUNT = 90


@pytest.fixture
def case(db, tmp_path):
    return tampering.Case(tmp_path, COUNT, random.Random(3))


def test_a_journal_that_nobody_changed_is_right(case):
    found = case.verify()
    assert (found.wrong, found.size, found.cosigned) == ([], COUNT, COUNT)


def test_every_tampering_is_found(case):
    """Ten of each kind of twenty; five hundred in `make drill`."""
    missed, chance = [], random.Random(7)
    times = 500 if scale.WHOLE else 10
    with transaction.atomic():
        tampering.drop_triggers()
        for kind in tampering.KINDS:
            missed += [kind for _ in range(times) if not case.attack(kind, chance)]
    assert missed == []
    print(f"{times * len(tampering.KINDS):,} tamperings of {COUNT} entries and their tiles, all found")
    assert case.verify().wrong == []


def moments(found):
    return [told for about, told in found.notes if about == "moments"]


def test_a_clock_that_was_set_back_for_a_reveal_is_told(case):
    """Written yesterday by its date, today by its place; all holds, and no report over today shows it."""
    chance, sequencer = random.Random(5), Sequencer(lambda: made.LOG, case.tiles)
    assert moments(case.verify()) == []
    set_back = case.now - timedelta(days=3)
    ids = Journal().append([replace(tampering.entry(COUNT + n, chance), at=set_back) for n in range(2)])
    sequencer.seal(set_back)
    Journal().append([replace(tampering.entry(COUNT + 2, chance), at=case.now)])
    sequencer.seal(case.now)
    case.cosign(case.now)
    found = case.verify()
    assert (found.wrong, found.size) == ([], COUNT + 3)
    [told] = moments(found)
    assert told.startswith("2 entries are dated over an hour before what has an earlier place")
    assert f"entry {COUNT} (id {ids[0]})" in told


def test_a_clock_that_was_set_ahead_for_a_reveal_is_told(case):
    """Set right again before the tree has it: nothing that comes later is dated back."""
    chance, sequencer = random.Random(5), Sequencer(lambda: made.LOG, case.tiles)
    ahead = case.now + timedelta(days=3)
    [id_] = Journal().append([replace(tampering.entry(COUNT, chance), at=ahead)])
    sequencer.seal(case.now)
    case.cosign(case.now)
    found = case.verify()
    assert found.wrong == []
    [told] = moments(found)
    assert told.startswith("1 entry is dated over an hour after the checkpoint that covers it")
    assert f"entry {COUNT} (id {id_})" in told


def test_a_clock_that_was_set_back_just_after_where_the_check_begins_is_told(case):
    chance, sequencer = random.Random(5), Sequencer(lambda: made.LOG, case.tiles)
    since = Checkpoint.objects.order_by("-size")[0]
    Journal().append([replace(tampering.entry(COUNT, chance), at=case.now - timedelta(days=3))])
    sequencer.seal(case.now)
    case.cosign(case.now)
    found = verdict.verify(
        made.LOG.public, [made.WITNESS.public], case.tiles, case.kept, case.now,
        since=since.at + timedelta(seconds=1), patience=0,
    )  # fmt: skip
    assert (found.wrong, found.start) == ([], COUNT)
    assert len(moments(found)) == 1
