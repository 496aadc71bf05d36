"""A stored resource that was edited, rolled back or removed does not fit the journal."""

import copy
from dataclasses import replace

import pytest
from django.db import transaction

from confide.audit import places
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.records import bodies
from confide.records.models import Resource, Superseded
from tests.practice import appointment

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def patient(elm):
    """A patient in three versions, an appointment, and an organisation that was deleted."""
    made = elm.patient()
    elm.put("Patient", made, gender="male")
    elm.put("Patient", made, gender="other")
    elm.add(appointment(made, "2026-03-02"))
    house = elm.add({"resourceType": "Organization", "name": "Elm"})
    elm.system.charts.delete(elm.grant("write"), "Organization", house)
    return made


def wrong():
    return [(each.where.partition("/")[0], each.what) for each in bodies.check()]


def test_what_was_written_is_there(patient):
    assert wrong() == []


@pytest.mark.parametrize(("change", "found"), [
    ({"body": b"{}"}, [("Patient", "its body is not what was written")]),
    ({"type": "Person"}, [("Patient", "its body is not what was written")]),
    ({"deleted": True, "body": b""}, [("Patient", "its body is not what was written")]),
    ({"version": 4}, [("Patient", "it is not there"), ("Patient", "no entry says that it was written")]),
])  # fmt: skip
def test_an_edited_row_is_found(patient, change, found):
    Resource.objects.filter(pk=patient).update(**change)
    assert wrong() == found


def test_a_row_that_was_rolled_back_is_found(patient):
    """The old version is put back as the current one, with its own seal; both are gone from the history."""
    old = Superseded.objects.get(id=patient, version=1)
    fields = ("version", "body", "seal", "subject", "patients", "elements", "updated", "deleted")
    Resource.objects.filter(pk=patient).update(**{name: getattr(old, name) for name in fields})
    Superseded.objects.filter(id=patient).delete()
    assert wrong() == [("Patient", "it is not there")] * 2


def test_a_removed_row_is_found(patient):
    Resource.objects.filter(type="Appointment").delete()
    Superseded.objects.filter(id=patient, version=2).delete()
    assert sorted(wrong()) == [("Appointment", "it is not there"), ("Patient", "it is not there")]


def test_a_deletion_that_was_undone_is_found(patient):
    old = Superseded.objects.get(type="Organization")
    Resource.objects.filter(pk=old.id).update(body=old.body, deleted=False)
    assert wrong() == [("Organization", "its body is not what was written")]


def test_a_row_that_nobody_wrote_is_found(patient):
    add_unwritten(patient, 1)
    assert wrong() == [("Patient", "no entry says that it was written")]


def add_unwritten(patient, number):
    for n in range(number):
        row = copy.copy(Resource.objects.get(pk=patient))
        row.pk = f"0b0f7ad8-5a5e-4a3a-9b2c-11111111111{n}"
        row.save(force_insert=True)


def test_entries_of_two_writings_that_lie_between_each_other_hide_no_row(elm, patient):
    """On PostgreSQL what two requests write at once for several patients each may come in turns."""
    row = JournalEntry.objects.filter(resource_id=patient, action="write", version__gt=0).first()
    other = JournalEntry.objects.filter(resource_type="Appointment", action="write", version__gt=0).first()
    entries = [places.line_of(each).entry for each in (row, other)]
    with transaction.atomic():
        Journal().append([replace(each, patient=f"p{n}") for n in range(3) for each in entries])
    assert wrong() == []
    add_unwritten(patient, 2)
    assert wrong() == [("Patient", "no entry says that it was written")] * 2


def test_a_removed_row_hides_none_that_nobody_wrote(patient):
    Resource.objects.filter(type="Appointment").delete()
    add_unwritten(patient, 1)
    assert wrong() == [
        ("Appointment", "it is not there"),
        ("Patient", "no entry says that it was written"),
    ]
