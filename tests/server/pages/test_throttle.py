"""The entrance under attack, through the pages: one answer for all, waits that end, known browsers let in."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from confide.access import hashing
from confide.access.entrances import Attempt, Device, Session
from confide.audit.models import JournalEntry
from confide.errors import Unavailable
from tests.server import factored
from tests.server.crowd import PROOF, Clock, Page, everything_stored, follow, hash_cheaply, hire
from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
WRONG = "not this one at all"


@pytest.fixture
def clock(monkeypatch, surgery):
    clock = Clock()
    follow(monkeypatch, clock)
    return clock


class Turns:
    """The turnstile of the hasher, counting who goes through."""

    def __init__(self) -> None:
        self.passed = 0

    def acquire(self, timeout: float) -> bool:
        self.passed += 1
        return True

    def release(self) -> None:
        """Nothing is held."""


def send(name: str, password: str = WRONG, **where: str):
    return browser(**where).post("/sign-in", {"login": name, "password": password})


def enter(http, name: str):
    http.post("/sign-in", {"login": name, "password": PASSWORD})
    return factored.second(http, name)


def blank(answer, name: str) -> tuple[int, str]:
    """The answer without what is different each time: what was typed, and tickets."""
    page = answer.content.decode().replace(f'value="{name}"', 'value="NAME"')
    return answer.status_code, re.sub(r'name="(csrfmiddlewaretoken|proof)" value="[^"]*"', "", page)


def test_nobody_learns_who_has_a_login(surgery, clock, monkeypatch):
    """Unknown, wrong, frozen, inactive, by username or e-mail address: one answer, after one hash."""
    monkeypatch.setattr(hashing, "PATIENCE", 1)
    people = {name: surgery.account(name) for name in ("desk", "doctor", "both", "nobody")}
    people["doctor"].frozen_at = timezone.now()
    people["both"].is_active = False
    people["desk"].email = "desk@riverbend.example"
    for person in people.values():
        person.save()
    answers = set()
    for name in (*people, "desk@riverbend.example", "stranger", "stranger@riverbend.example"):
        turns = Turns()
        monkeypatch.setattr(hashing, "_TURNS", turns)
        for number in range(4):
            # Whether it is an e-mail address is said, for that is seen from what was typed.
            answers.add(("@" in name, number, *blank(send(name, address=f"10.0.{len(name)}.7"), name)))
        assert turns.passed == 3, f"{name}: three tries were looked at, each with one hash; the fourth waits"
    assert {(number, status) for _, number, status, _ in answers} == {(0, 200), (1, 200), (2, 200), (3, 429)}
    assert len(answers) == 2 * 4
    # A right password is told what a wrong one is not.
    frozen = send("doctor", PASSWORD, address="192.0.2.99")
    clock.advance(seconds=60)
    frozen = send("doctor", PASSWORD, address="192.0.2.99")
    assert frozen["Location"] == "/stopped"
    assert not Session.objects.exists()


def test_slowed_says_how_long_and_then_lets_in(surgery, clock):
    for _ in range(3):
        assert "You are not signed in" in send("doctor").content.decode()
    slowed = send("doctor", PASSWORD)
    assert (slowed.status_code, slowed["Retry-After"]) == (429, "2")
    page = slowed.content.decode()
    assert "Wait 2 seconds" in page
    assert 'value="doctor"' in page
    assert PASSWORD not in page
    clock.advance(seconds=2)
    assert send("doctor", PASSWORD).status_code == 302


def test_challenged_is_a_ticket_on_a_page_that_needs_no_script(surgery, clock):
    http = browser(agent="python-requests/2.32")
    form = {"login": "doctor", "password": PASSWORD, "next": "/find"}
    first = http.post("/sign-in", form)
    assert (first.status_code, first["Retry-After"]) == (429, "10")
    page = first.content.decode()
    assert "Wait 10 seconds, then type your password once more." in page
    ticket = PROOF.search(page)[1]
    early = http.post("/sign-in", form | {"proof": ticket})
    assert PROOF.search(early.content.decode())[1] == ticket
    clock.advance(seconds=10)
    done = http.post("/sign-in", form | {"proof": ticket})
    assert (done.status_code, done["Location"]) == (302, "/sign-in/factor")
    # The second step of a program waits as well; its ticket is in the session.
    assert factored.second(http, "doctor").status_code == 429
    clock.advance(seconds=10)
    assert factored.second(http, "doctor")["Location"] == "/find"
    again = browser(agent="python-requests/2.32").post("/sign-in", form | {"proof": ticket})
    assert again.status_code == 429, "a ticket is good once"


def test_others_failures_do_not_lock_a_person_out_of_their_own_browser(surgery, clock):
    own = browser()
    assert enter(own, "doctor")["Location"] == "/"
    cookie = own.cookies["device"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    for number in range(60):
        send("doctor", address=f"203.0.113.{number}")
    assert send("doctor", PASSWORD, address="198.51.100.1").status_code in {403, 429}
    own.post("/sign-out")
    assert enter(own, "doctor")["Location"] == "/"
    shared = browser()
    shared.cookies["device"] = cookie.value
    assert enter(shared, "desk")["Location"] == "/"
    assert shared.cookies["device"].value == cookie.value, "one browser, two people"
    assert Device.objects.count() == 2


def test_a_new_password_ends_the_siege(surgery, clock):
    own = browser()
    enter(own, "doctor")
    for number in range(60):
        send("doctor", address=f"203.0.113.{number}")
    new = "winter otters under lamps"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert own.post("/password", form)["Location"] == "/sign-in"
    assert send("doctor", new, address="198.51.100.1").status_code == 302


@pytest.mark.asvs("6.2.3")
def test_the_old_password_is_not_guessed_in_an_open_session(surgery, desk):
    form = {
        "oldpassword": WRONG,
        "password1": "winter otters under lamps",
        "password2": "winter otters under lamps",
    }
    seen = [desk.post("/password", form).status_code for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]
    page = desk.post("/password", form)
    assert "was not looked at." in page.content.decode()
    assert [row.kind for row in Attempt.objects.filter(outcome="failed")] == ["change"] * 3
    assert JournalEntry.objects.filter(action="sign-in-failed", resource_id="change").count() == 3


def test_a_form_that_was_not_fetched_is_a_pattern(surgery, clock):
    for _ in range(3):
        page = Page("203.0.113.9")
        page.token = "x" * 64
        assert page.send("doctor", PASSWORD).status_code == 403
    met = Page("203.0.113.9").send("doctor", PASSWORD)
    assert met.status_code == 429
    assert JournalEntry.objects.get(action="sign-in-stopped").resource_id == "unasked:challenged:3"
    assert Page("203.0.113.10").send("doctor", PASSWORD).status_code == 302


def test_a_clinic_shares_its_address_and_stays_open(surgery, clock, monkeypatch):
    """Somebody in the clinic's own network tries thirty logins; the others go on working."""
    hash_cheaply(monkeypatch)
    hire(surgery.practice, {"colleague": PASSWORD}, enrolled=True)
    own = Page("198.51.100.20")
    assert own.sign_in("doctor", PASSWORD, clock)
    Device.objects.update(first_at=clock() - timedelta(days=8))
    seen = set()
    for number in range(40):
        page = Page("198.51.100.20")
        answer = page.send(f"guess{number}", WRONG)
        seen.add(answer.status_code)
        clock.advance(seconds=61)
        if answer.status_code == 429:
            page.send(f"guess{number}", WRONG, PROOF.search(answer.content.decode())[1])
    assert seen == {200, 429}, "slowed and challenged, never refused"
    own.leave()
    assert own.send("doctor", PASSWORD).status_code == 302
    assert Page("198.51.100.20").sign_in("colleague", PASSWORD, clock), "a new browser waits"


@pytest.mark.asvs("16.3.3")
def test_what_is_told_to_the_journal(surgery, clock):
    send("doctor")
    send("no such person")
    http = browser()
    enter(http, "doctor")
    rows = [
        (e.action, e.practice, e.actor, e.role, e.resource_id, e.patient, e.address)
        for e in JournalEntry.objects.filter(resource_type="SignIn").order_by("id")
    ]
    here, doctor = surgery.practice.pk, surgery.account("doctor").pk
    assert rows == [
        ("sign-in-failed", here, doctor, "clinician", "password", "", "127.0.0.1"),
        ("sign-in-failed", "", "", "", "password", "", "127.0.0.1"),
        ("sign-in", here, doctor, "clinician", "recovery", "", "127.0.0.1"),
    ]
    assert "no such person" not in "".join(everything_stored())


def test_who_works_in_two_practices_is_told_to_both(surgery, clock):
    enter(browser(), "both")
    told = JournalEntry.objects.filter(action="sign-in").values_list("practice", "role")
    assert set(told) == {(surgery.practice.pk, "clinician"), (surgery.elsewhere.pk, "front_desk")}


@pytest.mark.asvs("15.1.3")
def test_a_flood_of_hashes_is_put_off_and_does_not_count(surgery, monkeypatch):
    def full(*_: object) -> None:
        raise Unavailable("too many passwords are being checked at once")

    with monkeypatch.context() as patch:
        patch.setattr(hashing, "_TURNS", type("Full", (), {"acquire": lambda *_, **__: False})())
        patch.setattr(hashing, "PATIENCE", 0)
        for _ in range(9):
            answer = send("doctor", PASSWORD)
            assert answer.status_code == 503
            assert answer["Retry-After"]
    assert send("doctor", PASSWORD).status_code == 302


@pytest.mark.asvs("16.5.3")
def test_no_journal_no_entrance(surgery):
    from tests.practice import without_journal

    http = browser()
    http.post("/sign-in", {"login": "doctor", "password": PASSWORD})
    with without_journal():
        assert factored.second(http, "doctor").status_code == 503
    assert not Session.objects.exists()
    connection.close()
    assert send("doctor", PASSWORD).status_code == 302
