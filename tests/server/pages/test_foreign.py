"""Signing in at a practice's own identity provider: a real one, in a process of its own, over real HTTP."""

from __future__ import annotations

import dataclasses
import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from confide.access.entrances import Session
from confide.access.models import Account
from confide.audit.models import JournalEntry
from tests.server import elm
from tests.server.crowd import everything_stored
from tests.server.factored import enrol
from tests.server.pages.surgery import browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
BACK = "http://testserver/sign-in/at/elm/return"
TARGET = re.compile(r'http-equiv="refresh" content="0; url=([^"]+)"')
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    with elm.running(tmp_path_factory.mktemp("elm"), BACK) as made:
        yield made


@pytest.fixture
def issuer(clinic, surgery, settings, tmp_path):
    made = elm.issuer(clinic, tmp_path, surgery.practice.pk)
    settings.CONFIG = dataclasses.replace(settings.CONFIG, issuers=(made,))
    return made


@pytest.fixture
def connected(clinic, issuer, surgery):
    """The doctor, under every subject of the clinic in turn."""
    from confide.audit.journal import Journal
    from confide.server import connections
    from confide.wiring import utc_now

    def connect(subject, name="doctor"):
        person = surgery.account(name)
        connections.disconnect(Journal(), person, issuer, utc_now())
        connections.connect_at_terminal(Journal(), person, issuer, clinic.subjects[subject], utc_now())
        return person

    return connect


def target(page):
    assert page.status_code == 200, page.content
    return html.unescape(TARGET.search(page.content.decode())[1])


def go(http, **form):
    """Begin at Confide; return the address at the clinic."""
    return target(http.post("/sign-in/at/elm", form))


def sign_in_there(address, name, code=elm.CODE):
    """Sign in at the clinic; return the address with which it sends the browser back."""
    with httpx.Client() as client:
        page = client.get(address, follow_redirects=True)
        form = {
            "csrfmiddlewaretoken": TOKEN.search(page.text)[1], "username": name,
            "password": elm.PASSWORD, "code": code,
        }  # fmt: skip
        answer = client.post(page.url, data=form)
        assert answer.status_code == 302, answer.text
        return client.get(str(answer.url.join(answer.headers["location"]))).headers["location"]


def come_back(http, address):
    """Follow the clinic's answer: to the page between, and from there on."""
    assert address.startswith(BACK)
    between = target(http.get(address.removeprefix("http://testserver")))
    return http.get(between)


def sign_in(http, name, code=elm.CODE, **form):
    return come_back(http, sign_in_there(go(http, **form), name, code))


def inside(http):
    return http.get("/find").status_code == 200


def events(action):
    return list(JournalEntry.objects.filter(resource_type="SignIn", action=action).order_by("id"))


def test_a_factor_that_the_provider_proves_opens_a_session(connected, surgery, issuer):
    person = connected("miriam")
    http = browser()
    assert "Sign in with Elm Clinic’s own login" in http.get("/sign-in").content.decode()
    answer = sign_in(http, "miriam", next="/find")
    assert answer["Location"] == "/find"
    assert inside(http)
    row = Session.objects.get(account=person)
    assert row.factor == "provider"
    assert row.proved_at <= row.began_at, "it was proved there, before the session began here"
    assert [entry.resource_id for entry in events("sign-in")] == ["provider"]
    stored = "\n".join(everything_stored())
    for secret in ("miriam@elm.example", elm.SECRET, issuer.url):
        assert secret not in stored, "of a login elsewhere only a hash is kept"


@pytest.mark.asvs("6.3.4")
def test_without_a_proof_by_the_provider_a_factor_of_our_own_is_asked_for(connected, surgery):
    from confide.server import factors

    person = connected("miriam")
    factors.remove_all(person)
    http = browser()
    assert sign_in(http, "miriam", code="")["Location"] == "/sign-in/set-up", (
        "none is there: only an invitation"
    )
    assert not inside(http)
    app = enrol(person)
    http = browser()
    assert sign_in(http, "miriam", code="")["Location"] == "/sign-in/factor"
    assert not inside(http)
    assert not Session.objects.exists()
    http.post("/sign-in/factor", {"prove-code": app.code()})
    assert inside(http)
    assert Session.objects.get(account=person).factor == "totp"


@pytest.mark.asvs("6.8.4", "7.6.1")
@pytest.mark.parametrize("name", ["stale", "undated"])
def test_a_proof_that_is_old_or_undated_proves_no_factor(connected, surgery, name):
    connected(name)
    http = browser()
    assert sign_in(http, name)["Location"] == "/sign-in/factor"
    assert not inside(http)


LIARS = ["other-audience", "two-audiences", "other-issuer", "other-nonce", "expired", "other-key"]


def test_a_token_that_is_not_the_providers_for_us_for_this_sign_in_opens_nothing(connected, surgery):
    for name in LIARS:
        connected(name)
        http = browser(address=f"10.1.1.{LIARS.index(name)}")
        assert sign_in(http, name)["Location"] == "/sign-in", name
        page = http.get("/sign-in").content.decode()
        assert "signs nobody in here" in page, name
        assert not inside(http), name
    assert not Session.objects.exists()
    assert [entry.resource_id for entry in events("sign-in-failed")] == ["provider"] * len(LIARS)


@pytest.mark.asvs("10.5.2")
def test_whom_nobody_has_connected_is_a_stranger_whatever_the_email_address(issuer, surgery):
    Account.objects.filter(username="doctor").update(email="miriam@elm.example")
    before = Account.objects.count()
    http = browser()
    assert sign_in(http, "miriam")["Location"] == "/sign-in"
    assert not inside(http)
    assert Account.objects.count() == before, "nobody signs up"


def test_a_stopped_account_is_stopped_here_too(connected, surgery):
    person = connected("miriam")
    for change in ({"frozen_at": "2026-01-01T00:00:00Z"}, {"frozen_at": None, "is_active": False}):
        Account.objects.filter(pk=person.pk).update(**change)
        http = browser()
        assert sign_in(http, "miriam")["Location"] == "/stopped"
        assert not inside(http)
    assert not Session.objects.exists()


@pytest.mark.asvs("7.6.2", "10.1.2")
def test_an_answer_is_good_once_in_the_browser_that_asked(connected, surgery):
    connected("miriam")
    http, thief = browser(), browser()
    answer = sign_in_there(go(http), "miriam")
    go(thief)
    assert come_back(thief, answer)["Location"] == "/sign-in", "the state is another browser's"
    assert not inside(thief)
    assert come_back(http, answer)["Location"] == "/"
    http.post("/sign-out")
    assert not inside(http)
    assert come_back(http, answer)["Location"] == "/sign-in", "the state was used"
    elsewhere = sign_in_there(go(http), "miriam") + "&iss=https%3A%2F%2Flogin.elsewhere.example"
    assert come_back(http, elsewhere)["Location"] == "/sign-in", "another issuer answers"
    assert come_back(
        http, f"{BACK}?error=access_denied&state={parse_qs(urlsplit(go(http)).query)['state'][0]}"
    )
    assert not inside(http)


@pytest.mark.asvs("1.3.6", "10.2.1", "10.5.1")
def test_the_question_carries_a_challenge_a_nonce_and_no_name(connected, surgery, issuer):
    query = parse_qs(urlsplit(go(browser(), next="/find", scope="email", auth_params="prompt=none")).query)
    assert query["scope"] == ["openid"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["max_age"] == ["600"]
    assert query["redirect_uri"] == [BACK]
    assert set(query) == {
        "client_id", "redirect_uri", "scope", "response_type", "state", "nonce", "max_age",
        "code_challenge", "code_challenge_method",
    }  # fmt: skip


@pytest.mark.asvs("3.7.2", "10.1.1")
def test_after_signing_in_one_is_led_to_this_server_only(connected, surgery):
    connected("miriam")
    for wanted in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"):
        assert sign_in(browser(), "miriam", next=wanted)["Location"] == "/", wanted


@pytest.mark.asvs("6.8.1")
def test_a_provider_opens_no_door_of_a_practice_that_is_not_its_own(connected, surgery, issuer):
    with pytest.raises(Exception, match="not one of all the person's practices"):
        connected("miriam", "both")
    from confide.access.models import Membership

    person = connected("miriam")
    Membership.objects.create(account=person, practice=surgery.elsewhere, role="front_desk")
    http = browser()
    assert sign_in(http, "miriam")["Location"] == "/sign-in"
    assert not inside(http)


def test_its_owner_connects_a_login_after_a_fresh_factor_and_disconnects_it(issuer, surgery, doctor):
    page = doctor.get("/factors").content.decode()
    assert "Connect Elm Clinic’s own login" in page
    assert sign_in(doctor, "miriam", process="connect")["Location"] == "/factors"
    person = surgery.account("doctor")
    assert [entry.actor for entry in events("login-connected")] == [person.pk]
    http = browser()
    sign_in(http, "miriam")
    assert inside(http)
    desk = surgery.sign_in("desk")
    sign_in(desk, "miriam", process="connect")
    assert "connected with another person" in desk.get("/factors").content.decode()
    doctor.post("/factors", {"disconnect": "elm"})
    assert not inside(http), "whoever came in by it is out"
    assert not inside(doctor)
    http = browser()
    sign_in(http, "miriam")
    assert not inside(http)
    assert len(events("login-disconnected")) == 1


def test_connecting_asks_for_a_factor_of_the_last_minute_first(issuer, surgery, doctor):
    """A login elsewhere, once connected, signs in ever after."""
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=1))
    page = doctor.post("/sign-in/at/elm", {"process": "connect"}).content.decode()
    assert "Prove that it is you" in page
    assert issuer.url not in page


def test_a_factor_is_proved_again_at_the_provider(connected, surgery):
    person = connected("miriam")
    http = browser()
    sign_in(http, "miriam")
    long_ago = "2026-01-01T00:00:00Z"
    Session.objects.filter(account=person).update(proved_at=long_ago)
    assert "Prove it at Elm Clinic" in http.get("/factors/add").content.decode()
    for code, proved in (("", False), (elm.CODE, True)):
        Session.objects.filter(account=person).update(proved_at=long_ago)
        sign_in(http, "miriam", code=code, process="prove", next="/sessions")
        row = Session.objects.get(account=person)
        assert (row.proved_at.year > 2026 or row.proved_at.month > 1) is proved
    assert [entry.resource_id for entry in events("step-up")] == ["provider"]


@pytest.mark.asvs("13.2.4")
def test_without_configuration_there_is_no_such_page(surgery):
    http = browser()
    assert "own login" not in http.get("/sign-in").content.decode()
    assert http.post("/sign-in/at/elm").status_code == 404
    assert http.get("/sign-in/at/elm/return?code=1&state=2").status_code == 404
