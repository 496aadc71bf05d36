"""Who gets a grant, for what, and how long it holds."""

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from django.db import DatabaseError, connection

from confide.access.decide import (
    GRANT_LIFETIME,
    Grant,
    act_as_client,
    act_as_member,
    decide,
    system_grant,
)
from confide.access.models import Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.errors import AccessDenied, GrantExpired, GrantMismatch, Unavailable
from confide.protect.elements import Element

from .conftest import NOW

IDENTITY = [Element.NAME, Element.SSN, Element.CLINICAL]


def ask(actor, action=Action.READ, purpose=Purpose.TREAT, patients=None, elements=IDENTITY):
    return decide(actor, action, purpose, patients, elements, NOW)


@pytest.mark.asvs("8.2.3")
def test_the_answer_is_per_element(desk):
    grant = ask(desk)
    assert grant.forms == {
        Element.NAME: Form.CLEAR,
        Element.SSN: Form.MASKED,
        Element.CLINICAL: Form.REFUSED,
    }
    assert grant.clear == {Element.NAME}
    assert grant.masked == {Element.SSN}
    assert grant.practice == desk.practice


@pytest.mark.asvs("15.3.1")
def test_what_was_not_asked_for_is_a_stand_in_at_most(desk):
    grant = ask(desk, elements=[Element.NAME])
    assert grant.form(Element.PHONE) is Form.STAND_IN
    assert grant.form(Element.CLINICAL) is Form.REFUSED


def test_nothing_but_refusals_is_denied(desk):
    with pytest.raises(AccessDenied):
        ask(desk, elements=[Element.CLINICAL, Element.DOCUMENT])


def test_asking_for_no_element_asks_for_the_action(desk):
    assert ask(desk, elements=[]).forms == {}
    with pytest.raises(AccessDenied):
        ask(desk, Action.JOURNAL_READ, elements=[])


@pytest.mark.asvs("8.2.1")
def test_a_purpose_of_others_is_denied(desk):
    with pytest.raises(AccessDenied):
        ask(desk, purpose=Purpose.BTG)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("membership", {"active": False}),
        ("membership", {"role": Role.NURSE}),
        ("account", {"is_active": False}),
        ("account", {"frozen_at": NOW}),
    ],
)
def test_a_person_who_may_not_act_now_is_denied(desk, membership, table, change):
    row = membership if table == "membership" else membership.account
    type(row).objects.filter(pk=row.pk).update(**change)
    with pytest.raises(AccessDenied):
        ask(desk)


@pytest.mark.parametrize("change", [{"active": False}, {"frozen_at": NOW}, {"purpose": Purpose.HPAYMT}])
def test_a_client_that_may_not_act_now_is_denied(program, client_row, change):
    type(client_row).objects.filter(pk=client_row.pk).update(**change)
    with pytest.raises(AccessDenied):
        ask(program)


def test_another_practice_is_denied(desk, program):
    other = Practice.objects.create(name="Oak Avenue")
    for actor in (desk, program):
        with pytest.raises(AccessDenied):
            ask(replace(actor, practice=other.id))


def test_a_claimed_role_is_denied(desk, program):
    for actor, role in [(desk, Role.CLINICIAN), (desk, Role.SYSTEM), (program, Role.CLINICIAN)]:
        with pytest.raises(AccessDenied):
            ask(replace(actor, role=role))
    with pytest.raises(AccessDenied):
        ask(replace(desk, kind="system", role=Role.SYSTEM), Action.INDEX, Purpose.SYSADMIN)


def test_a_membership_says_who_acts(membership):
    actor = act_as_member(membership, "session-9", "192.0.2.9")
    assert (actor.name, actor.role, actor.owner) == (
        "D. Esk",
        Role.FRONT_DESK,
        f"person:{membership.account_id}",
    )


def test_a_client_gets_what_its_registration_says_and_never_more_than_the_table(program):
    grant = ask(program, elements=[Element.NAME, Element.SSN, Element.CARD, Element.PHONE])
    assert grant.forms == {
        Element.NAME: Form.CLEAR,
        Element.SSN: Form.MASKED,
        Element.CARD: Form.STAND_IN,
        Element.PHONE: Form.STAND_IN,
    }


def test_a_registration_without_elements_gets_stand_ins(client_row):
    client_row.elements = ["name-of-a-later-release"]
    client_row.save()
    grant = ask(act_as_client(client_row, "t"), elements=Element)
    assert set(grant.forms.values()) == {Form.STAND_IN}


def test_a_registration_that_was_narrowed_counts_at_once(program, client_row):
    type(client_row).objects.filter(pk=client_row.pk).update(elements=[])
    assert not ask(program).clear


def test_a_client_writes_what_it_cannot_read(program):
    grant = ask(program, Action.WRITE, elements=Element)
    assert grant.clear == set(Element)


def test_an_actor_may_carry_a_narrower_limit_of_its_own(desk):
    grant = ask(replace(desk, elements=frozenset({Element.SSN})))
    assert grant.forms[Element.NAME] is Form.STAND_IN
    assert grant.forms[Element.SSN] is Form.MASKED
    assert grant.forms[Element.CLINICAL] is Form.REFUSED


def test_a_grant_is_for_one_action_and_its_patients_and_a_while(desk):
    grant = ask(desk, patients=("p1",))
    grant.require(Action.READ, "p1", NOW)
    for action, patient in [(Action.REVEAL, "p1"), (Action.READ, "p2"), (Action.READ, None)]:
        with pytest.raises(GrantMismatch):
            grant.require(action, patient, NOW)
    grant.require(Action.READ, "p1", NOW + GRANT_LIFETIME - timedelta(microseconds=1))
    with pytest.raises(GrantExpired):
        grant.require(Action.READ, "p1", NOW + GRANT_LIFETIME)


def test_a_grant_for_the_practice_is_for_each_of_its_patients(desk):
    grant = ask(desk, patients=None)
    grant.require(Action.READ, "p1", NOW)
    grant.require(Action.READ, None, NOW)


def test_a_grant_for_nobody_is_for_nobody(desk):
    with pytest.raises(GrantMismatch):
        ask(desk, patients=()).require(Action.READ, "p1", NOW)


def test_only_decide_makes_a_grant(desk):
    grant = ask(desk)
    forms = {Element.SSN: Form.CLEAR}
    with pytest.raises(GrantMismatch):
        Grant(
            desk,
            Action.REVEAL,
            Purpose.TREAT,
            None,
            forms,
            grant.expires,
            others=forms,
            maker=object(),
        )
    with pytest.raises((ValueError, TypeError)):
        replace(grant, action=Action.REVEAL)
    with pytest.raises(FrozenInstanceError):
        grant.action = Action.REVEAL
    assert isinstance(grant.forms, MappingProxyType)


def test_the_system_indexes_and_imports(practice):
    for action in (Action.INDEX, Action.IMPORT):
        grant = system_grant(action, practice.id, "the index is built", NOW)
        assert grant.clear == set(Element)
        assert (grant.actor.kind, grant.actor.role, grant.reason) == (
            "system",
            Role.SYSTEM,
            "the index is built",
        )
        grant.require(action, "p1", NOW)


def test_the_system_does_nothing_else(practice):
    for action in set(Action) - {Action.INDEX, Action.IMPORT, Action.EXPORT}:
        with pytest.raises(AccessDenied):
            system_grant(action, practice.id, "why", NOW)
    with pytest.raises(AccessDenied):
        system_grant(Action.INDEX, practice.id, " ", NOW)
    with pytest.raises(AccessDenied):
        system_grant(Action.INDEX, "no such practice", "why", NOW)


def test_a_client_tokenizes_what_it_is_registered_for(program):
    grant = ask(program, Action.TOKENIZE, elements=[Element.SSN, Element.PHONE, Element.DOCUMENT])
    assert grant.forms == {
        Element.SSN: Form.CLEAR,
        Element.PHONE: Form.STAND_IN,
        Element.DOCUMENT: Form.REFUSED,
    }


def test_recipients_stand_in_the_registration(program, desk, client_row):
    assert ask(program).token_scopes == frozenset()
    client_row.token_scopes = ["lab-partner"]
    client_row.save()
    assert ask(program).token_scopes == {"lab-partner"}
    assert ask(desk).token_scopes == frozenset()


def test_a_decision_takes_one_query(desk, program, django_assert_num_queries):
    for actor in (desk, program):
        with django_assert_num_queries(1):
            ask(actor)


def test_without_facts_there_is_no_decision(desk):
    def fail(*_):
        raise DatabaseError("a value")

    with connection.execute_wrapper(fail), pytest.raises(Unavailable) as caught:
        ask(desk)
    assert "a value" not in str(caught.value)


def test_one_person_may_have_two_roles(membership):
    second = Membership.objects.create(
        approved_at=NOW, account=membership.account, practice=membership.practice, role=Role.BILLER
    )
    assert ask(act_as_member(second, "s"), purpose=Purpose.HPAYMT).clear
    with pytest.raises(AccessDenied):
        ask(act_as_member(second, "s"))
