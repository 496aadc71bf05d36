"""The privacy officer's live page: findings with their entries, answers, the next step, and the stream."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.utils import timezone

from confide.access.entrances import Session
from confide.access.models import Account
from confide.audit.models import JournalEntry
from confide.server import ending
from confide.server.pages import stream
from confide.watch.models import Found
from tests.server.pages.surgery import SECRETS
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture(autouse=True)
def settled(surgery: Any) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=30))


def found(day: Any, who: str = "desk", **changes: Any) -> Found:
    now = timezone.now()
    entries = list(JournalEntry.objects.filter(actor=day.account(who).pk).values_list("id", flat=True))
    told = {
        "practice": day.practice.pk, "owner": f"person:{day.account(who).pk}", "code": "honey", "weight": 8,
        "sentence": "A synthetic record was opened that nobody has a reason to open.",
        "evidence": entries[-3:], "signals": 1, "since": now, "at": now,
    }  # fmt: skip
    return Found.objects.create(**{**told, **changes})


def test_the_page_tells_what_waits_what_was_seen_and_by_whom(day: Any, privacy: Any) -> None:
    empty = text(privacy.get("/watch"))
    assert "Nothing waits for you." in empty
    assert "Seen in 24 hours:" in empty
    assert "Jonas Weber" in empty
    row = found(day)
    found(day, code="place", weight=1, sentence="The login came from a new network.")
    page = privacy.get("/watch")
    said = text(page)
    assert "1 finding waits for you." in said
    assert "A bait was touched" in said
    assert "Ask for a second factor" in said
    assert "(1) Watch" in page.content.decode()
    for secret in (*SECRETS, "Quernheim", "Ottoline"):
        assert secret not in page.content.decode()
    entry = JournalEntry.objects.latest("id")
    assert (entry.action, entry.resource_id) == ("journal-read", "watch")
    # It calls on every page of the officer's, and on nobody else's.
    assert "The watch has 1 finding for you." in text(privacy.get("/journal"))
    assert "The watch has" not in text(day.sign_in("desk").get("/find"))
    # The live part is the same, and no second entry.
    before = JournalEntry.objects.count()
    assert "1 finding waits for you." in text(privacy.get("/watch/live/part"))
    assert JournalEntry.objects.count() == before
    assert row.pk in page.content.decode()


def test_a_finding_shows_its_entries_and_takes_an_answer(day: Any, privacy: Any) -> None:
    row = found(day)
    page = text(privacy.get(f"/watch/{row.pk}"))
    assert "Jonas Weber: a bait was touched." in page
    assert "What came of it" in page
    assert privacy.post(f"/watch/{row.pk}", {"answer": "guilty"}).status_code == 422
    assert privacy.post(f"/watch/{row.pk}", {"answer": "misuse", "note": ""}).status_code == 422
    asked = privacy.post(f"/watch/{row.pk}", {"answer": "asked", "note": ""})
    assert asked.status_code == 302
    assert "Nothing waits for you." in text(privacy.get("/watch"))
    privacy.post(f"/watch/{row.pk}", {"answer": "misuse", "note": "Quernheim is a neighbour"})
    row.refresh_from_db()
    assert (row.answer, row.closed_at is not None) == ("misuse", True)
    assert "Quernheim is a neighbour" in text(privacy.get(f"/watch/{row.pk}"))
    assert privacy.post(f"/watch/{row.pk}", {"answer": "explained", "note": "x"}).status_code == 422


def test_a_session_that_was_left_open_answers_no_finding(day: Any, privacy: Any) -> None:
    row = found(day)
    Session.objects.update(proved_at=timezone.now() - timedelta(minutes=11))
    asked = privacy.post(f"/watch/{row.pk}", {"answer": "explained", "note": "I did it"})
    assert "Prove that it is you" in text(asked)
    row.refresh_from_db()
    assert (row.answer, row.closed_at) == ("", None)


def test_one_click_takes_the_next_step_and_each_is_an_entry(day: Any, privacy: Any) -> None:
    row, person = found(day), day.account("desk")
    for step, action in (("step-up", "step-up-asked"), ("suspect", "degrade"), ("frozen", "freeze")):
        assert f'value="{step}"' in privacy.get("/watch").content.decode()
        assert privacy.post("/watch", {"finding": row.pk, "step": step}).status_code == 302
        entry = JournalEntry.objects.filter(action=action).latest("id")
        assert entry.actor == day.account("privacy").pk
    person.refresh_from_db()
    assert person.suspect_at is not None
    assert person.frozen_at is not None
    assert privacy.post("/watch", {"finding": row.pk, "step": "pardon"}).status_code == 422
    assert privacy.post("/watch", {"finding": "none", "step": "frozen"}).status_code == 404


def test_the_watch_is_for_the_privacy_officer_alone(day: Any, desk: Any) -> None:
    row = found(day)
    for path in ("/watch", "/watch/live/part", "/watch/live/stream", f"/watch/{row.pk}"):
        assert desk.get(path).status_code == 403
    assert desk.post("/watch", {"finding": row.pk, "step": "frozen"}).status_code == 403


def test_another_practice_sees_no_finding(day: Any, privacy: Any) -> None:
    row = found(day, practice=day.elsewhere.pk)
    assert "Nothing waits for you." in text(privacy.get("/watch"))
    assert privacy.get(f"/watch/{row.pk}").status_code == 404
    assert privacy.post("/watch", {"finding": row.pk, "step": "frozen"}).status_code == 404


def test_a_stream_tells_of_changes_ends_with_the_session_and_is_one_of_few(
    day: Any, privacy: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(stream, "_LOOKS", 0.0)
    answer = privacy.get("/watch/live/stream")
    assert answer["Content-Type"] == "text/event-stream"
    lines = iter(answer.streaming_content)
    assert b"event: mark" in next(lines)
    # Whoever gets no place asks now and then instead.
    assert privacy.get("/watch/live/stream").status_code == 503
    found(day)
    assert b"event: mark" in next(each for each in lines if not each.startswith(b":"))
    Session.objects.filter(account=day.account("privacy")).update(frozen_at=timezone.now())
    assert [each for each in lines if not each.startswith(b":")] == []
    answer.close()
    Session.objects.update(frozen_at=None)
    again = privacy.get("/watch/live/stream")
    assert again.status_code == 200
    monkeypatch.setattr(ending, "_told", Event())
    ending.tell()
    assert len(list(again.streaming_content)) == 1, "a server that stops waits for no stream"
    again.close()


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(day: Any, privacy: Any) -> None:
    mine = Session.objects.filter(account=day.account("privacy"))
    before = timezone.now() - timedelta(minutes=5)
    mine.update(seen_at=before)
    privacy.get("/watch/live/part")
    assert mine.get().seen_at == before
    privacy.get("/watch")
    assert mine.get().seen_at > before


def test_a_page_that_opens_a_bait_is_a_touch_and_one_that_another_site_asked_for_is_none(
    surgery: Any, doctor: Any, privacy: Any, tmp_path: Any
) -> None:
    from confide.audit.notes import Kind, SigningKey
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles
    from confide.records.models import Resource

    key = SigningKey("elm.example/journal", Kind.NOTE, bytes(range(32)))
    sequencer = Sequencer(lambda: key, Tiles(tmp_path / "journal"))
    rows = Resource.objects.filter(practice=surgery.practice.pk, type="Patient").exclude(pk=surgery.patient)
    bait = str(rows.order_by("pk")[0].pk)
    surgery.system.baits.add(surgery.practice.pk, [bait])

    def look() -> list[str]:
        now = surgery.system.clock()
        sequencer.seal(now)
        return [each.code.value for each in surgery.system.watch.run(now)]

    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        doctor.get(f"/patients/{bait}", headers=headers)
    assert look() == []
    assert not JournalEntry.objects.filter(patient=bait, actor=surgery.account("doctor").pk).exists()
    doctor.get(f"/patients/{bait}", headers={"sec-fetch-site": "same-origin"})
    assert "honey" in look()
    assert surgery.account("doctor").suspect_at is not None
    # The incident that opened itself stands on the live page, and tells its story on its own.
    from confide.incidents.models import Incident

    row = Incident.objects.get()
    assert f'href="/incidents/{row.pk}"' in privacy.get("/watch").content.decode()
    page = privacy.get(f"/incidents/{row.pk}")
    said = text(page)
    assert "A bait was touched" in said
    assert "Found by the watch" in said
    assert "Confide, by itself" in said
    assert "nobody leads it yet" in said
    assert f'value="{row.subject}" selected' in page.content.decode()
    # Whoever goes on with it leads it.
    privacy.post(f"/incidents/{row.pk}/act", {"act": "note", "text": "Called them"})
    assert "nobody leads it yet" not in text(privacy.get(f"/incidents/{row.pk}"))
