"""A suspect session: stand-ins, no masks, and of today's patients what care needs; trusted by another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from confide.access.containment import Emergency
from confide.access.decide import act_as_client, decide
from confide.access.entrances import Session
from confide.access.models import Account, Client, Exposure, ExposureTotal
from confide.access.roles import Action, Purpose
from confide.access.standing import Reason
from confide.audit import standing as written
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.protect.elements import Element
from confide.records.models import Resource
from tests.practice import appointment
from tests.server import laboratory
from tests.server.factored import enrol
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
OTHER_DATA = (place.SSN, place.MRN, place.PHONE, place.EMAIL, place.STREET, place.MEMBER, place.FRIEND)


def book(surgery, days: int, **changes) -> None:
    """A colleague's program books an appointment."""
    row = Client.objects.create(
        practice=surgery.practice, name="Booking", purpose="TREAT", elements=[e.value for e in Element]
    )
    now = datetime.now(UTC)
    grant = decide(act_as_client(row, "t"), Action.WRITE, Purpose.TREAT, None, Element, now)
    day = (now + timedelta(days=days)).date().isoformat()
    surgery.system.charts.create(grant, appointment(surgery.patient, day, **changes))


def degrade(surgery, who: str) -> None:
    session = Session.objects.get(account__username=who)
    written.degrade(Journal(), session, Reason.BUDGET, datetime.now(UTC))


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_of_today_s_patients_care_goes_on(surgery, doctor):
    book(surgery, 0)
    degrade(surgery, "doctor")
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    for words in ("This login is suspect", "Ottoline Quernheim", "4 May 1963", "Latex", "lisinopril"):
        assert words in page, words
    assert "1 tablet every morning" in page, "what a medicine says in words"
    assert "No appointment is booked" not in page, "there is one, of today"
    assert "There are appointments; when they are stays covered" in page
    assert "3 Feb 2025, 09:00" not in page, "the day of a visit is no part of it"
    form = {"element": "document", "purpose": "TREAT", "type": "DocumentReference"}
    form["id"] = surgery.id_of("DocumentReference")
    assert "slept badly" in doctor.post(f"/patients/{surgery.patient}/reveal", form).content.decode()
    for words in OTHER_DATA:
        assert words not in page


def test_of_everybody_else_there_are_stand_ins(surgery, doctor):
    """The appointment of the surgery's patient is in nine days."""
    degrade(surgery, "doctor")
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    for words in (
        *OTHER_DATA,
        "Ottoline",
        "Quernheim",
        "4 May 1963",
        "1 tablet every morning",
        "slept badly",
    ):
        assert words not in page, words
    assert not Exposure.objects.exists()


@pytest.mark.parametrize("days", [0, 9])
@pytest.mark.parametrize("element", ["phone", "ssn", "mrn", "address"])
def test_nothing_else_is_uncovered_and_no_mask_is_shown(surgery, desk, days, element):
    if days == 0:
        book(surgery, 0)
    degrade(surgery, "desk")
    form = {"element": element, "purpose": "TREAT", "type": "Patient", "id": surgery.patient}
    answer = desk.post(f"/patients/{surgery.patient}/reveal", form)
    assert answer.status_code == 403
    assert "not even its last digits" in text_of(answer)
    for words in (*OTHER_DATA, place.SSN[-4:]):
        assert words not in text_of(answer)


def test_a_relationship_of_its_own_making_opens_nothing(surgery, doctor):
    session = Session.objects.get(account__username="doctor")
    member = surgery.account("doctor").memberships.get()
    from confide.access.decide import act_as_member

    actor = act_as_member(member, "s", "", session)
    now = datetime.now(UTC)
    grant = decide(actor, Action.WRITE, Purpose.TREAT, None, {Element.DATE}, now)
    degrade(surgery, "doctor")
    grant = decide(actor, Action.WRITE, Purpose.TREAT, None, {Element.DATE}, now)
    surgery.system.charts.create(grant, appointment(surgery.patient, now.date().isoformat()))
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    for words in ("Ottoline", "Quernheim", "4 May 1963"):
        assert words not in page
    assert "Nobody comes today" in text_of(doctor.get("/find"))


def test_it_finds_nobody_but_who_comes_today(surgery, doctor):
    degrade(surgery, "doctor")
    for words in ("quernheim", "zzz", "4 May 1963", place.MRN):
        part = doctor.post("/found", {"q": words}, headers={"HX-Request": "true"})
        assert "Nobody comes today" in text_of(part), words
        assert "Quernheim" not in text_of(part)
    assert not Exposure.objects.exists()
    assert not JournalEntry.objects.filter(action="search").exists(), "nothing was asked"
    book(surgery, 0)
    for words in ("quernheim", "zzz"):
        part = text_of(doctor.post("/found", {"q": words}, headers={"HX-Request": "true"}))
        assert "Ottoline Quernheim" in part, "whatever is typed, the answer says no more"
        assert "Quarles" not in part
    assert set(Exposure.objects.values_list("patient", "element")) == {
        (surgery.patient, "name"),
        (surgery.patient, "birth-date"),
    }


def test_an_emergency_with_a_passkey_opens_one_chart_without_masks(surgery, doctor):
    degrade(surgery, "doctor")
    Session.objects.update(factor="passkey", proved_at=datetime.now(UTC))
    doctor.post(f"/patients/{surgery.patient}/emergency", {"reason": "fainted in the waiting room"})
    assert Emergency.objects.get().degraded
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    assert "You broke the glass" in page
    assert "Ottoline Quernheim" in page
    assert "3 Feb 2025" in page
    form = {"element": "phone", "purpose": "BTG", "type": "Patient", "id": surgery.patient}
    assert place.PHONE in doctor.post(f"/patients/{surgery.patient}/reveal", form).content.decode()
    form["element"] = "ssn"
    assert doctor.post(f"/patients/{surgery.patient}/reveal", form).status_code == 403


def test_a_suspect_program_sees_stand_ins_and_makes_no_tokens(surgery):
    lab = laboratory.register(surgery.practice)
    api = laboratory.connect(lab)
    assert "Quernheim" in api.get(f"/Patient/{surgery.patient}").content.decode()
    written.degrade(Journal(), lab, Reason.BUDGET, datetime.now(UTC))
    answer = api.get(f"/Patient/{surgery.patient}")
    assert answer.status_code == 200
    for words in (*OTHER_DATA, place.SSN[-4:], "Quernheim", "Ottoline"):
        assert words not in answer.content.decode(), words
    assert api.get("/Patient?family=Quernheim").status_code == 403
    with pytest.raises(Exception, match="suspect"):
        decide(act_as_client(lab, "t"), Action.TOKENIZE, Purpose.TREAT, None, Element, datetime.now(UTC))


def test_it_is_trusted_again_by_a_second_person(surgery, doctor, privacy):
    Account.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    degrade(surgery, "doctor")
    session = Session.objects.get(account__username="doctor")
    page = text_of(privacy.get("/logins"))
    assert "1 is suspect." in page
    assert "It ran into its budget again and again" in page
    assert privacy.post("/logins", {"lift": f"session:{session.pk}"}).status_code == 302
    assert "Ottoline Quernheim" in text_of(doctor.get(f"/patients/{surgery.patient}"))
    assert "This login is suspect" not in text_of(doctor.get("/find"))


def test_whoever_is_asked_to_prove_it_does_so_from_the_banner_and_is_back_where_they_were(surgery, doctor):
    page = f"/patients/{surgery.patient}"
    account = surgery.account("doctor")
    app = enrol(account)
    written.challenge(Journal(), account, Reason.WATCH, datetime.now(UTC))
    shown = text_of(doctor.get(page))
    assert "This login is suspect" in shown
    assert f'<a href="/prove?next={page}">Prove that it is you</a>' in shown
    asked = text_of(doctor.get(f"/prove?next={page}"))
    assert "it is trusted again" in asked
    assert f'name="next" value="{page}"' in asked
    assert "did not prove it" in text_of(doctor.post("/prove", {"next": page, "prove-code": "000000"}))
    answer = doctor.post("/prove", {"next": page, "prove-code": app.recovery[0]})
    assert answer["Location"] == page
    assert "This login is suspect" not in text_of(doctor.get(page))
    degrade(surgery, "doctor")
    assert "/prove" not in text_of(doctor.get(page)), "another reason asks for another person"


def test_where_a_ceiling_is_reached_today_s_patient_stays_open(surgery, doctor, settings):
    book(surgery, 0)
    settings.CONFIDE_PRACTICE_DAY_PATIENTS = 0
    page = text_of(doctor.get(f"/patients/{surgery.patient}"))
    for words in ("Ottoline Quernheim", "4 May 1963", "Latex", "1 tablet every morning"):
        assert words in page, words
    assert "3 Feb 2025, 09:00" not in page
    assert "does not cover all of this chart" in page
    assert JournalEntry.objects.filter(action="above-ceiling").count() == 1
    assert Exposure.objects.filter(patient=surgery.patient).exists(), "it is counted"
    assert not ExposureTotal.objects.filter(owner__startswith="stops of").exists(), "nobody's own doing"
    other = next(iter(patients_but(surgery)))
    assert "Quarles" not in text_of(doctor.get(f"/patients/{other}"))


def patients_but(surgery) -> list[str]:
    rows = Resource.objects.filter(practice=surgery.practice.pk, type="Patient").exclude(pk=surgery.patient)
    return [str(row.pk) for row in rows]
