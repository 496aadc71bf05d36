"""A real browser on a real server: the demo as `make demo` starts it, seen at two widths.

A page that writes an error to its console, or asks anything of another host, fails its test.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
PATIENCE = 120.0  # seconds until the demo answers
HERE = {"localhost", "127.0.0.1", "::1", "testserver", ""}


@dataclass(frozen=True)
class Demo:
    """A running demo.

    Attributes:
        url: Its address, without a slash at the end.
        said: What it printed until it answered: the address and three sign-ins.
    """

    url: str
    said: str

    def sign_in(self, page: Page, login: str, password: str) -> None:
        """Sign in through the page, as a person does."""
        page.goto(f"{self.url}/")
        page.locator("input[name=login]").fill(login)
        page.locator("input[name=password]").fill(password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(re.compile(rf"^{re.escape(self.url)}/(?!.*login)"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`confide demo` with a few patients, in a folder and on a port of its own."""
    folder = tmp_path_factory.mktemp("demo")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    # Not the installation of the tests, and SQLite on both runs: the pages are the same.
    ours = ("CONFIDE_", "DATABASE_URL", "KEYS_DATABASE_URL", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"CONFIDE_DATA": str(folder / "data"), "CONFIDE_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    output = folder / "output"
    command = [sys.executable, "-c", "import sys; from confide.cli import main; sys.exit(main())"]
    with output.open("wb") as stdout:
        server = subprocess.Popen(
            [*command, "demo", "--patients", "12"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://localhost:{port}"
        deadline = time.monotonic() + PATIENCE
        while not _answers(url):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the demo did not start:\n" + output.read_text()[-3000:])
            time.sleep(0.2)
        yield Demo(url, output.read_text())
    finally:
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, beside which Django refuses to use a database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def desk(browser: Browser, refusals: Sequence[str]) -> Iterator[Page]:
    """A page on a screen of 1280 x 800."""
    yield from _watched(browser.new_context(viewport=DESK), refusals)


@pytest.fixture
def phone(browser: Browser, refusals: Sequence[str]) -> Iterator[Page]:
    """A page on a telephone of 390 x 844 with a touch screen."""
    yield from _watched(browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True), refusals)


@pytest.fixture(params=["desk", "phone"])
def anywhere(request: pytest.FixtureRequest) -> Page:
    """A page on each of the two, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def no_scripts(browser: Browser) -> Iterator[Page]:
    """A page in a browser that runs no scripts."""
    yield from _watched(browser.new_context(viewport=DESK, java_script_enabled=False))


@pytest.fixture
def refusals(request: pytest.FixtureRequest) -> Sequence[str]:
    """What the console says of answers that the test expects: ``@pytest.mark.refused(403, 422)``."""
    marker = request.node.get_closest_marker("refused")
    return [f"with a status of {status} " for status in (marker.args if marker else ())]


def _watched(context: BrowserContext, refusals: Sequence[str] = ()) -> Iterator[Page]:
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(expected in message.text for expected in refusals):
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
