"""The vault over HTTP: batches, an answer for each item, and refusals that name the place and no value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Http
from django.utils import timezone

from tests.practice import exposures, journal
from tests.server import factored, laboratory
from tests.server.vault.counter import PARTNER, SCOPES, Counter, codes, open_counter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CANARY = "Zwx7Kq9Plm3Vb2Tn"
SSN = "078-05-1120"
OPERATIONS = ("tokenize", "detokenize", "protect", "reveal")
GOOD: dict[str, dict[str, Any]] = {
    "tokenize": {"scope": PARTNER, "items": [{"element": "ssn", "value": SSN}]},
    "detokenize": {"scope": PARTNER, "items": [{"token": "900-00-0001"}]},
    "protect": {"items": [{"patient": "p", "element": "ssn", "value": SSN}]},
    "reveal": {"items": [{"patient": "p", "element": "ssn", "stand_in": SSN, "alphabet": "10"}]},
}


def refused(response: Any, status: int, code: str) -> str:
    """Check the form of a refusal; return its text."""
    assert response["Content-Type"] == "application/json"
    assert response.status_code == status, response.content
    assert CANARY.encode() not in response.content
    error = response.json()["error"]
    assert set(error) == {"code", "text"}
    assert error["code"] == code
    return str(error["text"])


def shown() -> list[tuple[str, dict[str, str]]]:
    """(patient, elements) of what the journal says was told."""
    return [
        (row.patient, row.elements)
        for row in journal()
        if row.action in {"search", "reveal"} and row.outcome == "0"
    ]


# In order


def test_there_and_back(counter: Counter, patients: list[str]) -> None:
    one = patients[0]
    items = [("ssn", SSN, one), ("name", "Ottoline Quernheim"), ("phone", "(555) 010-4477", one)]
    made = counter.tokenize(*items)
    assert [set(answer) for answer in made] == [{"token"}] * 3
    tokens = [answer["token"] for answer in made]
    assert [len(token) for token in tokens] == [len(value) for _, value, *_ in items]
    assert counter.detokenize(*tokens) == [
        {"element": element, "value": value, "form": "clear"} for element, value, *_ in items
    ]
    kept = counter.protect((one, "ssn", SSN), (one, "email", "o@q.example"), (one, "ssn", "12345"))
    assert [set(answer) for answer in kept] == [{"stand_in", "alphabet"}, {"sealed"}, {"sealed"}]
    whose = [{"patient": one, "element": element} for element in ("ssn", "email", "ssn")]
    revealed = counter.reveal(*[w | k for w, k in zip(whose, kept, strict=True)])
    assert [answer["value"] for answer in revealed] == [SSN, "o@q.example", "12345"]
    assert shown() == [
        (one, {"ssn": "clear"}),
        ("", {"name": "clear"}),
        (one, {"phone": "clear"}),
        (one, {"ssn": "searched", "email": "searched"}),
        (one, {"ssn": "clear", "email": "clear"}),
    ]


def test_one_value_costs_few_statements(counter: Counter, django_assert_num_queries: Any) -> None:
    """The token, the facts and the value's row; then what is asked, in one exchange, and what is written."""
    first, second = counter.tokens(("ssn", SSN), ("name", "Ottoline Quernheim"))
    counter.detokenize(first)
    paying = 9 if connection.vendor == "postgresql" else 6
    with django_assert_num_queries(3 + paying) as told:
        assert counter.detokenize(second)[0]["value"] == "Ottoline Quernheim"
    assert sum("access_accesstoken" in query["sql"] for query in told.captured_queries) == 1


def test_a_stand_in_from_the_fhir_api_is_revealed(
    practice: Any, counter: Counter, patients: list[str]
) -> None:
    blind = laboratory.connect(laboratory.register(practice, name="blind", elements=[]))
    seen = blind.get(f"/Patient/{patients[0]}").json()["identifier"][0]["value"]
    assert seen != "123-45-6789"
    asked = {"patient": patients[0], "element": "ssn", "stand_in": seen, "alphabet": "10"}
    assert counter.reveal(asked) == [{"element": "ssn", "value": "123-45-6789", "form": "clear"}]


@pytest.mark.asvs("2.2.1")
def test_each_item_has_its_own_answer(counter: Counter, patients: list[str]) -> None:
    answers = counter.tokenize(
        ("ssn", SSN),
        (CANARY, SSN),
        ("ssn", "1"),
        ("document", CANARY),
        ("ssn", SSN, CANARY),
        ("ssn", f"\t{CANARY}"),
        ("ssn", "9" * 257),
        ("mrn", "E-0004711", patients[0]),
    )
    assert codes(answers) == [
        "ok", "invalid", "domain-too-small", "access-denied", "not-found", "invalid", "invalid", "ok",
    ]  # fmt: skip
    assert CANARY not in json.dumps(answers)
    assert answers[1]["error"]["text"].startswith("items[1].element")
    first = patients[0]
    asked = [
        {"patient": first, "element": "ssn", "stand_in": SSN, "alphabet": "10"},
        {"patient": first, "element": "ssn", "stand_in": CANARY, "alphabet": "10"},
        {"patient": first, "element": "ssn", "stand_in": SSN, "alphabet": CANARY},
        {"patient": first, "element": CANARY, "sealed": "AAAA"},
        {"patient": first, "element": "ssn", "sealed": "AAAA"},
        {"patient": first, "element": "ssn", "sealed": f"{CANARY}!"},
        {"patient": CANARY, "element": "ssn", "sealed": "AAAA"},
        {"patient": patients[1], "element": "ssn", "stand_in": SSN, "alphabet": "10"},
    ]
    answers = counter.reveal(*asked)
    assert codes(answers) == [
        "ok", "invalid", "invalid", "invalid", "seal-broken", "invalid", "not-found", "ok",
    ]  # fmt: skip
    assert CANARY not in json.dumps(answers)


def test_an_end_is_a_moment(counter: Counter) -> None:
    from datetime import timedelta

    from confide.wiring import utc_now

    good = (utc_now() + timedelta(days=1)).isoformat()
    for expires in (good, good.replace("+00:00", "Z"), None):
        assert codes(counter.tokenize(("ssn", SSN), expires=expires)) == ["ok"]
    for wrong in (
        "",
        CANARY,
        "2030-01-01",
        "2030-01-01T00:00:00",
        "1999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
    ):
        response = counter.send("tokenize", GOOD["tokenize"] | {"expires": wrong})
        assert "expires" in refused(response, 422, "invalid")


def test_an_empty_batch_is_answered(counter: Counter) -> None:
    for operation in OPERATIONS:
        body = GOOD[operation] | {"items": []}
        assert counter.send(operation, body).json() == {"items": []}
    assert journal() == []


@pytest.mark.asvs("15.2.2")
def test_ten_thousand_at_once_and_not_one_more(counter: Counter, settings: Any) -> None:
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 20_000
    counter.client.day_patients = 20_000
    counter.client.day_units = 200_000
    counter.client.save()
    values = [f"078{i:06d}" for i in range(10_000)]
    tokens = counter.tokens(*[("ssn", value) for value in values])
    assert len(set(tokens)) == 10_000
    assert not set(tokens) & set(values)
    assert [answer["value"] for answer in counter.detokenize(*tokens)] == values
    assert len(exposures()) == 10_000
    assert len(journal(action="reveal")) == 10_000
    for operation in OPERATIONS:
        body = GOOD[operation] | {"items": GOOD[operation]["items"] * 10_001}
        assert "10,000" in refused(counter.send(operation, body), 413, "too-large")


# The shape of a batch


BROKEN = (
    b" ",
    b"{",
    f'{{"items": [{CANARY}'.encode(),
    b'{"scope": "a", "items": NaN}',
    b'{"scope": "a", "items": []} {}',
    b"\xff\xfe",
)
MISSHAPEN = (
    f'{{"items": [], "{CANARY}": 1}}'.encode(),
    b"[]",
    b"null",
    f'"{CANARY}"'.encode(),
    b"{}",
    b'{"items": {}}',
    b'{"items": null}',
    b"[" * 200_000,
    b'{"items": ' + b"[" * 200_000,
)


@pytest.mark.asvs("1.5.2", "15.3.3")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_body_that_is_no_batch(counter: Counter, operation: str) -> None:
    for body in BROKEN:
        scoped = operation in {"tokenize", "detokenize"}
        written = body if scoped else body.replace(b'"scope": "a", ', b"")
        refused(counter.send(operation, written), 400, "broken-json")
    for body in MISSHAPEN:
        refused(counter.send(operation, body), 422, "invalid")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_place_is_named_and_the_value_is_not(counter: Counter, operation: str) -> None:
    good = GOOD[operation]
    item = good["items"][0]
    for name in item:
        for wrong in (1, 1.5, True, None, [CANARY], {CANARY: CANARY}):
            if wrong is None and name == "patient":
                continue
            body = good | {"items": [item, item, item, item | {name: wrong}]}
            told = refused(counter.send(operation, body), 422, "invalid")
            if wrong is not None or operation != "reveal":
                assert told.startswith(f"items[3].{name} ")
        lacking = {k: v for k, v in item.items() if k != name}
        assert "items[1]" in refused(
            counter.send(operation, good | {"items": [item, lacking]}), 422, "invalid"
        )
    extra = good | {"items": [item, item | {CANARY: CANARY}]}
    assert "items[1] has a field" in refused(counter.send(operation, extra), 422, "invalid")
    assert "items[0]" in refused(counter.send(operation, good | {"items": [CANARY]}), 422, "invalid")
    assert exposures() == set()


def test_text_that_is_not_unicode(counter: Counter) -> None:
    for text in (b"\xff\xfe", b"\\ud800", b"\xed\xa0\x80"):
        body = b'{"scope": "lab-partner", "items": [{"element": "name", "value": "' + text + b'abcdefg"}]}'
        refused(counter.send("tokenize", body), 400, "broken-json")
    nul = {"scope": "lab-partner", "items": [{"element": "name", "value": "abc\0defgh", "patient": "\0"}]}
    assert counter.send("tokenize", nul).status_code == 200
    assert refused(counter.send("tokenize", nul | {"scope": "\0"}), 422, "invalid")
    marked = b"\xef\xbb\xbf" + json.dumps(GOOD["tokenize"]).encode()
    assert counter.send("tokenize", marked).status_code == 200


@pytest.mark.asvs("2.2.3")
def test_a_stand_in_or_a_seal(counter: Counter) -> None:
    item = {"patient": "p", "element": "ssn"}
    for wrong in (
        {}, {"stand_in": SSN}, {"alphabet": "10"}, {"stand_in": SSN, "sealed": "AAAA"},
        {"stand_in": SSN, "alphabet": "10", "sealed": "AAAA"},
    ):  # fmt: skip
        told = refused(
            counter.send("reveal", {"items": [GOOD["reveal"]["items"][0], item | wrong]}), 422, "invalid"
        )
        assert "items[1]" in told


@pytest.mark.asvs("15.3.7")
def test_the_last_of_equal_keys_counts(counter: Counter) -> None:
    item = b'{"element": "x", "element": "ssn", "value": "078051120"}'
    body = b'{"scope": "another", "scope": "lab-partner", "items": [' + item + b"]}"
    [answer] = counter.send("tokenize", body).json()["items"]
    assert counter.detokenize(answer["token"])[0]["value"] == "078051120"


def test_a_body_over_the_limit(counter: Counter, settings: Any) -> None:
    huge = json.dumps(GOOD["tokenize"] | {"scope": CANARY * 600_000}).encode()
    assert len(huge) > 8 * 1024 * 1024
    refused(counter.send("tokenize", huge), 413, "too-large")
    from dataclasses import replace

    settings.CONFIG = replace(settings.CONFIG, body_limit=100)
    refused(counter.send("tokenize", GOOD["tokenize"] | {"scope": CANARY * 10}), 413, "too-large")


@pytest.mark.parametrize("scope", ["", "Lab", "-lab", "lab partner", "l" * 64, CANARY])
def test_a_scope_has_a_name(counter: Counter, scope: str) -> None:
    refused(counter.send("tokenize", GOOD["tokenize"] | {"scope": scope}), 422, "invalid")
    refused(counter.send("detokenize", GOOD["detokenize"] | {"scope": scope}), 403, "access-denied")


# Who may


@pytest.mark.parametrize("operation", OPERATIONS)
def test_only_by_post_and_only_json(counter: Counter, operation: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        response = counter.send(operation, GOOD[operation], method)
        assert (response.status_code, response["Allow"]) == (405, "POST")
        if method != "HEAD":
            refused(response, 405, "not-supported")
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/fhir+json",
    ):
        refused(counter.send(operation, GOOD[operation], content_type=kind), 415, "not-supported")
    refused(counter.send(operation, GOOD[operation], Content_Encoding="gzip"), 415, "not-supported")
    assert (
        counter.send(operation, GOOD[operation], content_type="application/json; charset=UTF-8").status_code
        == 200
    )


@pytest.mark.parametrize("path", ["", "tokenize/", "nothing", "tokenize/1", "Tokenize", CANARY])
def test_there_is_nothing_else(counter: Counter, path: str) -> None:
    for method in ("GET", "POST"):
        refused(counter.send(path, b"{}", method), 404, "not-found")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_token_there_is_nothing(transactional_db: None, operation: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {CANARY * 2}"},
        {"Authorization": "Basic eDp5"},
    ):
        response = Http().post(f"/vault/{operation}", b"{}", "application/json", headers=headers)
        refused(response, 401, "login")
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response["Cache-Control"] == "no-store"


@pytest.mark.asvs("3.5.2")
def test_a_session_is_no_token(practice: Any) -> None:
    from confide.access.models import Account, Membership

    person = Account.objects.create_user("ottoline", "a long enough passphrase")
    Membership.objects.create(approved_at=timezone.now(), account=person, practice=practice, role="clinician")
    browser = Http()
    factored.sign_in(browser, person)
    for operation in OPERATIONS:
        refused(browser.post(f"/vault/{operation}", GOOD[operation], "application/json"), 401, "login")


@pytest.mark.asvs("10.3.2")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_needs_its_scope(practice: Any, operation: str) -> None:
    others = SCOPES.replace(f"vault/{operation}", "").strip()
    asking = open_counter(practice, f"{others} system/*.cruds")
    response = asking.send(operation, GOOD[operation])
    refused(response, 403, "access-denied")
    assert f'error="insufficient_scope", scope="vault/{operation}"' in response["WWW-Authenticate"]
    for other in OPERATIONS:
        if other != operation:
            assert asking.send(other, GOOD[other]).status_code == 200
    unregistered = laboratory.register(practice, name="fhir only", scopes="system/*.cruds")
    assert laboratory.ask(laboratory.assertion(unregistered.pk), f"vault/{operation}").status_code == 400
    [failed] = [row for row in journal() if row.outcome != "0"][:1]
    assert (failed.actor, failed.elements) == (asking.client.pk, {})


def test_a_vault_token_does_not_open_the_fhir_api(practice: Any) -> None:
    counter = open_counter(practice, SCOPES)
    assert laboratory.Api(counter.client, counter.token).get("/Patient").status_code == 403


def test_a_recipient_needs_its_registration(practice: Any) -> None:
    stranger = open_counter(practice, token_scopes=[])
    for scope in (PARTNER, "another"):
        refused(stranger.send("detokenize", GOOD["detokenize"] | {"scope": scope}), 403, "access-denied")
    [row, _] = journal()
    assert (row.action, row.outcome, row.elements) == ("reveal", "4", {})


def test_a_stopped_client_is_out_at_once(counter: Counter) -> None:
    assert counter.send("tokenize", GOOD["tokenize"]).status_code == 200
    counter.client.frozen_at = "2026-01-01T00:00:00Z"
    counter.client.save()
    for operation in OPERATIONS:
        refused(counter.send(operation, GOOD[operation]), 401, "login")


# When something fails


def test_without_a_journal_nothing_is_told(counter: Counter, patients: list[str]) -> None:
    from confide.vault.models import Token
    from tests.practice import without_journal

    [token] = counter.tokens(("ssn", SSN, patients[0]))
    [sealed] = counter.protect((patients[0], "name", "Ottoline"))
    rows, paid = Token.objects.count(), exposures()
    bodies = {
        "tokenize": {"scope": PARTNER, "items": [{"element": "ssn", "value": "078-05-1121"}]},
        "detokenize": {"scope": PARTNER, "items": [{"token": token}]},
        "protect": {"items": [{"patient": patients[1], "element": "ssn", "value": SSN}]},
        "reveal": {"items": [{"patient": patients[1], "element": "name"} | sealed]},
    }
    with without_journal():
        for operation, body in bodies.items():
            response = counter.send(operation, body)
            refused(response, 503, "journal-unavailable")
            assert response["Retry-After"]
            assert SSN.encode() not in response.content
        stranger = GOOD["detokenize"] | {"scope": "another"}
        refused(counter.send("detokenize", stranger), 503, "journal-unavailable")
    assert (Token.objects.count(), exposures()) == (rows, paid)


@pytest.mark.asvs("16.5.1")
def test_a_failure_of_ours_says_nothing(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from confide.vault.values import Values

    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    for name in OPERATIONS:
        monkeypatch.setattr(Values, name, fail)
        refused(counter.send(name, GOOD[name]), 500, "error")
    from confide.server.logging import Formatter

    written = "\n".join(Formatter().format(record) for record in caplog.records)
    assert "RuntimeError" in written
    assert CANARY not in written
