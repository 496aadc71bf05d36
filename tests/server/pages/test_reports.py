"""What a patient may ask: who looked at my record, to whom was it disclosed. As a page, as PDF, as FHIR."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from confide.access.models import Membership
from confide.audit.models import JournalEntry
from confide.fhir.validate import validate
from confide.server.naming import Names
from tests.server.pages.surgery import SECRETS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])

COUNTY = {
    "day": "2026-02-03",
    "recipient": "County Health Department",
    "address": "1 Court Square, Springfield",
    "what": "A positive test, with name and birth date",
    "element": ["name", "birth-date", "clinical"],
    "basis": "public-health",
    "purpose": "Notifiable disease",
    "silent_until": "",
}


def text(response: Any) -> str:
    """What a person reads of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def test_a_patient_reads_who_looked_when_and_why(day, privacy):
    page = privacy.get(f"/patients/{day.patient}/accesses")
    said = text(page)
    assert "2 people and programs have seen something of this record in 6 years." in said
    assert "Jonas Weber Front desk" in said
    assert "Opened it" in said
    assert "Uncovered something" in said
    assert "Phone" in said
    assert "For your treatment; you have, or had, an appointment" in said
    assert "Confide, this program itself" in said or "brought it over" in said
    for secret in (*SECRETS, "Quernheim"):
        assert secret not in page.content.decode()
    entry = JournalEntry.objects.filter(action="journal-read").latest("id")
    assert (entry.patient, entry.resource_id) == (day.patient, "accesses")


def test_a_broken_glass_and_a_refusal_are_in_the_report(day, privacy):
    actor = place_actor(day)
    day.system.emergencies.break_glass(actor, day.patient, "Found unconscious in the waiting room")
    said = text(privacy.get(f"/patients/{day.patient}/accesses"))
    assert "emergency Broke the glass: opened it in an emergency" in said
    assert "the glass was broken" in said
    assert "unconscious" not in said


def place_actor(day):
    from dataclasses import replace

    from confide.access.decide import act_as_member
    from confide.access.entrances import Session

    member = Membership.objects.get(account=day.account("doctor"))
    session = Session.objects.get(account=day.account("doctor"))
    return replace(act_as_member(member, "session:x", "192.0.2.7", session), proved_at=timezone.now())


def test_staff_are_named_as_the_practice_sets(day, privacy, settings):
    from dataclasses import replace

    with override_settings(CONFIG=replace(settings.CONFIG, staff_names=Names.ROLE)):
        said = text(privacy.get(f"/patients/{day.patient}/accesses"))
    assert "A member of staff: front desk" in said
    assert "Jonas Weber" not in said


def test_the_papers_are_pdf_and_the_name_on_them_is_uncovered_once(day, privacy):
    before = JournalEntry.objects.filter(action="reveal").count()
    for name in ("accesses", "disclosures"):
        made = privacy.post(f"/patients/{day.patient}/{name}/paper")
        assert (made.status_code, made["Content-Type"]) == (200, "application/pdf")
        assert made.content.startswith(b"%PDF-")
        assert b"/StructTreeRoot" in made.content or b"/MarkInfo" in made.content
        assert "attachment" in made["Content-Disposition"]
        assert privacy.get(f"/patients/{day.patient}/{name}/paper").status_code == 405
    uncovered = JournalEntry.objects.filter(action="reveal").order_by("pk")[before:]
    assert [(entry.purpose, entry.elements) for entry in uncovered] == [("PATRQT", {"name": "clear"})] * 2


def test_a_disclosure_is_written_down_sealed_and_accounted_for(day, privacy):
    address = f"/patients/{day.patient}/disclosures"
    said = text(privacy.get(address))
    assert "Nothing that must be accounted for was disclosed since" in said
    assert "People who work here and opened your record" in said
    for _ in range(2):
        assert privacy.post(address, COUNTY).status_code == 302
    entry = JournalEntry.objects.filter(action="disclose").latest("id")
    assert entry.patient == day.patient
    assert entry.elements == {"name": "clear", "birth-date": "clear", "clinical": "clear"}
    stored = str(list(JournalEntry.objects.values()))
    assert "County" not in stored
    assert "Notifiable" not in stored
    said = text(privacy.get(address))
    assert "1 disclosure is accounted for since" in said
    for words in (
        "3 Feb 2026 2 times, last on 3 Feb 2026",
        "County Health Department 1 Court Square",
        "A positive test",
        "For public health",
        "Notifiable disease 45 CFR 164.512(b)",
    ):
        assert words in said, words


def test_an_agency_may_ask_for_silence(day, privacy):
    address = f"/patients/{day.patient}/disclosures"
    later = (timezone.now() + timedelta(days=9)).date().isoformat()
    assert privacy.post(address, {**COUNTY, "silent_until": later}).status_code == 302
    assert "County" not in text(privacy.get(address))
    report = text(privacy.get(f"/patients/{day.patient}/accesses"))
    assert "told" not in report
    assert "outside" not in report
    assert "Clinical text Because you asked" not in report
    assert privacy.post(address, {**COUNTY, "silent_until": "2026-02-04"}).status_code == 302
    assert "1 disclosure is accounted for" in text(privacy.get(address))


def test_the_accounting_is_fhir_too(day, privacy):
    privacy.post(f"/patients/{day.patient}/disclosures", COUNTY)
    made = privacy.get("/fhir/R4/AuditEvent/$disclosures", {"patient": day.patient})
    bundle = made.json()
    assert validate(bundle) == []
    event, left = (entry["resource"] for entry in bundle["entry"])
    assert event["meta"]["profile"][0].endswith("PrivacyDisclosure.Source")
    assert event["agent"][0]["who"]["display"] == "County Health Department"
    assert event["period"] == {"start": "2026-02-03", "end": "2026-02-03"}
    details = {d["type"]: d.get("valueString") for e in event["entity"] for d in e.get("detail", ())}
    assert details["purpose"].endswith("Notifiable disease")
    assert "164.528(a)(1)(i)" in left["issue"][0]["diagnostics"]
    assert privacy.get("/fhir/R4/AuditEvent/$disclosures").status_code == 400
    unknown = {"patient": "0b0f7ad8-5a5e-4a3a-9b2c-111111111111"}
    assert privacy.get("/fhir/R4/AuditEvent/$disclosures", unknown).status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"day": "2999-01-01"}, {"day": "soon"}, {"recipient": " "}, {"basis": "because"}, {"element": []},
     {"element": ["everything"]}, {"what": "x" * 501}, {"purpose": ""}, {"silent_until": "later"}],
)  # fmt: skip
def test_what_is_not_a_disclosure_is_not_written_and_stays_on_the_page(day, privacy, change):
    refused = privacy.post(f"/patients/{day.patient}/disclosures", {**COUNTY, **change})
    assert refused.status_code == 422
    assert "Nothing was written" in text(refused)
    assert not JournalEntry.objects.filter(action="disclose").exists()


def test_they_are_for_who_reads_the_journal(day, desk, privacy):
    for name in ("accesses", "disclosures"):
        assert desk.get(f"/patients/{day.patient}/{name}").status_code == 403
        assert desk.post(f"/patients/{day.patient}/{name}/paper").status_code == 403
        assert privacy.get(f"/patients/{day.stranger}/{name}").status_code == 404
    Membership.objects.filter(account=day.account("privacy")).update(role="auditor")
    assert privacy.post(f"/patients/{day.patient}/disclosures", COUNTY).status_code == 403
    assert privacy.get(f"/patients/{day.patient}/accesses").status_code == 200
    assert not JournalEntry.objects.filter(action="disclose").exists()
