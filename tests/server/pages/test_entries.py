"""An entry says who, from which browser, and why the patient is that person's business."""

from __future__ import annotations

import pytest

from confide.access.entrances import Device
from confide.audit.models import JournalEntry

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_a_persons_entries_name_the_browser_and_the_relationship(surgery, doctor):
    doctor.get(f"/patients/{surgery.patient}")
    device = Device.objects.get(account=surgery.account("doctor")).pk
    mine = JournalEntry.objects.filter(actor=surgery.account("doctor").pk)
    signed_in = mine.get(action="sign-in")
    assert signed_in.device == device
    opened = mine.filter(action="read", patient=surgery.patient)
    assert opened
    assert {entry.device for entry in opened} == {device}
    assert {entry.relationship for entry in opened} == {"appointment"}
    assert all(entry.elements for entry in opened)
    written = JournalEntry.objects.filter(action="import", patient=surgery.patient)
    assert any(entry.elements.get("ssn") == "clear" for entry in written)
