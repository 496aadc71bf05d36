"""Tries to sign in, counted in the database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from confide.access import attempts, ladder
from confide.access.attempts import Entrant, Kind, Outcome
from confide.access.entrances import Attempt, Device, Proof
from confide.access.ladder import RULES, Rule, Rung
from tests.access.conftest import NOW
from tests.practice import Clock
from tests.server.processes import url

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
LIMIT = RULES[Rule.NETWORK]


@pytest.fixture
def clock():
    return Clock()


class Door:
    """Tries at one moment after another; none comes in unless told so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def entrant(self, name: str, address: str = "192.0.2.7", device: str = "", **more) -> Entrant:
        kind = more.pop("kind", Kind.PASSWORD)
        tag = attempts.tag_account(name)
        return Entrant(kind, tag, attempts.tag_network(address), device, **more)

    def knock(self, name: str, address: str = "192.0.2.7", proof: str = "", **more):
        with transaction.atomic():
            return attempts.admit(self.entrant(name, address, **more), proof, self.clock())

    def fail(self, times: int, name: str = "desk", address: str = "192.0.2.7", **more) -> list[Rung]:
        """Try with every wait kept."""
        met = []
        for _ in range(times):
            self.clock.advance(seconds=61)
            met.append(self.knock(name, address, **more).verdict.rung)
        return met


@pytest.fixture
def door(clock):
    return Door(clock)


def test_a_name_is_kept_as_a_hash_that_capitals_do_not_change(door, settings):
    door.knock("Desk@Elm.example ")
    row = Attempt.objects.get()
    assert row.account == attempts.tag_account("desk@elm.example")
    assert "desk" not in str(vars(row))
    settings.SECRET_KEY = "another installation " * 4
    assert attempts.tag_account("desk@elm.example") != row.account


def test_a_network_is_an_address_or_the_first_half_of_one():
    tag = attempts.tag_network
    assert tag("192.0.2.7") != tag("192.0.2.8")
    assert tag("2001:db8:1:2::7") == tag("2001:db8:1:2:ffff::1")
    assert tag("2001:db8:1:2::7") != tag("2001:db8:1:3::7")
    assert tag("::ffff:192.0.2.7") == tag("192.0.2.7")
    assert tag("nonsense") == tag("")


def test_one_account_is_slowed_then_challenged_then_refused(door):
    rules = RULES[Rule.ACCOUNT]
    for number in range(rules.slowed):
        assert door.knock("desk").verdict.rung is Rung.OPEN, number
    slowed = door.knock("desk").verdict
    assert (slowed.rung, slowed.rule, slowed.wait) == (Rung.SLOWED, Rule.ACCOUNT, 2)
    assert set(door.fail(rules.challenged - rules.slowed)) == {Rung.OPEN}, "who waits is heard"
    met = door.knock("desk")
    assert (met.verdict.rung, met.verdict.wait) == (Rung.CHALLENGED, ladder.PACE.total_seconds())
    for number in range(rules.challenged, rules.refused):
        ticket = door.knock("desk").proof
        door.clock.advance(seconds=600)
        assert door.knock("desk", proof=ticket).attempt, number
    assert door.knock("desk").verdict.rung is Rung.REFUSED
    assert door.knock("desk", "198.51.100.9").verdict.rung is Rung.REFUSED, "from anywhere"
    assert door.knock("doctor", "198.51.100.9").verdict.rung is Rung.OPEN


def test_a_new_password_opens_the_account_again(door):
    door.fail(5)
    Attempt.objects.update(at=NOW)
    attempts.forgive(("desk", ""))
    assert door.knock("desk").verdict.rung is Rung.OPEN


def test_many_accounts_from_one_network_are_refused_in_the_end(door):
    met = [door.knock(f"person{n}").verdict.rung for n in range(LIMIT.slowed)]
    assert set(met) == {Rung.OPEN}
    later = door.fail(LIMIT.challenged - LIMIT.slowed, "again0")
    assert Rung.CHALLENGED not in later
    for number in range(200):
        door.clock.advance(seconds=61)
        ticket = door.knock(f"next{number}")
        if ticket.verdict.rung is Rung.REFUSED:
            break
        if ticket.proof:
            door.clock.advance(seconds=11)
            door.knock(f"next{number}", proof=ticket.proof)
    failed = Attempt.objects.filter(outcome=Outcome.FAILED).values("account").distinct().count()
    assert failed == LIMIT.refused
    assert ticket.verdict.rule is Rule.NETWORK
    assert door.knock("desk", "198.51.100.9").verdict.rung is Rung.OPEN, "others are not stopped"


def test_one_account_failing_often_is_one_account(door):
    """A clinic where one person cannot type does not slow the others."""
    door.fail(7, "clumsy")
    assert door.knock("desk").verdict.rung is Rung.OPEN


def test_coming_in_settles_what_failed_before(door):
    door.fail(3)
    door.clock.advance(seconds=61)
    attempts.settle(door.knock("desk").attempt)
    assert set(door.fail(3)) == {Rung.OPEN}
    assert door.knock("desk").verdict.wait == 2, "the count began anew"


def test_a_right_password_does_not_settle_wrong_codes(door):
    for _ in range(RULES[Rule.ACCOUNT].challenged):
        door.clock.advance(seconds=61)
        attempts.settle(door.knock("desk").attempt)
        door.clock.advance(seconds=61)
        door.knock("desk", kind=Kind.CODE)
    door.clock.advance(seconds=61)
    assert door.knock("desk", kind=Kind.CODE).verdict.rung is Rung.CHALLENGED


def test_one_account_from_many_networks_is_challenged(door):
    for n in range(RULES[Rule.SPREAD].challenged):
        door.clock.advance(seconds=61)
        assert door.knock("desk", f"198.51.100.{n}").verdict.rung is Rung.OPEN
    met = door.knock("desk", "203.0.113.4").verdict
    assert (met.rung, met.rule) == (Rung.CHALLENGED, Rule.SPREAD)


def test_a_storm_from_everywhere_challenges_strangers_everywhere(door):
    for n in range(RULES[Rule.STORM].challenged):
        assert door.knock(f"person{n}", f"10.1.{n}.7").verdict.rung is Rung.OPEN
    met = door.knock("desk", "203.0.113.4")
    assert (met.verdict.rung, met.verdict.rule) == (Rung.CHALLENGED, Rule.STORM)
    door.clock.advance(seconds=11)
    assert door.knock("desk", "203.0.113.4", met.proof).attempt, "a person waits ten seconds"
    door.clock.advance(hours=2)
    assert door.knock("nurse", "203.0.113.4").verdict.rung is Rung.OPEN


def test_tools_and_forms_that_were_not_fetched_are_challenged(door, clock):
    assert door.knock("desk", tool=True).verdict.rule is Rule.TOOL
    for _ in range(RULES[Rule.UNASKED].challenged):
        attempts.notice(attempts.tag_network("203.0.113.4"), clock())
    assert door.knock("desk", "203.0.113.4").verdict.rule is Rule.UNASKED
    assert door.knock("desk", "203.0.113.5").verdict.rung is Rung.OPEN


# Tickets


def challenged(door: Door, name: str = "desk", **more) -> str:
    return door.knock(name, tool=True, **more).proof


def test_a_ticket_is_good_after_its_wait_once_and_here(door):
    ticket = challenged(door)
    early = door.knock("desk", proof=ticket, tool=True)
    assert (early.verdict.rung, early.proof) == (Rung.CHALLENGED, ticket), "the same, not a new one"
    door.clock.advance(seconds=10)
    assert door.knock("desk", "203.0.113.4", ticket, tool=True).verdict.rung is Rung.CHALLENGED
    assert door.knock("desk", proof=ticket, tool=True).attempt
    assert door.knock("desk", proof=ticket, tool=True).verdict.rung is Rung.CHALLENGED
    assert ticket not in str(Proof.objects.values_list())


def test_a_ticket_runs_out(door):
    ticket = challenged(door)
    door.clock.advance(minutes=11)
    assert door.knock("desk", proof=ticket, tool=True).verdict.rung is Rung.CHALLENGED


def test_whoever_takes_many_tickets_waits_for_each_in_turn(door):
    waits = [door.knock("desk", tool=True).verdict for _ in range(31)]
    assert [met.wait for met in waits[:3]] == [10, 20, 30]
    assert (waits[-1].rung, waits[-1].rule) == (Rung.REFUSED, Rule.QUEUE)
    assert door.knock("desk", "203.0.113.4", tool=True).verdict.wait == 10, "elsewhere is another queue"


# Known devices and homes


def device(practice, network: str, first, last) -> Device:
    from confide.access.models import Account

    account = Account.objects.create_user(f"at-{network}")
    return Device.objects.create(
        account=account, digest=network, network=attempts.tag_network(network), first_at=first, last_at=last
    )


def test_a_home_is_not_refused_and_a_new_one_is_none(door, practice, clock):
    old, soon = NOW - timedelta(days=8), NOW - timedelta(days=1)
    device(practice, "192.0.2.7", old, soon)
    device(practice, "192.0.2.8", soon, soon)
    device(practice, "192.0.2.9", NOW - timedelta(days=90), NOW - timedelta(days=40))
    for address, rung in (
        ("192.0.2.7", Rung.CHALLENGED),
        ("192.0.2.8", Rung.REFUSED),
        ("192.0.2.9", Rung.REFUSED),
    ):
        rows = [
            Attempt(
                at=clock(),
                kind=Kind.PASSWORD,
                account=f"{n}",
                network=attempts.tag_network(address),
                device="",
                outcome=Outcome.FAILED,
            )
            for n in range(LIMIT.refused)
        ]
        Attempt.objects.bulk_create(rows)
        assert door.knock("desk", address).verdict.rung is rung, address


def test_a_known_device_is_slowed_by_its_own_failures_alone(door):
    for n in range(60):
        door.knock("desk", f"10.1.{n}.7")
    assert door.knock("desk", device="known").verdict.rung is Rung.OPEN
    door.knock("desk", device="known")
    door.knock("desk", device="known")
    met = door.knock("desk", device="known").verdict
    assert (met.rung, met.rule) == (Rung.SLOWED, Rule.DEVICE)
    for _ in range(RULES[Rule.DEVICE].stranger):
        door.clock.advance(seconds=61)
        door.knock("desk", device="known")
    assert door.knock("desk", device="known").verdict.rung is not Rung.OPEN
    assert Attempt.objects.filter(device="known").count() == RULES[Rule.DEVICE].stranger


# Rows


def test_a_flood_that_is_turned_away_is_one_row(door):
    for _ in range(50):
        door.knock("desk", tool=True)
    rows = Attempt.objects.exclude(outcome=Outcome.FAILED)
    assert sum(row.tries for row in rows) == 50
    assert len(rows) == 2, "one for the challenged, one for the refused"
    assert Proof.objects.count() == 30
    assert attempts.count_turned_away(door.clock() - timedelta(days=1)) == (50, 1)


def test_what_no_rule_looks_at_is_removed(door):
    door.knock("desk")
    challenged(door)
    door.clock.advance(days=31)
    attempts.prune(door.clock())
    assert not Attempt.objects.exists()
    assert not Proof.objects.exists()


def test_alarms_are_told_once_an_hour_to_each_practice(door):
    told = [door.knock("desk", tool=True, accountable=("p", "q")).alarms for _ in range(3)]
    assert told == [("p", "q"), (), ()]
    assert door.knock("other", tool=True, accountable=("r",)).alarms == ("r",)
    door.clock.advance(minutes=61)
    assert door.knock("desk", tool=True, accountable=("p", "q")).alarms == ("p", "q")


def test_server_processes_count_together():
    """Four processes of eight threads each try 48 names from one address, all at the same moment."""
    # What the test's own connection holds must not be what they wait for.
    connection.close()
    programs = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "crowd.py"), "192.0.2.7", "48"],
            env=os.environ | {"DATABASE_URL": url("default"), "KEYS_DATABASE_URL": url("keys")},
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    results = [json.loads(program.communicate(timeout=120)[0]) for program in programs]
    assert not [failure for result in results for failure in result["failures"]]
    admitted = sum(result["met"].get("open", 0) for result in results)
    failed = Attempt.objects.filter(outcome=Outcome.FAILED)
    assert admitted == failed.count()
    # Between slowed and challenged one a moment is heard, when its wait is over.
    assert LIMIT.slowed <= failed.values("account").distinct().count() <= LIMIT.challenged
