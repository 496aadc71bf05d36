"""Searches and their pages: no address repeats what was asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.server import laboratory
from tests.server.laboratory import PATIENT, Api

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
FORM = "application/x-www-form-urlencoded"


def links(bundle: dict[str, Any]) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in bundle["link"]}


@pytest.mark.asvs("1.2.2", "14.2.1")
def test_a_search_by_post_leaves_nothing_in_an_address(api: Api) -> None:
    made = api.make(PATIENT)
    body = b"name=quern&birthdate=1963-05-04&gender=female&_count=5"
    found = api.send("POST", "/Patient/_search", body, content_type=FORM).json()
    assert [e["resource"]["id"] for e in found["entry"]] == [made["id"]]
    assert found["entry"][0]["search"] == {"mode": "match"}
    assert found["entry"][0]["fullUrl"] == f"http://testserver/fhir/R4/Patient/{made['id']}"
    assert links(found) == {"self": "http://testserver/fhir/R4/Patient?gender=female&_count=5"}


def test_pages_are_named_by_a_cursor_alone(api: Api) -> None:
    made = {api.make({**PATIENT, "birthDate": f"1963-05-0{i}"})["id"] for i in range(1, 6)}
    page = api.get("/Patient?family=quernheim&_count=2").json()
    seen = [e["resource"]["id"] for e in page["entry"]]
    pages = 1
    while "next" in links(page):
        following = urlsplit(links(page)["next"])
        assert "quern" not in following.query
        page = api.get(f"/Patient?{following.query}").json()
        assert page["total"] == 5
        seen += [e["resource"]["id"] for e in page["entry"]]
        pages += 1
    assert (set(seen), len(seen), pages) == (made, 5, 3)


def test_a_cursor_is_its_owners_alone(api: Api, practice: Any) -> None:
    for _ in range(3):
        api.make(PATIENT)
    following = urlsplit(links(api.get("/Patient?_count=1").json())["next"]).query
    other = laboratory.connect(laboratory.register(practice, name="other"))
    assert other.get(f"/Patient?{following}").status_code == 404
    assert api.get(f"/Patient?{following}").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=Quernheim",
        "name=",
        "birthdate=4.5.1963",
        "name:wild=Quernheim",
        "_count=many",
        "_sort=Quernheim",
        "_cursor=x&name=Quernheim",
        "name=%ff",
    ],
)
def test_a_search_that_cannot_be_carried_out_is_refused_without_repeating_it(api: Api, query: str) -> None:
    response = api.get(f"/Patient?{query}")
    assert response.status_code in {400, 422}
    assert response.json()["resourceType"] == "OperationOutcome"
    assert b"Quernheim" not in response.content
    assert b"1963" not in response.content


def test_asking_is_for_those_who_may_see(practice: Any) -> None:
    from confide.audit.models import JournalEntry

    blind = laboratory.connect(laboratory.register(practice, elements=["date"]))
    blind.make(PATIENT)
    for query in ("name=quern", "birthdate=1963-05-04", "identifier=123-45-6789", "phone=5550100"):
        assert blind.get(f"/Patient?{query}").status_code == 403
    refused = JournalEntry.objects.filter(action="search", outcome="4")
    assert [e.resource_type for e in refused] == ["Patient"] * 4
    assert blind.get("/Patient?gender=female").json()["total"] == 1


def test_a_search_by_post_is_a_form(api: Api) -> None:
    assert api.send("POST", "/Patient/_search", {"name": "quern"}).status_code == 415
    assert api.get("/Patient/_search").status_code in {404, 405}
