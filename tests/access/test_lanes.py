"""Far from the ceilings those who pay for others wait for nobody: they take lanes that nobody holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from confide.access import budget, ceilings, crowd
from confide.access.crowd import Purchase
from confide.access.decide import decide
from confide.access.models import ExposureTotal
from confide.access.roles import Action, Form, Purpose
from confide.access.statements import COMMIT, ask
from confide.protect.elements import Element

from .conftest import NOW
from .test_ceilings import hire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def far(settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it has one writer at a time")
    ceilings._known.clear()
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = settings.CONFIDE_HOST_DAY_PATIENTS = 10_000


@pytest.fixture
def grants(practice: Any) -> list[Any]:
    """Of people who have paid once: who pays for the first time in hours pays alone."""
    made = [decide(a, Action.READ, Purpose.TREAT, None, Element, NOW) for a in hire(practice, 12)]
    for grant in made:
        with transaction.atomic():
            budget.spend(grant, [("first", Element.NAME, Form.CLEAR)], NOW)
    return made


@contextmanager
def holding(names: list[str]) -> Iterator[Any]:
    """Another transaction that has these lanes and does not end; yields the connection that it is on."""
    other = connection.copy()
    other.inc_thread_sharing()
    try:
        other.set_autocommit(False)
        ask(other, [ceilings.taking(names)])
        yield other
    finally:
        other.close()


def pay(grants: list[Any], patient: str) -> list[bool]:
    with transaction.atomic():
        paid, writes = crowd.reserve(
            [Purchase(g, [(patient, Element.NAME, Form.CLEAR)]) for g in grants], NOW
        )
        ask(connection, [], writes, [COMMIT])
    return paid


def lanes_of(practice: str, owner: str) -> tuple[list[str], list[str]]:
    own, host = ceilings.ceilings_of(connection, practice, owner)
    return list(own.book.names), list(host.book.names)


def counted() -> dict[str, int]:
    rows = ExposureTotal.objects.exclude(owner__startswith="person:").values_list("owner", "patients")
    return dict(rows)


def test_a_lane_that_nobody_holds_is_found_without_waiting(grants: list[Any]) -> None:
    own, host = lanes_of(grants[0].practice, grants[0].actor.owner)
    before = counted()
    with holding([*own[:-1], *host[:-1]]):  # all but the last ones; this would wait for ever
        assert pay(grants[:1], "a") == [True]
    after = counted()
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name)}
    assert grown == {own[-1]: 1, host[-1]: 1}, "what was seen is written to the lane that was held"


def test_a_crowd_holds_a_lane_for_every_ten_patients(grants: list[Any]) -> None:
    own, host = lanes_of(grants[0].practice, grants[0].actor.owner)
    with transaction.atomic():
        crowd.reserve([Purchase(g, [("b", Element.NAME, Form.CLEAR)]) for g in grants], NOW)
        other = connection.copy()
        other.set_autocommit(False)
        [free] = ask(other, [ceilings.trying([(own, len(own)), (host, len(host))])])
        other.close()
    assert len(free) == len(own) - 2 + len(host) - 2, "twelve patients need two lanes of each ceiling"


LOCKS = (
    "SELECT pid, granted, (objid::bigint # 2147483648) - 2147483648 FROM pg_locks"  # its sign is lost there
    " WHERE locktype = 'advisory' AND classid = %s"
)


def test_where_no_lane_is_free_one_waits_in_one_order(grants: list[Any]) -> None:
    _, host = lanes_of(grants[0].practice, grants[0].actor.owner)
    paid: list[list[bool]] = []
    with holding(host) as other:
        waiting = threading.Thread(target=lambda: (paid.append(pay(grants[:3], "c")), connection.close()))
        waiting.start()
        queue: list[tuple[int, int]] = []
        while not queue:
            [locks] = ask(other, [(LOCKS, [ceilings._LOCKS])])
            queue = [(pid, lane) for pid, granted, lane in locks if not granted]
        assert not paid
        other.rollback()
        waiting.join()
    [(who, awaited)] = queue
    held = [lane for pid, granted, lane in locks if granted and pid == who]
    # What was had out of order was let go: others might wait for it who hold what is waited for here.
    assert all(lane < awaited for lane in held)
    assert paid == [[True] * 3]
    assert sum(n for name, n in counted().items() if name.startswith("practice:")) == 12 + 3


def test_near_a_ceiling_all_lanes_are_taken(grants: list[Any], settings: Any) -> None:
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 50  # 20 an hour, of which 12 are counted
    assert sum(pay([grant], "d") == [True] for grant in grants) == 8
