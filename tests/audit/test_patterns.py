"""What the privacy officer asks of the journal: scope, patterns, timelines, questions; asking is an entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from confide.audit import patterns
from confide.audit.models import JournalEntry
from confide.audit.patterns import Night, count_days, find_patterns, rare
from confide.audit.questions import Question, find
from confide.audit.scope import scope
from confide.errors import GrantExpired, GrantMismatch, Invalid

from .conftest import NOW
from .test_journal import ENTRY

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def written(journal, officer):
    """Two people work by day; one of them looks at two patients at three in the morning."""
    here = replace(ENTRY, practice=officer.practice, action="read", outcome="0")
    entries = [
        replace(here, at=at, actor=actor, credential=f"session:{actor}", patient=patient, elements=elements)
        for day in range(10)
        for hour in (9, 10, 14)
        for n in range(8)
        for actor, patient, elements, at in [
            (
                "ann" if n % 2 else "bob",
                f"p{n}",
                {"name": "clear", "ssn": "masked" if n else "clear"},
                NOW.replace(hour=hour, minute=n) - DAY * (day + 1),
            )
        ]
    ]
    night = NOW.replace(hour=3) - DAY
    entries += [
        replace(here, at=night, actor="bob", patient=p, elements={"phone": "clear"}) for p in ("p1", "q")
    ]
    entries += [
        replace(here, at=night, actor="bob", patient="never", outcome="4"),
        replace(here, at=night, actor="bob", patient="", elements={"phone": "searched"}),
        replace(here, at=night, actor="confide", actor_kind="system", patient="system"),
        replace(here, at=night, actor="eve", practice="another practice"),
        replace(here, at=NOW - 40 * DAY, actor="ann", patient="long ago"),
    ]
    journal.append(entries)


def test_a_scope_is_whose_record_and_which_elements(journal, reading, officer, written):
    found = scope(journal, reading, NOW - 17 * DAY, NOW, NOW, actor="bob")
    assert set(found.patients) == {"p0", "p2", "p4", "p6", "p1", "q"}
    assert found.patients["p0"] == {"name": "clear", "ssn": "clear"}
    assert found.patients["p2"] == {"name": "clear", "ssn": "masked"}
    assert found.elements == {"name": 4, "ssn": 4, "phone": 2}
    one = scope(journal, reading, NOW - 17 * DAY, NOW, NOW, credential="session:ann")
    assert set(one.patients) == {"p1", "p3", "p5", "p7"}
    assert scope(journal, reading, NOW - 17 * DAY, NOW - 16 * DAY, NOW, actor="bob").patients == {}
    assert scope(journal, reading, NOW - 17 * DAY, NOW, NOW, actor="eve").patients == {}
    with pytest.raises(Invalid):
        scope(journal, reading, NOW - DAY, NOW, NOW)
    assert (
        list(JournalEntry.objects.filter(resource_id="scope").values_list("actor", "action"))
        == [(officer.id, "journal-read")] * 4
    )


def test_patterns_say_who_sees_most_and_when_it_is_unusual(journal, reading, written):
    made = find_patterns(journal, reading, NOW - 30 * DAY, NOW, NOW)
    assert [(each.actor, each.patients, each.entries) for each in made.seers] == [
        ("bob", 6, 122),
        ("ann", 4, 120),
    ]
    assert made.hours == [0, 0, 0, 2, 0, 0, 0, 0, 0, 80, 80, 0, 0, 0, 80] + [0] * 9
    assert made.unusual == [3]
    assert made.nights == [Night((NOW - DAY).date(), "person", "bob", [3], 2)]
    days = dict(made.days)
    assert days[(NOW - DAY).date()] == 9
    assert days[(NOW - 2 * DAY).date()] == 8
    assert days[(NOW - 20 * DAY).date()] == 0
    assert len(made.days) == 31
    assert JournalEntry.objects.get(resource_id="patterns").action == "journal-read"


def test_an_hour_is_unusual_by_the_practices_own_work():
    assert rare([0] * 24) == []
    assert rare([1000, 5, 0, 9, 11] + [0] * 19) == [1, 3]


def test_a_timeline_has_every_day(journal, reading, written):
    made = count_days(journal, reading, Question(patient="q"), NOW - 3 * DAY, NOW, NOW)
    assert made == [
        ((NOW - 3 * DAY).date(), 0),
        ((NOW - 2 * DAY).date(), 0),
        ((NOW - DAY).date(), 1),
        (NOW.date(), 0),
    ]
    assert JournalEntry.objects.get(resource_id="timeline").patient == "q"
    assert patterns.fill({}, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)) == [
        (date(2026, 1, 1), 0)
    ]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"patient": "q"}, 1),
        ({"actor": "eve"}, 0),
        ({"element": "phone"}, 3),
        ({"element": "ssn", "patient": "p0"}, 30),
        ({"credential": "session:ann", "until": NOW - 9 * DAY}, 12),
        ({"since": NOW - DAY - timedelta(hours=7), "until": NOW - DAY - timedelta(hours=5)}, 5),
        ({"outcomes": ["4"]}, 1),
        ({"purpose": "TREAT"}, 0),
        ({"purpose": "HPAYMT", "patient": "q"}, 1),
        ({"patient": "q", "limit": 0}, 0),
    ],
)
def test_questions_are_answered_exactly(journal, reading, officer, written, asked, count):
    assert len(find(journal, reading, Question(**{"limit": 1000, **asked}), NOW)) == count
    entry = JournalEntry.objects.latest("id")
    assert (entry.action, entry.actor, entry.patient) == (
        "journal-read",
        officer.id,
        asked.get("patient", ""),
    )


def test_asking_needs_a_grant_for_it(journal, reading, reveal, written):
    with pytest.raises(GrantMismatch):
        find(journal, reveal, Question(), NOW)
    with pytest.raises(GrantExpired):
        find(journal, reading, Question(), NOW + timedelta(hours=1))
    with pytest.raises(Invalid):
        find(journal, reading, Question(limit=1001), NOW)
    with pytest.raises(GrantMismatch):
        find_patterns(journal, reveal, NOW - DAY, NOW, NOW)
    assert not JournalEntry.objects.filter(action="journal-read").exists()
