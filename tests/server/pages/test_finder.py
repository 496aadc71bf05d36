"""The finder: what it shows, what it does not, and what it costs."""

from __future__ import annotations

import pytest

from confide.access import budget
from confide.access.roles import Role
from confide.audit.models import JournalEntry

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HTMX = {"HX-Request": "true"}


def ask(http, text):
    return http.post("/found", {"q": text}, headers=HTMX).content.decode()


def test_a_name_or_a_birth_date_finds(surgery, desk):
    for text in (
        "quern",
        "ottoline",
        "4 May 1963",
        "1963-05-04",
        "quern 1963-05-04",
        "OTTO quern",
        "413-555-0143",
    ):
        page = ask(desk, text)
        assert f"/patients/{surgery.patient}" in page, text
        assert "Ottoline Quernheim" in page
        assert "4 May 1963" in page
        assert "1 person matches" in page


def test_many_matches_ask_for_more_and_show_nobody(surgery, desk):
    page = ask(desk, "q")
    assert "Type more" in page
    assert "/patients/" not in page
    assert "7 people match" in ask(desk, "qu quarles")


def test_nothing_typed_and_nobody_found_say_what_to_do(surgery, desk):
    assert "Type a name" in ask(desk, "  ")
    assert "Nobody matches" in ask(desk, "xylophone")
    # A patient of another practice is nobody here.
    assert "Nobody matches" in ask(desk, "stranger")


@pytest.mark.asvs("14.2.1")
def test_what_is_typed_is_in_no_address(surgery, desk):
    assert desk.get("/found", {"q": "quern"}).status_code == 405
    answer = desk.post("/found", {"q": "quern"}, headers=HTMX)
    assert answer["Cache-Control"] == "no-store"
    assert not any("quern" in str(value).lower() for value in answer.headers.values())
    assert "hx-push-url" not in answer.content.decode()


def test_without_scripts_the_box_is_a_form(surgery, desk):
    page = desk.post("/found", {"q": "quern"}).content.decode()
    assert "<!doctype html>" in page
    assert f"/patients/{surgery.patient}" in page
    assert 'value="quern"' not in page


def test_finding_is_journalled_and_fills_the_ring(surgery, desk):
    page = ask(desk, "quern")
    entries = JournalEntry.objects.filter(actor=surgery.account("desk").pk, patient=surgery.patient)
    assert {e.action for e in entries} == {"search"}
    assert "1 of 150 patients" in page
    assert 'hx-swap-oob="true"' in page


def test_an_empty_budget_says_so(surgery, desk, monkeypatch):
    monkeypatch.setitem(budget.LIMITS, Role.FRONT_DESK, budget.Limits(1, 1, 2, 2))
    assert "Ottoline Quernheim" in ask(desk, "quern")
    page = ask(desk, "quade")
    assert "budget is spent" in page
    assert "Quarles" not in page


def test_the_finder_is_not_for_the_privacy_officer(surgery, privacy):
    assert privacy.get("/find")["Location"] == "/"
    answer = privacy.post("/found", {"q": "1963-05-04"}, headers=HTMX)
    assert answer.status_code == 403
    assert "Quernheim" not in answer.content.decode()
