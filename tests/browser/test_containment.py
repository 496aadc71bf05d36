"""In a real browser: a broken glass from the chart to its review, and being frozen in the middle of work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.server import processes
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
REASON = "Brought in unconscious, allergies must be known"
NOTE = "Asked both, the patient was in the room"


@pytest.fixture
def surgery(transactional_db: None) -> Any:
    from confide.access.models import Account
    from confide.server import apps

    made = place.found(apps.system())
    Account.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    return made


@pytest.fixture
def address(surgery: Any) -> Iterator[str]:
    """A server in a process of its own, on the databases of this test."""
    with processes.server() as (url, _):
        yield url.replace("127.0.0.1", "localhost")


def enter(page: Page, address: str, surgery: Any, who: str) -> None:
    """Sign somebody in; how that goes in a browser is tested elsewhere."""
    value = surgery.sign_in(who).cookies["session"].value
    page.context.add_cookies([{"name": "session", "value": value, "url": address}])


@pytest.mark.refused(422)
def test_a_glass_is_broken_and_the_officer_reviews_it(
    surgery: Any, address: str, desk: Page, phone: Page
) -> None:
    enter(desk, address, surgery, "doctor")
    enter(phone, address, surgery, "privacy")
    phone.goto(f"{address}/journal")
    expect(phone.get_by_role("alert")).to_have_count(0)
    desk.goto(f"{address}/patients/{surgery.patient}/emergency")
    reason = desk.get_by_label("Why must you see this chart now?")
    expect(reason).to_be_focused()
    reason.fill("unconscious")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert")).to_contain_text("The chart was not opened.")
    reason.fill(REASON)
    desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(f"{address}/patients/{surgery.patient}")
    assert "unconscious" not in desk.url
    expect(desk.locator(".emergency")).to_contain_text("60 minutes left")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Ottoline Quernheim")
    expect(desk.get_by_role("region", name="Patient")).to_contain_text("Latex")
    phone.reload()
    call = phone.get_by_role("alert")
    expect(call).to_contain_text("1 emergency waits for your review")
    call.get_by_role("link").click()
    expect(phone.get_by_text(REASON)).to_be_visible()
    phone.get_by_label("Justified", exact=True).check()
    phone.get_by_label("What you found").fill(NOTE)
    phone.get_by_role("button", name="Sign the review").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("No emergency waits for a review.")
    expect(phone.get_by_role("alert")).to_have_count(0)
    expect(phone.get_by_text(NOTE)).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.refused(403)
def test_somebody_is_frozen_in_the_middle_of_work(
    surgery: Any, address: str, desk: Page, phone: Page
) -> None:
    """The officer freezes on a telephone; the chart that is open on the desk says so at the next click."""
    enter(desk, address, surgery, "desk")
    enter(phone, address, surgery, "privacy")
    desk.goto(f"{address}/patients/{surgery.patient}")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Ottoline Quernheim")
    phone.goto(f"{address}/logins")
    phone.get_by_label("Whose").select_option(label="Jonas Weber")
    phone.get_by_label("Why").select_option(label="It looks misused")
    phone.get_by_text("Freeze this login").click()
    phone.get_by_role("button", name="Freeze now").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("1 is frozen.")
    # The veil asks for a part of the page; all of the page says what happened.
    veil = desk.locator("details.veil").first
    veil.locator("summary").click()
    veil.get_by_role("button", name="Uncover").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("This login is frozen")
    expect(desk.get_by_text("All that you had saved is kept")).to_be_visible()
    expect(desk.get_by_text("Helen Park")).to_be_visible()
    assert "Quernheim" not in desk.content()
    desk.go_back()
    expect(desk.get_by_role("heading", level=1)).to_have_text("This login is frozen")
    desk.get_by_role("button", name="Sign out").click()
    expect(desk).to_have_url(re.compile("/sign-in"))
