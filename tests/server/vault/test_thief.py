"""What a thief tries with a token, a program or the token table; what he gets, and what is recorded."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest

from confide.access import budget
from confide.access.models import Exposure
from tests.practice import exposures, journal
from tests.server.vault.counter import PARTNER, Counter, codes, open_counter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
SSN = "078-05-1120"


def told() -> list[Any]:
    return [row for row in journal(action="reveal") if row.outcome == "0"]


def test_a_bearer_token_ends(counter: Counter) -> None:
    from confide.access.models import AccessToken
    from confide.wiring import utc_now

    [token] = counter.tokens(("ssn", SSN))
    assert codes(counter.detokenize(token)) == ["ok"]
    AccessToken.objects.update(expires_at=utc_now() - timedelta(seconds=1))
    body = {"scope": PARTNER, "items": [{"token": token}]}
    assert counter.send("detokenize", body).status_code == 401


def test_a_token_is_worth_nothing_to_other_recipients(practice: Any, counter: Counter) -> None:
    [token] = counter.tokens(("ssn", SSN))
    thief = open_counter(practice, name="thief", token_scopes=["billing"])
    assert codes(thief.detokenize(token, scope="billing")) == ["not-found"]
    assert thief.send("detokenize", {"scope": PARTNER, "items": [{"token": token}]}).status_code == 403
    for nearly in (f"{PARTNER} ", f"{PARTNER}\0", PARTNER.upper(), "%", "*", f"{PARTNER}' OR ''='"):
        body = {"scope": nearly, "items": [{"token": token}]}
        assert thief.send("detokenize", body).status_code == 403
    assert told() == []


@pytest.mark.asvs("10.3.1")
def test_a_token_is_worth_nothing_in_another_practice(system: Any, counter: Counter) -> None:
    [token] = counter.tokens(("ssn", SSN))
    thief = open_counter(system.found_practice("Elsewhere"), name="thief")
    assert codes(thief.detokenize(token)) == ["not-found"]
    assert told() == []


@pytest.fixture
def plenty(settings: Any, counter: Counter) -> None:
    """The program that makes the tokens may see as many people as the tests need."""
    settings.CONFIDE_CLIENT_CEILING_PATIENTS = 1000
    counter.client.day_patients, counter.client.day_units = 1000, 10**6
    counter.client.save()


@pytest.mark.usefixtures("plenty")
def test_guessing_costs_what_knowing_costs(practice: Any, counter: Counter) -> None:
    """Pages of guesses: every hit is paid for, a page with misses leaves an entry, and the budget ends it."""
    tokens = counter.tokens(*[("ssn", f"078-05-{i:04}") for i in range(200)])
    thief = open_counter(practice, name="thief", day_patients=20)
    guesses = [f"{area}-00-{serial:04}" for area in range(900, 902) for serial in range(2500)]
    hits = 0
    for start in range(0, len(guesses), 2500):
        some = guesses[start : start + 2500]
        some[::50] = tokens[start // 50 : start // 50 + 50]  # a lucky thief
        answers = thief.detokenize(*some)
        assert set(codes(answers)) <= {"ok", "not-found", "budget-spent"}
        hits += codes(answers).count("ok")
    assert hits == len(told()) == 20
    assert len([row for row in journal(action="reveal") if row.outcome != "0"]) == 2
    assert len(Exposure.objects.filter(owner=f"client:{thief.client.pk}")) == 20


def test_a_broken_form_of_a_token_is_no_token(counter: Counter) -> None:
    [token] = counter.tokens(("ssn", SSN))
    for nearly in (
        token[:-1],
        f"{token}0",
        f" {token}",
        token.replace("-", ""),
        f"{token}\0",
        "%",
        "_" * 11,
        "",
        "9" * 10**6,
    ):
        assert codes(counter.detokenize(nearly)) == ["not-found"]


def test_an_expired_token_is_like_none(counter: Counter) -> None:
    from confide.vault.models import Token
    from confide.wiring import utc_now

    until = (utc_now() + timedelta(minutes=1)).isoformat()
    [token] = counter.tokens(("ssn", SSN), expires=until)
    assert codes(counter.detokenize(token)) == ["ok"]
    past = Token.objects.get().expires - 120 * 10**6
    Token.objects.update(expires=past)
    missing, expired = counter.detokenize("900-00-0000", token)
    assert missing == expired


def test_who_writes_to_the_table_gets_nothing_cheaper(counter: Counter, patients: list[str]) -> None:
    """Rows are swapped, given to a patient who is paid for already, or made a cheaper element."""
    from confide.vault.models import Token

    one, other = counter.tokens(("ssn", SSN, patients[0]), ("mrn", "E-0004711", patients[1]))
    counter.detokenize(other)
    before = {row.token: row for row in Token.objects.all()}
    target = Token.objects.filter(pk=before[one].pk)
    for change in (
        {"subject": patients[1]},
        {"subject": ""},
        {"element": "mrn"},
        {"sealed": before[other].sealed},
        {"sealed": before[other].sealed, "element": "mrn", "subject": patients[1]},
        {"version": 2},
    ):
        target.update(**change)
        assert codes(counter.detokenize(one))[0] in {"seal-broken", "key-unavailable"}, change
        target.update(
            **{name: getattr(before[one], name) for name in ("subject", "element", "sealed", "version")}
        )
    Token.objects.filter(token=other).delete()
    target.update(token=other)
    assert codes(counter.detokenize(other, one)) == ["seal-broken", "not-found"]
    target.update(token=one)
    assert codes(counter.detokenize(one)) == ["ok"]


def test_trying_values_against_a_stored_stand_in_is_paid_and_recorded(
    practice: Any, patients: list[str]
) -> None:
    thief = open_counter(practice, name="thief", day_patients=2)
    answers = thief.protect(*[(p, "ssn", f"123-45-678{i}") for p in patients for i in range(3)])
    assert codes(answers) == ["ok"] * 6 + ["budget-spent"] * 9
    asked = [row for row in journal(action="search") if row.outcome == "0"]
    assert [(row.patient, row.elements) for row in asked] == [(p, {"ssn": "searched"}) for p in patients[:2]]
    treating = open_counter(practice, name="treating", purpose="TREAT")
    assert codes(treating.protect((patients[0], "ssn", "123-45-6789"))) == ["access-denied"]


def test_repeating_one_token_shows_it_once(counter: Counter) -> None:
    [token] = counter.tokens(("ssn", SSN))
    answers = counter.detokenize(*[token] * 1000)
    assert {answer["value"] for answer in answers} == {SSN}
    assert len(told()) == len(exposures()) == 1


# Racing


def ask(address: str, counter: Counter, operation: str, body: Any) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {counter.token}", "Content-Type": "application/json"}
    request = Request(f"{address}/vault/{operation}", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=60) as response:
        answered: list[dict[str, Any]] = json.load(response)["items"]
    return answered


@pytest.mark.usefixtures("plenty")
def test_racing_never_passes_the_budget(live: str, practice: Any, counter: Counter) -> None:
    tokens = counter.tokens(*[("ssn", f"078-05-{i:04}") for i in range(120)])
    thief = open_counter(practice, name="thief", day_patients=20)
    batches = [tokens[start : start + 5] for start in range(0, 120, 5)]

    def race(batch: list[str]) -> list[dict[str, Any]]:
        return ask(
            live, thief, "detokenize", {"scope": PARTNER, "items": [{"token": token} for token in batch]}
        )

    with ThreadPoolExecutor(12) as pool:
        answers = [answer for batch in pool.map(race, batches) for answer in batch]
    assert codes(answers).count("ok") == len(told()) == 20
    assert Exposure.objects.filter(owner=f"client:{thief.client.pk}").count() == 20
    assert set(codes(answers)) == {"ok", "budget-spent"}
    from confide.access.decide import act_as_client
    from confide.wiring import utc_now

    assert budget.today(act_as_client(thief.client, "t"), utc_now()).patients == 20


def test_racing_programs_get_the_same_tokens(live: str, counter: Counter) -> None:
    from confide.vault.models import Token

    values = [f"078-05-{i:04}" for i in range(140)]  # within the budget of a program

    def race(seed: int) -> dict[str, str]:
        mine = random.Random(seed).sample(values, 120)
        items = [{"element": "ssn", "value": value} for value in mine]
        answers = ask(live, counter, "tokenize", {"scope": PARTNER, "items": items})
        return {value: answer["token"] for value, answer in zip(mine, answers, strict=True)}

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(race, range(8)))
    known: dict[str, str] = {}
    for mine in got:
        for value, token in mine.items():
            assert known.setdefault(value, token) == token
    assert len(set(known.values())) == len(known) == Token.objects.count()
