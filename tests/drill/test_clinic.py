"""Honest people at work, and somebody who hides among them: short versions of `confide drill`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from importlib import import_module
from itertools import pairwise

import pytest

from confide.access.roles import Role
from confide.drill import honest, scenarios, slow
from confide.drill.clinic import FIRST, Clinic
from tests.scale import scale

pytestmark = pytest.mark.django_db


def test_work_is_as_the_sources_have_it() -> None:
    clinic = Clinic(5)
    entries = [each for n in range(28) for each in clinic.day(FIRST + timedelta(days=n))]
    opened = [each for each in entries if each.action == "read"]
    bare = sum(1 for each in opened if not each.relationship)
    assert 0.04 < bare / len(opened) < 0.09
    assert len(clinic.staff) == 40
    by_role = Counter(each.role for each in opened)
    assert set(by_role) == {role.value for role in Role if role.value in by_role}
    visits = by_role[Role.CLINICIAN.value] / 20 / 12 / 1.5
    assert 16 < visits < 24, "a clinician's patients on a working day"
    assert all(a.at <= b.at for a, b in pairwise(entries))
    again = Clinic(5)
    first = [each for n in range(3) for each in again.day(FIRST + timedelta(days=n))]
    assert first == entries[: len(first)]
    assert Clinic(6).day(FIRST) != Clinic(5).day(FIRST)


def test_weeks_of_honest_work_lock_nobody_out_and_ask_little() -> None:
    """A whole year in `make drill`."""
    found = honest.run(3, days=scale(honest.DAYS, 28))
    print(*found.checks, sep="\n")
    assert found.holds, found.checks
    assert int(dict(found.figures)["accesses and searches"].replace(",", "")) > 20_000


def test_whoever_reads_twenty_a_day_is_found() -> None:
    """Two hundred times in four clinics in `make drill`."""
    found = slow.run(3, runs=scale(slow.RUNS, 2), clinics=scale(slow.CLINICS, 1))
    print(*found.checks, sep="\n")
    assert found.holds, found
    assert found.persons is not None
    assert found.persons < 17 * 20


def test_every_scenario_is_what_the_list_says() -> None:
    for each in scenarios.ALL.values():
        module = import_module(f"confide.drill.{each.module}")
        assert (each.code, each.title) == (module.CODE, module.TITLE)
