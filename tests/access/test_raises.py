"""A second person raises a budget: threefold at most, for 24 hours at most, and never their own."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from confide.access import budget, raises
from confide.access.decide import act_as_client, act_as_member, decide
from confide.access.models import Account, BudgetRaise, Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.audit.raises import grant_raise
from confide.errors import AccessDenied, BudgetSpent, Invalid, JournalUnavailable, Unknown
from confide.protect.elements import Element
from tests.practice import without_journal

from .conftest import NOW

LIMITS = budget.LIMITS[Role.FRONT_DESK]


@pytest.fixture
def second(practice):
    """A privacy officer, settled for a week."""

    def make(role=Role.PRIVACY_OFFICER, age=timedelta(days=7), where=practice):
        account = Account.objects.create_user(f"second{Account.objects.count()}")
        account.created_at = NOW - age
        account.save()
        Membership.objects.create(approved_at=NOW, account=account, practice=where, role=role)
        return account

    return make


def page(count, first=0):
    return [(f"p{i}", Element.NAME, Form.CLEAR) for i in range(first, first + count)]


def grant_at(actor, now):
    return decide(actor, Action.READ, Purpose.TREAT, None, Element, now)


def seen(actor, now, first=0):
    return budget.reserve(grant_at(actor, now), page(1000, first), now)


@pytest.mark.parametrize("times", [2, 3])
def test_a_raise_multiplies_every_limit(desk, membership, practice, second, times):
    raises.approve(second(), practice.id, membership.account, times, 8, NOW)
    assert seen(desk, NOW) == LIMITS.hour_patients * times
    usage = budget.today(desk, NOW)
    assert (usage.patient_limit, usage.unit_limit) == (LIMITS.day_patients * times, LIMITS.day_units * times)


def test_it_ends_when_it_was_said_to(desk, membership, practice, second):
    raises.approve(second(), practice.id, membership.account, 3, 2, NOW)
    end = NOW + timedelta(hours=2)
    last = grant_at(desk, end - timedelta(seconds=5))
    assert last.raised == 3
    assert last.expires == end  # a grant does not outlive what it was made with
    assert grant_at(desk, end).raised == 1
    assert seen(desk, NOW) == 3 * LIMITS.hour_patients
    with pytest.raises(BudgetSpent):
        budget.spend(grant_at(desk, end), page(1, 5000), end)
    budget.spend(grant_at(desk, end), page(60), end)  # seen today, so seen again, in the hour's limit


def test_several_do_not_multiply(desk, membership, practice, second):
    for times, hours in ((2, 24), (3, 1), (3, 2)):
        raises.approve(second(), practice.id, membership.account, times, hours, NOW)
    assert seen(desk, NOW) == 3 * LIMITS.hour_patients
    assert grant_at(desk, NOW + timedelta(hours=1, minutes=59)).raised == 3
    assert grant_at(desk, NOW + timedelta(hours=3)).raised == 2


def test_a_program_is_raised_too(client_row, program, practice, second):
    client_row.day_patients = 20
    client_row.save()
    raises.approve(second(), practice.id, client_row, 2, 1, NOW)
    assert seen(program, NOW) == 40
    assert budget.today(program, NOW).patient_limit == 40
    assert grant_at(act_as_client(client_row, "another"), NOW).raised == 2


def test_it_holds_in_the_practice_whose_officer_allowed_it(membership, practice, second):
    oak = Practice.objects.create(name="Oak Avenue")
    elsewhere = Membership.objects.create(
        approved_at=NOW, account=membership.account, practice=oak, role=Role.FRONT_DESK
    )
    raises.approve(second(), practice.id, membership.account, 3, 8, NOW)
    assert grant_at(act_as_member(elsewhere, "s"), NOW).raised == 1
    assert seen(act_as_member(elsewhere, "s"), NOW) == LIMITS.hour_patients


@pytest.mark.parametrize(
    ("times", "hours"), [(4, 8), (1, 8), (0, 8), (-3, 8), (2, 25), (2, 0), (3, -1)], ids=str
)
def test_threefold_and_a_day_are_the_most(membership, practice, second, times, hours):
    with pytest.raises(Invalid):
        raises.approve(second(), practice.id, membership.account, times, hours, NOW)
    assert not BudgetRaise.objects.exists()


def test_not_even_the_database_takes_more(membership, practice, second):
    words = {"practice": practice, "owner": "x", "approved_by": second(), "approved_at": NOW}
    for times in (1, 4):
        with pytest.raises(IntegrityError), transaction.atomic():
            BudgetRaise.objects.create(times=times, expires_at=NOW, **words)


@pytest.mark.parametrize("role", [role for role in Role if role not in raises.APPROVERS])
def test_only_officer_and_manager_approve(membership, practice, second, role):
    with pytest.raises(AccessDenied, match="privacy officer or practice manager"):
        raises.approve(second(role), practice.id, membership.account, 2, 8, NOW)


@pytest.mark.parametrize("role", raises.APPROVERS)
def test_nobody_raises_their_own(practice, second, role):
    own = second(role)
    with pytest.raises(AccessDenied, match="their own"):
        raises.approve(own, practice.id, own, 2, 8, NOW)
    raises.approve(second(role), practice.id, own, 2, 8, NOW)


def test_a_new_account_approves_nothing(membership, practice, second):
    new = second(age=timedelta(days=7) - timedelta(seconds=1))
    with pytest.raises(AccessDenied, match="7 days"):
        raises.approve(new, practice.id, membership.account, 2, 8, NOW)


@pytest.mark.parametrize("state", [{"is_active": False}, {"frozen_at": NOW}], ids=str)
def test_a_frozen_or_inactive_account_approves_nothing(membership, practice, second, state):
    account = second()
    for name, value in state.items():
        setattr(account, name, value)
    with pytest.raises(AccessDenied):
        raises.approve(account, practice.id, membership.account, 2, 8, NOW)


def test_strangers_to_the_practice_are_neither_approver_nor_raised(membership, client_row, practice, second):
    oak = Practice.objects.create(name="Oak Avenue")
    with pytest.raises(AccessDenied):
        raises.approve(second(where=oak), practice.id, membership.account, 2, 8, NOW)
    for subject in (membership.account, client_row):
        with pytest.raises(Unknown):
            raises.approve(second(where=oak), oak.id, subject, 2, 8, NOW)


def test_a_raise_is_journalled_and_so_is_a_refusal(membership, practice, second):
    officer, nurse = second(), second(Role.NURSE)
    made = grant_raise(Journal(), officer, practice.id, membership.account, 2, 8, NOW)
    with pytest.raises(AccessDenied):
        grant_raise(Journal(), nurse, practice.id, membership.account, 3, 8, NOW)
    rows = JournalEntry.objects.order_by("id").values_list(
        "actor", "role", "action", "resource_type", "resource_id", "outcome"
    )
    assert list(rows) == [
        (officer.pk, "privacy_officer", "raise", "BudgetRaise", made.pk, "0"),
        (nurse.pk, "", "raise", "BudgetRaise", membership.account_id, "4"),
    ]


@pytest.mark.django_db(transaction=True)
def test_no_raise_without_its_entry(transactional_db, membership, practice, second):
    officer = second()
    with without_journal(), pytest.raises(JournalUnavailable):
        grant_raise(Journal(), officer, practice.id, membership.account, 2, 8, NOW)
    assert not BudgetRaise.objects.exists()


def test_the_facts_stay_one_query(desk, program, membership, practice, second, django_assert_num_queries):
    raises.approve(second(), practice.id, membership.account, 2, 8, NOW)
    for actor in (desk, program):
        with django_assert_num_queries(1):
            grant_at(actor, NOW)
