"""A vendor's program: one registration, many practices, one budget; a token acts in one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from confide.access import raises
from confide.access.models import AccessToken, Account, Client, Membership
from confide.access.reach import Reach, practices_of
from confide.audit import reach
from confide.audit.models import JournalEntry
from confide.errors import AccessDenied, Invalid, Unknown
from confide.wiring import utc_now
from tests.server import laboratory
from tests.server.laboratory import PATIENT, ask, assertion

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
BUDGET = 5


@pytest.fixture
def officer(db: None) -> Account:
    account = Account.objects.create_user("plindgren", display_name="Peter Lindgren")
    Account.objects.filter(pk=account.pk).update(created_at=utc_now() - timedelta(days=8))
    return Account.objects.get(pk=account.pk)


@pytest.fixture
def practices(system: Any, officer: Account) -> list[Any]:
    """Three practices, each with four patients; the first is the vendor's own."""
    made = [system.found_practice(name) for name in ("Riverbend", "Elm Street", "Harbour")]
    for practice in made:
        Membership.objects.create(
            approved_at=utc_now(), account=officer, practice=practice, role="privacy_officer"
        )
        loader = laboratory.connect(laboratory.register(practice, name=f"loader of {practice.name}"))
        for number in range(4):
            loader.make(PATIENT | {"birthDate": f"196{number}-05-04"})
    return made


@pytest.fixture
def vendor(system: Any, practices: list[Any], officer: Account) -> Client:
    made = laboratory.register(practices[0], name="vendor", day_patients=BUDGET)
    for practice in practices[1:]:
        reach.admit(system.journal, officer, practice.pk, made, utc_now())
    return made


def connect(vendor: Client, practice: Any) -> laboratory.Api:
    response = ask(assertion(vendor.pk), resource=f"urn:uuid:{practice.pk}")
    assert response.status_code == 200, response.content
    return laboratory.Api(vendor, response.json()["access_token"])


def seen(api: laboratory.Api) -> int:
    entries = api.get("/Patient").json().get("entry", [])
    people = [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "Patient"]
    assert len(people) == 4
    return sum("birthDate" in person and len(person["birthDate"]) == 10 for person in people)


@pytest.mark.asvs("15.3.1")
def test_its_budget_is_one_over_all_practices(vendor: Client, practices: list[Any]) -> None:
    assert practices_of(vendor.pk) == tuple(practice.pk for practice in practices)
    assert [seen(connect(vendor, practice)) for practice in practices] == [4, 1, 0]
    assert [seen(connect(vendor, practice)) for practice in reversed(practices)] == [0, 1, 4]


@pytest.mark.asvs("8.4.1")
def test_a_token_acts_in_one_practice(vendor: Client, practices: list[Any]) -> None:
    one, other = connect(vendor, practices[0]), connect(vendor, practices[1])
    here = {e["resource"]["id"] for e in one.get("/Patient").json()["entry"]}
    made = other.make(PATIENT)["id"]
    assert one.get(f"/Patient/{made}").status_code == 404
    assert all(other.get(f"/Patient/{id_}").status_code == 404 for id_ in here)
    assert other.get(f"/Patient/{made}").status_code == 200
    plain = laboratory.connect(vendor)
    assert plain.get(f"/Patient/{next(iter(here))}").status_code == 200
    assert plain.get(f"/Patient/{made}").status_code == 404


def test_a_practice_that_it_does_not_reach(system: Any, vendor: Client, practices: list[Any]) -> None:
    stranger = system.found_practice("Stranger")
    for named in (
        f"urn:uuid:{stranger.pk}",
        f"urn:uuid:{practices[0].pk}".upper(),
        f"URN:uuid:{practices[0].pk}",
        practices[0].pk,
        "urn:uuid:11111111-2222-4333-8444-555555555555",
        "http://testserver/fhir/R4",
        "",
    ):
        response = ask(assertion(vendor.pk), resource=named)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_target"), named
        assert not named or named not in response.content.decode()
    both = f"urn:uuid:{practices[0].pk}&resource=urn:uuid:{practices[1].pk}"
    body = f"grant_type=client_credentials&resource={both}"
    form = "application/x-www-form-urlencoded"
    from django.test import Client as Http

    assert Http().post("/oauth/token", body, content_type=form).json()["error"] == "invalid_target"


def test_a_practice_sends_it_away(
    system: Any, vendor: Client, practices: list[Any], officer: Account
) -> None:
    stays, goes = connect(vendor, practices[1]), connect(vendor, practices[2])
    now = utc_now()
    reach.dismiss(system.journal, officer, practices[2].pk, vendor, now)
    assert goes.get("/Patient").status_code == 401
    assert stays.get("/Patient").status_code == 200
    assert ask(assertion(vendor.pk), resource=f"urn:uuid:{practices[2].pk}").status_code == 400
    # Even a token that was made meanwhile opens nothing there.
    row = AccessToken.objects.filter(client=vendor).first()
    AccessToken.objects.filter(pk=row.pk).update(practice=practices[2])
    assert stays.get("/Patient").status_code == 403
    with pytest.raises(Unknown):
        reach.dismiss(system.journal, officer, practices[2].pk, vendor, now)
    with pytest.raises(Unknown):
        reach.dismiss(system.journal, officer, practices[0].pk, vendor, now)
    reach.admit(system.journal, officer, practices[2].pk, vendor, now)
    assert connect(vendor, practices[2]).get("/Patient").status_code == 200
    assert Reach.objects.filter(practice=practices[2]).count() == 2
    told = JournalEntry.objects.filter(practice=practices[2].pk, resource_id=vendor.pk)
    assert list(told.order_by("id").values_list("action", flat=True)) == [
        "client-admit",
        "client-dismiss",
        "client-admit",
    ]


def test_who_may_let_it_in(system: Any, practices: list[Any], officer: Account) -> None:
    vendor = laboratory.register(practices[0], name="vendor")
    nurse = Account.objects.create_user("nurse", display_name="A nurse")
    Account.objects.filter(pk=nurse.pk).update(created_at=utc_now() - timedelta(days=8))
    nurse.refresh_from_db()
    Membership.objects.create(approved_at=utc_now(), account=nurse, practice=practices[1], role="nurse")
    new = Account.objects.create_user("new", display_name="New")
    Membership.objects.create(
        approved_at=utc_now(), account=new, practice=practices[1], role="privacy_officer"
    )
    before = JournalEntry.objects.filter(action="client-admit").count()
    for account in (nurse, new):
        with pytest.raises(AccessDenied):
            reach.admit(system.journal, account, practices[1].pk, vendor, utc_now())
    assert practices_of(vendor.pk) == (practices[0].pk,)
    assert JournalEntry.objects.filter(action="client-admit").count() == before + 2
    reach.admit(system.journal, officer, practices[1].pk, vendor, utc_now())
    for practice in practices[:2]:
        with pytest.raises(Invalid, match="already"):
            reach.admit(system.journal, officer, practice.pk, vendor, utc_now())


def test_freezing_it_stops_it_everywhere(vendor: Client, practices: list[Any]) -> None:
    tokens = [connect(vendor, practice) for practice in practices]
    Client.objects.filter(pk=vendor.pk).update(frozen_at=utc_now())
    assert {api.get("/Patient").status_code for api in tokens} == {401}
    assert ask(assertion(vendor.pk), resource=f"urn:uuid:{practices[1].pk}").status_code == 401


def test_each_practice_may_raise_its_budget(vendor: Client, practices: list[Any], officer: Account) -> None:
    stranger = laboratory.register(practices[2], name="of Harbour only")
    with pytest.raises(Unknown):
        raises.approve(officer, practices[1].pk, stranger, 2, 1, utc_now())
    raises.approve(officer, practices[1].pk, vendor, 2, 1, utc_now())
    assert [seen(connect(vendor, practice)) for practice in practices] == [4, 4, 0]
