"""A real browser on a real server: the demo as `make demo` starts it, seen at two widths.

A page that writes an error to its console, or asks anything of another host, fails its test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
HERE = {"localhost", "127.0.0.1", "::1", "testserver", ""}


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, beside which Django refuses to use a database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def desk(browser: Browser) -> Iterator[Page]:
    """A page on a screen of 1280 x 800."""
    yield from _watched(browser.new_context(viewport=DESK))


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page on a telephone of 390 x 844 with a touch screen."""
    yield from _watched(browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True))


@pytest.fixture(params=["desk", "phone"])
def anywhere(request: pytest.FixtureRequest) -> Page:
    """A page on each of the two, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def no_scripts(browser: Browser) -> Iterator[Page]:
    """A page in a browser that runs no scripts."""
    yield from _watched(browser.new_context(viewport=DESK, java_script_enabled=False))


def _watched(context: BrowserContext) -> Iterator[Page]:
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in HERE:
            complaints.append(f"asked another host: {address.hostname}")

    context.on("console", heard)
    context.on("request", asked)
    context.on("weberror", lambda error: complaints.append(f"script: {error.error}"))
    context.set_default_timeout(10_000)
    page = context.new_page()
    yield page
    context.close()
    assert not complaints
