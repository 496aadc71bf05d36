"""The privacy officer opens an incident, counts, freezes, assesses and closes it on its page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from confide.incidents.models import Incident
from tests.server.pages.surgery import SECRETS
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_an_incident_is_led_on_its_page(day, privacy, desk):
    now = timezone.now()
    assert "There is no incident." in text(privacy.get("/incidents"))
    assert desk.get("/incidents").status_code == 403
    form = {"title": "Jonas’ login was used at night", "way": "login"}
    wrong = privacy.post("/incidents", {**form, "discovered": f"{now + timedelta(days=2):%Y-%m-%dT%H:%M}"})
    assert wrong.status_code == 422
    assert "in the future" in text(wrong)
    opened = privacy.post("/incidents", {**form, "discovered": f"{now:%Y-%m-%dT%H:%M}"})
    row = Incident.objects.get()
    page = f"/incidents/{row.pk}"
    assert opened["Location"] == page
    said = text(privacy.get(page))
    assert "Jonas’ login was used at night" in said
    assert "a valid login, session or key in wrong hands" in said
    assert "Nobody has counted yet" in said
    assert b"login was used" not in bytes(row.title_sealed)

    def act(**what):
        return privacy.post(f"{page}/act", what)

    today, ago = now.date(), now.date() - timedelta(days=2)
    person = f"person:{day.account('desk').pk}"
    for problem, what in (
        ("nothing to do", {"act": "x"}),
        ("reversed", {"act": "scope", "actor": person, "since": str(today), "until": str(ago)}),
        ("written 2026", {"act": "scope", "actor": person, "since": "soon", "until": str(today)}),
        (
            "from the list whose",
            {"act": "scope", "actor": "person:x", "since": str(ago), "until": str(today)},
        ),
        ("that is open can become", {"act": "move", "state": "closed"}),
        ("nothing is counted", {"act": "freeze"}),
        ("1 to 4000", {"act": "note", "text": " "}),
    ):
        refused = act(**what)
        assert refused.status_code == 422
        assert problem in text(refused)
    act(act="scope", actor=person, since=str(ago), until=str(today))
    said = text(privacy.get(page))
    assert "1 record was reached" in said
    assert "Massachusetts" in said
    assert "Phone" in said
    assert row.scopes.get().proof["wrong"] == []
    assert "The journal verified" in said
    assert "Letters to the individuals" in said
    act(act="freeze")
    said = text(privacy.get(page))
    assert "Frozen on" in said
    assert row.scopes.get().digest.hex() in said
    act(act="note", text="<b>The bank called.</b>")
    act(act="task", text="Call the insurer", due=str(ago))
    body = privacy.get(page).content.decode()
    assert "&lt;b&gt;The bank called.&lt;/b&gt;" in body
    assert "late" in body
    task = row.tasks.get().pk
    act(act="done", task=task)
    said = text(privacy.get(page))
    assert "Task Call the insurer" in said
    assert "Task done Call the insurer" in said
    act(act="move", state="contained", text="The login is frozen")
    verdict = {"act": "assess", "outcome": "breach", "encryption": "no"}
    verdict |= dict.fromkeys(("nature", "who", "acquired", "mitigated"), "high")
    verdict |= {f"{f}-why": "As the journal says" for f in ("nature", "who", "acquired", "mitigated")}
    assert act(**{**verdict, "who-why": ""}).status_code == 422
    act(**verdict)
    said = text(privacy.get(page))
    assert "A breach of unsecured PHI: notices are owed. Signed by Helen Park" in said
    act(act="move", state="assessed")
    act(act="move", state="notifying")
    row.refresh_from_db()
    assert row.state == "notifying"
    assert "being notified" in text(privacy.get("/incidents"))
    feed = privacy.get(f"{page}/clocks.ics")
    assert b"BEGIN:VCALENDAR" in feed.content
    for secret in (*SECRETS, "Quernheim"):
        assert secret not in privacy.get(page).content.decode()
    assert desk.get(page).status_code == 403
    assert privacy.get("/incidents/00000000-none").status_code == 404


def test_a_scope_that_is_not_proved_says_so_on_the_page(day, privacy):
    from confide.access.roles import Action, Purpose
    from confide.incidents.questions import Question
    from tests.server.pages.surgery import Surgery

    assert isinstance(day, Surgery)
    from confide.access.decide import act_as_member, decide
    from confide.access.models import Membership

    now = timezone.now()
    member = Membership.objects.get(account__username="privacy")
    grant = decide(act_as_member(member, "session"), Action.JOURNAL_READ, Purpose.HOPERAT, None, (), now)
    made = day.system.cases.open(grant, "Quick", now - timedelta(minutes=1))
    asked = Question(since=now - timedelta(days=1), until=now, actors=(day.account("desk").pk,))
    day.system.scopes.measure(grant, made, asked)
    assert "Not proved. The journal is not verified yet." in text(privacy.get(f"/incidents/{made.pk}"))
