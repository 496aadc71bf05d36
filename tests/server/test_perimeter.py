"""Around a program: the networks that it comes from, and keys that take over from one another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Http
from joserfc.jwk import ECKey

from confide.access import keys
from confide.audit.models import JournalEntry
from confide.errors import Invalid, Unknown
from confide.wiring import utc_now
from tests.server import laboratory
from tests.server.laboratory import KEY, ask, assertion

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
STRANGER = {"error": "invalid_client", "error_description": "the client assertion was not accepted"}
NEXT = ECKey.generate_key("P-384", {"kid": "k2", "alg": "ES384"}, private=True)
NEW = {"keys": [NEXT.as_dict(private=False)]}


def ask_from(address: str, signed: str, **headers: str) -> Any:
    form = {
        "grant_type": "client_credentials", "scope": "system/*.cruds",
        "client_assertion_type": laboratory.ASSERTION_TYPE, "client_assertion": signed,
    }  # fmt: skip
    return Http(REMOTE_ADDR=address).post(
        "/oauth/token", urlencode(form), content_type="application/x-www-form-urlencoded", headers=headers
    )


def get_from(address: str, token: str, path: str = "/fhir/R4/Patient", **headers: str) -> Any:
    written = {"Authorization": f"Bearer {token}", **{n.replace("_", "-"): v for n, v in headers.items()}}
    return Http(REMOTE_ADDR=address).get(path, headers=written)


def test_a_program_comes_from_its_networks_only(practice: Any) -> None:
    lab = laboratory.register(practice, networks=["203.0.113.0/28", "2001:db8:7::/48"])
    for address in ("203.0.113.16", "198.51.100.1", "2001:db8:8::1", "127.0.0.1", ""):
        refused = ask_from(address, assertion(lab.pk))
        assert (refused.status_code, refused.json()) == (401, STRANGER), address
    issued = ask_from("203.0.113.15", assertion(lab.pk)).json()["access_token"]
    assert ask_from("2001:db8:7::1", assertion(lab.pk)).status_code == 200
    for address in ("203.0.113.1", "2001:db8:7:1::9", "::ffff:203.0.113.2"):
        assert get_from(address, issued).status_code == 200


@pytest.mark.asvs("16.3.3")
def test_a_stolen_token_is_no_good_elsewhere_and_stands_in_the_journal(practice: Any) -> None:
    lab = laboratory.register(practice, networks=["203.0.113.0/28"])
    issued = ask_from("203.0.113.1", assertion(lab.pk)).json()["access_token"]
    before = JournalEntry.objects.count()
    elsewhere = get_from("198.51.100.1", issued)
    nobody = get_from("198.51.100.1", "x" * 43)
    assert elsewhere.status_code == nobody.status_code == 401
    assert elsewhere.content == nobody.content
    assert elsewhere["WWW-Authenticate"] == nobody["WWW-Authenticate"]
    assert 'error="invalid_token"' in elsewhere["WWW-Authenticate"]
    vault = Http(REMOTE_ADDR="198.51.100.1").post(
        "/vault/reveal", "{}", content_type="application/json", headers={"Authorization": f"Bearer {issued}"}
    )
    assert vault.status_code == 401
    written = JournalEntry.objects.order_by("id")[before:]
    assert [(each.actor, each.practice, each.outcome) for each in written] == [
        (lab.pk, practice.pk, written[0].outcome)
    ] * 2
    assert get_from("203.0.113.1", issued).status_code == 200


@pytest.mark.asvs("15.3.4")
def test_behind_a_proxy_the_real_address_counts(practice: Any, settings: Any) -> None:
    lab = laboratory.register(practice, networks=["203.0.113.0/28"])
    forged = ask_from("127.0.0.1", assertion(lab.pk), **{"X-Forwarded-For": "203.0.113.1"})
    assert forged.status_code == 401
    settings.CONFIG = replace(settings.CONFIG, proxies=("127.0.0.1", "2001:db8:ffff::/64"))
    for proxy in ("127.0.0.1", "2001:db8:ffff::1"):
        told = {"X-Forwarded-For": "198.51.100.1, 203.0.113.1"}
        issued = ask_from(proxy, assertion(lab.pk), **told).json()["access_token"]
        assert get_from(proxy, issued, X_Forwarded_For="203.0.113.1").status_code == 200
        assert get_from(proxy, issued, X_Forwarded_For="203.0.113.1, 198.51.100.1").status_code == 401
        assert get_from(proxy, issued).status_code == 401


def test_one_key_takes_over_from_another_without_a_pause(practice: Any) -> None:
    lab = laboratory.register(practice)
    now = utc_now()
    old = laboratory.connect(lab)
    assert [key.id for key in keys.add(lab, NEW, 90, now)] == ["k1", "k2"]
    response = ask(assertion(lab.pk, NEXT, {"kid": "k2"}))
    new = laboratory.Api(lab, response.json()["access_token"])
    assert old.get("/Patient").status_code == new.get("/Patient").status_code == 200
    assert ask(assertion(lab.pk)).status_code == 200
    assert [key.id for key in keys.retire(lab, "k1", now)] == ["k2"]
    assert new.get("/Patient").status_code == 200
    assert old.get("/Patient").status_code == 401
    assert ask(assertion(lab.pk)).json() == STRANGER
    assert ask(assertion(lab.pk, NEXT, {"kid": "k2"})).status_code == 200
    with pytest.raises(Invalid, match="last key"):
        keys.retire(lab, "k2", now)
    with pytest.raises(Unknown):
        keys.retire(lab, "k1", now)
    assert new.get("/Patient").status_code == 200


def test_a_key_ends_and_its_tokens_with_it(practice: Any) -> None:
    lab = laboratory.register(practice)
    keys.add(lab, NEW, 1, utc_now())
    new = laboratory.Api(lab, ask(assertion(lab.pk, NEXT, {"kid": "k2"})).json()["access_token"])
    lab.refresh_from_db()
    first, second = lab.jwks["keys"]
    assert second["exp"] - second["iat"] == 86_400
    lab.jwks = {"keys": [first, second | {"exp": int(utc_now().timestamp()) - 1}]}
    lab.save()
    assert new.get("/Patient").status_code == 401
    assert ask(assertion(lab.pk, NEXT, {"kid": "k2"})).json() == STRANGER
    assert ask(assertion(lab.pk)).status_code == 200
    keys.retire(lab, "k2", utc_now())


def test_a_key_without_an_end_holds_for_a_year(practice: Any) -> None:
    lab = laboratory.register(practice)
    token = laboratory.connect(lab)
    lab.created_at -= timedelta(days=keys.DAYS)
    lab.save()
    assert token.get("/Patient").status_code == 401
    assert ask(assertion(lab.pk)).json() == STRANGER


def test_what_is_no_rotation(practice: Any) -> None:
    lab = laboratory.register(practice)
    now = utc_now()
    for days in (0, -1, keys.MOST_DAYS + 1):
        with pytest.raises(Invalid, match="days"):
            keys.add(lab, NEW, days, now)
    with pytest.raises(Invalid, match="already"):
        keys.add(lab, {"keys": [KEY.as_dict(private=False)]}, 10, now)
    many = {"keys": [{**NEW["keys"][0], "kid": f"n{number}"} for number in range(keys.MOST_KEYS)]}
    with pytest.raises(Invalid, match="at most"):
        keys.add(lab, many, 10, now)
    lab.refresh_from_db()
    assert lab.jwks == {"keys": [KEY.as_dict(private=False)]}
