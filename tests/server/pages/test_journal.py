"""The privacy officer's page: who saw what, without anybody's name."""

from __future__ import annotations

import pytest

from confide.audit.models import JournalEntry
from tests.server.pages.surgery import SECRETS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_it_tells_who_saw_what_and_why(day, privacy):
    page = privacy.get("/journal").content.decode()
    assert "One person’s record was opened today, by 2 logins." in " ".join(page.split())
    for text in (
        "Jonas Weber",
        "Front desk",
        "Uncovered",
        "Phone",
        "Treatment",
        "Running the practice",
        "Clinical text",
    ):
        assert text in page, text
    for text in (*SECRETS, "Quernheim", "Ottoline"):
        assert text not in page
    assert f"?patient={day.patient}" in page
    assert "<title id=" in page


def test_one_opening_is_one_line(day, privacy):
    page = privacy.get("/journal", {"actor": day.account("doctor").pk}).content.decode()
    assert page.count("Opened") == 1
    assert "in 12 resources" in page or "resources" in page
    assert "Jonas Weber</a>" not in page


def test_it_can_be_asked_about_one_patient(day, privacy):
    page = privacy.get("/journal", {"patient": day.patient}).content.decode()
    assert "Jonas Weber</a>" in page
    assert "Only about" in page
    none = privacy.get("/journal", {"patient": day.stranger}).content.decode()
    assert "Nothing is recorded" in none


def test_reading_it_is_an_entry(day, privacy):
    before = JournalEntry.objects.count()
    privacy.get("/journal")
    entry = JournalEntry.objects.latest("id")
    assert JournalEntry.objects.count() == before + 1
    assert (entry.action, entry.actor) == ("journal-read", day.account("privacy").pk)


@pytest.mark.parametrize("path", ["", "/search", "/patterns", "/sign-ins"])
def test_reading_it_is_running_the_practice(day, privacy, path):
    privacy.get("/journal" + path)
    assert JournalEntry.objects.latest("id").purpose == "HOPERAT", "no patient has asked"


def test_it_is_for_the_privacy_officer(surgery, desk, doctor):
    for http in (desk, doctor):
        answer = http.get("/journal")
        assert answer.status_code == 403
        assert "Jonas Weber</a>" not in answer.content.decode()


def test_a_page_that_is_none_is_refused(surgery, privacy):
    for wrong in ("x", "\u00b2", "\u0663", "9" * 19):
        assert privacy.get("/journal", {"before": wrong}).status_code == 422
    assert privacy.get("/journal", {"patient": "Quernheim"}).status_code == 404
    assert privacy.get("/journal", {"before": "1"}).status_code == 200
