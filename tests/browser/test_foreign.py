"""Signing in at a practice's own identity provider, in a real browser: over two sites and back."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.sync_api import Page, expect

from confide.access.entrances import Device, Session
from tests.server import elm
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_one_signs_in_at_the_clinic_and_the_browser_is_known_the_second_time(
    transactional_db, live_server, settings, tmp_path, desk: Page
) -> None:
    from confide.audit.journal import Journal
    from confide.server import apps, connections
    from confide.wiring import utc_now

    surgery = place.found(apps.system())
    person = surgery.account("doctor")
    with elm.running(tmp_path, f"{live_server.url}/sign-in/at/elm/return") as clinic:
        issuer = elm.issuer(clinic, tmp_path, surgery.practice.pk)
        settings.CONFIG = dataclasses.replace(settings.CONFIG, issuers=(issuer,))
        connections.connect_at_terminal(Journal(), person, issuer, clinic.subjects["miriam"], utc_now())
        for _ in range(2):
            desk.context.clear_cookies(name="session")
            desk.goto(f"{live_server.url}/sign-in")
            desk.get_by_role("button", name="Sign in with Elm Clinic’s own login").click()
            expect(desk.locator("input[name=code], #bar").first).to_be_visible()
            if desk.locator("input[name=code]").count():
                desk.locator("input[name=username]").fill("miriam")
                desk.locator("input[name=password]").fill(elm.PASSWORD)
                desk.locator("input[name=code]").fill(elm.CODE)
                desk.get_by_role("button", name="Sign in").click()
            expect(desk.locator("#bar")).to_be_visible()
    assert Session.objects.filter(account=person, factor="provider").count() == 2
    assert Device.objects.filter(account=person).count() == 1, "its strict cookie came along on the way back"
