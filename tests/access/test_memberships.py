"""Roles that open clear values work once approved; who approves; and who is settled enough for anything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from confide.access import approvers, memberships
from confide.access.decide import act_as_member, decide
from confide.access.memberships import OPENING, Standing, standing
from confide.access.models import Account, Membership
from confide.access.roles import Action, Purpose, Role
from confide.errors import AccessDenied, Unknown
from confide.protect.elements import Element
from tests.access.conftest import NOW

WEEK = timedelta(days=7)


@pytest.fixture
def somebody(practice):
    """Make an account of an age; give it a role as the terminal does."""
    practice.created_at = NOW - timedelta(days=100)
    practice.save()

    def make(name, role=None, age=WEEK, **more):
        account = Account.objects.create_user(name)
        Account.objects.filter(pk=account.pk).update(created_at=NOW - age, **more)
        account.refresh_from_db()
        row = memberships.join(account, practice, role, NOW)[0] if role else None
        return account, row

    return make


def opens(row):
    try:
        decide(act_as_member(row, "s"), Action.READ, Purpose.TREAT, None, [Element.NAME], NOW)
    except AccessDenied:
        return False
    return True


def test_roles_with_a_clear_cell_are_these():
    assert {
        Role.FRONT_DESK,
        Role.NURSE,
        Role.CLINICIAN,
        Role.BILLER,
        Role.PRACTICE_MANAGER,
        Role.PRIVACY_OFFICER,
        Role.INTEGRATOR,
    } == OPENING


def test_a_role_that_opens_waits_and_then_works(somebody, practice):
    officer, first = somebody("officer", Role.PRIVACY_OFFICER)
    _, nurse = somebody("nurse", Role.NURSE)
    assert standing(first) is Standing.FOUNDED, "the first privacy officer"
    assert standing(nurse) is Standing.PENDING
    assert not opens(nurse)
    assert memberships.pending(practice.pk) == [nurse]
    memberships.approve(officer, practice.pk, nurse.pk, NOW)
    nurse.refresh_from_db()
    assert (standing(nurse), nurse.approved_by, nurse.approved_at) == (Standing.APPROVED, officer, NOW)
    assert opens(nurse)
    with pytest.raises(Unknown):
        memberships.approve(officer, practice.pk, nurse.pk, NOW)


def test_the_second_privacy_officer_waits_even_if_the_first_has_left(somebody):
    _, first = somebody("first", Role.PRIVACY_OFFICER)
    Membership.objects.filter(pk=first.pk).update(active=False)
    _, second = somebody("second", Role.PRIVACY_OFFICER)
    assert standing(second) is Standing.PENDING


def test_a_role_that_opens_nothing_needs_nobody(somebody):
    assert standing(somebody("op", Role.OPERATOR)[1]) is Standing.FREE
    assert standing(somebody("auditor", Role.AUDITOR)[1]) is Standing.FREE


def test_nobody_approves_themselves_and_only_a_privacy_officer_others(somebody, practice):
    officer, _ = somebody("officer", Role.PRIVACY_OFFICER)
    own = memberships.join(officer, practice, Role.CLINICIAN, NOW)[0]
    manager, managing = somebody("manager", Role.PRACTICE_MANAGER)
    for who, row in ((officer, own), (manager, own), (manager, managing)):
        with pytest.raises(AccessDenied):
            memberships.approve(who, practice.pk, row.pk, NOW)
    # One who waits for approval approves nothing.
    second, waiting = somebody("second", Role.PRIVACY_OFFICER)
    with pytest.raises(AccessDenied):
        memberships.approve(second, practice.pk, own.pk, NOW)
    memberships.approve(officer, practice.pk, waiting.pk, NOW)
    memberships.approve(second, practice.pk, own.pk, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": NOW - WEEK + timedelta(seconds=1)},
        {"reset_at": NOW - WEEK + timedelta(seconds=1)},
        {"frozen_at": NOW},
        {"suspect_at": NOW},
        {"is_active": False},
    ],
)
def test_a_new_reset_or_stopped_officer_approves_nothing(somebody, practice, change):
    officer, _ = somebody("officer", Role.PRIVACY_OFFICER)
    _, nurse = somebody("nurse", Role.NURSE)
    Account.objects.filter(pk=officer.pk).update(**change)
    officer.refresh_from_db()
    with pytest.raises(AccessDenied):
        memberships.approve(officer, practice.pk, nurse.pk, NOW)
    with pytest.raises(AccessDenied):
        approvers.require_settled(officer, NOW)
    with pytest.raises(AccessDenied):
        approvers.require_settled_id(officer.pk, NOW)


def test_the_founded_officer_approves_roles_in_the_first_week_of_a_practice(somebody, practice):
    officer, _ = somebody("officer", Role.PRIVACY_OFFICER, age=timedelta(0))
    _, nurse = somebody("nurse", Role.NURSE)
    with pytest.raises(AccessDenied):
        memberships.approve(officer, practice.pk, nurse.pk, NOW)
    practice.created_at = NOW - timedelta(days=6)
    practice.save()
    with pytest.raises(AccessDenied):
        approvers.require_settled(officer, NOW)  # and nothing but roles
    Account.objects.filter(pk=officer.pk).update(reset_at=NOW)
    officer.refresh_from_db()
    with pytest.raises(AccessDenied):
        memberships.approve(officer, practice.pk, nurse.pk, NOW)
    Account.objects.filter(pk=officer.pk).update(reset_at=None)
    officer.refresh_from_db()
    memberships.approve(officer, practice.pk, nurse.pk, NOW)


def test_another_practices_officer_approves_nothing_here(somebody, practice):
    from confide.access.models import Practice

    _, nurse = somebody("nurse", Role.NURSE)
    other = Practice.objects.create(name="Oak Avenue")
    stranger, _ = somebody("stranger")
    memberships.found(stranger, other, Role.PRIVACY_OFFICER, NOW)
    for where in (practice.pk, other.pk):
        with pytest.raises((AccessDenied, Unknown)):
            memberships.approve(stranger, where, nurse.pk, NOW)
