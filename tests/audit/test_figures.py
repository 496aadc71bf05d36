"""Figures over the journal."""

from dataclasses import replace
from datetime import timedelta

import pytest

from confide.audit.figures import Openings, count_openings
from confide.audit.journal import Entry
from confide.audit.models import JournalEntry
from confide.errors import GrantMismatch

from .conftest import NOW

HOUR = timedelta(hours=1)


@pytest.fixture
def entry(officer):
    return Entry(
        at=NOW,
        practice=officer.practice,
        actor_kind="person",
        actor="a1",
        credential="s",
        role="nurse",
        action="read",
        purpose="TREAT",
        patient="p1",
        elements={"name": "clear"},
    )


def test_people_are_counted_once(journal, reading, entry):
    journal.append(
        [
            replace(entry, at=NOW - 10 * HOUR, patient="p0"),  # before
            replace(entry, at=NOW - HOUR),
            replace(entry, at=NOW - HOUR, patient="p2"),
            entry,
            replace(entry, actor="a2", action="reveal"),
            replace(entry, actor="a3", action="write", patient="p3"),  # nothing was shown
            replace(entry, actor="confide", actor_kind="system", patient="p4"),
            replace(entry, practice="another", patient="p5"),
        ]
    )
    found = count_openings(journal, reading, NOW - 2 * HOUR, NOW)
    by_hour = [0] * 24
    by_hour[8], by_hour[9] = 2, 1
    assert found == Openings(2, 2, tuple(by_hour))


def test_counting_is_an_entry(journal, reading):
    count_openings(journal, reading, NOW - HOUR, NOW)
    assert JournalEntry.objects.get().action == "journal-read"


def test_counting_needs_the_grant(journal, reveal):
    with pytest.raises(GrantMismatch):
        count_openings(journal, reveal, NOW, NOW)
