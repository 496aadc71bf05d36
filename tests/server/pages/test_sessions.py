"""Where somebody is signed in: limits, the list, ending one or all, and the word about a new browser."""

from __future__ import annotations

import pytest

from confide.access.entrances import Device, Session
from confide.audit.models import JournalEntry
from tests.server import factored
from tests.server.crowd import Clock, follow
from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clock(monkeypatch, surgery):
    clock = Clock()
    follow(monkeypatch, clock)
    return clock


@pytest.fixture
def own(clock):
    return enter()


def enter(who: str = "desk", **where: str):
    http = browser(**where)
    assert http.post("/sign-in", {"login": who, "password": PASSWORD}).status_code == 302
    assert factored.second(http, who).status_code == 302
    return http


def told(action: str) -> list[str]:
    return [entry.resource_id for entry in JournalEntry.objects.filter(action=action).order_by("id")]


@pytest.mark.asvs("7.3.1")
def test_a_quarter_of_an_hour_without_work_ends_it(own, clock):
    clock.advance(minutes=14)
    assert own.get("/find").status_code == 200
    clock.advance(minutes=15)
    assert own.get("/find")["Location"] == "/sign-in?ended=idle&next=%2Ffind"
    assert "ended after a while without work" in own.get("/sign-in?ended=idle").content.decode()
    assert own.get("/find")["Location"] == "/sign-in?next=/find"
    assert told("session-end") == ["idle"]


def test_a_part_of_a_page_leads_to_the_sign_in_as_well(own, clock):
    clock.advance(minutes=16)
    answer = own.post("/found", {"q": "quern"}, headers=HTMX)
    assert answer["HX-Redirect"] == "/sign-in?ended=idle"
    assert not answer.content


@pytest.mark.asvs("7.3.2")
def test_twelve_hours_are_the_most(own, clock):
    for _ in range(51):
        clock.advance(minutes=14)
        assert own.get("/find").status_code == 200
    clock.advance(minutes=6)
    assert own.get("/find")["Location"].startswith("/sign-in?ended=long")


@pytest.mark.asvs("7.2.2", "7.4.1")
def test_a_copy_of_the_cookie_is_worth_nothing_once_the_session_is_over(own):
    copy = browser()
    copy.cookies["session"] = own.cookies["session"].value
    assert copy.get("/find").status_code == 200
    own.post("/sign-out")
    assert copy.get("/find").status_code == 302
    assert told("sign-out") == [""]
    assert not Session.objects.exists()


@pytest.mark.asvs("7.2.1")
def test_a_session_without_its_row_is_none(own):
    Session.objects.all().delete()
    assert own.get("/find")["Location"].startswith("/sign-in?ended=ended")


def test_choosing_a_practice_keeps_the_session(surgery, clock):
    http = enter("both")
    membership = surgery.account("both").memberships.first()
    assert http.post("/choose", {"membership": membership.pk}).status_code == 302
    assert http.get("/find").status_code == 200


def test_the_list_says_where_since_when_and_which_is_this(own, clock):
    clock.advance(minutes=3)
    phone = enter(address="203.0.113.4", agent=PHONE)
    page = phone.get("/sessions").content.decode()
    for text in (
        "Safari on an iPhone",
        "203.0.113.4",
        "Firefox on Windows",
        "127.0.0.1",
        "15 minutes",
        "12 hours",
    ):
        assert text in page
    assert page.count("this one") == 2, "one in the list, one in the sentence below it"
    assert page.index("Safari on an iPhone") < page.index("Firefox on Windows"), "this one comes first"
    assert own.get("/sessions").content.decode().count('name="end"') == 1


@pytest.mark.asvs("7.5.2")
def test_one_is_ended_from_another(own, clock):
    phone = enter(agent=PHONE)
    session = Session.objects.get(device__name="Safari on an iPhone")
    assert own.post("/sessions", {"end": session.pk})["Location"] == "/sessions"
    assert phone.get("/find")["Location"].startswith("/sign-in?ended=ended")
    assert own.get("/find").status_code == 200
    assert told("session-end") == ["owner"]
    assert not Device.objects.filter(name="Safari on an iPhone").exists(), "it is a new device next time"


def test_nobody_ends_a_session_of_somebody_else(own, surgery):
    doctor = enter("doctor")
    session = Session.objects.get(account__username="doctor")
    own.post("/sessions", {"end": session.pk})
    own.post("/sessions", {"own": session.device_id})
    assert doctor.get("/find").status_code == 200
    assert told("session-end") == []


@pytest.mark.asvs("7.5.2")
def test_signing_out_everywhere(own):
    phone = enter(agent=PHONE)
    assert own.post("/sessions", {"everywhere": "1"})["Location"] == "/sign-in"
    for http in (own, phone):
        assert http.get("/find").status_code == 302
    assert told("session-end") == ["everywhere"]
    assert [device.name for device in Device.objects.all()] == ["Firefox on Windows"]


@pytest.mark.asvs("6.2.2", "7.4.3")
def test_changing_the_password_ends_and_forgets_the_others(own):
    phone = enter(agent=PHONE)
    new = "winter otters under lamps"
    own.post("/password", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert phone.get("/find").status_code == 302
    assert not Session.objects.exists()
    assert [device.name for device in Device.objects.all()] == ["Firefox on Windows"]


def test_a_new_browser_is_told_of_until_an_older_one_gives_its_word(own, clock):
    assert "new" not in own.get("/find").content.decode().partition("<form")[2][:0]
    clock.advance(minutes=1)
    phone = enter(agent=PHONE, address="203.0.113.4")
    first, second = (phone.get("/find").content.decode() for _ in range(2))
    assert "This browser is new for your login." in first
    assert "This browser is new for your login." not in second, "it is told once"
    assert told("new-device") == [""]
    page = own.get("/find").content.decode()
    assert "Your login was used in a new browser" in page
    assert "Safari on an iPhone, from 203.0.113.4" in page
    device = Device.objects.get(name="Safari on an iPhone")
    phone.post("/sessions", {"own": device.pk})
    assert "used in a new browser" in own.get("/find").content.decode(), "the new one's own word is none"
    own.post("/sessions", {"own": device.pk})
    assert "used in a new browser" not in own.get("/find").content.decode()
    assert told("own-device") == [""]


def test_the_first_browser_of_a_login_is_no_news(own):
    page = own.get("/find").content.decode()
    assert "new browser" not in page
    assert "This browser is new" not in page
    assert told("new-device") == []
