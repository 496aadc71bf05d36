"""In a real browser: a bait is touched, and the officer's open page says so by itself; then one key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.server import processes
from tests.server.pages import surgery as place

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def surgery(transactional_db: None) -> Any:
    from confide.access.models import Account
    from confide.server import apps

    made = place.found(apps.system())
    Account.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    return made


@pytest.fixture
def servers(surgery: Any, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two servers, each in a process of its own, on the databases of this test."""
    folder = str(tmp_path / "journal")
    there = {"CONFIDE_JOURNAL_FOLDER": folder}
    with processes.server(**there) as (one, _), processes.server(**there) as (two, _):
        yield one.replace("127.0.0.1", "localhost"), two.replace("127.0.0.1", "localhost")


def cookie(surgery: Any, who: str) -> str:
    return surgery.sign_in(who).cookies["session"].value


def strangers(surgery: Any) -> list[str]:
    from confide.records.models import Resource

    rows = Resource.objects.filter(practice=surgery.practice.pk, type="Patient").exclude(pk=surgery.patient)
    return sorted(str(row.pk) for row in rows)


@pytest.mark.refused(403, 503)
def test_a_touched_bait_is_on_the_open_page_and_a_freeze_holds_in_the_other_process_at_once(
    surgery: Any, servers: tuple[str, str], desk: Page, phone: Page
) -> None:
    one, two = servers
    bait = strangers(surgery)[0]
    surgery.system.baits.add(surgery.practice.pk, [bait])
    value = cookie(surgery, "privacy")
    for page in (desk, phone):
        page.context.add_cookies([{"name": "session", "value": value, "url": one}])
    desk.goto(f"{one}/watch")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Nothing waits for you.")
    doctor = {"session": cookie(surgery, "doctor")}
    assert requests.get(f"{two}/patients/{bait}", cookies=doctor, timeout=30).ok
    # The page was not touched: the other process has found it, and the stream has said so.
    expect(desk.get_by_role("heading", level=1)).to_have_text("1 finding waits for you.", timeout=20_000)
    assert desk.title().startswith("(1) Watch")
    expect(desk.locator(".spot")).to_contain_text("A bait was touched")
    expect(desk.locator(".spot .flag")).to_have_text("suspect")
    phone.goto(f"{one}/watch")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for page, width in ((desk, 1280), (phone, 390)):
        if folder := os.environ.get("CONFIDE_PICTURES"):
            page.screenshot(path=f"{folder}/watch-{width}.png", full_page=True)
    phone.get_by_role("link", name="A bait was touched").click()
    expect(phone.get_by_role("heading", name="What came of it")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    if folder := os.environ.get("CONFIDE_PICTURES"):
        phone.screenshot(path=f"{folder}/finding-390.png", full_page=True)
    # By keyboard alone: the next step; it holds in the other process with its very next request.
    desk.get_by_role("button", name="Freeze it").focus()
    desk.keyboard.press("Enter")
    expect(desk.locator(".spot .flag")).to_have_text("frozen")
    assert requests.get(f"{two}/patients/{bait}", cookies=doctor, timeout=30).status_code == 403
    assert requests.get(f"{one}/patients/{bait}", cookies=doctor, timeout=30).status_code == 403
