"""The privacy officer's page of who came in, and who was turned away."""

from __future__ import annotations

import pytest
from django.utils import timezone

from confide.audit.models import JournalEntry
from tests.server import factored
from tests.server.crowd import Clock, follow, hash_cheaply
from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def night(surgery, monkeypatch):
    """Somebody tries names all night; the doctor comes to work, by way of one wrong password."""
    clock = Clock()
    if clock.now.hour == 23:  # the page counts a day, and the attack takes forty minutes
        clock.advance(hours=1)
    follow(monkeypatch, clock)
    hash_cheaply(monkeypatch)
    for number in range(45):
        clock.advance(seconds=1 if number < 8 else 61)
        attack = {"login": f"guess{number}", "password": "wrong"}
        browser("203.0.113.66").post("/sign-in", attack)
    browser("203.0.113.66").post("/sign-in", {"login": "desk", "password": "wrong"})
    for password in ("a lamp", PASSWORD):
        http = browser()
        http.post("/sign-in", {"login": "doctor", "password": password})
    factored.second(http, "doctor")
    return surgery


def plain(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.mark.asvs("16.3.1")
def test_it_tells_who_came_in_and_who_was_turned_away(night, privacy):
    page = plain(privacy.get("/journal/sign-ins"))
    assert "2 people have signed in today; 11 passwords were wrong." in page
    for text in (
        "Dr. Miriam Okafor", "Signed in with a recovery code", "Wrong password", "Nobody’s login",
        "203.0.113.66",
        "5 different logins failed from this address", "slowed", "challenged", "tries were turned away",
    ):  # fmt: skip
        assert text in page, text
    assert "guess" not in page
    assert 'aria-current="page">Who signed in' in page
    # Asked about one login, it tells of no other.
    page = plain(privacy.get("/journal/sign-ins", {"actor": night.account("doctor").pk}))
    table = page[page.index("<tbody> <tr class") :]
    assert "Dr. Miriam Okafor" in table
    assert "Nobody’s login" not in table
    assert "Helen Park" not in table
    # Who saw what is not mixed with who came.
    assert "Signed in" not in plain(privacy.get("/journal"))
    assert 'href="/journal/sign-ins"' in plain(privacy.get("/journal"))
    # Reading it is an entry.
    before = JournalEntry.objects.filter(action="journal-read").count()
    privacy.get("/journal/sign-ins")
    assert JournalEntry.objects.filter(action="journal-read").count() == before + 1


def test_the_other_practice_reads_nothing_of_it(night):
    from confide.access.models import Membership

    Membership.objects.create(
        approved_at=timezone.now(),
        account=night.account("nobody"),
        practice=night.elsewhere,
        role="privacy_officer",
    )
    page = plain(night.sign_in("nobody").get("/journal/sign-ins"))
    assert "Okafor" not in page
    assert "Nobody’s login" in page, "what concerns no practice's people is everybody's"


def test_it_is_for_the_privacy_officer(surgery, desk, doctor, privacy):
    for http in (desk, doctor):
        assert http.get("/journal/sign-ins").status_code == 403
    assert privacy.get("/journal/sign-ins", {"before": "x"}).status_code == 422
    assert privacy.get("/journal/sign-ins", {"before": "1"}).status_code == 200
