"""Whatever is changed in the journal, its tree or its files is found, and the first wrong entry is named."""

import random

import pytest
from django.db import transaction

from tests import scale
from tests.audit import tampering

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
