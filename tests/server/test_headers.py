"""What every answer carries, what no page holds, and what another site cannot cause."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Http
from django.urls import reverse

import confide.server
from confide.audit.models import JournalEntry
from confide.server import openapi, sites
from tests.server.pages import surgery as practice_of_pages
from tests.server.walk import Reading, addresses, crawl

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
TEMPLATES = sorted((Path(confide.server.__file__).parent / "templates").rglob("*.html"))
# Here no form's token is asked for, because no cookie counts: a token in a header does, or an assertion.
FOR_PROGRAMS = {"fhir", "vault", "oauth", "journal"}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def surgery(system: Any) -> Any:
    return practice_of_pages.found(system)


def parts(surgery: Any) -> dict[str, str]:
    return {
        "patient": surgery.patient, "kind": "Patient", "id_": surgery.patient, "version": "1",
        "issuer": "none", "tile": "0/000", "finding": "none", "incident": "none", "exhibit": "1",
        "mailing": "none", "name": "none",
    }  # fmt: skip


def check(path: str, answer: Any) -> None:
    """One answer has everything that it must have."""
    policy = dict(
        part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";") if part.strip()
    )
    assert policy["default-src"] == "'none'", path
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'", path
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'", path
    assert "unsafe" not in answer["Content-Security-Policy"], path
    assert answer["X-Content-Type-Options"] == "nosniff", path
    assert answer["X-Frame-Options"] == "DENY", path
    assert answer["Referrer-Policy"] == "same-origin", path
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin", path
    assert "camera=()" in answer["Permissions-Policy"], path
    assert "Access-Control-Allow-Origin" not in answer, path
    assert "Server" not in answer, path
    assert answer["Cache-Control"] == "no-store", path
    if answer.content:
        assert re.fullmatch(
            r"(text/(html|plain); charset=utf-8|application/((fhir\+)?json|octet-stream).*)",
            answer["Content-Type"],
        ), path


def check_page(path: str, answer: Any) -> None:
    check(path, answer)
    if not answer["Content-Type"].startswith("text/html"):
        return
    page = Reading(answer.content.decode())
    assert not page.inline, (path, page.inline)
    assert all(address.startswith("/") and not address.startswith("//") for address in page.loaded), path
    assert page.tokens >= len(page.posts), path
    # What identifies somebody is in no address that the page leads to.
    for address in (*page.links, *page.posts, *page.loaded):
        for secret in (*practice_of_pages.SECRETS, "Quernheim", practice_of_pages.BORN):
            assert secret not in address, path


def test_every_page_that_a_person_reaches_is_safe_to_show(surgery):
    """Also shown by this: no page needs a script or a style that stands in it."""
    chart = f"/patients/{surgery.patient}"
    begins = {
        "doctor": ("/", chart, f"{chart}/emergency", "/factors/add"),
        "privacy": ("/", "/people", "/emergencies", "/logins"),
        "desk": ("/",), "both": ("/",), "nobody": ("/",),
        "": ("/sign-in", "/sign-up", "/stopped", "/invitation", "/sign-in/factor", "/sign-in/set-up"),
    }  # fmt: skip
    reached: set[str] = set()
    for who, places in begins.items():
        http = surgery.sign_in(who) if who else practice_of_pages.browser()
        for begin in places:
            for path, answer in crawl(http, begin):
                check_page(path, answer)
                assert answer.status_code != 500, path
                reached.add(answer.resolver_match.url_name if answer.resolver_match else path)
    assert {
        "front",
        "finder",
        "chart",
        "journal",
        "sessions",
        "account_login",
        "people",
        "factors",
    } <= reached


@pytest.mark.asvs("3.2.1", "3.4.1", "3.4.2", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "14.3.2")
def test_every_address_answers_with_the_headers(surgery):
    """All addresses and methods, also what goes wrong."""
    somebody = surgery.sign_in("doctor")
    for address in addresses(parts(surgery)):
        if address.name == "account_logout":
            continue
        for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", *CHANGING):
            answer = somebody.generic(method, address.path)
            check_page(address.path, answer)
            assert answer.status_code < 500, (method, address.path)
            assert method not in {"TRACE", "PROPFIND"} or answer.status_code == 405, address.path
        answer = practice_of_pages.browser().get(address.path)
        check_page(address.path, answer)
        assert answer.status_code < 500, address.path


def test_what_goes_wrong_has_the_headers(surgery, monkeypatch):
    http = practice_of_pages.browser()
    for answer, status in (
        (http.get("/nothing/here"), 404),
        (http.get("/", headers={"host": "elsewhere.example"}), 400),
        (Http(enforce_csrf_checks=True).post("/sign-in", {}), 403),
        (http.get("/fhir/R4/nothing/at/all"), 404),
        (http.get("/vault/nothing"), 404),
        (http.get("/oauth/token"), 405),
        (http.post("/sign-in", "x", content_type="multipart/form-data; boundary=\x00"), 400),
    ):
        assert answer.status_code == status
        check_page(str(status), answer)


@pytest.mark.asvs("1.2.3")
def test_no_template_holds_a_script_or_a_style():
    assert len(TEMPLATES) > 20
    for path in TEMPLATES:
        if path.parent.name == "downtime":  # a file for when there is no server; none answers with it
            continue
        page = Reading(re.sub(r"{%.*?%}", "", path.read_text()))
        assert not page.inline, path.name
        assert not re.search(r"\|\s*safe|autoescape off", path.read_text()), path.name


@pytest.mark.asvs("3.5.1")
def test_every_change_needs_the_forms_token(surgery):
    """Over all addresses and methods that change something; what needs none is named here."""
    exempt, refused = set(), 0
    http = Http(enforce_csrf_checks=True, headers={"user-agent": practice_of_pages.BROWSER})
    http.cookies = surgery.sign_in("privacy").cookies
    before = JournalEntry.objects.count()
    for address in addresses(parts(surgery)):
        for method in CHANGING:
            answer = http.generic(method, address.path, "{}", content_type="application/fhir+json")
            if address.exempt:
                exempt.add(address.path.split("/")[1])
                # The session's cookie opens nothing here.
                assert answer.status_code in {400, 401, 404, 405}, (method, address.path)
            else:
                assert answer.status_code == 403, (method, address.path)
                assert "Nothing was changed" in answer.content.decode() or "nothing was changed" in (
                    answer.content.decode()
                )
                refused += 1
    assert exempt == FOR_PROGRAMS
    assert refused > 60
    assert JournalEntry.objects.count() == before


@pytest.mark.asvs("3.5.3")
def test_another_site_opens_no_page_and_changes_nothing(surgery):
    http = surgery.sign_in("doctor")
    before = JournalEntry.objects.count()
    doors = set()
    for address in addresses(parts(surgery)):
        if address.exempt or address.path == openapi.ADDRESS:  # it says the same to everybody
            continue
        for site in ("cross-site", "same-site"):
            said = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
            assert http.post(address.path, headers=said).status_code == 403, address.path
            answer = http.get(address.path, headers=said)
            if address.name in sites.DOORS:
                doors.add(address.name)
                continue
            assert answer.templates[0].name == "entered.html", address.path
            assert 'http-equiv="refresh" content="0;url=/"' in answer.content.decode(), address.path
            for secret in (*practice_of_pages.SECRETS, "Quernheim"):
                assert secret not in answer.content.decode()
            # A picture, a frame, a script: nothing at all.
            for dest, mode in (("image", "no-cors"), ("empty", "cors"), ("script", "no-cors")):
                said = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
                for path in (address.path, "/"):
                    part = http.get(path, headers=said)
                    assert part.status_code == 403
                    assert "refresh" not in part.content.decode()
    assert {"front", "account_login"} <= doors
    assert JournalEntry.objects.count() == before
    for site in ("same-origin", "none"):
        said = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert http.get(f"/patients/{surgery.patient}", headers=said).status_code == 200


def test_a_door_shows_no_patient(surgery):
    for who in ("desk", "doctor", "privacy"):
        http = surgery.sign_in(who)
        answer = http.get(reverse("pages:front"), headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 302
        followed = http.get(answer["Location"], headers={"sec-fetch-site": "cross-site"})
        assert "You come from another site" in followed.content.decode()


@pytest.mark.asvs("1.2.2", "3.7.2")
def test_nothing_leads_to_another_site(surgery):
    for place in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        page = practice_of_pages.browser().get("/sign-in", {"next": place})
        assert "evil.example" not in Reading(page.content.decode()).posts
        http = surgery.sign_in("doctor")
        answer = http.get("/sign-in", {"next": place})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/")
        assert not answer["Location"].startswith(("//", "/\\"))


@pytest.mark.asvs("14.3.1")
def test_signing_out_clears_what_the_browser_keeps(surgery):
    http = surgery.sign_in("doctor")
    kept = practice_of_pages.browser()
    kept.cookies[settings.SESSION_COOKIE_NAME] = http.cookies[settings.SESSION_COOKIE_NAME].value
    assert kept.get("/find").status_code == 200
    assert http.post("/sign-out")["Clear-Site-Data"] == '"cache", "storage"'
    assert kept.get("/find")["Location"].startswith("/sign-in")


@pytest.mark.asvs("3.3.4")
def test_cookies_are_no_scripts_business(surgery):
    from tests.server import factored

    http = practice_of_pages.browser()
    http.get("/sign-in")
    http.post("/sign-in", {"login": "doctor", "password": practice_of_pages.PASSWORD})
    factored.second(http, "doctor")
    assert {settings.SESSION_COOKIE_NAME, settings.DEVICE_COOKIE_NAME, settings.CSRF_COOKIE_NAME} <= set(
        http.cookies
    )
    for cookie in http.cookies.values():
        assert cookie["httponly"], cookie.key
        assert cookie["samesite"] in {"Lax", "Strict"}, cookie.key
        assert cookie["path"] == "/", cookie.key
        assert not cookie["domain"], cookie.key
        assert len(cookie.OutputString()) < 4096


# Over TLS, behind a proxy


@pytest.fixture
def tls(settings):
    from dataclasses import replace

    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31536000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.CONFIG = replace(settings.CONFIG, proxies=("10.0.0.1",))
    return settings


@pytest.mark.asvs("4.1.2", "12.2.1")
def test_without_tls_people_are_led_to_it_and_programs_are_refused(tls, surgery):
    http = practice_of_pages.browser()
    led = http.get("/sign-in")
    assert (led.status_code, led["Location"]) == (301, "https://testserver/sign-in")
    for path in ("/fhir/R4/Patient", "/fhir/R4/metadata", "/vault/reveal", "/oauth/token"):
        for refused in (http.get(path), http.post(path)):
            assert refused.status_code == 403, path
            assert "Location" not in refused
            assert refused["Content-Type"].startswith("application/")


@pytest.mark.asvs("4.1.3")
def test_only_a_named_proxy_says_that_it_was_tls(tls, surgery):
    said = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    believed = Http(REMOTE_ADDR="10.0.0.1").get("/sign-in", headers=said)
    assert believed.status_code == 200
    assert believed["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert Http(REMOTE_ADDR="10.0.0.2").get("/sign-in", headers=said).status_code == 301
