"""The journal is complete, silent about values, and cannot be changed."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DatabaseError, connection, transaction

from confide.access.decide import Actor, decide
from confide.access.roles import Action, Form, Purpose, Role
from confide.audit.journal import (
    LIMIT,
    Entry,
    Outcome,
    entry_for,
    format_canonical,
    hash_leaf,
    refusal_for,
)
from confide.audit.models import JournalEntry
from confide.errors import GrantExpired, GrantMismatch, Invalid, JournalUnavailable
from confide.protect.elements import Element

from .conftest import NOW

ENTRY = Entry(
    at=NOW,
    practice="practice-1",
    actor_kind="person",
    actor="account-1",
    credential="session-1",
    role="front_desk",
    action="reveal",
    purpose="HPAYMT",
    patient="patient-1",
    elements={"ssn": "masked", "name": "clear"},
    resource_type="Patient",
    resource_id="patient-1",
    version=3,
    body_sha256=bytes(range(32)),
    outcome=Outcome.SUCCESS.value,
    address="192.0.2.7",
    reason_sealed=b"\x01sealed",
)


def test_the_writing_that_is_hashed_is_fixed():
    assert format_canonical(ENTRY) == (
        b'{"action":"reveal","actor":"account-1","actor_kind":"person","address":"192.0.2.7",'
        b'"at":"2026-03-02T09:01:00.000250Z",'
        b'"body_sha256":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","credential":"session-1",'
        b'"elements":{"name":"clear","ssn":"masked"},"outcome":"0","patient":"patient-1",'
        b'"practice":"practice-1","purpose":"HPAYMT","reason_sealed":"AXNlYWxlZA==",'
        b'"resource_id":"patient-1","resource_type":"Patient","role":"front_desk","version":3}'
    )


def test_what_was_added_later_is_hashed_where_it_is_said_and_old_hashes_hold(journal, reading, officer):
    old = replace(ENTRY, practice=officer.practice)
    new = replace(old, device="device-1", relationship="appointment own")
    assert b"device" not in format_canonical(old)
    assert b"relationship" not in format_canonical(old)
    assert b'"device":"device-1","elements"' in format_canonical(new)
    assert format_canonical(new).count(b'"relationship":"appointment own"') == 1
    assert len({hash_leaf(old), hash_leaf(new), hash_leaf(replace(new, device=""))}) == 3
    journal.append([old, new])
    lines = journal.read(reading, NOW)
    assert [line.entry for line in lines] == [new, old]
    assert all(hash_leaf(line.entry) == line.leaf for line in lines)


@pytest.mark.asvs("11.4.3")
def test_the_leaf_is_that_of_rfc_6962():
    assert hash_leaf(ENTRY) == hashlib.sha256(b"\x00" + format_canonical(ENTRY)).digest()


@pytest.mark.parametrize(
    "change", [{"version": 4}, {"at": NOW + timedelta(microseconds=1)}, {"elements": {"name": "clear"}}]
)
def test_every_change_changes_the_leaf(change):
    assert hash_leaf(replace(ENTRY, **change)) != hash_leaf(ENTRY)


@pytest.mark.asvs("16.2.2")
def test_what_is_appended_is_read_back(journal, reading, officer):
    entry = replace(ENTRY, practice=officer.practice)
    (id_,) = journal.append([entry])
    (line,) = journal.read(reading, NOW)
    assert (line.id, line.entry) == (id_, entry)
    assert line.leaf == hash_leaf(line.entry) == hash_leaf(entry)


def test_ids_come_in_order(journal, officer):
    entries = [replace(ENTRY, practice=officer.practice, version=n) for n in range(1203)]
    ids = journal.append(entries[:1000]) + journal.append(entries[1000:])
    rows = dict(JournalEntry.objects.values_list("version", "id"))
    assert ids == sorted(ids) == [rows[n] for n in range(1203)]


def test_nothing_is_appended_for_nothing(journal, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert journal.append([]) == []


@pytest.mark.asvs("16.2.1")
def test_an_entry_tells_what_a_grant_was_used_for(reveal, officer):
    entry = entry_for(
        reveal, NOW, patient="p1", elements={Element.NAME: Form.CLEAR}, resource_type="Patient", version=2
    )
    assert (entry.practice, entry.actor_kind, entry.actor, entry.credential, entry.address) == (
        officer.practice,
        "person",
        officer.id,
        "session-1",
        "192.0.2.7",
    )
    assert (entry.role, entry.action, entry.purpose, entry.patient, entry.version, entry.outcome) == (
        "privacy_officer",
        "reveal",
        "PATRQT",
        "p1",
        2,
        "0",
    )
    assert entry.elements == {"name": "clear"}


@pytest.mark.asvs("16.3.2")
def test_a_refusal_has_an_entry_without_a_grant(journal, officer):
    entry = refusal_for(officer, Action.READ, Purpose.TREAT, NOW, patient="p1")
    journal.append([entry])
    assert JournalEntry.objects.get().outcome == Outcome.MINOR_FAILURE


@pytest.mark.django_db(transaction=True)
def test_an_entry_is_written_in_the_transaction_of_what_it_tells(journal):
    with pytest.raises(JournalUnavailable):
        journal.append([ENTRY])
    with transaction.atomic():
        journal.append([ENTRY])
        transaction.set_rollback(True)
    assert not JournalEntry.objects.exists()


def test_a_journal_that_cannot_be_written_says_so_without_values(journal, db):
    def fail(*args, **kwargs):
        raise DatabaseError("patient-1 was the value")

    with connection.execute_wrapper(fail), pytest.raises(JournalUnavailable) as caught:
        journal.append([ENTRY])
    assert "patient-1" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_missing_table_stops_the_caller(journal, db):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_journalentry RENAME TO audit_hidden")
        with pytest.raises(JournalUnavailable):
            journal.append([ENTRY])
        transaction.set_rollback(True)
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"at": datetime(2026, 3, 2, 9, 1)},  # noqa: DTZ001 - that is the point
        {"at": datetime(2026, 3, 2, 9, 1, tzinfo=timezone(timedelta(hours=1)))},
    ],
)
def test_an_entry_that_cannot_be_told_apart_is_refused(journal, db, change):
    with pytest.raises(JournalUnavailable):
        journal.append([replace(ENTRY, **change)])


@pytest.mark.asvs("16.4.2")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_journalentry SET patient = 'somebody else'",
        "DELETE FROM audit_journalentry",
        "UPDATE audit_journalentry SET id = id + 1",
        "TRUNCATE audit_journalentry",
        "INSERT OR REPLACE INTO audit_journalentry SELECT * FROM audit_journalentry",
    ],
)
def test_the_database_refuses_to_change_an_entry(journal, db, statement):
    if statement.startswith("TRUNCATE") and connection.vendor == "sqlite":
        pytest.skip("not for SQLite: it has no TRUNCATE")
    if "OR REPLACE" in statement and connection.vendor == "postgresql":
        pytest.skip("not for PostgreSQL: it has no INSERT OR REPLACE")
    journal.append([ENTRY])
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert JournalEntry.objects.get().patient == "patient-1"


def test_the_models_refuse_too(journal, db):
    journal.append([ENTRY])
    row = JournalEntry.objects.get()
    for act in (row.delete, row.save):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


# Reading


def test_reading_the_journal_is_an_entry(journal, reading, officer):
    journal.read(reading, NOW, patient="p1")
    row = JournalEntry.objects.get()
    assert (row.action, row.patient, row.actor, row.resource_type) == (
        "journal-read",
        "p1",
        officer.id,
        "AuditEvent",
    )
    assert row.elements == {}


def test_no_reading_without_its_entry(journal, reading, monkeypatch):
    def fail(entries):
        raise JournalUnavailable("the journal cannot be written")

    monkeypatch.setattr(journal, "append", fail)
    with pytest.raises(JournalUnavailable):
        journal.read(reading, NOW)


def test_reading_chooses_and_pages(journal, reading, officer):
    entries = [
        replace(ENTRY, practice=officer.practice, patient=f"p{n % 2}", actor=f"a{n % 3}", version=n)
        for n in range(12)
    ]
    ids = journal.append(entries)

    def versions(**chosen):
        return [
            line.entry.version
            for line in journal.read(reading, NOW, **chosen)
            if line.entry.action != "journal-read"
        ]

    assert versions() == list(range(11, -1, -1))
    assert versions(patient="p1") == [11, 9, 7, 5, 3, 1]
    assert versions(patient="p1", actor="a0") == [9, 3]
    assert versions(after=ids[9]) == [11, 10]
    assert versions(patient="p0", limit=2, before=ids[9]) == [8, 6]


def test_another_practice_is_not_read(journal, reading):
    journal.append([ENTRY])
    assert journal.read(reading, NOW) == []


@pytest.mark.parametrize("limit", [0, -1, LIMIT + 1])
def test_a_reading_is_bounded(journal, reading, limit):
    with pytest.raises(Invalid):
        journal.read(reading, NOW, limit=limit)


def test_only_a_grant_for_it_reads(journal, reading, reveal, officer):
    with pytest.raises(GrantMismatch):
        journal.read(reveal, NOW)
    with pytest.raises(GrantExpired):
        journal.read(reading, reading.expires)
    for_one = decide(officer, Action.JOURNAL_READ, Purpose.HOPERAT, ["p1"], [], NOW)
    journal.read(for_one, NOW, patient="p1")
    with pytest.raises(GrantMismatch):
        journal.read(for_one, NOW)


def test_an_actor_without_a_name_in_the_journal_is_impossible():
    with pytest.raises(TypeError):
        Entry(at=datetime.now(UTC), practice="p", elements={})


def test_nobody_is_named(journal, reveal, officer):
    """The journal names by id: a person's or patient's name is not in it."""
    journal.append([entry_for(reveal, NOW, patient="p1", elements={Element.NAME: Form.CLEAR})])
    row = JournalEntry.objects.values().get()
    assert officer.name not in json.dumps(row, default=repr)
    assert isinstance(officer, Actor)
    assert officer.role is Role.PRIVACY_OFFICER
