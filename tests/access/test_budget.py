"""What a credential may see in a day and an hour, and that it is never one patient more."""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from confide.access import budget
from confide.access.decide import act_as_client, act_as_member, decide, system_grant
from confide.access.exposure import SLOT, Exposures, weigh
from confide.access.models import Exposure, Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.errors import BudgetSpent, GrantExpired, Unavailable
from confide.protect.elements import CATALOGUE, Element

from .conftest import NOW

LIMITS = budget.LIMITS[Role.FRONT_DESK]
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name(patient, form=Form.CLEAR):
    return (f"p{patient}", Element.NAME, form)


def usage(actor, now=NOW):
    seen = budget.today(actor, now)
    return seen.patients, seen.units


def grant_at(actor, now, action=Action.READ, purpose=Purpose.TREAT):
    return decide(actor, action, purpose, None, Element, now)


def test_a_patient_and_element_count_once(grant, desk):
    for _ in range(3):
        budget.spend(grant, [name(1), name(1), ("p1", Element.ADDRESS, Form.CLEAR)], NOW)
    assert usage(desk) == (1, 3)


def test_the_ring_shows_the_limits(desk):
    assert budget.today(desk, NOW) == budget.Usage(0, 0, LIMITS.day_patients, LIMITS.day_units)


def test_the_limit_of_an_hour_is_exact(grant, desk):
    for patient in range(LIMITS.hour_patients):
        budget.spend(grant, [name(patient)], NOW)
    with pytest.raises(BudgetSpent):
        budget.spend(grant, [name(999)], NOW)
    budget.spend(grant, [name(0)], NOW)  # who was seen may be seen again
    assert usage(desk) == (LIMITS.hour_patients, LIMITS.hour_patients)


def test_the_limit_of_a_day_is_exact(desk):
    seen = 0
    for hour in range(5):
        now = NOW + hour * 2 * HOUR
        page = [name(f"{hour}-{i}") for i in range(LIMITS.hour_patients)]
        seen += budget.reserve(grant_at(desk, now), page, now)
    assert seen == LIMITS.day_patients
    assert usage(desk, NOW + 8 * HOUR)[0] == LIMITS.day_patients


def test_units_are_limited_too(desk):
    officer = Membership.objects.create(
        account_id=desk.id, practice_id=desk.practice, role=Role.PRIVACY_OFFICER
    )
    actor = act_as_member(officer, "s")
    grant = grant_at(actor, NOW, Action.REVEAL, Purpose.PATRQT)
    limits = budget.LIMITS[Role.PRIVACY_OFFICER]
    page = [(f"p{i}", Element.SSN, Form.CLEAR) for i in range(limits.hour_patients)]
    assert budget.reserve(grant, page, NOW) == limits.hour_units // 10
    assert usage(actor)[1] == limits.hour_units


def test_all_or_nothing(grant, desk):
    page = [name(i) for i in range(LIMITS.hour_patients + 1)]
    with pytest.raises(BudgetSpent):
        budget.spend(grant, page, NOW)
    assert usage(desk) == (0, 0)


def test_a_page_is_paid_in_order(grant, desk):
    budget.spend(grant, [name(i) for i in range(LIMITS.hour_patients - 2)], NOW)
    page = [name(0), name(100), name(1), name(101), name(102), name(2)]
    assert budget.reserve(grant, page, NOW) == 4
    assert usage(desk)[0] == LIMITS.hour_patients


def test_a_group_is_paid_as_a_whole(desk):
    officer = Membership.objects.create(
        account_id=desk.id, practice_id=desk.practice, role=Role.PRIVACY_OFFICER
    )
    actor = act_as_member(officer, "s")
    grant = grant_at(actor, NOW, Action.REVEAL, Purpose.PATRQT)
    for i in range(9):
        budget.spend(grant, [(f"p{i}", Element.SSN, Form.CLEAR)], NOW)
    page = [("p9", Element.NAME, Form.CLEAR), ("p9", Element.SSN, Form.CLEAR), name(0)]
    assert budget.reserve(grant, page, NOW) == 0
    assert usage(actor) == (9, 90)


def test_what_is_not_shown_costs_nothing(grant, desk):
    page = [name(i, form) for i in range(500) for form in (Form.STAND_IN, Form.REFUSED)]
    assert budget.reserve(grant, page, NOW) == 500
    assert usage(desk) == (0, 0)


def test_masks_weigh_and_a_mask_after_the_value_is_free(grant, desk):
    ssn = CATALOGUE[Element.SSN]
    budget.spend(grant, [("p1", Element.SSN, Form.MASKED)], NOW)
    assert usage(desk) == (1, ssn.masked_weight)
    budget.spend(grant, [("p1", Element.SSN, Form.CLEAR)], NOW)
    budget.spend(grant, [("p1", Element.SSN, Form.MASKED)], NOW)
    assert usage(desk) == (1, ssn.weight)


def test_a_mask_without_weight_counts_its_patient(grant, desk):
    budget.spend(grant, [("p1", Element.BIRTH_DATE, Form.MASKED)], NOW)
    assert usage(desk) == (1, 0)


def test_windows_roll_and_round_up(desk):
    budget.spend(grant_at(desk, NOW), [name(1)], NOW)
    assert usage(desk, NOW + DAY - SLOT) == (1, 1)
    assert usage(desk, NOW + DAY) == (1, 1)
    assert usage(desk, NOW + DAY + SLOT) == (0, 0)


def test_looking_again_keeps_it_in_the_window(desk):
    for hours in (0, 23):
        now = NOW + hours * HOUR
        budget.spend(grant_at(desk, now), [name(1)], now)
    assert usage(desk, NOW + 46 * HOUR) == (1, 1)
    assert Exposure.objects.count() == 1


def test_a_clear_value_weighs_until_it_leaves_the_window(desk):
    budget.spend(grant_at(desk, NOW), [("p1", Element.SSN, Form.CLEAR)], NOW)
    later = NOW + 20 * HOUR
    budget.spend(grant_at(desk, later), [("p1", Element.SSN, Form.MASKED)], later)
    assert usage(desk, later) == (1, 10)
    assert usage(desk, NOW + 25 * HOUR) == (1, 5)


def test_a_clock_that_runs_backwards_forgets_nothing(desk):
    budget.spend(grant_at(desk, NOW), [name(1)], NOW)
    earlier = NOW - HOUR
    budget.spend(grant_at(desk, earlier), [name(1)], earlier)
    assert usage(desk, NOW + DAY) == (1, 1)


def test_practices_and_sessions_share_one_budget(desk, practice):
    other = Practice.objects.create(name="Oak Avenue")
    elsewhere = act_as_member(
        Membership.objects.create(account_id=desk.id, practice=other, role=Role.FRONT_DESK), "session-2"
    )
    budget.spend(grant_at(desk, NOW), [name(i) for i in range(40)], NOW)
    page = [name(i) for i in range(40)]
    assert budget.reserve(grant_at(elsewhere, NOW), page, NOW) == LIMITS.hour_patients - 40
    assert usage(desk) == usage(elsewhere)


def test_no_default_exceeds_150_patients_a_day():
    assert set(budget.LIMITS) == set(Role)
    assert max(limits.day_patients for limits in budget.LIMITS.values()) <= 150
    assert all(limits.hour_patients <= limits.day_patients for limits in budget.LIMITS.values())


@pytest.mark.parametrize(
    ("own", "ceiling", "expected"),
    [(None, 150, 150), (20, 150, 20), (5000, 150, 150), (5000, 5000, 5000), (None, 5000, 150), (0, 150, 0)],
)
def test_a_client_has_its_own_budget_below_the_ceiling(client_row, settings, own, ceiling, expected):
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = ceiling
    client_row.day_patients = own
    client_row.save()
    actor = act_as_client(client_row, "t")
    assert budget.today(actor, NOW).patient_limit == expected
    page = [name(i) for i in range(expected + 3)]
    assert budget.reserve(grant_at(actor, NOW), page, NOW) == expected


def test_units_of_a_client(client_row):
    client_row.day_units = 7
    client_row.save()
    actor = act_as_client(client_row, "t")
    assert budget.today(actor, NOW).unit_limit == 7
    assert budget.reserve(grant_at(actor, NOW), [name(i) for i in range(9)], NOW) == 7


def test_the_system_is_not_budgeted(practice):
    grant = system_grant(Action.INDEX, practice.id, "the index is built", NOW)
    budget.spend(grant, [name(i) for i in range(1000)], NOW)
    assert not Exposure.objects.exists()


def test_an_old_grant_pays_nothing(grant):
    with pytest.raises(GrantExpired):
        budget.spend(grant, [name(1)], grant.expires)


@pytest.mark.django_db(transaction=True)
def test_a_budget_is_spent_inside_a_transaction(transactional_db, grant, desk):
    with pytest.raises(Unavailable):
        budget.spend(grant, [name(1)], NOW)
    with transaction.atomic():
        budget.spend(grant, [name(1)], NOW)
        transaction.set_rollback(True)
    assert usage(desk) == (0, 0)


def test_totals_are_what_the_rows_say_whatever_happened(desk, practice):
    """Random looks at random times, against a count of everything that was shown within each window."""
    chance = random.Random(20230329)
    shown = []
    now = NOW
    forms = [Form.CLEAR, Form.MASKED, Form.STAND_IN]
    for _ in range(250):
        now += timedelta(minutes=chance.choice([0, 1, 7, 40, 200]))
        patient = f"p{chance.randrange(12)}"
        page = [(patient, element, chance.choice(forms)) for element in chance.sample(list(Element), 4)]
        budget.spend(grant_at(desk, now), page, now)
        shown += [(now, *charge) for charge in page if charge[2] is not Form.STAND_IN]
        counted = Exposures(connection, desk.owner, now).count()
        for window, patients, units in [
            (DAY, counted.day_patients, counted.day_units),
            (HOUR, counted.hour_patients, counted.hour_units),
        ]:
            begin = (now - window - EPOCH) // SLOT
            within = [row for row in shown if -((EPOCH - row[0]) // SLOT) > begin]
            heaviest = {}
            for _, who, element, form in within:
                heaviest[who, element] = max(weigh(element, form), heaviest.get((who, element), 0))
            assert patients == len({row[1] for row in within})
            assert units == sum(heaviest.values())


def test_few_queries(grant, django_assert_max_num_queries, django_assert_num_queries):
    with django_assert_max_num_queries(6):
        budget.spend(grant, [name(1)], NOW)
    with django_assert_num_queries(1):
        budget.spend(grant, [name(1)], NOW + timedelta(minutes=3))
    with django_assert_num_queries(0):
        budget.spend(grant, [name(2, Form.STAND_IN)], NOW)


def test_a_page_of_a_thousand_is_paid_in_bulk(client_row, settings, django_assert_max_num_queries):
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 10_000
    client_row.day_patients = 1000
    client_row.save()
    grant = grant_at(act_as_client(client_row, "t"), NOW)
    with django_assert_max_num_queries(6):
        assert budget.reserve(grant, [name(i) for i in range(1001)], NOW) == 1000


def test_a_stampede_never_exceeds_by_one(tmp_path, fresh_databases):
    """32 threads on one credential, each with connections of its own, on a real database."""
    environment = os.environ | {"CONFIDE_DATA": str(tmp_path)} | fresh_databases
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("stampede.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    result = json.loads(run.stdout)
    assert result["failures"] == []
    assert result["paid"] == result["seen"] == result["counted"] == LIMITS.hour_patients
    assert result["refused"] == result["asked"] - LIMITS.hour_patients
