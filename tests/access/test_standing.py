"""Frozen, suspect, trusted: who may say so, what follows at once, and how a storm stops itself."""

from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from time import sleep

import pytest
from django.db import connection, transaction

from confide.access import budget, challenges, outsiders, pulse, standing, terminal
from confide.access.containment import Standing
from confide.access.decide import act_as_member, decide
from confide.access.entrances import Device, Session
from confide.access.models import AccessToken, Account, Client, Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.access.standing import Kind, Reason, State
from confide.audit import standing as written
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.errors import AccessDenied, ConfideError, Frozen, Invalid, JournalUnavailable, Unknown
from confide.protect.elements import Element
from tests.practice import without_journal

from .conftest import NOW

MINUTE = timedelta(minutes=1)
CHARGE = [("p1", Element.NAME, Form.CLEAR)]


@pytest.fixture
def person(practice):
    def make(role=Role.PRIVACY_OFFICER, age=timedelta(days=30), where=practice):
        account = Account.objects.create_user(f"person{Account.objects.count()}")
        account.created_at = NOW - age
        account.save()
        Membership.objects.create(approved_at=NOW, account=account, practice=where, role=role)
        return account

    return make


def session_of(account):
    device = Device.objects.create(
        account=account, digest="d" * 64, name="Firefox", network="n", address="", first_at=NOW, last_at=NOW
    )
    return Session.objects.create(
        account=account, device=device, network="n", address="", began_at=NOW, seen_at=NOW, idle_minutes=15
    )


def freeze(subject, by, practice, reason=Reason.MISUSE):
    return written.freeze(Journal(), subject, reason, NOW, by=by, practice=practice.pk, credential="s")


def lift(subject, by, practice):
    return written.lift(Journal(), subject, by, practice.pk, NOW, "s")


def may(actor):
    return decide(actor, Action.READ, Purpose.TREAT, None, Element, NOW)


def told():
    rows = JournalEntry.objects.order_by("id")
    return list(rows.values_list("action", "actor", "resource_id", "outcome", "practice"))


# Frozen


@pytest.mark.asvs("7.4.2")
def test_a_frozen_person_is_refused_with_every_session_and_stays_so_until_a_second_person_speaks(
    practice, membership, person
):
    officer, account = person(), membership.account
    session = session_of(account)
    actor = act_as_member(membership, "session:x", "", session)
    may(actor)
    freeze(account, officer, practice)
    for each in (actor, act_as_member(membership, terminal.CREDENTIAL)):
        with pytest.raises(AccessDenied):
            may(each)
    lift(account, officer, practice)
    may(act_as_member(membership, terminal.CREDENTIAL))
    session.refresh_from_db()
    assert session.frozen_at == NOW, "who is let in again signs in anew"
    about = f"person:{account.pk}:misuse"
    assert told() == [
        ("freeze", officer.pk, about, "0", practice.pk),
        ("lift", officer.pk, about, "0", practice.pk),
    ]
    [row] = Standing.objects.all()
    assert (row.by, row.lifted_by, row.lifted_at) == (officer.pk, officer.pk, NOW)


@pytest.mark.asvs("10.4.9")
def test_a_frozen_program_loses_its_tokens(practice, program, client_row, person):
    officer = person()
    AccessToken.objects.create(client=client_row, practice=practice, digest="a" * 64, expires_at=NOW + MINUTE)
    freeze(client_row, officer, practice)
    with pytest.raises(AccessDenied):
        may(program)
    assert not AccessToken.objects.exists()
    lift(client_row, officer, practice)
    may(program)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", [State.FROZEN, State.SUSPECT])
def test_a_grant_that_was_made_before_is_worth_nothing(membership, program, person, practice, kind, state):
    session, client_row = session_of(membership.account), Client.objects.get()
    subject = {Kind.PERSON: membership.account, Kind.CLIENT: client_row, Kind.SESSION: session}[kind]
    actor = program if kind is Kind.CLIENT else act_as_member(membership, "s", "", session)
    grant = may(actor)
    budget.spend(grant, CHARGE, NOW)
    pulse.recheck(grant)
    if state is State.FROZEN:
        freeze(subject, person(), practice)
    else:
        standing.degrade(subject, Reason.BUDGET, NOW)
    refusal = Frozen if state is State.FROZEN else AccessDenied
    with pytest.raises(refusal):
        budget.spend(grant, CHARGE, NOW)  # although it was paid for
    with pytest.raises(refusal):
        pulse.recheck(grant)


def test_a_session_that_has_ended_takes_its_grants_with_it(membership):
    session = session_of(membership.account)
    grant = may(act_as_member(membership, "s", "", session))
    session.delete()
    with pytest.raises(Frozen):
        pulse.recheck(grant)


def test_nobody_frozen_proves_who_they_are_at_a_terminal(membership, person, practice):
    account = membership.account
    account.set_password("a lamp, a ladder, a lantern")
    account.save()
    assert terminal.identify(account.username, "a lamp, a ladder, a lantern") == account
    freeze(account, person(), practice)
    with pytest.raises(Frozen):
        terminal.identify(account.username, "a lamp, a ladder, a lantern")
    with pytest.raises(AccessDenied, match="not the name and password"):
        terminal.identify(account.username, "a guess")


def test_freezing_twice_is_told_once(practice, membership, person):
    officer = person()
    assert freeze(membership.account, officer, practice).new
    assert not freeze(membership.account, officer, practice).new
    assert len(told()) == 1


# Who may


@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN, Role.FRONT_DESK, Role.BILLER, Role.AUDITOR])
def test_others_freeze_nobody_but_themselves(practice, membership, person, role):
    own = person(role)
    with pytest.raises(AccessDenied):
        freeze(membership.account, own, practice)
    assert told() == [("freeze", own.pk, f"person:{membership.account_id}", "4", practice.pk)]
    freeze(own, own, practice, Reason.LOST)
    own.refresh_from_db()
    assert own.frozen_at == NOW


def test_who_lets_in_again(practice, membership, person):
    """A second person, of some standing, of this practice, in the right role, trusted themselves."""
    officer, oak = person(), Practice.objects.create(name="Oak Avenue")
    freeze(membership.account, officer, practice)
    suspect, frozen = person(), person()
    Account.objects.filter(pk=suspect.pk).update(suspect_at=NOW)
    Account.objects.filter(pk=frozen.pk).update(frozen_at=NOW)
    for each in (suspect, frozen):
        each.refresh_from_db()
    for by in (
        person(Role.CLINICIAN),
        person(age=timedelta(days=7) - timedelta(seconds=1)),
        person(where=oak),
        suspect,
        frozen,
        membership.account,
    ):
        with pytest.raises(AccessDenied):
            lift(membership.account, by, practice)
    with pytest.raises(Unknown):
        lift(membership.account, person(where=oak), oak)
    assert {row[0:4:3] for row in told()[1:]} == {("lift", "4")}
    lift(membership.account, person(Role.PRACTICE_MANAGER), practice)
    may(act_as_member(membership, "s"))


def test_nobody_lets_themselves_in_again(practice, person):
    officer, manager = person(), person(Role.PRACTICE_MANAGER)
    freeze(officer, manager, practice)
    Account.objects.filter(pk=officer.pk).update(frozen_at=None)  # as if it had been thawed by hand
    officer.refresh_from_db()
    with pytest.raises(AccessDenied, match="second person"):
        lift(officer, officer, practice)


def test_whom_one_practice_froze_another_does_not_let_in(practice, membership, person):
    oak = Practice.objects.create(name="Oak Avenue")
    Membership.objects.create(approved_at=NOW, account=membership.account, practice=oak, role=Role.NURSE)
    freeze(membership.account, person(), practice)
    with pytest.raises(AccessDenied, match="another practice"):
        lift(membership.account, person(where=oak), oak)
    assert {row[4] for row in told()[:2]} == {practice.pk, oak.pk}, "both are told"


def test_there_must_be_something_to_lift(practice, membership, person):
    with pytest.raises(Invalid):
        lift(membership.account, person(), practice)


def test_what_was_frozen_without_a_row_is_lifted_too(practice, membership, person):
    Account.objects.filter(pk=membership.account_id).update(frozen_at=NOW)
    lift(membership.account, person(), practice)
    may(act_as_member(membership, "s"))


@pytest.mark.django_db(transaction=True)
def test_no_measure_without_its_entry(transactional_db, membership, practice, person):
    officer, account = person(), membership.account
    with without_journal():
        for work in (
            lambda: freeze(account, officer, practice),
            lambda: written.degrade(Journal(), account, Reason.BUDGET, NOW),
            lambda: written.stop(Journal(), account, NOW),
        ):
            with pytest.raises(JournalUnavailable):
                work()
    account.refresh_from_db()
    assert (account.frozen_at, account.suspect_at) == (None, None)
    assert not Standing.objects.exists()


# The one outside


def test_a_practice_with_one_clinician_has_somebody_outside(practice, person):
    doctor, outside = person(Role.CLINICIAN), person(where=Practice.objects.create(name="Oak Avenue"))
    Membership.objects.create(approved_at=NOW, account=doctor, practice=practice, role=Role.PRACTICE_MANAGER)
    with pytest.raises(AccessDenied):
        outsiders.name(outside, practice.pk, person(Role.NURSE), NOW)
    with pytest.raises(Invalid, match="of the practice"):
        outsiders.name(doctor, practice.pk, doctor, NOW)
    written.name_outsider(Journal(), outside, practice.pk, doctor, NOW - outsiders.NAMED_AHEAD + MINUTE, "s")
    freeze(doctor, doctor, practice)
    with pytest.raises(AccessDenied):  # the word counts from a week on
        lift(doctor, outside, practice)
    written.lift(Journal(), doctor, outside, practice.pk, NOW + MINUTE, "s")
    assert told()[-1][:2] == ("lift", outside.pk)
    assert JournalEntry.objects.last().role == "outsider"


def test_with_two_clinicians_nobody_outside_is_needed_nor_counts(practice, person):
    doctor, outside = person(Role.CLINICIAN), person(where=Practice.objects.create(name="Oak Avenue"))
    officer = person()
    outsiders.name(outside, practice.pk, officer, NOW - outsiders.NAMED_AHEAD)
    assert outsiders.counts(outside, practice.pk, NOW)
    person(Role.CLINICIAN)
    assert not outsiders.counts(outside, practice.pk, NOW)
    freeze(doctor, officer, practice)
    with pytest.raises(AccessDenied):
        lift(doctor, outside, practice)
    with pytest.raises(Invalid, match="several clinicians"):
        outsiders.name(outside, practice.pk, officer, NOW)


# By itself


def degrade(subject, now=NOW):
    return State(written.degrade(Journal(), subject, Reason.BUDGET, now).row.state)


def test_what_can_be_replaced_by_signing_in_again_is_frozen_at_the_second_time_and_a_person_never_is(
    practice, membership, client_row, person
):
    for _ in range(10):
        person(Role.NURSE)
    session, account = session_of(membership.account), membership.account
    assert [degrade(session), degrade(session, NOW + MINUTE)] == [State.SUSPECT, State.FROZEN]
    assert [degrade(client_row), degrade(client_row, NOW + MINUTE)] == [State.SUSPECT, State.FROZEN]
    assert [degrade(account, NOW + timedelta(hours=i)) for i in range(3)] == [State.SUSPECT] * 3
    account.refresh_from_db()
    assert account.frozen_at is None


@pytest.mark.parametrize(("staff", "most"), [(1, 1), (4, 1), (9, 1), (10, 2), (15, 3), (16, 3), (400, 3)])
def test_three_or_a_fifth_of_the_staff_are_the_most(staff, most):
    assert standing.most_at_once(staff) == most


def test_a_storm_stops_itself_and_calls_a_person(practice, person):
    people = [person(Role.NURSE) for _ in range(20)]
    states = [degrade(each) for each in people]
    assert states == [State.SUSPECT] * 3 + [State.WITHHELD] * 17
    assert Account.objects.filter(suspect_at__isnull=False).count() == 3
    calls = [row for row in told() if row[0] == "degrade-withheld"]
    assert len(calls) == 17
    assert {row[3] for row in calls} == {"8"}, "a serious failure"
    assert degrade(people[-1]) is State.WITHHELD
    assert len(told()) == 20, "it is not told again and again"
    assert len([row for row in standing.holding(practice.pk) if row.state == State.WITHHELD]) == 17
    # What a person does is not stopped.
    officer = person()
    for each in people[3:]:
        freeze(each, officer, practice)
    assert Account.objects.filter(frozen_at__isnull=False).count() == 17
    assert not [row for row in standing.holding(practice.pk) if row.state == State.WITHHELD]
    # Ten minutes later it goes on.
    assert degrade(person(Role.NURSE), NOW + standing.STORM_WINDOW) is State.SUSPECT


def test_one_practice_s_storm_is_not_the_next_one_s(practice, person):
    oak = Practice.objects.create(name="Oak Avenue")
    assert [degrade(person(Role.NURSE)) for _ in range(2)] == [State.SUSPECT, State.WITHHELD]
    assert degrade(person(Role.NURSE, where=oak)) is State.SUSPECT
    sessions = person(Role.NURSE, where=Practice.objects.create(name="Ash Lane"))
    assert degrade(session_of(sessions)) is State.SUSPECT
    assert degrade(sessions) is State.SUSPECT, "one person counts once"


def test_what_holds_is_listed_by_practice(practice, membership, client_row, person):
    session = session_of(membership.account)
    freeze(client_row, person(), practice)
    written.degrade(Journal(), session, Reason.STUFFING, NOW + MINUTE)
    assert [(row.kind, row.state) for row in standing.holding(practice.pk)] == [
        ("session", "suspect"),
        ("client", "frozen"),
    ]
    session.delete()
    assert [row.kind for row in standing.holding(practice.pk)] == ["client"]
    assert standing.holding(Practice.objects.create(name="Oak Avenue").pk) == []


def test_whom_to_call(practice, membership, person):
    assert standing.contacts(membership.account) == []
    officer, manager = person(), person(Role.PRACTICE_MANAGER)
    person(Role.NURSE)
    freeze(manager, officer, practice)
    assert standing.contacts(membership.account) == [officer.display_name]


def test_what_is_not_there_is_unknown(db):
    for kind in (*Kind, "robot"):
        with pytest.raises(Unknown):
            standing.find(kind, "nobody")


def test_an_actor_of_another_session_is_refused(membership, client_row):
    other = session_of(client_account := Account.objects.create_user("other"))
    assert client_account.pk != membership.account_id
    grant = may(replace(act_as_member(membership, "s"), session=""))
    pulse.recheck(grant)
    stolen = replace(grant.actor, session=other.pk)
    with pytest.raises(ConfideError):
        pulse.recheck(may(stolen))


def test_a_proof_does_not_end_a_measure_that_is_under_way(transactional_db, membership):
    """While one transaction makes a session suspect, its person proves what an earlier one had asked for."""
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it has one writer")
    session = session_of(membership.account)
    written.challenge(Journal(), membership.account, Reason.WATCH, NOW)
    begun, proved = Event(), Event()

    def degrade():
        with transaction.atomic():
            standing.degrade(session, Reason.BUDGET, NOW)
            begun.set()
            wait_until(lambda: proved.is_set() or waits_for_turn())
        connection.close()

    def prove():
        with transaction.atomic():
            assert challenges.settle(Session.objects.get(pk=session.pk), NOW)
        proved.set()
        connection.close()

    first, second = Thread(target=degrade), Thread(target=prove)
    first.start()
    assert begun.wait(30)
    second.start()
    first.join(30)
    second.join(30)
    assert proved.is_set()
    assert Session.objects.get(pk=session.pk).suspect_at is not None


def waits_for_turn():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0] > 0


def wait_until(holds):
    for _ in range(3000):
        if holds():
            return
        sleep(0.01)
    raise AssertionError("nothing has happened")
