"""The privacy officer searches the journal and sees patterns; each view is an entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from confide.audit.journal import line_of
from confide.audit.models import JournalEntry
from tests.server.pages.surgery import SECRETS
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_a_search_finds_by_all_that_can_be_asked(day, privacy):
    desk = day.account("desk").pk
    page = privacy.get("/journal/search", {"actor": desk, "patient": day.patient, "element": "phone"})
    said = text(page)
    assert "entries answer." in said or "entry answers." in said
    assert "Uncovered : Phone" in said or "Uncovered" in said
    assert "Jonas Weber</a>" in page.content.decode()
    assert "Dr. Miriam Okafor</a>" not in page.content.decode()
    assert "<title id=" in page.content.decode()
    for secret in (*SECRETS, "Quernheim"):
        assert secret not in page.content.decode()
    assert "Nothing in the journal answers." in text(privacy.get("/journal/search", {"outcome": "stopped"}))
    purpose = privacy.get("/journal/search", {"purpose": "HPAYMT"})
    assert "Nothing in the journal answers." in text(purpose)
    old = privacy.get("/journal/search", {"since": "2021-01-01", "until": "2021-03-04"})
    assert "Entries by week (UTC)" in text(old)
    entry = JournalEntry.objects.latest("id")
    assert (entry.action, entry.actor) == ("journal-read", day.account("privacy").pk)


@pytest.mark.parametrize(
    "asked",
    [{"since": "soon"}, {"since": "2026-03-02", "until": "2026-03-01"}, {"element": "x"}, {"purpose": "x"},
     {"outcome": "x"}, {"before": "x"}, {"since": "1999-01-01"}],
)  # fmt: skip
def test_what_is_not_on_the_form_is_not_asked(surgery, privacy, asked):
    refused = privacy.get("/journal/search", asked)
    assert refused.status_code == 422
    assert privacy.get("/journal/search", {"patient": "somebody"}).status_code == 404


def test_patterns_name_who_sees_most_and_what_is_late(day, privacy):
    mine = line_of(JournalEntry.objects.filter(action="reveal").latest("id")).entry
    now = timezone.now().replace(microsecond=0)
    at = (now - timedelta(days=2)).replace(hour=(now.hour + 12) % 24)
    busy = [replace(mine, at=now - timedelta(days=1, minutes=n)) for n in range(150)]
    with transaction.atomic():
        day.system.journal.append([*busy, replace(mine, at=at, actor=day.account("doctor").pk)])
    page = privacy.get("/journal/patterns", {"days": "7"})
    said = text(page)
    assert "saw most: 1 person’s record." in said
    assert "Who sees most" in said
    assert f"{at.hour:02d}:00" in said
    assert "Dr. Miriam Okafor" in said.partition("is unusual")[2]
    assert page.content.decode().count("<title id=") >= 2
    assert page.content.decode().count("The figures as a table") == 2
    assert JournalEntry.objects.latest("id").resource_id == "patterns"
    assert privacy.get("/journal/patterns", {"days": "8"}).status_code == 422


def test_they_are_for_who_reads_the_journal(surgery, desk):
    for page in ("search", "patterns"):
        assert desk.get(f"/journal/{page}").status_code == 403
