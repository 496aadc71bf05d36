"""The page of people: roles approved, invitations, resets that take effect at once; and one's own factors."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from confide.access import invitations, memberships
from confide.access.entrances import Invitation, Session
from confide.access.models import Account
from confide.access.roles import Role
from confide.audit.models import JournalEntry
from confide.server import factors
from tests.server.factored import code_of, enrol, sign_in
from tests.server.pages.surgery import browser

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
WORDS = re.compile(r"<code>([a-z]+(?:-[a-z]+){3})</code>")


@pytest.fixture(autouse=True)
def settled(surgery):
    Account.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))


def told(action):
    return list(JournalEntry.objects.filter(action=action).values_list("actor", "resource_id", "outcome"))


def test_the_privacy_officer_approves_a_role(surgery, privacy):
    new = Account.objects.create_user("new", display_name="Ines Roth")
    row, _ = memberships.join(new, surgery.practice, Role.NURSE, datetime.now(UTC))
    http = sign_in(browser(), new)
    assert http.get("/find")["Location"] == "/choose"
    assert "waits for the privacy officer" in http.get("/choose").content.decode()
    page = privacy.get("/people").content.decode()
    assert "Waiting for approval" in page
    assert f'name="approve" value="{row.pk}"' in page
    assert privacy.post("/people", {"approve": row.pk})["Location"] == "/people"
    assert http.get("/find").status_code == 200
    officer = surgery.account("privacy").pk
    assert told("role-approved") == [(officer, f"nurse:{new.pk}", "0")]
    assert privacy.post("/people", {"approve": row.pk}).status_code == 404
    assert privacy.post("/people", {"approve": "x"}).status_code == 404


def test_who_may_not(surgery, doctor, privacy):
    assert doctor.get("/people").status_code == 403
    manager = Account.objects.create_user("manager")
    Account.objects.filter(pk=manager.pk).update(created_at=datetime.now(UTC) - timedelta(days=30))
    memberships.found(manager, surgery.practice, Role.PRACTICE_MANAGER, datetime.now(UTC))
    new = Account.objects.create_user("new")
    row, _ = memberships.join(new, surgery.practice, Role.NURSE, datetime.now(UTC))
    http = sign_in(browser(), manager)
    page = http.get("/people").content.decode()
    assert "for the privacy officer" in page
    assert 'name="approve"' not in page
    assert http.post("/people", {"approve": row.pk}).status_code == 403
    assert told("role-approved") == [(manager.pk, "", "4")]
    for whom in (surgery.account("both").pk, manager.pk):
        assert http.post("/people", {"reset": whom}).status_code == 403
    assert http.post("/people", {"reset": "nobody"}).status_code == 404
    assert not Invitation.objects.exists()


def test_an_invitation_is_shown_once_and_a_reset_takes_effect_at_once(surgery, privacy, doctor):
    account = surgery.account("doctor")
    assert doctor.get("/find").status_code == 200
    assert privacy.post("/people", {"invite": account.pk}).status_code == 422, "they have a factor"
    page = privacy.post("/people", {"reset": account.pk}).content.decode()
    words = WORDS.search(page)[1]
    assert invitations.find(account, words, datetime.now(UTC)).opens == "both"
    assert words not in privacy.get("/people").content.decode()
    assert doctor.get("/find").status_code == 302, "the session is over"
    account.refresh_from_db()
    assert not account.has_usable_password()
    assert not factors.enrolled(account)
    officer = surgery.account("privacy").pk
    assert told("invited") == [(officer, f"both:{account.pk}", "0")]
    assert told("factor-removed") == [(officer, f"totp:{account.pk}", "0")]
    again = privacy.post("/people", {"invite": account.pk}).content.decode()
    assert WORDS.search(again)[1] != words


@pytest.mark.asvs("7.5.1")
def test_it_asks_for_a_fresh_factor_in_the_same_flow(surgery, privacy):
    account = surgery.account("doctor")
    app = enrol(surgery.account("privacy"))
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=10))
    asked = privacy.post("/people", {"reset": account.pk}).content.decode()
    assert "Prove that it is you" in asked
    assert f'<input type="hidden" name="reset" value="{account.pk}">' in asked
    assert 'action="/people"' in asked
    wrong = privacy.post("/people", {"reset": account.pk, "prove-code": "000000"}).content.decode()
    assert "That did not prove it." in wrong
    assert not Invitation.objects.exists()
    form = {"reset": account.pk, "prove-code": app.code()}
    assert WORDS.search(privacy.post("/people", form).content.decode())
    assert told("step-up") == [(surgery.account("privacy").pk, "totp", "0")]
    # The same code in another form is a replay, and fresh already: it is refused nonetheless.
    assert "That did not prove it." in privacy.post("/people", form).content.decode()


@pytest.mark.asvs("7.5.1")
def test_ones_own_factors(surgery, doctor):
    account = surgery.account("doctor")
    page = doctor.get("/factors").content.decode()
    assert "Code app" in page
    assert "Recovery codes" in page
    only = factors.rows_of(account)[0]
    refused = doctor.post("/factors", {"remove": only.pk}).content.decode()
    assert "The last one stays" in refused
    assert factors.enrolled(account)
    offered = doctor.get("/factors/add").content.decode()
    secret = re.search(r'class="spelled">([A-Z2-7 ]+)<', offered)[1].replace(" ", "")
    added = doctor.post("/factors/add", {"code": code_of(secret, datetime.now(UTC))}).content.decode()
    assert "Keep these codes" in added
    assert factors.rows_of(account)[0].pk != only.pk, "one app, the new one"
    assert doctor.post("/factors/add", {"code": "000000"}).status_code == 200
    assert doctor.post("/factors/add", {"credential": "{}"}).status_code == 200
    assert len(factors.rows_of(account)) == 1
    new = re.findall(
        r"<li><code>([a-z0-9-]+)</code>", doctor.post("/factors", {"codes": "1"}).content.decode()
    )
    assert len(set(new)) == 10
    assert factors.check_code(account, new[0], datetime.now(UTC)) == "recovery"
    Session.objects.update(proved_at=None)
    for answer in (
        doctor.get("/factors/add"),
        doctor.post("/factors/add", {"code": "123456"}),
        doctor.post("/factors", {"codes": "1"}),
        doctor.post("/factors", {"remove": only.pk}),
    ):
        assert "Prove that it is you" in answer.content.decode()
    another = surgery.account("desk")
    assert doctor.post("/factors", {"remove": factors.rows_of(another)[0].pk}).status_code == 200
    assert factors.enrolled(another)


def refused(answer) -> bool:
    return "Prove that it is you" in answer.content.decode()


@pytest.mark.asvs("7.5.1")
def test_a_session_that_was_stolen_adds_and_removes_no_factor(surgery, doctor):
    """Its last proof is good for what is sensitive, and too old for what would sign in ever after."""
    account = surgery.account("doctor")
    before = [row.pk for row in factors.rows_of(account)]
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=1))
    for answer in (
        doctor.get("/factors/add"),
        doctor.post("/factors/add", {"code": "123456"}),
        doctor.post("/factors/add", {"code": "123456", "opened": "0" * 64}),
        doctor.post("/factors/add", {"credential": "{}"}),
        doctor.post("/factors", {"codes": "1"}),
        doctor.post("/factors", {"remove": before[0]}),
        doctor.post("/factors", {"disconnect": "elm"}),
    ):
        assert refused(answer)
    assert [row.pk for row in factors.rows_of(account)] == before


def test_a_part_asks_in_its_place_and_leads_nowhere_else(surgery, doctor):
    Session.objects.update(proved_at=None)
    part = doctor.get("/factors/add", headers={"HX-Request": "true"}).content.decode()
    assert "<!doctype" not in part.lower()
    assert 'name="next" value="/factors/add"' in part
    account = surgery.account("doctor")
    for wanted, place in (
        ("/factors", "/factors"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
    ):
        app = enrol(account)
        answer = doctor.post("/prove", {"next": wanted, "prove-code": app.recovery[0]})
        assert answer["Location"] == place


def test_a_social_security_number_asks_for_a_factor_and_is_shown_in_the_same_flow(surgery, desk):
    from tests.server.pages import surgery as place

    app = enrol(surgery.account("desk"))
    form = {"element": "ssn", "purpose": "HOPERAT", "type": "Patient", "id": surgery.patient}
    address = f"/patients/{surgery.patient}/reveal"
    for headers in ({"HX-Request": "true"}, {}):
        Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=10))
        asked = desk.post(address, form, headers=headers).content.decode()
        assert "Prove that it is you" in asked
        assert place.SSN not in asked
        assert f'action="{address}"' in asked
        assert ("<!doctype" in asked.lower()) is not bool(headers)
        for name, value in form.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in asked
        wrong = desk.post(address, form | {"prove-code": "000000"}, headers=headers).content.decode()
        assert "That did not prove it." in wrong
        assert place.SSN not in wrong
        code = app.recovery.pop()
        shown = desk.post(address, form | {"prove-code": code}, headers=headers).content.decode()
        assert place.SSN in shown
        assert code not in shown
        assert place.SSN in desk.post(address, form, headers=headers).content.decode(), "it holds for a while"
    assert len(told("step-up")) == 2
