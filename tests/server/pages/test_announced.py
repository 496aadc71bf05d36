"""Public notices on their page: what is due, its words with the scope's figures, and that it went."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from django.utils import timezone

from confide.incidents import exhibits
from confide.incidents.models import Incident, Scope
from confide.incidents.notices.models import Publication
from confide.incidents.questions import Copy, Keys, Question
from tests.server.pages.test_notices import told
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def opened(privacy):
    """An incident with a frozen scope of 640 persons of Texas and 12 of Maine; its page."""
    now = timezone.now()
    form = {"title": "A login at night", "way": "login", "discovered": f"{now:%Y-%m-%dT%H:%M}"}
    page = privacy.post("/incidents", form)["Location"]
    incident, states = Incident.objects.get(), {"TX": 640, "ME": 12}
    shown = {"name": {"clear": 1}, "ssn": {"clear": 1}}
    asked = Question(since=now - timedelta(days=3), until=now, copy=Copy.BACKUP, keys=Keys.SAFE)
    made = Scope.objects.create(
        incident=incident, version=1, question=asked.write(), made_by="x", made_at=now, checkpoint=1,
        sound=True, records=652, practices=1, states=states, elements=shown,
        first=now - timedelta(days=3), last=now - timedelta(days=1),
    )  # fmt: skip
    for state, number in states.items():
        made.shares.create(practice=incident.practice, state=state, records=number, elements=shown)
    return page, made


def test_what_is_due_is_shown_with_its_figures_and_marked_as_sent_with_its_proof(day, privacy, desk):
    page, made = opened(privacy)
    assert "go by the figures of a frozen scope" in text(privacy.get(f"{page}/public"))
    type(made).objects.update(frozen_at=timezone.now(), frozen_by="x")
    listed = privacy.get(f"{page}/public")
    said = text(listed)
    assert "still to go" in said
    assert "To the media of Texas" in said
    assert "640 residents; 45 CFR 164.406" in said
    assert "of Maine" not in said, "twelve are not more than 500"
    name = f"media-TX-{day.practice.pk}"
    assert name not in listed.content.decode(), "nobody has said what it says"
    assert privacy.get(f"{page}/public/{name}").status_code == 404
    wrong = privacy.post(f"{page}/public", {"facts": SimpleUploadedFile("x.toml", b"practice = 1")})
    assert wrong.status_code == 422
    assert "malformed" in text(wrong)
    assert privacy.post(f"{page}/public", {"facts": told()}).status_code == 302
    assert name in privacy.get(f"{page}/public").content.decode()

    shown = text(privacy.get(f"{page}/public/{name}"))
    assert "by version 1 of the frozen scope" in shown
    assert "640" in shown.split("Copy the text")[1], "in its words, too"
    assert "Texas" in shown.split("Copy the text")[1]
    assert "stolen password" in shown
    paper = privacy.get(f"{page}/public/{name}?paper")
    assert paper.content.startswith(b"%PDF")

    today = str(timezone.now().date())
    proof = SimpleUploadedFile("The receipt.PDF", b"%PDF-1.7 The Daily Post, 2 columns")
    sending = {"day": today, "to": "The Daily Post", "proof": proof}

    def send(**changed):
        proof.seek(0)
        return privacy.post(f"{page}/public/{name}", {**sending, **changed})

    assert "a file of at most 64 MiB" in text(send(proof=""))
    assert "between the day of discovery and today" in text(send(day="2019-01-01"))
    assert "on which day" in text(send(day="soon"))
    assert "to whom" in text(send(to=" "))
    assert not Publication.objects.exists()
    assert send().status_code == 302
    assert "marked as sent already" in text(send())
    row = Publication.objects.get()
    assert b"Daily Post" not in bytes(row.to_sealed)
    for change in (
        lambda: Publication.objects.update(sent_on="2019-01-01"),
        Publication.objects.all().delete,
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert "640" in row.text
    incident = Incident.objects.get()
    piece = incident.exhibits.get()
    assert exhibits.read(day.system.cases, piece) == b"%PDF-1.7 The Daily Post, 2 columns"
    # Its words stay as they went, whatever is said later.
    again = SimpleUploadedFile("x.toml", told().read().replace(b"stolen password", b"lost badge"))
    assert privacy.post(f"{page}/public", {"facts": again}).status_code == 302
    shown = text(privacy.get(f"{page}/public/{name}"))
    assert "to The Daily Post, noted by" in shown
    assert "stolen password" in shown
    assert "lost badge" not in shown
    assert "Mark as sent" not in shown
    story = text(privacy.get(page))
    assert f"{name} sent {today}" in story
    assert "The Daily Post" in story
    for path in (f"{page}/public", f"{page}/public/{name}"):
        assert desk.get(path).status_code == 403
