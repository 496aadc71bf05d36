"""Breaking the glass: one patient, one session, a reason, an hour; three alone; rung, reviewed, sealed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from confide.access.containment import Emergency
from confide.access.decide import act_as_member, decide
from confide.access.entrances import Session
from confide.access.models import Account, ExposureTotal, Membership
from confide.access.roles import Action, Purpose
from confide.audit.journal import hash_leaf, line_of
from confide.audit.models import JournalEntry
from confide.errors import AccessDenied
from confide.protect.elements import Element
from tests.server.crowd import Clock, everything_stored, follow
from tests.server.factored import enrol, sign_in
from tests.server.pages import surgery as place
from tests.server.pages.surgery import browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
REASON = "Ottoline Quernheim fainted in the waiting room"
NOTE = "Spoke to Dr. Okafor, the patient was in the room"


@pytest.fixture
def clock(monkeypatch, surgery):
    clock = Clock()
    follow(monkeypatch, clock)
    Account.objects.update(created_at=clock.now - timedelta(days=30))
    return clock


@pytest.fixture
def doctor(surgery, clock):
    return enter(surgery, "doctor", clock)


@pytest.fixture
def privacy(surgery, clock):
    return enter(surgery, "privacy", clock)


def enter(surgery, name: str, clock):
    """Sign somebody in who has proved a factor just now, as the clock has it."""
    return sign_in(browser(), surgery.account(name), proved=clock())


def break_glass(http, patient: str, reason: str = REASON):
    return http.post(f"/patients/{patient}/emergency", {"reason": reason})


def reveal(http, surgery, purpose="BTG", patient=""):
    patient = patient or surgery.patient
    form = {"element": "phone", "purpose": purpose, "type": "Patient", "id": patient}
    return http.post(f"/patients/{patient}/reveal", form, headers={"HX-Request": "true"})


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def patients(surgery, count: int) -> list[str]:
    from confide.records.models import Resource

    rows = Resource.objects.filter(practice=surgery.practice.pk, type="Patient").exclude(pk=surgery.patient)
    return [str(row.pk) for row in rows[:count]]


def test_it_opens_one_chart_in_one_session_for_an_hour_and_counts(surgery, doctor, clock):
    assert reveal(doctor, surgery).status_code == 403, "an emergency begins with breaking the glass"
    before = ExposureTotal.objects.count()
    form = text_of(doctor.get(f"/patients/{surgery.patient}/emergency"))
    assert "for 60 minutes, and counts in your exposure" in form
    answer = break_glass(doctor, surgery.patient)
    assert (answer.status_code, answer["Location"]) == (302, f"/patients/{surgery.patient}")
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    assert "You broke the glass for this patient: 60 minutes left" in page
    assert "Ottoline Quernheim" in page
    assert "Hypertension" in page
    assert '<option value="BTG" selected>' in page
    assert place.PHONE in reveal(doctor, surgery).content.decode()
    assert ExposureTotal.objects.count() > before, "it costs budget"
    seen = JournalEntry.objects.filter(purpose="BTG", actor=surgery.account("doctor").pk)
    assert {"break-glass", "read", "reveal"} <= set(seen.values_list("action", flat=True))
    # One patient, one session.
    assert reveal(doctor, surgery, patient=patients(surgery, 1)[0]).status_code == 403
    other = enter(surgery, "doctor", clock)
    assert reveal(other, surgery).status_code == 403
    # One hour.
    clock.advance(minutes=13)
    assert "47 minutes left" in text_of(doctor.get(f"/patients/{surgery.patient}"))
    for _ in range(5):
        clock.advance(minutes=9)
        doctor.get("/sessions")
    clock.advance(minutes=1, seconds=59)
    assert "1 minute left" in text_of(doctor.get(f"/patients/{surgery.patient}"))
    clock.advance(seconds=1)
    assert "You broke the glass" not in text_of(doctor.get(f"/patients/{surgery.patient}"))
    assert reveal(doctor, surgery).status_code == 403


def test_a_grant_of_it_ends_with_it_and_is_for_that_patient_alone(surgery, doctor, clock):
    break_glass(doctor, surgery.patient)
    member = Membership.objects.get(account__username="doctor")
    actor = act_as_member(member, "s", "", Session.objects.get(account__username="doctor"))
    late = clock.now + timedelta(minutes=58)

    def ask(whose):
        return decide(actor, Action.READ, Purpose.BTG, whose, {Element.NAME}, late)

    assert ask({surgery.patient}).expires == clock.now + timedelta(minutes=60)
    for whose in (None, set(), {surgery.patient, patients(surgery, 1)[0]}, set(patients(surgery, 1))):
        with pytest.raises(AccessDenied):
            ask(whose)


@pytest.mark.parametrize("reason", ["", "   ", "emergency", "an emergency", "a b c d", "x " * 400])
def test_the_reason_must_say_something(surgery, doctor, reason):
    answer = break_glass(doctor, surgery.patient, reason)
    assert answer.status_code == 422
    assert "The chart was not opened." in text_of(answer)
    assert not Emergency.objects.exists()


def test_what_was_typed_is_sealed_everywhere(surgery, doctor, privacy):
    break_glass(doctor, surgery.patient)
    emergency = Emergency.objects.get()
    form = {"review": emergency.pk, "verdict": "justified", "note": NOTE}
    assert privacy.post("/emergencies", form).status_code == 302
    for cell in everything_stored():
        assert "fainted" not in cell
        assert "Spoke to" not in cell
    told = JournalEntry.objects.filter(action__startswith="break-glass").order_by("id")
    assert [row.action for row in told] == ["break-glass", "break-glass-review"]
    for row in told:
        line = line_of(row)
        assert line.entry.reason_sealed, "the entry carries what is sealed"
        assert hash_leaf(line.entry) == line.leaf, "and its leaf covers it"
    emergency.refresh_from_db()
    assert bytes(emergency.reason_sealed) == bytes(told[0].reason_sealed)
    assert bytes(emergency.note_sealed) == bytes(told[1].reason_sealed)


def test_the_privacy_officer_hears_of_it_at_once_and_reviews_it(surgery, doctor, privacy, clock):
    assert "emergency waits" not in text_of(privacy.get("/journal"))
    break_glass(doctor, surgery.patient)
    assert "1 emergency waits for your review" in text_of(privacy.get("/journal"))
    page = text_of(privacy.get("/emergencies"))
    for words in ("Dr. Miriam Okafor", REASON, "still open", "1 emergency waits for a review."):
        assert words in page, words
    assert "Broke the glass" in text_of(privacy.get("/journal"))
    read = JournalEntry.objects.filter(action="journal-read", resource_type="Emergency")
    assert read.count() == 1, "reading the reasons is an entry"
    clock.advance(hours=72)
    privacy = enter(surgery, "privacy", clock)
    page = text_of(privacy.get("/emergencies"))
    assert '<span class="flag">overdue</span>' in page
    assert "still open" not in page
    emergency = Emergency.objects.get()
    for form in (
        {"review": emergency.pk, "verdict": "fine", "note": NOTE},
        {"review": emergency.pk, "verdict": "unjustified", "note": "no"},
    ):
        assert privacy.post("/emergencies", form).status_code == 422
    form = {"review": emergency.pk, "verdict": "unjustified", "note": NOTE}
    assert privacy.post("/emergencies", form).status_code == 302
    page = text_of(privacy.get("/emergencies"))
    assert "No emergency waits for a review." in page
    assert f"not justified</span> Helen Park: {NOTE}" in page
    assert privacy.post("/emergencies", form).status_code == 422, "a verdict stands"
    emergency.refresh_from_db()
    assert (emergency.verdict, emergency.reviewed_by.username) == ("unjustified", "privacy")


def test_nobody_reviews_their_own(surgery, clock):
    doctor_account = surgery.account("doctor")
    Membership.objects.create(
        approved_at=clock.now, account=doctor_account, practice=surgery.practice, role="privacy_officer"
    )
    http = enter(surgery, "doctor", clock)
    clinician = Membership.objects.get(account=doctor_account, role="clinician")
    officer = Membership.objects.get(account=doctor_account, role="privacy_officer")
    http.post("/choose", {"membership": clinician.pk})
    break_glass(http, surgery.patient)
    http.post("/choose", {"membership": officer.pk})
    form = {"review": Emergency.objects.get().pk, "verdict": "justified", "note": NOTE}
    assert http.post("/emergencies", form).status_code == 403
    refused = JournalEntry.objects.get(action="break-glass-review")
    assert refused.outcome == "4"
    assert Emergency.objects.get().verdict == ""


def test_three_in_a_shift_and_then_a_second_person(surgery, doctor, clock):
    whose = [surgery.patient, *patients(surgery, 4)]
    for patient in whose[:3]:
        assert break_glass(doctor, patient).status_code == 302
    page = text_of(break_glass(doctor, whose[3]))
    assert "A second person is asked." in page
    assert reveal(doctor, surgery, patient=whose[3]).status_code == 403
    waiting = Emergency.objects.get(begins_at=None)
    # Not oneself, not another role, not a new account.
    assert doctor.post("/emergencies", {"allow": waiting.pk}).status_code == 403
    assert enter(surgery, "desk", clock).post("/emergencies", {"allow": waiting.pk}).status_code == 403
    colleague = Account.objects.create_user("colleague", display_name="Dr. Ines Roth")
    Membership.objects.create(
        approved_at=clock.now, account=colleague, practice=surgery.practice, role="clinician"
    )
    new = enter(surgery, "colleague", clock)
    assert "A colleague waits for a second person" in text_of(new.get("/find"))
    assert new.post("/emergencies", {"allow": waiting.pk}).status_code == 403
    Account.objects.update(created_at=clock.now - timedelta(days=30))
    assert new.post("/emergencies", {"allow": waiting.pk}).status_code == 302
    assert "You broke the glass" in text_of(doctor.get(f"/patients/{whose[3]}"))
    assert new.post("/emergencies", {"allow": waiting.pk}).status_code == 422
    waiting.refresh_from_db()
    assert waiting.allowed_by == colleague
    assert list(
        JournalEntry.objects.filter(action__startswith="break-glass")
        .order_by("id")
        .values_list("action", "outcome")
    ) == [
        *[("break-glass", "0")] * 3,
        ("break-glass-asked", "0"),
        *[("break-glass-allowed", "4")] * 2,
        ("break-glass-allowed", "0"),
    ]
    # A shift later they are one's own again.
    clock.advance(hours=12)
    assert break_glass(enter(surgery, "doctor", clock), whose[4]).status_code == 302


def test_allowing_and_reviewing_ask_for_a_fresh_factor_and_go_on(surgery, doctor, privacy, clock):
    """A session that was left open, or stolen, is not the second person of another one."""
    for patient in [surgery.patient, *patients(surgery, 3)]:
        break_glass(doctor, patient)
    waiting = Emergency.objects.get(begins_at=None)
    begun = Emergency.objects.exclude(pk=waiting.pk).order_by("asked_at").first()
    app = enrol(surgery.account("privacy"), clock())
    Session.objects.update(proved_at=clock.now - timedelta(minutes=10))
    for form, action in (
        ({"allow": waiting.pk}, "break-glass-allowed"),
        ({"review": begun.pk, "verdict": "justified", "note": NOTE}, "break-glass-review"),
    ):
        Session.objects.update(proved_at=clock.now - timedelta(minutes=10))
        page = privacy.post("/emergencies", form)
        assert "Prove that it is you" in text_of(page)
        assert all(f'name="{name}" value="{value}"' in text_of(page) for name, value in form.items())
        wrong = privacy.post("/emergencies", {**form, "prove-code": "no code of theirs"})
        assert "That did not prove it." in text_of(wrong)
        assert not JournalEntry.objects.filter(action=action).exists()
        answer = privacy.post("/emergencies", {**form, "prove-code": app.recovery.pop()})
        assert answer["Location"] == "/emergencies"
        assert JournalEntry.objects.filter(action=action, outcome="0").exists()
    waiting.refresh_from_db()
    begun.refresh_from_db()
    assert (waiting.allowed_by.username, begun.verdict) == ("privacy", "justified")


def test_who_has_no_emergencies(surgery, doctor, privacy, clock):
    for http in (enter(surgery, "desk", clock), privacy):
        assert http.get(f"/patients/{surgery.patient}/emergency").status_code == 403
        assert break_glass(http, surgery.patient).status_code == 403
    assert break_glass(doctor, surgery.stranger).status_code == 404, "another practice's patient is unknown"
    assert doctor.get(f"/patients/{surgery.stranger}/emergency").status_code == 404
    assert not Emergency.objects.exists()


def test_not_for_a_frozen_login_and_for_a_degraded_session_with_a_fresh_passkey_alone(surgery, doctor, clock):
    session = Session.objects.filter(account__username="doctor")
    session.update(suspect_at=clock.now)
    for proof in (
        {"factor": "passkey", "proved_at": None},
        {"factor": "totp", "proved_at": clock.now},
        {"factor": "passkey", "proved_at": clock.now - timedelta(minutes=10)},
    ):
        session.update(**proof)
        break_glass(doctor, surgery.patient)
        assert not Emergency.objects.exists(), proof
    session.update(factor="passkey", proved_at=clock.now)
    assert break_glass(doctor, surgery.patient).status_code == 302
    assert Emergency.objects.get().degraded
    session.update(frozen_at=clock.now)
    break_glass(doctor, patients(surgery, 1)[0])
    assert Emergency.objects.count() == 1


def test_the_typed_reason_stays_on_its_page_and_out_of_addresses(surgery, doctor):
    page = break_glass(doctor, surgery.patient, "Ottoline fell")
    assert "Ottoline fell" in page.content.decode()
    assert not re.search(r'(?:href|action)="[^"]*Ottoline', page.content.decode())


def test_times_are_aware(surgery, doctor):
    break_glass(doctor, surgery.patient)
    row = Emergency.objects.get()
    assert row.expires_at - row.begins_at == timedelta(minutes=60)
    assert row.begins_at <= datetime.now(UTC) + timedelta(seconds=5)
