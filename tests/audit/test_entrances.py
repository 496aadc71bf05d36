"""What the journal says of signing in, and to whom."""

from __future__ import annotations

import pytest
from django.db import transaction

from confide.access.decide import act_as_member, decide
from confide.access.roles import Action, Purpose
from confide.audit.entrances import HOST, Event, entries_of, read_entrances
from confide.audit.journal import Journal, Outcome
from confide.errors import AccessDenied, GrantMismatch, Invalid
from tests.practice import NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def officer(db):
    from confide.access.models import Account, Membership, Practice

    practice = Practice.objects.create(name="Elm Street")
    account = Account.objects.create_user("privacy@elm.example")
    row = Membership.objects.create(
        approved_at=NOW, account=account, practice=practice, role="privacy_officer"
    )
    return act_as_member(row, "session")


@pytest.fixture
def grant(officer):
    return decide(officer, Action.JOURNAL_READ, Purpose.PATRQT, None, (), NOW)


def write(*entries):
    with transaction.atomic():
        Journal().append([entry for group in entries for entry in group])


def test_an_officer_reads_the_own_practice_and_the_host(grant):
    own, other = (grant.practice, "clinician"), ("another", "clinician")
    write(
        entries_of(Event.SIGN_IN, [own, other], NOW, account="a", address="192.0.2.7"),
        entries_of(Event.FAILED, [(HOST, "")], NOW, reason="password"),
        entries_of(Event.STOPPED, [other], NOW, reason="network:refused:25"),
    )
    lines = read_entrances(Journal(), grant, NOW)
    told = [(line.entry.practice, line.entry.action, line.entry.outcome) for line in lines]
    assert told == [
        (HOST, Event.FAILED, Outcome.MINOR_FAILURE),
        (grant.practice, Event.SIGN_IN, Outcome.SUCCESS),
    ]
    assert [line.entry.actor for line in read_entrances(Journal(), grant, NOW, actor="a")] == ["a"]


def test_it_is_read_in_pages_and_each_reading_is_an_entry(grant):
    for number in range(5):
        write(entries_of(Event.FAILED, [(HOST if number % 2 else grant.practice, "")], NOW))
    first = read_entrances(Journal(), grant, NOW, limit=3)
    second = read_entrances(Journal(), grant, NOW, before=first[-1].id, limit=3)
    ids = [line.id for line in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    readings = Journal().read(grant, NOW, actions=[Action.JOURNAL_READ.value])
    assert [line.entry.resource_id for line in readings] == ["SignIn", "SignIn"]


def test_it_needs_a_grant_to_read_the_journal(officer, grant):
    read = decide(officer, Action.READ, Purpose.PATRQT, None, (), NOW)
    with pytest.raises(GrantMismatch):
        read_entrances(Journal(), read, NOW)
    with pytest.raises(Invalid):
        read_entrances(Journal(), grant, NOW, limit=1001)
    with pytest.raises(AccessDenied):
        decide(officer, Action.JOURNAL_READ, Purpose.TREAT, None, (), NOW)


def test_who_saw_what_can_be_read_without_who_came(grant):
    write(entries_of(Event.SIGN_IN, [(grant.practice, "clinician")], NOW))
    assert Journal().read(grant, NOW, actions=[action.value for action in Action]) == []
    assert [line.entry.action for line in Journal().read(grant, NOW)] == ["journal-read", "sign-in"]
