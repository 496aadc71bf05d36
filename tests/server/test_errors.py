"""Errors outside of the API: a readable page, an OAuth2 answer, and the headers that keep it private."""

from __future__ import annotations

import pytest
from django.test import Client as Http

pytestmark = pytest.mark.django_db(databases=["default", "keys"])
CANARY = "Zwx7Kq9Plm3Vb2Tn"


@pytest.mark.asvs("13.4.3")
@pytest.mark.parametrize("path", [f"/{CANARY}", f"/patients/{CANARY}/{CANARY}/{CANARY}", f"/find/{CANARY}"])
def test_an_address_that_is_not_there(path: str) -> None:
    response = Http().get(path)
    assert response.status_code == 404
    assert b"<h1>" in response.content
    assert CANARY.encode() not in response.content
    assert response["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_another_host() -> None:
    response = Http().get("/", headers={"Host": f"{CANARY}.example"})
    assert response.status_code == 400
    assert CANARY.encode() not in response.content


def test_a_form_of_another_site() -> None:
    response = Http(enforce_csrf_checks=True).post("/sign-in", {"login": CANARY, "password": CANARY})
    assert response.status_code == 403
    assert CANARY.encode() not in response.content
    assert b"<h1>" in response.content


@pytest.mark.asvs("16.3.4")
def test_a_failure_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test import RequestFactory

    from confide.errors import KeyUnavailable
    from confide.server import errors

    for path, kind in (
        ("/x", "text/html"),
        ("/fhir/R4/x", "application/fhir+json"),
        ("/vault/x", "application/json"),
        ("/oauth/x", "application/json"),
    ):
        request = RequestFactory().get(path)
        for error, status in ((RuntimeError(CANARY), 500), (KeyUnavailable("the key file is missing"), 503)):
            response = errors.answer(request, error)
            assert response.status_code == status
            assert response["Content-Type"].startswith(kind)
            assert CANARY.encode() not in response.content
