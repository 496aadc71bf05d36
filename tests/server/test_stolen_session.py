"""A stolen session of the front desk, driven as fast as it goes, learns of no more people than the budget."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from confide.access.limits import LIMITS
from confide.access.roles import Role
from confide.drill.thief import Loot, Person, Told, measure
from tests.server import theft

PATIENTS = 120


@pytest.mark.asvs("2.4.1")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_a_stolen_session_learns_of_no_more_people_than_the_budget_has(system: Any, practice: Any) -> None:
    truth, account = theft.settle(system, practice, PATIENTS)
    with theft.stolen(account) as thief:
        loot = thief.run(truth[::15], theft.strangers(PATIENTS)[::15], patience=140, charts=1)
    budget = LIMITS[Role.FRONT_DESK].hour_patients
    booked = theft.seen(account)
    learned = measure(loot, truth)
    assert learned <= len(booked) <= budget
    assert learned > budget // 2, "the thief does what it can"
    assert loot.shown <= booked
    assert not loot.doubles


def test_the_measure_sees_what_was_learned() -> None:
    """It would count what a server without these rules tells."""
    truth = [
        Person(f"p{i}", given, "Ortiz", date(1960 + i, 1, 1)) for i, given in enumerate(("Zoë", "Una", "Bo"))
    ]
    many = Told((), 200, "Many people match.")
    assert measure(Loot(), truth) == 0
    assert measure(Loot(shown={"p0", "elsewhere"}), truth) == 1
    assert measure(Loot(asked={"zoe\0False": many, "ort\0False": many}), truth) == 1
    assert measure(Loot(doubles={"p1"}, shown={"p1"}), truth) == 1
