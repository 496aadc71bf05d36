"""Signing in, choosing a practice, and signing out."""

from __future__ import annotations

import pytest
from django.test import Client as Http
from django.utils import timezone

from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HTMX = {"HX-Request": "true"}


def test_who_is_not_signed_in_signs_in_first(surgery):
    for path in ("/", "/find", f"/patients/{surgery.patient}", "/journal", "/choose"):
        answer = Http().get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in")
    part = Http().post("/found", {"q": "x"}, headers=HTMX)
    assert part["HX-Redirect"] == "/sign-in"
    assert not part.content


def test_a_wrong_password_says_what_happened(surgery):
    for form in ({"login": "doctor", "password": "not this one"}, {"login": "no one", "password": PASSWORD}):
        page = browser().post("/sign-in", form).content.decode()
        assert "You are not signed in." in page
        assert form["password"] not in page
        assert 'role="alert"' in page
    missing = browser().post("/sign-in", {"login": "doctor"}).content.decode()
    assert "Fill in both" in missing


def test_each_role_begins_where_its_work_is(surgery):
    for who, place in (("desk", "/find"), ("doctor", "/find"), ("privacy", "/journal")):
        assert surgery.sign_in(who).get("/")["Location"] == place


def test_several_practices_are_a_choice(surgery):
    http = surgery.sign_in("both")
    assert http.get("/")["Location"] == "/choose"
    page = http.get("/choose").content.decode()
    assert "Riverbend" in page
    assert "Hillside" in page
    for membership in surgery.account("both").memberships.all():
        assert http.post("/choose", {"membership": membership.pk})["Location"] == "/"
        assert membership.practice.name in http.get("/find").content.decode()
    # The one who chose the other practice does not see this one's patients.
    assert (
        http.post("/choose", {"membership": surgery.account("doctor").memberships.get().pk}).status_code
        == 200
    )


def test_a_membership_that_ends_ends_the_choice(surgery):
    http = surgery.sign_in("doctor")
    assert http.get("/find").status_code == 200
    surgery.account("doctor").memberships.update(active=False)
    assert http.get("/find")["Location"] == "/choose"
    assert "no practice yet" in http.get("/choose").content.decode()


def test_a_person_without_a_practice_reads_what_to_do(surgery):
    http = surgery.sign_in("nobody")
    assert "Ask the administrator" in http.get("/choose").content.decode()


@pytest.mark.asvs("7.4.2")
def test_a_frozen_login_stops_at_once(surgery):
    http = surgery.sign_in("doctor")
    account = surgery.account("doctor")
    account.frozen_at = timezone.now()
    account.save()
    answer = http.get(f"/patients/{surgery.patient}")
    assert answer.status_code == 403
    assert "Quernheim" not in answer.content.decode()
    assert (
        "stopped"
        in browser().post("/sign-in", {"login": "doctor", "password": PASSWORD}, follow=True).content.decode()
    )


@pytest.mark.asvs("7.4.4")
def test_nobody_signs_up_and_everybody_signs_out(surgery):
    assert "Nobody signs up alone" in Http().get("/sign-up").content.decode()
    http = surgery.sign_in("desk")
    assert "Sign out?" in http.get("/sign-out").content.decode()
    assert http.post("/sign-out").status_code == 302
    assert http.get("/find")["Location"].startswith("/sign-in")
