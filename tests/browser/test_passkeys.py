"""Passkeys, code apps and step-up in a real browser, with Chromium's own virtual authenticator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.server.factored import code_of
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def surgery(transactional_db: None, live_server: Any) -> Any:
    from confide.server import apps, factors

    made = place.found(apps.system())
    for name in ("desk", "doctor", "privacy"):
        factors.remove_all(made.account(name))
    return made


class Key:
    """An authenticator that is built into the browser's device, and whoever holds it."""

    def __init__(self, page: Any) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = added["authenticatorId"]

    def held_by(self, owner: bool) -> None:
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": owner})

    def credentials(self) -> list[Any]:
        return list(self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"])


@pytest.fixture
def key(desk: Any) -> Iterator[Key]:
    return Key(desk)


def password(page: Any, base: str, name: str) -> None:
    page.goto(f"{base}/sign-in")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(place.PASSWORD)
    page.get_by_role("button", name="Go on").click()


def invite(surgery: Any, name: str, opens: str = "factor") -> str:
    from confide.access import invitations

    return invitations.invite(surgery.account(name), invitations.Opens(opens), None, datetime.now(UTC))


def with_passkey(page: Any, surgery: Any, base: str, name: str) -> None:
    """Enrol with an invitation; the browser has a passkey and a session afterwards."""
    password(page, base, name)
    page.get_by_label("Invitation").fill(invite(surgery, name))
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(re.compile(rf"^{base}/(find|journal)$"))


@pytest.mark.asvs("6.3.3")
def test_an_invitation_a_passkey_and_signing_in_with_it_alone(desk, key, surgery, live_server):
    from confide.access.entrances import Session

    with_passkey(desk, surgery, live_server.url, "doctor")
    assert len(key.credentials()) == 1
    assert key.credentials()[0]["isResidentCredential"]
    assert [row.factor for row in Session.objects.all()] == ["passkey"]
    desk.locator(".me > summary").click()
    desk.get_by_role("button", name="Sign out").click()
    desk.wait_for_url("**/sign-in")
    assert not Session.objects.exists()
    desk.get_by_role("button", name="Sign in with a passkey").click()
    desk.wait_for_url("**/find")
    assert [row.account.username for row in Session.objects.all()] == ["doctor"]
    # Somebody else holds the key, and cannot verify that they are its owner.
    desk.locator(".me > summary").click()
    desk.get_by_role("button", name="Sign out").click()
    key.held_by(False)
    desk.get_by_role("button", name="Sign in with a passkey").click()
    desk.locator("[data-passkey-trouble]:visible").wait_for()
    assert "cancelled, or took too long" in desk.locator("[data-passkey-trouble]").inner_text()
    assert not Session.objects.exists()


def test_a_passkey_is_the_second_step_after_a_password_too(desk, key, surgery, live_server):
    with_passkey(desk, surgery, live_server.url, "doctor")
    desk.locator(".me > summary").click()
    desk.get_by_role("button", name="Sign out").click()
    password(desk, live_server.url, "doctor")
    assert desk.get_by_role("heading", name="Is it you?").is_visible()
    assert desk.get_by_label("Code of your app").count() == 0
    desk.get_by_role("button", name="Use a passkey").click()
    desk.wait_for_url("**/find")


def test_an_app_by_invitation_and_its_code_at_the_next_sign_in(anywhere, surgery, live_server):
    page = anywhere
    password(page, live_server.url, "desk")
    page.get_by_label("Invitation").fill(invite(surgery, "desk"))
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("Use a code app instead").click()
    assert page.locator(".square svg").is_visible()
    secret = page.locator(".spelled").inner_text().replace(" ", "")
    page.get_by_label("The code that the app shows").fill(code_of(secret, datetime.now(UTC)))
    page.get_by_role("button", name="Set it up").click()
    codes = page.locator(".recovery code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/find")
    page.locator(".me > summary").click()
    page.get_by_role("button", name="Sign out").click()
    password(page, live_server.url, "desk")
    page.get_by_label("Code of your app").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    assert "That did not prove it." in page.locator("[role=alert]").first.inner_text()
    page.get_by_label("Code of your app").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/find")


def test_what_is_sensitive_asks_again_and_goes_on(desk, key, surgery, live_server):
    from confide.access.entrances import Session
    from confide.audit.models import JournalEntry

    with_passkey(desk, surgery, live_server.url, "doctor")
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=11))
    desk.goto(f"{live_server.url}/factors/add")
    assert desk.get_by_role("heading", name="Prove that it is you").is_visible()
    desk.get_by_role("button", name="Use a passkey").click()
    desk.get_by_role("heading", name="Add a passkey or a code app").wait_for()
    assert JournalEntry.objects.filter(action="step-up", resource_id="passkey").count() == 1
    secret = desk.locator(".spelled").inner_text().replace(" ", "")
    desk.get_by_label("The code that the app shows").fill(code_of(secret, datetime.now(UTC)))
    desk.get_by_role("button", name="Add the app").click()
    desk.get_by_role("heading", name="Keep these codes").wait_for()
    desk.get_by_role("link", name="I have kept them").click()
    assert desk.get_by_text("Recovery codes").is_visible()
    desk.get_by_role("button", name="Remove Code app").click()
    desk.wait_for_url("**/factors")
    assert desk.get_by_role("button", name=re.compile("Remove")).count() == 0, "the last one stays"


def test_a_social_security_number_takes_a_passkey_again(desk, key, surgery, live_server):
    from confide.access.entrances import Session

    with_passkey(desk, surgery, live_server.url, "desk")
    desk.goto(f"{live_server.url}/patients/{surgery.patient}")
    Session.objects.update(proved_at=datetime.now(UTC) - timedelta(minutes=11))
    value = desk.locator("[id^=ssn].value").first
    value.locator("summary").click()
    value.get_by_role("button", name="Uncover").click()
    value.get_by_text("Prove that it is you.").wait_for()
    assert place.SSN not in desk.content()
    value.get_by_role("button", name="Use a passkey").click()
    value.get_by_text(place.SSN).wait_for()
    assert Session.objects.get().proved_at > datetime.now(UTC) - timedelta(minutes=5)
    assert desk.url.endswith(surgery.patient), "and nothing stands in the address"
