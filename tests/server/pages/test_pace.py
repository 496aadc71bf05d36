"""Questions that come too fast are told to wait, and an honest hand at the keyboard never is."""

from __future__ import annotations

from typing import Any

import pytest

from confide.access.decide import Actor
from confide.access.roles import Role
from confide.errors import TooFast
from confide.server.pace import ADDRESS, PERSON, PROGRAM, Pace, pace


def actor(name: str = "a", kind: Any = "person", address: str = "10.0.0.1") -> Actor:
    role = Role.INTEGRATOR if kind == "client" else Role.FRONT_DESK
    return Actor(kind, name, "session", "elm", role, "somebody", address)


def ask(pace: Pace, who: Actor, count: int, now: float) -> int:
    """How many of so many questions at one moment are let through."""
    through, waits = 0, []
    for _ in range(count):
        try:
            pace.keep(who, now)
        except TooFast as told:
            waits.append(told.wait)
        else:
            through += 1
    assert all(wait >= 1 for wait in waits)
    return through


@pytest.mark.parametrize(("kind", "limit"), [("person", PERSON), ("client", PROGRAM)])
def test_a_burst_and_then_so_many_a_second(kind: str, limit: Any) -> None:
    counted, who = Pace(), actor(kind=kind)
    assert ask(counted, who, 1000, 0.0) == limit.burst
    assert ask(counted, who, 1000, 1.0) == limit.each_second
    assert ask(counted, actor("b", kind), 10, 1.0) == 10, "somebody else"
    assert ask(counted, who, 1000, 10_000.0) == limit.burst
    assert ask(counted, who, 1000, 9_000.0) == 0, "a clock that runs backwards gives nothing"


def test_an_address_has_a_limit_too() -> None:
    counted = Pace()
    asked = [ask(counted, actor(f"a{i}"), PERSON.burst, 0.0) for i in range(40)]
    assert sum(asked) == ADDRESS.burst
    assert ask(counted, actor("other", address="10.0.0.2"), 5, 0.0) == 5


def test_a_day_of_typing_is_never_stopped() -> None:
    """A hundred look-ups an hour, thirty letters each, four a second, for eight hours."""
    counted, who, now = Pace(), actor(), 0.0
    for _ in range(800):
        for _ in range(30):
            assert ask(counted, who, 1, now) == 1
            now += 0.25
        now += 28.5


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confide.server.pace._MOST", 10)
    counted = Pace()
    for i in range(100):
        counted.keep(actor(f"a{i}", address=f"10.0.0.{i}"), 0.0)
    assert len(counted._spent) == 10


@pytest.mark.asvs("2.4.1")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_both_doors_say_when_to_come_back(api: Any, lab: Any, surgery: Any) -> None:
    http = surgery.sign_in("desk")
    try:
        for who in (surgery.account("desk").pk, lab.pk):
            for kind, limit in (("person", PERSON), ("client", PROGRAM)):
                pace._spent[f"{kind}:{who}"] = limit.burst + 100.0, 10**9
        page = http.post("/found", {"q": "quarles"})
        assert page.status_code == 429
        assert int(page["Retry-After"]) >= 1
        assert "Wait some seconds" in page.text
        answer = api.get("/Patient?family=quarles")
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) >= 1
        assert answer.json()["issue"][0]["code"] == "throttled"
    finally:
        pace.forget()
    assert http.post("/found", {"q": "quarles"}).status_code == 200
