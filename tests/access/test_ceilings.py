"""What all credentials of a practice, and of the host, may see together."""

from datetime import timedelta

import pytest
from django.db import connection

from confide.access import budget, ceilings
from confide.access.ceilings import LANE, ceilings_of
from confide.access.decide import act_as_client, act_as_member, decide
from confide.access.limits import LIMITS, UNITS_PER_PATIENT, Sum
from confide.access.models import Account, Client, ExposureTotal, Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.errors import BudgetSpent, Unavailable
from confide.protect.elements import Element

from .conftest import NOW

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def forgotten():
    """The number of the staff is believed for a minute; every test counts for itself."""
    ceilings._known.clear()


def hire(practice, count=1, role=Role.FRONT_DESK):
    made = []
    for _ in range(count):
        account = Account.objects.create_user(f"user{Account.objects.count()}")
        made.append(
            act_as_member(
                Membership.objects.create(approved_at=NOW, account=account, practice=practice, role=role), "s"
            )
        )
    return made


def look(actor, count, now=NOW, first=0, element=Element.NAME):
    grant = decide(actor, Action.READ, Purpose.TREAT, None, Element, now)
    page = [(f"p{i}", element, Form.CLEAR) for i in range(first, first + count)]
    return budget.reserve(grant, page, now)


def limits_of(practice):
    own, host = ceilings_of(connection, practice.id, "person:x")
    return own.limits(anew=True), host.limits(anew=True)


# Reaching one


def test_a_practice_is_stopped_at_its_hour_exactly(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 250  # so 100 an hour
    one, two, three = hire(practice, 3)
    assert [look(one, 60), look(two, 30), look(three, 30)] == [60, 30, 10]
    assert look(three, 30) == 10  # who was seen may be seen again
    grant = decide(two, Action.READ, Purpose.TREAT, None, Element, NOW)
    with pytest.raises(BudgetSpent, match="the practice's ceiling for one hour does not cover"):
        budget.spend(grant, [("new", Element.NAME, Form.CLEAR)], NOW)
    later = NOW + 2 * HOUR
    assert look(three, 30, later, first=500) == 30


@pytest.mark.asvs("2.3.2")
def test_a_practice_is_stopped_at_its_day_exactly(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 250
    seen = 0
    for hour, actor in enumerate(hire(practice, 5)):
        seen += look(actor, 55, NOW + hour * 2 * HOUR)
    assert seen == 250


def test_units_have_a_ceiling_too(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 10  # 4 patients and 120 units an hour
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 1000
    client = Client.objects.create(practice=practice, name="Feeder", elements=["ssn", "account"])
    grant = decide(act_as_client(client, "t"), Action.READ, Purpose.TREAT, None, Element, NOW)
    heavy = [e for e in Element if e is not Element.NAME] * 3
    page = [("p1", element, Form.CLEAR) for element in heavy]
    budget.spend(grant, page, NOW)
    assert budget.reserve(grant, [("p2", e, Form.CLEAR) for e in heavy], NOW) in {0, 1}
    host = sum(ExposureTotal.objects.filter(owner__startswith="host").values_list("units", flat=True))
    assert host <= 4 * UNITS_PER_PATIENT


def test_a_patient_counts_for_everyone_who_sees_them(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 250
    one, two = hire(practice, 2)
    assert look(one, 60) == 60
    assert look(two, 60) == 40


def test_practices_have_their_own(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 100
    oak = Practice.objects.create(name="Oak Avenue")
    [here], [there] = hire(practice), hire(oak)
    assert [look(here, 60), look(there, 60)] == [40, 40]


def test_the_host_has_one_over_all(practice, settings):
    settings.CONFIDE_HOST_DAY_PATIENTS = 150
    oak = Practice.objects.create(name="Oak Avenue")
    [here], [there] = hire(practice), hire(oak)
    assert [look(here, 50), look(there, 50)] == [50, 10]
    grant = decide(here, Action.READ, Purpose.TREAT, None, Element, NOW)
    with pytest.raises(BudgetSpent, match="the ceiling of all practices for one hour"):
        budget.spend(grant, [("new", Element.NAME, Form.CLEAR)], NOW)


def test_a_page_is_paid_in_order_below_a_ceiling(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 25
    one, two = hire(practice, 2)
    assert look(one, 8) == 8
    grant = decide(two, Action.READ, Purpose.TREAT, None, Element, NOW)
    page = [(f"q{i}", Element.NAME, Form.CLEAR) for i in range(5)]
    assert budget.reserve(grant, page, NOW) == 2
    with pytest.raises(BudgetSpent):
        budget.spend(grant, page, NOW)
    assert budget.today(two, NOW).patients == 2


def test_zero_is_a_ceiling(practice, settings):
    settings.CONFIDE_HOST_DAY_PATIENTS = 0
    [one] = hire(practice)
    assert look(one, 5) == 0


# How high they are


def test_they_follow_the_staff(practice):
    hire(practice, 2)
    own, host = limits_of(practice)
    assert own == (Sum(180, 5400), Sum(450, 13500))
    assert host == (Sum(400, 12000), Sum(1000, 30000))
    hire(practice, 18)
    Account.objects.filter(username="user0").update(is_active=False)
    own, host = limits_of(practice)
    assert own[1].patients == 19 * 75
    assert own[0].patients == 19 * 75 * 2 // 5
    assert host[1].patients == 19 * 60


def test_somebody_with_two_roles_is_one_person(practice):
    actors = hire(practice, 8)
    for actor in actors:
        Membership.objects.create(approved_at=NOW, account_id=actor.id, practice=practice, role=Role.BILLER)
    assert limits_of(practice)[0][1].patients == 8 * 75


def test_a_program_adds_what_it_may_see_by_itself(practice, settings):
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 5000
    Client.objects.create(practice=practice, name="Feeder", day_patients=4000)
    Client.objects.create(practice=practice, name="Frozen", day_patients=4000, frozen_at=NOW)
    own, _ = limits_of(practice)
    assert own == (Sum(4180, 4180 * 30), Sum(4450, 4450 * 30))


def test_new_staff_counts_at_once_where_it_matters(practice, settings):
    """The number is believed for a minute, but nobody is refused on the word of an old one."""
    settings.CONFIDE_HOST_DAY_PATIENTS = 10_000
    actors = hire(practice, 4)
    assert [look(actor, 45) for actor in actors] == [45, 45, 45, 45]
    assert look(actors[0], 46) == 45
    hire(practice, 20)
    assert look(actors[0], 46) == 46


def test_by_default_honest_people_never_meet_them(practice):
    """Half of the largest budget for each: above what an average person sees on a busy day (test_days)."""
    assert max(limits.day_patients for limits in LIMITS.values()) == 2 * ceilings.PATIENTS_PER_PERSON
    assert ceilings.PATIENTS_PER_PERSON_OF_HOST < ceilings.PATIENTS_PER_PERSON


# Lanes, by which reveals pass each other on PostgreSQL


def test_far_from_the_ceiling_one_lane_is_enough(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 10_000
    own, _ = ceilings_of(connection, practice.id, "person:x")
    nothing, one = [Sum(0, 0), Sum(0, 0)], [Sum(1, 5), Sum(1, 5)]
    count = len(own.book.names)
    assert len(own.choose_lanes(nothing, one)) == 1
    several = [Sum(25, 100), Sum(25, 100)]
    assert len(own.choose_lanes(nothing, several)) == min(3, count)
    units = [Sum(1, LANE.units * 2 + 1), Sum(0, 0)]
    assert len(own.choose_lanes(nothing, units)) == min(3, count)
    near = [Sum(3900, 0), Sum(3900, 0)]
    assert own.choose_lanes(near, one) == own.book.names
    assert own.choose_lanes(nothing, [Sum(10**6, 0), Sum(0, 0)]) == own.book.names


def test_with_too_few_lanes_nothing_is_paid(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 10_000
    own, _ = ceilings_of(connection, practice.id, "person:x")
    near = [Sum(3999, 0), Sum(3999, 0)]
    ceilings.require_far(own, own.book.names, near)
    with pytest.raises(Unavailable):
        ceilings.require_far(own, own.book.names[:0], near)


def test_every_lane_is_counted(practice, settings):
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 1000
    actors = hire(practice, 12)
    assert sum(look(actor, 40) for actor in actors) == 400
    used = ExposureTotal.objects.filter(owner__startswith="practice:").values("owner").distinct().count()
    assert used == 1 if connection.vendor == "sqlite" else used > 1
