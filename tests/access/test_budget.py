"""What a credential may see in a day and an hour, and that it is never one patient more."""

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, transaction

from confide.access import budget, totals
from confide.access.decide import act_as_client, act_as_member, decide, system_grant
from confide.access.exposure import weigh
from confide.access.models import Exposure, ExposureTotal, Membership, Practice
from confide.access.roles import Action, Form, Purpose, Role
from confide.access.totals import MONTH, SLOT, TOGETHER_DAY, TOGETHER_HOUR, Book, Window, count
from confide.errors import BudgetSpent, GrantExpired, Unavailable
from confide.protect.elements import CATALOGUE, Element
from tests.scale import scale

from .conftest import NOW

LIMITS = budget.LIMITS[Role.FRONT_DESK]
MANY = scale(64, 24)
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


@pytest.mark.asvs("2.3.2")
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
        approved_at=NOW, account_id=desk.id, practice_id=desk.practice, role=Role.PRIVACY_OFFICER
    )
    actor = act_as_member(officer, "s")
    grant = grant_at(actor, NOW, Action.REVEAL, Purpose.PATRQT)
    limits = budget.LIMITS[Role.PRIVACY_OFFICER]
    page = [(f"p{i}", Element.SSN, Form.CLEAR) for i in range(limits.hour_patients)]
    assert budget.reserve(grant, page, NOW) == limits.hour_units // 10
    assert usage(actor)[1] == limits.hour_units


@pytest.mark.asvs("2.3.3")
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
        approved_at=NOW, account_id=desk.id, practice_id=desk.practice, role=Role.PRIVACY_OFFICER
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
        Membership.objects.create(approved_at=NOW, account_id=desk.id, practice=other, role=Role.FRONT_DESK),
        "session-2",
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


def test_totals_are_what_was_shown_whatever_happened(desk, practice):
    """Random looks at random times, against a count of everything that was shown within each window."""
    chance = random.Random(20230329)
    shown = []
    now = NOW
    forms = [Form.CLEAR, Form.MASKED, Form.STAND_IN]
    names = [str(name) for name in range(8)]
    together = (TOGETHER_HOUR, TOGETHER_DAY)
    lanes = {
        head: tuple(f"{head}/{lane}" for lane in range(16)) for head in ("host", f"practice:{practice.id}")
    }
    books = [
        Book((desk.owner,), (totals.HOUR, totals.DAY, MONTH)),
        *(Book(names, together) for names in lanes.values()),
    ]
    for _ in range(400):
        now += timedelta(minutes=chance.choice([0, 1, 7, 40, 200, 3000]))
        patient = f"p{chance.choice(names)}"
        page = [(patient, element, chance.choice(forms)) for element in chance.sample(list(Element), 4)]
        budget.spend(grant_at(desk, now), page, now)
        shown += [(now, *charge) for charge in page if charge[2] is not Form.STAND_IN]
        for book, counted in zip(books, count(connection, books, now), strict=True):
            for window, found in zip(book.windows, counted.sums, strict=True):
                assert found == expect(window, shown, now)


def expect(window: Window, shown, now):
    """Distinct patients and heaviest forms, of what was shown since the window's first slot began."""
    begin = (now - window.length - EPOCH) // (SLOT * window.span)
    within = [row for row in shown if -((EPOCH - row[0]) // (SLOT * window.span)) > begin]
    heaviest = {}
    for _, who, element, form in within:
        heaviest[who, element] = max(weigh(element, form), heaviest.get((who, element), 0))
    return len({row[1] for row in within}), sum(heaviest.values())


def test_few_queries(grant, django_assert_max_num_queries, django_assert_num_queries):
    budget.spend(grant, [name(0)], NOW)
    with django_assert_max_num_queries(9):
        budget.spend(grant, [name(1)], NOW)
    with django_assert_max_num_queries(2):  # is it still trusted, and is it paid for
        budget.spend(grant, [name(1)], NOW + timedelta(minutes=3))
    with django_assert_num_queries(0):
        budget.spend(grant, [name(2, Form.STAND_IN)], NOW)


def test_a_page_of_a_thousand_is_paid_in_bulk(client_row, settings, django_assert_max_num_queries):
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 10_000
    client_row.day_patients = 1000
    client_row.save()
    grant = grant_at(act_as_client(client_row, "t"), NOW)
    budget.spend(grant, [name(0)], NOW)
    with django_assert_max_num_queries(9):
        assert budget.reserve(grant, [name(i) for i in range(1001)], NOW) == 1000


def test_no_count_reads_more_than_a_few_hundred_totals(desk, membership):
    """An owner who pays around the clock for a month, with a new patient every time."""
    for hours in range(0, 24 * 33, 3):
        now = NOW + timedelta(hours=hours)
        budget.reserve(grant_at(desk, now), [name(hours)], now)
    assert ExposureTotal.objects.filter(owner=desk.owner).count() < 200
    assert ExposureTotal.objects.exclude(owner=desk.owner).count() < 100


def test_ten_sessions_of_a_person_share_one_budget(desk, membership):
    """A session has no budget of its own: the person's count contains it, so it is bounded by that."""
    paid = 0
    for session in range(10):
        grant = grant_at(act_as_member(membership, f"session-{session}"), NOW)
        paid += budget.reserve(grant, [name(f"{session}-{i}") for i in range(20)], NOW)
    assert paid == LIMITS.hour_patients


# Thirty days


def test_the_limit_of_thirty_days_is_exact(desk):
    seen = 0
    for day in range(15):
        for hour in (0, 2, 4):
            now = NOW + day * DAY + hour * HOUR
            page = [name(f"{day}-{hour}-{i}") for i in range(LIMITS.hour_patients)]
            seen += budget.reserve(grant_at(desk, now), page, now)
    assert seen == LIMITS.month.patients == 10 * LIMITS.day_patients
    with pytest.raises(BudgetSpent, match="30 days"):
        budget.spend(grant_at(desk, now), [name("one more")], now)
    budget.spend(grant_at(desk, now), [name("0-0-0")], now)  # who was seen may be seen again
    later = NOW + timedelta(days=31)
    budget.spend(grant_at(desk, later), [name("one more")], later)


def test_a_month_is_well_below_thirty_days():
    for limits in budget.LIMITS.values():
        assert limits.month.patients <= limits.day_patients * 15
        assert limits.month.units <= limits.day_units * 15


@pytest.mark.asvs("2.1.3")
def test_the_documented_limits_are_the_limits():
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    rows = {}
    for roles, *numbers in re.findall(
        r"^\| (`[^|]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE
    ):
        rows |= {role: tuple(map(int, numbers)) for role in re.findall(r"`(\w+)`", roles)}
    assert rows == {
        role.value: (limits.day_patients, limits.hour_patients, limits.month.patients, limits.day_units)
        for role, limits in budget.LIMITS.items()
        if role is not Role.SYSTEM
    }


def test_what_is_older_than_thirty_days_is_removed(desk, client_row):
    """Also what somebody saw who never comes again; and nothing that still counts."""
    away = act_as_client(client_row, "t")
    budget.spend(grant_at(away, NOW), [name(i) for i in range(30)], NOW)
    for days in (0, 10, 20, 29):
        now = NOW + timedelta(days=days)
        budget.spend(grant_at(desk, now), [name(f"{days}")], now)
    assert Exposure.objects.count() == 34
    for days, left in ((32, 3), (42, 2), (52, 1), (61, 0)):
        now = NOW + timedelta(days=days)
        budget.spend(grant_at(desk, now), [name("again")], now)
        assert Exposure.objects.exclude(patient="pagain").count() == left
    old = (NOW + timedelta(days=20) - EPOCH) // SLOT
    assert not ExposureTotal.objects.filter(owner=desk.owner, span=1, slot__lt=old).exists()


def test_little_is_removed_at_once(desk, monkeypatch):
    monkeypatch.setattr("confide.access.exposure.PRUNED_AT_ONCE", 5)
    budget.spend(grant_at(desk, NOW), [name(i) for i in range(20)], NOW)
    for hours, left in ((0, 15), (1, 15), (7, 10)):
        now = NOW + timedelta(days=32, hours=hours)
        budget.spend(grant_at(desk, now), [name(f"new{hours}")], now)
        assert Exposure.objects.exclude(patient__startswith="pnew").count() == left


def test_what_was_seen_before_the_wider_windows_is_counted_in_them(desk, client_row):
    """The migration makes the totals that nobody had kept."""
    for hours in (0, 1, 5, 30, 300):
        now = NOW + timedelta(hours=hours)
        page = [(f"p{hours % 4}", Element.SSN, form) for form in (Form.MASKED, Form.CLEAR)[hours % 2 :]]
        for actor in (desk, act_as_client(client_row, "t")):
            purpose = Purpose.TREAT
            budget.spend(grant_at(actor, now, purpose=purpose), [name(hours), *page], now)
    kept = sums_by_head(now)
    ExposureTotal.objects.exclude(span=1).delete()
    migration = import_module("confide.access.migrations.0005_budget_windows")
    migration.count_what_was_seen(apps, None)
    assert sums_by_head(now) == kept
    assert len(kept) > 10


def sums_by_head(now):
    """Totals of the coarser slots that still count, those of all lanes together."""
    found = Counter()
    for row in ExposureTotal.objects.exclude(span=1):
        if row.slot > {w.span: w.begin(now) for w in (MONTH, TOGETHER_DAY)}[row.span]:
            found[row.owner.partition("/")[0], row.span, row.slot, "patients"] += row.patients
            found[row.owner.partition("/")[0], row.span, row.slot, "units"] += row.units
    return {key: total for key, total in found.items() if total}


# Many at once


def stampede(tmp_path, databases, *words, **more):
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("stampede.py"), *map(str, words)],
        env=os.environ | {"CONFIDE_DATA": str(tmp_path)} | databases | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    result = json.loads(run.stdout)
    assert result["failures"] == []
    return result


@pytest.mark.asvs("2.3.4")
def test_a_stampede_never_exceeds_by_one(tmp_path, fresh_databases):
    """64 threads on one person in ten sessions, each thread with a connection of its own."""
    result = stampede(tmp_path, fresh_databases, "one", 0, 64)
    assert result["outcomes"] == {"paid": LIMITS.hour_patients, "refused": 64 * 3 - LIMITS.hour_patients}
    assert len({patient for _, _, patient, *_ in result["paid"]}) == LIMITS.hour_patients
    assert result["rows"] == LIMITS.hour_patients


@pytest.mark.parametrize(
    ("practice", "host"), [(60, 90), (450, 600)], ids=["near every ceiling", "far from them at first"]
)
def test_no_limit_is_exceeded_whatever_many_do(tmp_path, fresh_databases, practice, host):
    """Many threads at random moments of a month: own budgets, raised ones, the practices' and the host's."""
    more = {"CONFIDE_PRACTICE_DAY_PATIENTS": str(practice), "CONFIDE_HOST_DAY_PATIENTS": str(host)}
    result = stampede(tmp_path, fresh_databases, "many", practice, MANY, **more)
    shown = [(*row[:5], datetime.fromisoformat(row[5])) for row in result["paid"]]
    owners, practices = {row[0] for row in shown}, {row[1] for row in shown}
    for owner in owners:
        times = 2 if owner == f"person:{result['raised']}" else 1
        limits = [(patients * times, units * times) for patients, units in result["limits"][owner]]
        within(limits, [row for row in shown if row[0] == owner], (HOUR, DAY, 30 * DAY))
    for each in practices:
        within(result["practice"][0], [row for row in shown if row[1] == each], (HOUR, DAY))
    reached = within(result["host"][0], shown, (HOUR, DAY))
    assert reached, "nothing was ever near the ceiling, so nothing was shown"


def within(limits, shown, lengths):
    """Check every moment, and say whether a limit was ever reached within a page's length."""
    reached = False
    for (patients, units), length in zip(limits, lengths, strict=True):
        for moment in {row[5] for row in shown}:
            some = [row for row in shown if moment - length < row[5] <= moment]
            heaviest = {}
            for owner, practice, patient, element, form, _ in some:
                weight = weigh(Element(element), Form(form))
                key = owner, practice, patient, element
                heaviest[key] = max(weight, heaviest.get(key, 0))
            seen = len({key[:3] for key in heaviest})
            assert seen <= patients
            assert sum(heaviest.values()) <= units
            reached |= seen > patients - 40
    return reached
