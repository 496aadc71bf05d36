"""Every seal that is opened names the entry that allows it; what does not agree with the journal is found."""

import pytest
from django.db import connection

from confide.audit import openings
from confide.audit.models import JournalEntry, Opened
from confide.protect import uses
from confide.protect.uses import Kind
from confide.records.models import Resource
from confide.records.rows import document
from tests.audit.tampering import no_triggers

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def patient(elm):
    """A patient whose chart was read once, with what that used written down."""
    made = elm.patient()
    uses.take()  # what other tests did
    elm.read("Patient", made)
    openings.flush(elm.clock())
    return made


def found():
    wrong = []
    notes = openings.reconcile(lambda where, what: wrong.append(f"{where}: {what}"))
    return wrong, notes


def test_a_reading_is_counted_under_its_entry(elm, patient):
    (entry,) = JournalEntry.objects.filter(action="read", version__gt=0)
    row = Opened.objects.get()
    assert (row.kind, row.seals, row.entries) == ("reveal", 1, str(entry.pk))
    assert found() == ([], [])
    assert openings.flush(elm.clock()) == 0


def test_what_is_opened_without_being_shown_needs_no_entry(elm, patient):
    elm.read("Patient", patient, elm.grant("read", elements=[]))
    openings.flush(elm.clock())
    assert [(row.kind, row.seals, row.entries) for row in Opened.objects.order_by("id")][1:] == [
        ("veiled", 1, "")
    ]
    assert found() == ([], [])


def test_the_index_is_built_under_an_entry(elm, patient):
    elm.system.indexes(elm.id).catch_up()
    openings.flush(elm.clock())
    row = Opened.objects.get(kind="index")
    assert JournalEntry.objects.get(pk=int(row.entries)).action == "index"
    assert found() == ([], [])


def test_an_entry_that_is_gone_is_missed_by_whoever_opened_under_it(elm, patient):
    gone = JournalEntry.objects.get(action="read", version__gt=0).pk
    with no_triggers():
        JournalEntry.objects.filter(pk=gone).delete()
    wrong, _ = found()
    assert wrong[0].endswith(f"seals were opened under entry {gone}, and there is no such reveal entry")


def test_a_seal_that_is_opened_past_the_door_is_found(elm, patient):
    d = document(Resource.objects.get(pk=patient))
    keyring, protector = elm.system.vault._unlocked(elm.id)
    protector.reveal(d.body, d.seal, d.place, keyring.subject(patient))
    openings.flush(elm.clock())
    assert found() == (["key use: 1 seals were opened that name no entry"], [])
    protector.reveal(d.body, d.seal, d.place, keyring.subject(patient), use=Kind.REVEAL)
    openings.flush(elm.clock())
    assert "1 seals more were opened for reveals than there are entries for them" in found()[0][1]


def test_what_a_killed_process_did_not_write_down_is_said_and_no_fault(elm, patient):
    elm.read("Patient", patient)
    uses.take()  # the process is gone
    wrong, notes = found()
    assert wrong == []
    assert notes == ["reveal: 1 recorded and not noted as done: a process was killed, or still has it"]


def test_where_all_notes_of_uses_are_gone_it_is_said(elm, patient):
    elm.read("Patient", patient)
    openings.flush(elm.clock())
    assert found() == ([], [])
    with no_triggers():
        Opened.objects.all().delete()
    wrong, [note] = found()
    assert wrong == []
    assert note.endswith("entries allow openings, and none is noted: the notes were removed, or lost")


def test_what_cannot_be_written_down_is_kept(elm, patient):
    elm.read("Patient", patient)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_opened RENAME TO audit_away")
    try:
        with pytest.raises(openings.JournalUnavailable):
            openings.flush(elm.clock())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_away RENAME TO audit_opened")
    assert openings.flush(elm.clock()) == 1
    assert found() == ([], [])


def test_ids_are_written_as_runs_and_read_again():
    ids = [7, 3, 4, 5, 9, 10, 3]
    assert openings.write_ids(ids) == "3-5,7,9-10"
    assert list(openings.read_ids("3-5,7,9-10")) == [3, 4, 5, 7, 9, 10]
    assert list(openings.read_ids("")) == []
    for wrong in ("x", "3-x", "1-99999999999"):
        with pytest.raises(ValueError, match=r"invalid literal|so many"):
            list(openings.read_ids(wrong))
