"""The pages in a real browser: by keyboard alone, at two widths, on paper, and without scripts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.server.pages import surgery as place

expect.set_options(timeout=15_000)  # other suites may share the machine
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


@pytest.fixture
def surgery(transactional_db, live_server):
    from django.core.cache import cache

    from confide.server import apps

    cache.clear()
    return place.found(apps.system())


@pytest.fixture
def enter(surgery, live_server):
    """Let somebody in who has signed in before, at an address."""

    def go(page: Page, who: str, path: str = "/") -> None:
        cookie = surgery.sign_in(who).cookies["session"]
        page.context.add_cookies([{"name": "session", "value": cookie.value, "url": live_server.url}])
        page.goto(live_server.url + path)

    return go


def recovery_code(who: str) -> str:
    """One that nobody has used; what an app shows may have been."""
    from confide.access.models import Account
    from confide.server import factors

    return factors.renew_codes(Account.objects.get(username=who), datetime.now(UTC))[0]


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.closest('.value')?.id || document.activeElement.id || ''")


def tab_to(page: Page, wanted: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page).startswith(wanted):
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def holds(page: Page, text: str) -> bool:
    return text in page.content()


def test_a_morning_at_the_desk_by_keyboard_alone(desk, surgery, live_server):
    """Sign in, find, open, uncover a number for a purpose, and see it covered again."""
    addresses = []
    desk.on("request", lambda request: addresses.append(request.url))
    desk.clock.install()
    desk.goto(live_server.url + "/")
    desk.keyboard.type("desk")
    desk.keyboard.press("Tab")
    desk.keyboard.type(place.PASSWORD)
    desk.keyboard.press("Enter")
    expect(desk.locator("#prove-code")).to_be_focused()
    desk.keyboard.type(recovery_code("desk"))
    desk.keyboard.press("Enter")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.type("quern 4 may 1963")
    expect(desk.locator(".hits a")).to_have_count(1)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Ottoline Quernheim")
    for element, value in (("phone", place.PHONE), ("ssn", place.SSN)):
        assert not holds(desk, value)
        tab_to(desk, element)
        desk.keyboard.press("Enter")
        expect(desk.locator("select:visible")).to_have_value("HOPERAT")
        desk.keyboard.press("Enter")
        shown = desk.locator(f"[id^={element}-] [data-shown]")
        expect(shown).to_contain_text(value)
        expect(shown.locator(".mark-open")).to_be_visible()
        expect(desk.locator(f"[id^={element}-] .veil")).to_be_hidden()
    # A pause in typing asks for fewer words, and whoever that finds is counted, too.
    ring = re.compile(r"[1-3] of 150 patients, 1[3-9] of 4500 units")
    expect(desk.locator("#ring")).to_have_attribute("title", ring)
    desk.clock.fast_forward(59_000)
    assert holds(desk, place.SSN)
    desk.clock.fast_forward(2_000)
    expect(desk.locator("[data-shown]")).to_have_count(0)
    assert not holds(desk, place.SSN)
    assert not holds(desk, place.PHONE)
    assert focused(desk).startswith("ssn")
    typed = ("quern", "1963", place.SSN, place.PHONE, "4329", place.PASSWORD)
    assert not [a for a in addresses if any(t.lower() in a.lower() for t in typed)]


def test_what_is_typed_before_the_scripts_are_there_is_asked_for(desk, surgery, enter, live_server):
    enter(desk, "desk")
    held = []
    desk.route("**/*.js", lambda route: held.append(route))  # noqa: PLW0108 - it wraps functions, no methods
    desk.goto(live_server.url + "/find", wait_until="commit")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.type("quern 4 may 1963")
    expect(desk.locator("#q")).to_have_value("quern 4 may 1963")
    assert held
    for script in held:
        script.continue_()
    expect(desk.locator(".hits a")).to_have_count(1)


def test_it_is_covered_on_leaving_and_on_asking(desk, surgery, enter):
    enter(desk, "desk", f"/patients/{surgery.patient}")

    def uncover():
        desk.locator("[id^=phone-] summary").click()
        desk.locator("[id^=phone-]").get_by_role("button", name="Uncover").click()
        expect(desk.locator("[data-shown]")).to_contain_text(place.PHONE)

    uncover()
    desk.get_by_role("button", name="Cover Phone").click()
    assert not holds(desk, place.PHONE)
    uncover()
    desk.keyboard.press("c")
    assert not holds(desk, place.PHONE)
    uncover()
    desk.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert not holds(desk, place.PHONE)
    desk.evaluate("delete document.hidden")
    uncover()
    desk.goto(desk.url.rsplit("/patients", 1)[0] + "/find")
    desk.go_back()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Ottoline Quernheim")
    assert not holds(desk, place.PHONE)


def test_the_keys(desk, surgery, enter):
    enter(desk, "doctor", f"/patients/{surgery.patient}")
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog", name="Keys")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.keyboard.press("/")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.type("qu quarles")
    expect(desk.locator("#found-count")).to_contain_text("Many people match")
    desk.keyboard.press("Enter")
    expect(desk.locator(".hits a")).to_have_count(7)
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("ArrowDown")
    expect(desk.locator(".hits a").nth(1)).to_be_focused()
    desk.keyboard.press("ArrowUp")
    desk.keyboard.press("ArrowUp")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.press("ArrowDown")
    first = desk.locator(".hits a").first.get_attribute("href")
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(re.compile(f"{first}$"))
    # Found is not opened: nothing makes this patient the doctor's work.
    expect(desk.get_by_role("heading", level=1)).to_have_class("hatched")
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("link", name="Skip to the page")).to_be_focused()


def test_the_summary_fits_one_screen(desk, surgery, enter):
    enter(desk, "doctor", f"/patients/{surgery.patient}")
    for part in ("Problems", "Medicines", "What is next", "Vitals"):
        box = desk.locator("section", has=desk.get_by_role("heading", name=part, exact=True)).bounding_box()
        assert box["y"] + box["height"] <= 800, part
    desk.evaluate("scrollTo(0, 600)")
    assert desk.evaluate("scrollY") > 50
    expect(desk.locator(".banner")).to_be_in_viewport(ratio=1)


def test_nothing_scrolls_sideways(phone, surgery, enter, live_server):
    def fits(what):
        wide = phone.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1] == 390, what

    phone.goto(live_server.url + "/sign-in")
    fits("sign-in")
    enter(phone, "doctor", "/find")
    phone.locator("#q").fill("qu quarles")
    phone.keyboard.press("Enter")
    expect(phone.locator(".hits a")).to_have_count(7)
    fits("finder")
    phone.goto(live_server.url + f"/patients/{surgery.patient}")
    fits("chart")
    for summary in phone.locator("details.more summary").all():
        summary.click()
    phone.locator("[id^=address-] summary").click()
    fits("purpose")
    phone.locator("[id^=address-]").get_by_role("button", name="Uncover").click()
    expect(phone.locator("[data-shown]")).to_contain_text(place.STREET)
    fits("uncovered")
    enter(phone, "privacy", "/journal")
    expect(phone.locator(".acts")).to_be_visible()
    fits("journal")
    for path in ("/journal/sign-ins", "/sessions"):
        phone.goto(live_server.url + path)
        fits(path)


def test_fingers_find_what_they_touch(phone, surgery, enter):
    enter(phone, "doctor", f"/patients/{surgery.patient}")
    for summary in phone.locator("details.veil > summary").all():
        assert summary.bounding_box()["height"] >= 44


NAMELESS = """() => [...document.querySelectorAll(
  "input:not([type=hidden]), select, button, summary, a[href]")]
  .filter(e => e.checkVisibility())
  .filter(e => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length))
  .map(e => e.outerHTML)"""


@pytest.mark.asvs("6.2.6")
def test_every_control_has_a_name_and_every_page_a_heading(anywhere, surgery, enter, live_server):
    def read(what):
        assert anywhere.evaluate(NAMELESS) == [], what
        assert anywhere.locator("h1").count() == 1, what
        assert anywhere.locator("main").count() == 1, what
        assert anywhere.locator("html").get_attribute("lang") == "en"
        ids = anywhere.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), what

    anywhere.goto(live_server.url + "/sign-in")
    read("sign-in")
    for who, path in (
        ("doctor", "/find"),
        ("doctor", f"/patients/{surgery.patient}"),
        ("desk", f"/patients/{surgery.patient}"),
        ("privacy", "/journal"),
        ("privacy", "/journal/sign-ins"),
        ("desk", "/sessions"),
        ("both", "/choose"),
    ):
        enter(anywhere, who, path)
        read(path)


TOKENS = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(desk, live_server, scheme):
    desk.emulate_media(color_scheme=scheme)
    desk.goto(live_server.url + "/sign-in")
    aaa = ("ink paper", "ink sheet", "ink veil", "ink red-wash", "ink amber-wash")
    aa = (
        "soft paper", "soft sheet", "soft veil", "soft teal-wash", "teal paper", "teal teal-wash",
        "on-teal teal", "on-teal teal-strong", "red paper", "red red-wash",
    )  # fmt: skip
    marks = ("edge sheet", "amber-line paper")
    for least, pairs in ((7, aaa), (4.5, aa), (3, marks)):
        for pair in pairs:
            found = contrast(*(desk.evaluate(TOKENS, name) for name in pair.split()))
            assert found >= least, (pair, found)


def test_paper_shows_stand_ins(desk, surgery, enter):
    enter(desk, "desk", f"/patients/{surgery.patient}")
    desk.locator("[id^=phone-] summary").click()
    desk.locator("[id^=phone-]").get_by_role("button", name="Uncover").click()
    expect(desk.locator("[data-shown]")).to_contain_text(place.PHONE)
    desk.emulate_media(media="print")
    expect(desk.locator("[data-shown]")).to_be_hidden()
    expect(desk.locator("[id^=phone-] .hatched")).to_be_visible()


def test_without_scripts_everything_is_a_form(no_scripts, surgery, live_server):
    no_scripts.goto(live_server.url + "/")
    no_scripts.get_by_label("Username").fill("desk")
    no_scripts.get_by_label("Password").fill(place.PASSWORD)
    no_scripts.get_by_role("button", name="Go on").click()
    no_scripts.get_by_label("Code of your app").fill(recovery_code("desk"))
    no_scripts.get_by_role("button", name="Sign in", exact=True).click()
    no_scripts.get_by_label("Find a patient").fill("quernheim")
    no_scripts.keyboard.press("Enter")
    no_scripts.get_by_role("link", name=re.compile("Ottoline")).click()
    no_scripts.locator("[id^=phone-] summary").click()
    no_scripts.locator("[id^=phone-]").get_by_role("button", name="Uncover").click()
    expect(no_scripts.get_by_text(place.PHONE)).to_be_visible()
    no_scripts.get_by_role("link", name="Cover, back to the chart").click()
    assert not holds(no_scripts, place.PHONE)


def test_the_privacy_officer_reads_the_journal(desk, surgery, enter):
    surgery.sign_in("doctor").get(f"/patients/{surgery.patient}")
    enter(desk, "privacy")
    expect(desk.get_by_role("heading", level=1)).to_contain_text("One person’s record was opened today")
    desk.locator("a.hatched").first.click()
    expect(desk.get_by_text("Only about")).to_be_visible()
    expect(desk.get_by_role("link", name="Dr. Miriam Okafor").first).to_be_visible()
    assert not holds(desk, "Quernheim")
