"""Who runs into the end of a budget again and again becomes suspect; who does so a few times does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from confide.access.decide import Grant, act_as_client, act_as_member, decide
from confide.access.entrances import Device, Session
from confide.access.models import Account, Client, Membership
from confide.access.roles import Action, Purpose
from confide.audit import stops
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.protect.elements import Element

from .conftest import NOW


@pytest.fixture
def practice(db: None) -> Any:
    from confide.access.models import Practice

    return Practice.objects.create(name="Elm Street")


def grant_of(actor: Any) -> Grant:
    return decide(actor, Action.READ, Purpose.TREAT, None, Element, NOW)


def stop(grant: Grant, times: int, minutes: int = 0) -> None:
    for i in range(times):
        with transaction.atomic():
            stops.note(Journal(), grant, NOW + timedelta(minutes=minutes * i))


def test_a_session_is_degraded_and_its_person_is_not(practice: Any) -> None:
    account = Account.objects.create_user("desk")
    member = Membership.objects.create(account=account, practice=practice, role="front_desk", approved_at=NOW)
    device = Device.objects.create(
        account=account, digest="d" * 64, name="x", network="n", address="", first_at=NOW, last_at=NOW
    )
    session = Session.objects.create(
        account=account, device=device, network="n", address="", began_at=NOW, seen_at=NOW, idle_minutes=15
    )
    grant = grant_of(act_as_member(member, "s", "", session))
    stop(grant, stops.MOST)
    session.refresh_from_db()
    assert session.suspect_at is None
    stop(grant, 1)
    session.refresh_from_db()
    account.refresh_from_db()
    assert session.suspect_at == NOW
    assert account.suspect_at is None
    [entry] = JournalEntry.objects.all()
    assert (entry.action, entry.resource_id) == ("degrade", f"session:{session.pk}:budget")
    stop(grant, stops.MOST)
    session.refresh_from_db()
    assert session.frozen_at is None
    stop(grant, 1)  # it goes on and on: its owner signs in again, with a second factor
    session.refresh_from_db()
    assert session.frozen_at == NOW
    session.delete()
    stop(grant, stops.MOST + 1)  # nothing is left to degrade


def test_a_program_too_and_slowly_is_never(practice: Any) -> None:
    client = Client.objects.create(practice=practice, name="Feeder", elements=["name"])
    grant = grant_of(act_as_client(client, "t"))
    stop(grant, 3 * stops.MOST, minutes=5)
    client.refresh_from_db()
    assert client.suspect_at is None
    stop(grant, stops.MOST + 1)
    client.refresh_from_db()
    assert client.suspect_at is not None
