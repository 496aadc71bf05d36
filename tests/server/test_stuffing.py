"""Stolen pairs are tried from a few addresses while people of the clinic come to work.

Ten thousand of them in `make drill`, the first three hundred in the suite: what stops them is there by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator

from confide.access import attempts
from confide.access.attempts import Outcome
from confide.access.entrances import Attempt, Device, Session
from confide.access.models import Account
from confide.audit.models import JournalEntry
from tests.scale import scale
from tests.server import factored
from tests.server.crowd import Clock, Page, everything_stored, follow, hash_cheaply, hire, proof_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
TRIES = scale(10_000, 300)
VALID = scale(100, 6)
ARRIVALS = 10  # of each of the honest
ATTACKERS = ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
CLINIC = "198.51.100.20"
OWN = "four otters in the lamplight"


@pytest.fixture
def clock(monkeypatch, system):
    clock = Clock()
    follow(monkeypatch, clock)
    hash_cheaply(monkeypatch)
    return clock


@dataclass
class Stuffer:
    """A program that looks like browsers, has fetched the page, and sends every ticket that it is given."""

    clock: Clock
    pages: list[Page] = field(default_factory=lambda: [Page(address) for address in ATTACKERS])
    proofs: dict[str, str] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    inside: int = 0
    refused: int = 0

    def run(self, pairs: list[tuple[str, str]], pause: float) -> None:
        for number, (name, password) in enumerate(pairs):
            page = self.pages[number % len(self.pages)]
            answer = page.send(name, password, self.proofs.pop(page.address, ""))
            self.clock.advance(seconds=pause)
            if answer.status_code == 302:
                self.accepted.append(name)
                self.inside += self.reaches_anything(page)
                page.leave()
            elif answer.status_code in {429, 403}:
                self.refused += 1
                self.proofs[page.address] = proof_of(answer)

    def reaches_anything(self, page: Page) -> bool:
        """Whether a password that was accepted opens any page, or enrols anything."""
        token = page.http.cookies["csrf"].value
        for form in (
            {"words": "bafibo-bafibo-bafibo-bafibo"},
            {"code": "123456", "password1": "another one", "password2": "another one"},
            {"credential": "{}"},
        ):
            page.http.post("/sign-in/set-up", form | {"csrfmiddlewaretoken": token})
        return any(
            page.http.get(path).status_code == 200 for path in ("/find", "/factors", "/journal", "/people")
        )


def stolen(practice) -> list[tuple[str, str]]:
    """Pairs; one in a hundred is good here, or in fifty."""
    pairs = [(f"stuffed{n}@elsewhere.example", f"canary-password-{n}") for n in range(TRIES)]
    hire(practice, dict(pairs[:: TRIES // VALID]))
    shift = TRIES // VALID // 2
    return pairs[shift:] + pairs[:shift]


@pytest.mark.asvs("6.1.1", "6.3.1")
def test_stolen_pairs_come_by_the_thousand(practice, clock, capfd):
    pairs = stolen(practice)
    hire(practice, {"known": OWN, "new": OWN}, enrolled=True)
    known = Page(CLINIC)
    assert known.sign_in("known", OWN, clock)
    Device.objects.update(first_at=clock() - timedelta(days=30))
    inside = Page(ATTACKERS[0])
    assert inside.sign_in("known", OWN, clock), "somebody whose provider gives them the attacker's address"
    Device.objects.filter(network=attempts.tag_network(ATTACKERS[0])).update(
        first_at=clock() - timedelta(days=3)
    )
    stuffer = Stuffer(clock)
    arrivals = 0
    at_once = TRIES // ARRIVALS
    for begin in range(0, TRIES, at_once):
        stuffer.run(pairs[begin : begin + at_once], 0.36)
        for page in (known, inside):
            page.leave()
            assert page.send("known", OWN).status_code == 302, "a known device never waits for what others do"
            assert factored.second(page.http, "known", csrfmiddlewaretoken=page.token).status_code == 302
            assert page.http.get("/find").status_code == 200
            arrivals += 1
        assert Page(CLINIC).sign_in("new", OWN, clock), "a new device at the clinic waits seconds at most"
        arrivals += 1
    began = JournalEntry.objects.filter(action="sign-in").values_list("actor", flat=True)
    stuffed = Account.objects.filter(username__startswith="stuffed").values_list("pk", flat=True)
    sessions = len(set(began) & set(stuffed)) + Session.objects.filter(account__in=stuffed).count()
    looked_at = Attempt.objects.filter(outcome__in=[Outcome.FAILED, Outcome.PASSED]).count()
    print(
        f"\n{TRIES:,} tries with {VALID} valid pairs from {len(ATTACKERS)} addresses: {stuffer.refused:,}"
        f" turned away unread, {len(stuffer.accepted)} passwords accepted, {sessions} sessions,"
        f" {stuffer.inside} saw a page;"
        f" {arrivals} of {arrivals} honest arrivals"
        f" came in; {looked_at} passwords hashed"
    )
    assert len(stuffer.accepted) <= 4
    assert sessions == 0
    assert stuffer.inside == 0
    assert not Authenticator.objects.filter(user_id__in=stuffed).exists(), "and nothing was enrolled"
    assert looked_at < 250
    stopped = JournalEntry.objects.filter(action="sign-in-stopped")
    rules = {entry.resource_id.split(":")[0] for entry in stopped}
    assert {"network", "storm"} <= rules
    told = JournalEntry.objects.filter(action__startswith="sign-in").count()
    assert told < 500, "a flood does not fill the journal"
    said = capfd.readouterr()
    written = "\n".join((*everything_stored(), said.err))
    assert "canary-password" not in written
    good = {f"stuffed{n}@elsewhere" for n in range(0, TRIES, TRIES // VALID)}
    assert set(re.findall(r"stuffed\d+@elsewhere", written)) == good, "these have accounts; no other is kept"
    print(said.out)


@pytest.mark.asvs("6.3.1")
def test_a_patient_program_gets_little_further(practice, clock):
    """It keeps every wait and sends every ticket, from one address, for a whole day."""
    pairs = stolen(practice)
    page = Page(ATTACKERS[0])
    end, names, came_in, refused = clock() + timedelta(days=1), 0, 0, 0
    for name, password in pairs:
        names += 1
        answer = page.send(name, password)
        for _ in range(3):
            if answer.status_code != 429:
                break
            clock.advance(seconds=int(answer["Retry-After"]))
            answer = page.send(name, password, proof_of(answer))
        if answer.status_code == 302:
            came_in += 1
            page.leave()
        elif answer.status_code == 403:
            refused += 1
            clock.advance(minutes=10)
        if clock() > end:
            break
    held = Session.objects.count()
    print(f"\npatient: {names:,} names in a day, {refused} refused, {came_in} came in, {held} still in")
    assert refused > 100
    assert names - refused < 60
    assert came_in <= 2
    assert held == 0
