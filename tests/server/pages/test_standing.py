"""Frozen in the middle of work, the page of logins, and who may use it; in a process of its own, too."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from confide.access import standing
from confide.access.containment import Standing
from confide.access.entrances import Session
from confide.access.models import Account, Client, Membership
from confide.access.standing import Reason
from confide.audit import standing as written
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from tests.server import laboratory, processes
from tests.server.pages.surgery import SECRETS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def settle() -> None:
    """All accounts are a month old, and everybody has just proved a second factor."""
    Account.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    Session.objects.update(factor="passkey", proved_at=datetime.now(UTC))


def freeze(surgery, name: str) -> None:
    subject = surgery.account(name)
    officer, now = surgery.account("privacy"), datetime.now(UTC)
    practice = surgery.practice.pk
    written.freeze(
        Journal(), subject, Reason.MISUSE, now, by=officer, practice=practice, credential="session:x"
    )


def test_the_next_click_says_what_happened_what_was_kept_and_whom_to_call(surgery, desk):
    assert desk.get(f"/patients/{surgery.patient}").status_code == 200
    freeze(surgery, "desk")
    for answer, sent in (
        (desk.get(f"/patients/{surgery.patient}"), False),
        (desk.post("/found", {"q": "quernheim"}), True),
        (desk.get("/sessions"), False),
    ):
        page = " ".join(answer.content.decode().split())
        assert answer.status_code == 403
        assert "This login is frozen" in page
        assert "All that you had saved is kept" in page
        assert ("What you sent just now was not stored" in page) is sent
        assert "Helen Park" in page, "whom to call"
        for text in (*SECRETS, "Quernheim", "Ottoline"):
            assert text not in page
    part = desk.post("/found", {"q": "quernheim"}, headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == "/"
    assert not part.content
    assert desk.post("/sign-out").status_code == 302
    assert desk.get("/find").status_code == 302


@pytest.mark.asvs("7.2.4")
def test_who_is_let_in_again_signs_in_anew(surgery, desk, privacy):
    freeze(surgery, "desk")
    settle()
    name = f"person:{surgery.account('desk').pk}"
    assert privacy.post("/logins", {"lift": name}).status_code == 302
    assert desk.get("/find")["Location"].startswith("/sign-in?ended=frozen")
    assert "as a precaution" in desk.get("/sign-in?ended=frozen").content.decode()
    assert surgery.sign_in("desk").get("/find").status_code == 200


@pytest.mark.asvs("7.4.5")
def test_the_officer_freezes_and_lets_in_again_with_one_confirmation(surgery, privacy, doctor):
    settle()
    page = privacy.get("/logins").content.decode()
    assert "Every login and program is trusted." in page
    name = f"person:{surgery.account('doctor').pk}"
    assert name in page
    assert privacy.post("/logins", {"freeze": name, "reason": "lost"}).status_code == 302
    assert doctor.get("/find").status_code == 403
    page = " ".join(privacy.get("/logins").content.decode().split())
    for text in (
        "1 is frozen.",
        "Dr. Miriam Okafor",
        "A device or key was lost",
        "Helen Park",
        "Let in again",
    ):
        assert text in page, text
    journal = privacy.get("/journal").content.decode()
    assert "Froze a login" in journal
    assert privacy.post("/logins", {"lift": name}).status_code == 302
    assert "Every login and program is trusted." in privacy.get("/logins").content.decode()
    rows = JournalEntry.objects.filter(action__in=["freeze", "lift"]).order_by("id")
    assert [(row.action, row.actor, row.role) for row in rows] == [
        ("freeze", surgery.account("privacy").pk, "privacy_officer"),
        ("lift", surgery.account("privacy").pk, "privacy_officer"),
    ]


def test_letting_in_again_asks_for_a_fresh_factor_and_freezing_does_not(surgery, privacy):
    settle()
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=11))
    name = f"person:{surgery.account('desk').pk}"
    assert privacy.post("/logins", {"freeze": name}).status_code == 302
    assert privacy.post("/logins", {"lift": name}).status_code != 302 or not _thawed(surgery)
    assert not _thawed(surgery)


def _thawed(surgery) -> bool:
    return surgery.account("desk").frozen_at is None


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("who", ["desk", "doctor"])
def test_the_page_is_for_those_who_keep_the_logins(surgery, who):
    http = surgery.sign_in(who)
    name = f"person:{surgery.account('privacy').pk}"
    assert http.get("/logins").status_code == 403
    assert http.post("/logins", {"freeze": name}).status_code == 403
    assert surgery.account("privacy").frozen_at is None
    assert "/logins" not in http.get("/find").content.decode()


def test_a_practice_manager_keeps_logins_too(surgery):
    manager = Account.objects.create_user("manager", display_name="Maria Lopez")
    Membership.objects.create(
        approved_at=datetime.now(UTC), account=manager, practice=surgery.practice, role="practice_manager"
    )
    http = surgery.sign_in("manager")
    page = http.get("/logins").content.decode()
    assert "Jonas Weber" in page
    assert "/journal" not in page, "the journal is not for this role"


def test_what_cannot_be_meant_is_refused(surgery, privacy):
    settle()
    for form, status in (
        ({"freeze": "person:nobody"}, 404),
        ({"freeze": "nobody"}, 404),
        ({"freeze": f"person:{surgery.account('nobody').pk}"}, 404),
        ({"freeze": f"person:{surgery.account('desk').pk}", "reason": "budget"}, 422),
        ({"lift": f"person:{surgery.account('desk').pk}"}, 422),
        ({}, 422),
    ):
        assert privacy.post("/logins", form).status_code == status, form
    assert not Standing.objects.exists()


def test_a_suspect_session_lets_nobody_in(surgery, privacy):
    freeze(surgery, "desk")
    settle()
    Session.objects.filter(account__username="privacy").update(suspect_at=datetime.now(UTC))
    privacy.post("/logins", {"lift": f"person:{surgery.account('desk').pk}"})
    assert not _thawed(surgery)


def test_what_was_withheld_calls_the_officer(surgery, privacy):
    for name in ("desk", "doctor"):
        written.degrade(Journal(), surgery.account(name), Reason.STUFFING, datetime.now(UTC))
    page = " ".join(privacy.get("/logins").content.decode().split())
    assert "1 is suspect." in page
    assert "Confide would have stopped 1 more, and did not:" in page
    assert "Freeze Dr. Miriam Okafor" in page


def test_the_one_outside_lets_the_only_clinician_in_again(surgery, doctor):
    outside = Account.objects.create_user("outside", display_name="Dr. Ines Roth")
    settle()  # the word of a new account counts for nothing
    Membership.objects.create(
        account=outside, practice=surgery.elsewhere, role="front_desk", approved_at=datetime.now(UTC)
    )
    http, name = surgery.sign_in("outside"), f"person:{surgery.account('doctor').pk}"
    form = {"lift": name, "practice": surgery.practice.pk}
    Membership.objects.filter(account__username="both").update(active=False)
    freeze(surgery, "doctor")
    assert http.post("/logins/outside", form).status_code == 403
    now = datetime.now(UTC) - timedelta(days=7)
    officer = surgery.account("privacy")
    written.name_outsider(Journal(), outside, surgery.practice.pk, officer, now, "session:x")
    assert "waits to be let in again" in http.get("/find").content.decode()
    assert "Dr. Ines Roth" in doctor.get("/find").content.decode(), "whom to call"
    page = http.get("/logins/outside").content.decode()
    assert "Dr. Miriam Okafor" in page
    assert http.post("/logins/outside", {**form, "practice": surgery.elsewhere.pk}).status_code == 403
    Session.objects.update(proved_at=datetime.now(UTC))
    assert http.post("/logins/outside", form).status_code == 302
    assert surgery.account("doctor").frozen_at is None
    assert JournalEntry.objects.get(action="lift", outcome="0").role == "outsider"
    assert http.get("/logins").status_code == 403, "and nothing else of it"


def test_a_freeze_reaches_another_process_at_once(surgery, desk):
    """A page, a bearer token and the token endpoint of a server that holds its own connections and memory."""
    settle()
    lab = laboratory.register(surgery.practice)
    cookie = f"session={desk.cookies['session'].value}"
    with processes.server() as (address, _):
        token = _token(lab, address)
        asked = [
            (f"{address}/find", {"Cookie": cookie}, 403),
            (f"{address}/fhir/R4/Patient?_count=1", {"Authorization": f"Bearer {token}"}, 401),
        ]
        for url, headers, _refused in asked:
            assert _status(url, headers) == 200
        freeze(surgery, "desk")
        written.stop(Journal(), lab, datetime.now(UTC))
        for url, headers, refused in asked:
            assert _status(url, headers) == refused
        with pytest.raises(urllib.error.HTTPError) as refusal:
            _token(lab, address)
        assert refusal.value.code == 401
    assert standing.holding(surgery.practice.pk)


def _token(lab: Client, address: str) -> str:
    signed = laboratory.assertion(lab.pk, aud=f"{address}/oauth/token")
    form = (
        "grant_type=client_credentials&scope=system/*.cruds&client_assertion_type="
        f"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={signed}"
    )
    request = urllib.request.Request(f"{address}/oauth/token", form.encode())
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["access_token"])


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
