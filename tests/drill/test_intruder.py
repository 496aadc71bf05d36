"""A stolen OAuth client that reaches many practices takes no more people than its budget."""

from __future__ import annotations

from typing import Any

import pytest

from confide.access.reach import Reach
from confide.access.roles import Action, Purpose
from confide.drill import loot
from confide.drill.intruder import SCOPES, Intruder
from confide.drill.loot import Loot, Person
from confide.protect.elements import Element
from confide.protect.masks import mask
from tests.server import laboratory, processes

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
PRACTICES, PATIENTS, BUDGET = 6, 5, 7


def people_of(system: Any, client: Any, practice: str, first: int) -> list[Person]:
    from confide.access.decide import act_as_client, decide

    actor = act_as_client(client, "token", practice=practice)
    grant = decide(actor, Action.WRITE, Purpose.TREAT, None, Element, system.clock())
    made = [loot.make(number) for number in range(first, first + PATIENTS)]
    return [loot.person(practice, system.charts.create(grant, each).id, each) for each in made]


@pytest.fixture
def system(transactional_db: None) -> Any:
    from confide.server import apps

    return apps.system()


@pytest.fixture
def practices(system: Any) -> list[Any]:
    return [system.found_practice(f"Practice {number}") for number in range(PRACTICES)]


def reach_all(client: Any, practices: list[Any]) -> Any:
    from confide.access.models import Account
    from confide.wiring import utc_now

    officer, _ = Account.objects.get_or_create(username="officer")
    for practice in practices[1:]:
        Reach.objects.create(client=client, practice=practice, approved_by=officer, approved_at=utc_now())
    return client


def test_a_stolen_client_takes_no_more_people_than_its_budget(system: Any, practices: list[Any]) -> None:
    loader = reach_all(laboratory.register(practices[0], name="loader"), practices)
    people = [
        each
        for number, practice in enumerate(practices)
        for each in people_of(system, loader, practice.pk, 1 + number * PATIENTS)
    ]
    vendor = laboratory.register(
        practices[0], name="vendor", scopes=SCOPES, day_patients=BUDGET, day_units=10**5
    )
    reach_all(vendor, practices)
    taken = Loot(people)
    with processes.server() as (address, _):
        intruder = Intruder(address, vendor.pk, laboratory.KEY.as_dict(private=True), taken)
        spree = intruder.rob([practice.pk for practice in practices], threads=4)
    assert spree.tokens == 2 * PRACTICES
    assert spree.statuses[200] > 2 * PRACTICES
    # Near a ceiling PostgreSQL may say that many ask at once (503); nothing is shown then.
    assert not [status for status in spree.statuses if status >= 500 and status != 503]
    # How much is learned by asking depends on when the client is stopped for running against its budget;
    # that the attack knows how to ask is shown below, where nothing stops it.
    assert len(taken.shown) > 0
    assert len(taken) <= BUDGET


def test_the_drill_knows_the_masks() -> None:
    for number in range(1, 500):
        each = loot.person("p", "id", loot.make(number))
        assert each.values[-2:] == (mask(Element.SSN, each.ssn), mask(Element.PHONE, each.phone))


def test_what_counts_as_taken() -> None:
    made = [loot.make(number) for number in range(1, 4)]
    people = [loot.person("p", f"id{number}", each) for number, each in enumerate(made)]
    taken = Loot(people)
    taken.read("p", "nothing of anybody, but 1940 and (201)")
    taken.read("elsewhere", people[0].family)
    taken.answer("p", lambda _: True, 0)
    assert len(taken) == 0
    taken.read("p", f"*** {people[0].values[-2]} ***")
    assert taken.shown == {"id0"}
    taken.answer("p", lambda _: True, 1)
    assert len(taken) == 1
    taken.answer("p", lambda _: True, 2)
    assert taken.learned == {"id0", "id1"}
    taken.answer("p", lambda each: each.family == people[2].family, 1, {"id2", "stranger"})
    assert len(taken) == 3


def test_an_open_door_would_be_seen(system: Any, practices: list[Any]) -> None:
    """Without a budget that ends, the same attack takes everybody: it does know how to ask."""
    lab = laboratory.register(practices[0], scopes=SCOPES, day_units=10**5)
    people = people_of(system, lab, practices[0].pk, 1)
    taken = Loot(people)
    with processes.server() as (address, _):
        intruder = Intruder(address, lab.pk, laboratory.KEY.as_dict(private=True), taken)
        intruder.rob([practices[0].pk], threads=1, tokens=1, questions=200)
    everybody = {each.id for each in people}
    assert taken.shown == taken.learned == everybody
