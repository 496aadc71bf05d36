"""What is done at the terminal is written down, with who and where; what has no entry is not done."""

from __future__ import annotations

import pytest

from confide.access import keys, terminal
from confide.access.decide import decide
from confide.access.models import Account, Client, Membership, Practice
from confide.access.relationships import Kind, Relation
from confide.access.roles import Action, Purpose
from confide.audit import clients, people
from confide.audit.journal import Journal, entry_for, name_relation
from confide.audit.models import JournalEntry
from confide.audit.terminal import Event, entry_at, machine
from confide.errors import JournalUnavailable, Unknown
from tests.practice import without_journal

from .conftest import NOW

JWK = {"kty": "EC", "crv": "P-384", "kid": "one", "x": "AA", "y": "AA"}


@pytest.fixture
def practice(db):
    return Practice.objects.create(name="Elm Street")


@pytest.fixture
def client_row(practice, journal):
    made = Client(practice=practice, name="lab", jwks=keys.stamp({"keys": [JWK]}, 90, NOW))
    clients.register(journal, made, NOW)
    return made


def told() -> list[tuple[str, str, str]]:
    return list(JournalEntry.objects.order_by("id").values_list("action", "resource_type", "resource_id"))


def test_a_programs_life_is_written_down(client_row, journal):
    pk = client_row.pk
    clients.change(journal, client_row, {"scopes": "system/*.rs", "elements": ["name"]}, NOW)
    clients.add_keys(journal, client_row, {"keys": [{**JWK, "kid": "two"}]}, 90, NOW)
    clients.retire_key(journal, client_row, "one", NOW)
    with pytest.raises(Unknown):
        clients.retire_key(journal, client_row, "one", NOW)
    assert told() == [
        ("client-made", "Client", pk),
        ("client-key-added", "ClientKey", f"{pk[:8]}:one"),
        ("client-changed", "Client", f"{pk}:elements"),
        ("client-changed", "Client", f"{pk}:scopes"),
        ("client-key-added", "ClientKey", f"{pk[:8]}:two"),
        ("client-key-retired", "ClientKey", f"{pk[:8]}:one"),
    ]
    entry = JournalEntry.objects.earliest("id")
    assert (entry.practice, entry.actor_kind, entry.actor, entry.role) == (
        client_row.practice_id, "system", "confide", "operator",
    )  # fmt: skip
    assert (entry.credential, entry.device, entry.purpose) == ("terminal", machine(), "HSYSADMIN")
    assert "@" in machine()
    assert "system/*.rs" not in str(list(JournalEntry.objects.values()))


def test_a_persons_account_and_practitioner_are_written_down(practice, journal):
    made = people.make_account(journal, "RBanerjee", "a password of many words", "R", practice.pk, NOW)
    row = Membership.objects.create(account=made, practice=practice, role="clinician")
    people.name_practitioner(journal, row, "3f6c", NOW)
    assert Membership.objects.get().practitioner == "3f6c"
    assert told() == [
        ("account-made", "Account", made.pk),
        ("practitioner-named", "Membership", f"person:{made.pk}"),
        ("practitioner-named", "Membership", "practitioner:3f6c"),
    ]


@pytest.mark.django_db(transaction=True)
def test_without_a_journal_nothing_is_done(transactional_db):
    practice, journal = Practice.objects.create(name="Elm Street"), Journal()
    made = Client(practice=practice, name="lab", jwks=keys.stamp({"keys": [JWK]}, 90, NOW))
    clients.register(journal, made, NOW)
    account = Account.objects.create_user("a", display_name="A")
    row = Membership.objects.create(account=account, practice=practice, role="clinician")
    with without_journal():
        for act in (
            lambda: clients.change(journal, Client.objects.get(), {"scopes": "x"}, NOW),
            lambda: clients.register(journal, Client(practice=practice, name="other"), NOW),
            lambda: clients.add_keys(journal, made, {"keys": [{**JWK, "kid": "two"}]}, 90, NOW),
            lambda: people.make_account(journal, "b", "a password of words", "B", practice.pk, NOW),
            lambda: people.name_practitioner(journal, row, "3f6c", NOW),
        ):
            with pytest.raises(JournalUnavailable):
                act()
    assert Client.objects.get().scopes == ""
    assert len(keys.keys_of(Client.objects.get())) == 1
    assert Account.objects.count() == 1
    assert Membership.objects.get().practitioner == ""


def test_a_person_at_the_terminal_is_named(practice):
    account = Account.objects.create_user("p", display_name="P")
    entry = entry_at(
        Event.CLIENT, "Client", "x", NOW, practice=practice.pk, by=account, role="privacy_officer"
    )
    assert (entry.actor_kind, entry.actor, entry.role, entry.purpose) == (
        "person", account.pk, "privacy_officer", "HOPERAT",
    )  # fmt: skip
    assert (entry.credential, entry.device) == (terminal.CREDENTIAL, machine())


def test_an_entry_says_why_the_patient_is_the_persons_business(officer):
    assert name_relation(None) == name_relation(Relation()) == ""
    both = Relation(frozenset({Kind.CARE_TEAM, Kind.APPOINTMENT}), own=True)
    assert name_relation(both) == "appointment care-team own"
    assert name_relation(both.broken()) == "appointment break-glass care-team"
    grant = decide(officer, Action.JOURNAL_READ, Purpose.HOPERAT, None, [], NOW)
    assert entry_for(grant, NOW, patient="p1").relationship == ""
