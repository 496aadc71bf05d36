"""Persons are matched, remedies asked for and agreed to, evidence kept and given away, on the pages."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pyrage
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pyrage import x25519

from confide.access.models import Account, Destination
from confide.incidents.models import Incident
from tests.server.pages import factored_people
from tests.server.pages.surgery import SECRETS
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_an_incident_is_led_to_its_evidence_by_two_people(day, privacy, desk):
    Account.objects.update(created_at=timezone.now() - timedelta(days=30))
    other = factored_people.hire(day, "second", "privacy_officer")
    Account.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=30))
    colleague = day.sign_in("second")
    now = timezone.now()
    form = {"title": "A login at night", "way": "login", "discovered": f"{now:%Y-%m-%dT%H:%M}"}
    page = privacy.post("/incidents", form)["Location"]

    def act(http=privacy, **what):
        return http.post(f"{page}/act", what)

    assert act(act="match").status_code == 422
    assert act(act="remedy", kind="revoke").status_code == 422
    actor = f"person:{day.account('desk').pk}"
    act(act="scope", actor=actor, since=str(now.date() - timedelta(days=2)), until=str(now.date()))
    assert act(act="match").status_code == 302
    assert "1 record was reached, of 1 person" in text(privacy.get(page))
    assert "matched already" in text(act(act="match"))
    assert "choose from the list" in text(act(act="remedy", kind="pardon"))
    assert "frozen scope" in text(act(act="remedy", kind="retokenise", place="Nowhere"))
    recipient = x25519.Identity.generate()
    refused = privacy.post(f"{page}/bundle", {"recipient": str(recipient.to_public())})
    assert refused.status_code == 422
    assert "frozen scope" in text(refused)

    # A remedy waits for another person, and is done by their word.
    assert act(act="remedy", kind="revoke").status_code == 302
    row = Incident.objects.get()
    asked = row.remedies.get()
    assert "it waits for another person" in text(privacy.get(page))
    assert 'value="agree"' not in privacy.get(page).content.decode()
    assert "another person must agree" in text(act(act="agree", remedy=asked.pk))
    assert "no such remedy" in text(act(colleague, act="agree", remedy="x"))
    assert 'value="agree"' in colleague.get(page).content.decode()
    assert desk.get("/find").status_code == 200
    assert act(colleague, act="agree", remedy=asked.pk).status_code == 302
    asked.refresh_from_db()
    assert (asked.approved_by, asked.done["people"]) == (other.pk, 1)
    assert desk.get("/find").status_code != 200
    assert "people 1" in text(privacy.get(page))

    # Evidence is kept once, and given away as it was.
    proof = SimpleUploadedFile("proof.ndjson", b'{"size": 7}\n')
    assert act(act="evidence", file=proof).status_code == 302
    assert "of that name already" in text(act(act="evidence", file=SimpleUploadedFile("proof.ndjson", b"x")))
    assert act(act="evidence").status_code == 422
    piece = row.exhibits.get()
    assert b"size" not in bytes(piece.content), "it is kept sealed"
    taken = privacy.get(f"{page}/evidence/{piece.pk}")
    assert taken.content == b'{"size": 7}\n'
    assert taken["Content-Disposition"].startswith("attachment")
    assert privacy.get(f"{page}/evidence/999").status_code == 404
    assert colleague.get("/incidents").status_code == 200

    # The bundle opens with the recipient's key alone, and has no value in it.
    act(act="freeze")
    assert "no age public key" in text(privacy.post(f"{page}/bundle", {"recipient": "age1x"}))
    sealed = privacy.post(f"{page}/bundle", {"recipient": str(recipient.to_public())})
    content = b"".join(sealed.streaming_content)
    assert b"veris.json" not in content
    packed = zipfile.ZipFile(io.BytesIO(pyrage.decrypt(content, [recipient])))
    assert {"journal.ndjson", "scope.tsv", "check.py", "evidence/proof.ndjson"} <= set(packed.namelist())
    whole = b"".join(packed.read(name) for name in packed.namelist()).decode()
    assert not [secret for secret in SECRETS if secret in whole]
    kinds = list(row.happenings.order_by("entry").values_list("kind", flat=True))
    assert kinds.count("incident-export") == 2
    assert kinds.count("incident-remedy") == 2
    nurse = day.sign_in("doctor")
    for path in (page, f"{page}/evidence/{piece.pk}"):
        assert nurse.get(path).status_code == 403
    assert nurse.post(f"{page}/bundle", {"recipient": str(recipient.to_public())}).status_code == 403


def test_fresh_keys_and_numbers_go_on_from_the_page(day, privacy, tmp_path):
    Account.objects.update(created_at=timezone.now() - timedelta(days=30))
    other = factored_people.hire(day, "second", "privacy_officer")
    Account.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=30))
    colleague = day.sign_in("second")
    now = timezone.now()
    owner = x25519.Identity.generate()
    place = Destination.objects.create(
        practice=day.practice, name="Lab", recipient=str(owner.to_public()), folder=str(tmp_path),
        registered_by=other, registered_at=now - timedelta(days=9),
    )  # fmt: skip
    for person in (other, day.account("privacy")):
        place.approvals.create(account=person, at=now - timedelta(days=5))
    form = {"title": "A login at night", "way": "login", "discovered": f"{now:%Y-%m-%dT%H:%M}"}
    page = privacy.post("/incidents", form)["Location"]

    def act(http=privacy, **what):
        return http.post(f"{page}/act", what)

    actor = f"person:{day.account('desk').pk}"
    act(act="scope", actor=actor, since=str(now.date() - timedelta(days=2)), until=str(now.date()))
    act(act="freeze")
    for kind, said in (("rekey", "fresh keys"), ("renumber", "new record numbers")):
        assert "not in the frozen scope" in text(
            act(act="remedy", kind="renumber", place="Lab", patients="x y")
        )
        assert act(act="remedy", kind=kind, place="Lab").status_code == 302
        asked = Incident.objects.get().remedies.get(kind=kind)
        assert "another person" in text(act(act="renew", remedy=asked.pk))
        assert act(colleague, act="agree", remedy=asked.pk).status_code == 302
        told = text(privacy.get(page))
        assert said in told
        assert "0 of 1 persons are done" in told
        assert "Renew" in told
        assert "no such remedy" in text(act(act="renew", remedy="x"))
        assert act(act="renew", remedy=asked.pk).status_code == 302
        assert "persons 1" in text(privacy.get(page))
        asked.refresh_from_db()
        assert asked.done_at is not None
    assert {path.name.split("-")[1] for path in tmp_path.glob("confide-*.age")} == {"rekey", "renumber"}
