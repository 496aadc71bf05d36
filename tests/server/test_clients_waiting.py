"""Programs that send wrong assertions wait; a program at home never does."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey

from confide.access.ladder import RULES, Rule
from confide.audit.models import JournalEntry
from tests.server import laboratory
from tests.server.crowd import Clock, follow
from tests.server.laboratory import ask, assertion

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
OTHER = ECKey.generate_key("P-384", {"kid": "k1"}, private=True)


@pytest.fixture
def clock(monkeypatch: Any, system: Any) -> Clock:
    clock = Clock()
    follow(monkeypatch, clock)
    return clock


def fail(lab: Any) -> None:
    for number in range(RULES[Rule.CLIENT].slowed):
        presented = assertion(lab.pk, OTHER) if number % 2 else "nonsense"
        assert ask(presented).status_code == 401


def test_a_network_that_fails_often_waits(lab: Any, clock: Clock) -> None:
    fail(lab)
    response = ask(assertion(lab.pk))
    assert response.status_code == 429
    assert response.json()["error"] == "slow_down"
    assert response["Retry-After"] == "2"
    entry = JournalEntry.objects.get(action="sign-in-stopped")
    assert (entry.practice, entry.actor_kind, entry.actor) == (lab.practice_id, "client", lab.pk)
    clock.advance(seconds=3)
    assert ask(assertion(lab.pk)).status_code == 200


def test_a_program_that_has_been_here_is_not_stopped_by_others(lab: Any, clock: Clock) -> None:
    assert ask(assertion(lab.pk)).status_code == 200
    stranger = laboratory.register(lab.practice, name="another")
    fail(stranger)
    assert ask(assertion(stranger.pk)).status_code == 429
    assert ask(assertion(lab.pk)).status_code == 200
