"""A password that has turned up in a list since it was set."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client as Http

from confide.access import corpus, passwords
from confide.server import adapter, validators
from tests.server import factored
from tests.server.pages.surgery import PASSWORD, browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
NEW = "winter otters under lamps"


@pytest.fixture
def stolen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation whose filter has the password that everybody in the practice uses."""
    (tmp_path / "list.txt").write_text(PASSWORD)
    made = corpus.build([tmp_path / "list.txt"], tmp_path / "made.filter")
    lists = (passwords.popular(), made)
    monkeypatch.setattr(validators, "blocklists", lambda: lists)
    monkeypatch.setattr(adapter, "blocklists", lambda: lists)


def sign_in(password: str) -> Http:
    http = browser()
    http.post("/sign-in", {"login": "desk", "password": password})
    factored.second(http, "desk")
    return http


@pytest.mark.asvs("2.3.1")
def test_it_must_be_changed_before_anything_else(surgery, stolen):
    http = sign_in(PASSWORD)
    assert surgery.account("desk").password_found_at is not None
    for path in ("/", "/find", f"/patients/{surgery.patient}"):
        assert http.get(path)["Location"] == "/password"
    assert http.post("/found", {"q": "q"}, headers={"HX-Request": "true"})["HX-Redirect"] == "/sign-in"
    page = http.get("/password").content.decode()
    assert "turned up in a list of stolen ones" in page
    same = http.post("/password", {"oldpassword": PASSWORD, "password1": PASSWORD, "password2": PASSWORD})
    assert "stolen elsewhere" in same.content.decode()
    assert PASSWORD not in same.content.decode()


def test_a_new_one_opens_the_door_again(surgery, stolen):
    http, other = sign_in(PASSWORD), sign_in(PASSWORD)
    changed = http.post("/password", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert changed["Location"] == "/sign-in"
    assert surgery.account("desk").password_found_at is None
    assert other.get("/find")["Location"].startswith("/sign-in"), "other sessions have ended"
    assert sign_in(NEW).get("/find").status_code == 200


@pytest.mark.asvs("6.2.10")
def test_a_password_that_is_in_no_list_is_left_alone(surgery):
    http = sign_in(PASSWORD)
    assert surgery.account("desk").password_found_at is None
    assert http.get("/find").status_code == 200
    assert "turned up" not in http.get("/password").content.decode()


def test_a_wrong_password_of_the_list_marks_nobody(surgery, stolen):
    browser().post("/sign-in", {"login": "doctor", "password": "not this one"})
    assert surgery.account("doctor").password_found_at is None


def test_who_has_none_is_told_so(surgery):
    account = surgery.account("desk")
    account.set_unusable_password()
    account.save()
    answer = factored.sign_in(browser(), account).get("/password")
    assert (answer.status_code, "no password to change" in answer.content.decode()) == (404, True)
