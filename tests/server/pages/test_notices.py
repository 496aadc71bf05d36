"""Letters of an incident on their pages: asked for, looked at, approved, written, and called about."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pyrage
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pyrage import x25519

from confide.access.models import Account, Approval, Destination, Membership
from tests.server.pages import factored_people
from tests.server.pages.test_reports import text

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

FACTS = """
practice = "Riverbend Family Medicine"
sender = ["1 River Road", "Springfield, MA 01103"]
phone = "1-800-555-0100"
email = "privacy@riverbend.example"
web = "riverbend.example/notice"
first = {first}
last = {last}
discovered = {last}
dated = {dated}
[en]
description = "Someone used a stolen password to look into our records."
steps = "We shut the login. We told the police."
hours = "Monday to Friday, 8 am to 8 pm"
[offer]
provider = "SafeName"
at = "safename.example"
phone = "1-800-555-0111"
until = 2099-12-31
"""


def frozen(day, privacy):
    """An incident of the desk's login, counted and frozen; its page."""
    now = timezone.now()
    form = {"title": "A login at night", "way": "login", "discovered": f"{now:%Y-%m-%dT%H:%M}"}
    page = privacy.post("/incidents", form)["Location"]
    actor = f"person:{day.account('desk').pk}"
    ago = now.date() - timedelta(days=2)
    asked = {"act": "scope", "actor": actor, "since": str(ago), "until": str(now.date())}
    assert privacy.post(f"{page}/act", asked).status_code == 302
    assert privacy.post(f"{page}/act", {"act": "freeze"}).status_code == 302
    return page


def printers(day, folder, officer, manager):
    identity = x25519.Identity.generate()
    made = Destination.objects.create(
        practice=day.practice, name="Printers", use="mailing", recipient=str(identity.to_public()),
        folder=str(folder), registered_by=officer, registered_at=timezone.now() - timedelta(days=4),
    )  # fmt: skip
    for account in (officer, manager):
        Approval.objects.create(destination=made, account=account, at=made.registered_at)
    return made, identity


def told():
    today = timezone.now().date()
    text = FACTS.format(first=today - timedelta(days=3), last=today - timedelta(days=1), dated=today)
    return SimpleUploadedFile("notice.toml", text.encode())


def test_letters_are_asked_for_approved_written_and_called_about(day, privacy, desk, doctor, tmp_path):
    Account.objects.update(created_at=timezone.now() - timedelta(days=30))
    manager = factored_people.hire(day, "manager", "practice_manager")
    boss = day.sign_in("manager")
    page = frozen(day, privacy)
    place, identity = printers(day, tmp_path, day.account("privacy"), manager)
    said = text(privacy.get(f"{page}/notices"))
    assert "Nobody has been written to." in said
    assert "Conflict with 45 CFR 164.404(c)(1)(A)" in said  # the patient lives in Massachusetts
    assert "Maine Attorney General" in said
    assert desk.get(f"{page}/notices").status_code == 403
    asked = {"act": "request", "place": place.pk, "channel": "records", "round": "notice"}
    wrong = privacy.post(f"{page}/notices", {**asked, "facts": SimpleUploadedFile("x.toml", b"practice = 1")})
    assert wrong.status_code == 422
    assert "the facts of the letters are malformed" in text(wrong)
    assert privacy.post(f"{page}/notices", {**asked, "facts": told()}).status_code == 302
    from confide.incidents.models import Incident
    from confide.incidents.notices.models import Mailing

    mailing = Mailing.objects.get()
    approving = {"act": "approve", "mailing": mailing.pk}
    refused = privacy.post(f"{page}/notices", approving)
    assert "a second person must" in text(refused)
    assert "waits for a second person" in text(boss.get("/letters"))
    shown = boss.get(f"/letters/{mailing.pk}?state=MA&element=ssn&element=name")
    assert "Flesch-Kincaid grade" in text(shown)
    assert "stolen password" not in text(shown)
    assert "stolen password" in text(boss.get(f"/letters/{mailing.pk}?state=TX&element=name"))
    assert boss.post(f"{page}/notices", approving).status_code == 302
    day.system.offers.make(day.practice.pk, mailing.incident, 5, date(2099, 12, 31))
    mailing.refresh_from_db()
    folder = day.system.sender.run(day.account("privacy").pk, mailing)
    (record,) = [
        json.loads(line)
        for path in folder.glob("batch-*.age")
        for line in pyrage.decrypt(path.read_bytes(), [identity]).splitlines()
    ]
    assert record["template"] == "individual.en"
    # Everybody of the frozen scope was written to: the incident knows when, and tells how it came.
    incident = Incident.objects.get()
    assert incident.facts["notified"] == Mailing.objects.get().finished_at.isoformat()
    told_so = text(privacy.get(page))
    for line in ("records asked for: 1 persons", "records approved", "records finished", "Facts notified"):
        assert line in told_so
    said = text(privacy.get(f"{page}/notices"))
    assert "1 of 1 letter is out." in said
    assert "1 were given and 0 used" in said
    form = text(privacy.get(f"{page}/filings/maine_ag"))
    assert "Total number of Maine residents affected" in form
    assert "24 months" in form
    assert privacy.get(f"{page}/filings/hhs_ocr?paper").content.startswith(b"%PDF")
    assert privacy.get(f"{page}/filings/nothing").status_code == 404

    # A later frozen scope shows more of the same person
    from confide.incidents import scopes
    from confide.incidents.forms import ALL
    from confide.incidents.models import Exposed, Scope

    assert "less than the newest frozen scope" not in said
    one = Scope.objects.get()
    seen = Exposed.objects.get(scope=one.pk)
    more = Scope.objects.create(
        incident=incident, version=2, question=one.question, made_by=one.made_by, made_at=timezone.now(),
        checkpoint=1, sound=True, records=1, practices=1, states=one.states, elements=one.elements,
    )  # fmt: skip
    Exposed.objects.create(
        scope=more.pk, practice=seen.practice, patient=seen.patient, shown=ALL, state=seen.state,
        first=seen.first, last=seen.last,
    )  # fmt: skip
    for share in one.shares.all():
        more.shares.create(practice=share.practice, state=share.state, records=share.records)
    more.frozen_at, more.digest = timezone.now(), scopes.digest(more)
    more.save(update_fields=["frozen_at", "digest"])
    said = text(privacy.get(f"{page}/notices"))
    assert "1 person has a letter that says less than the newest frozen scope shows" in said
    again = privacy.post(f"{page}/notices", {**asked, "who": "new", "facts": told()})
    assert "nobody is left" in text(again)
    assert privacy.post(f"{page}/notices", {**asked, "who": "more", "facts": told()}).status_code == 302
    assert "less than the newest frozen scope" not in text(privacy.get(f"{page}/notices"))
    assert Mailing.objects.count() == 2

    # A vendor would tell the practice its own numbers
    from confide.incidents.notices import mailings, owners, templates

    row = Incident.objects.get()
    scope = row.latest_scope()
    found = day.system.deadlines.reckon(row, scope)
    [(owner, name, told_owner)] = owners.write(scope, found, templates.built_in(), mailings.facts_of(mailing))
    assert (owner, name) == (day.practice.pk, "Riverbend Family Medicine")
    assert "It concerns 1 of your patients" in told_owner.written()

    # Somebody calls
    assert privacy.get("/help-line").status_code == 403
    found = text(desk.post("/help-line", {"number": record["reference"].lower()}))
    assert record["greeting"].split()[-1] in found
    assert "It was not used yet" in found
    assert "Phone" in found or "phone" in found
    slip = desk.post("/help-line", {"number": record["reference"][:-1] + "?"})
    assert slip.status_code == 422
    assert Membership.objects.filter(account=manager).exists()
