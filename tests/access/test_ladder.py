"""The ladder of signing in, as a pure function: every rule at its edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.access import ladder
from confide.access.ladder import RULES, Count, Facts, Rule, Rung, judge

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
ORDER = list(Rung)
EDGES = [
    (rule, name, number)
    for rule, limits in RULES.items()
    for name in ("slowed", "challenged", "refused")
    if (number := getattr(limits, name)) is not None
]


def facts(rule: Rule, number: int, ago: float = 0, **more: object) -> Facts:
    count = Count(number, NOW - timedelta(seconds=ago))
    return Facts({rule: count}, known=rule is Rule.DEVICE, **more)


def test_nobody_who_was_never_seen_is_stopped():
    assert judge(Facts(), NOW).rung is Rung.OPEN


@pytest.mark.parametrize(("rule", "rung", "number"), EDGES)
def test_a_rung_begins_where_the_table_says(rule, rung, number):
    met = judge(facts(rule, number), NOW)
    assert (met.rung, met.rule, met.number) == (Rung(rung), rule, number)
    before = judge(facts(rule, number - 1), NOW)
    assert ORDER.index(before.rung) < ORDER.index(met.rung)


def test_the_wait_doubles_and_has_a_most():
    first = RULES[Rule.ACCOUNT].slowed
    waits = [judge(facts(Rule.ACCOUNT, n), NOW).wait for n in range(first, RULES[Rule.ACCOUNT].challenged)]
    assert waits == [2, 4, 8, 16, 32]
    assert judge(facts(Rule.NETWORK, RULES[Rule.NETWORK].challenged - 1), NOW).wait <= 60


def test_a_wait_is_over_after_it():
    first = RULES[Rule.ACCOUNT].slowed
    assert judge(facts(Rule.ACCOUNT, first, ago=1.5), NOW).wait == 1
    assert judge(facts(Rule.ACCOUNT, first, ago=2), NOW).rung is Rung.OPEN


@pytest.mark.asvs("6.1.1")
@given(st.dictionaries(st.sampled_from(list(Rule)), st.integers(0, 10**6)), st.booleans(), st.integers(0, 2))
def test_what_others_do_never_stops_a_known_device(numbers, home, own):
    counts = {rule: Count(number, NOW) for rule, number in numbers.items()} | {Rule.DEVICE: Count(own, NOW)}
    assert judge(Facts(counts, known=True, home=home), NOW).rung is Rung.OPEN


@given(st.dictionaries(st.sampled_from(sorted(set(RULES) - {Rule.ACCOUNT})), st.integers(0, 10**6)))
def test_at_home_a_stranger_waits_and_is_not_refused(numbers):
    counts = {rule: Count(number, NOW) for rule, number in numbers.items()}
    assert judge(Facts(counts, home=True), NOW).rung is not Rung.REFUSED
    assert judge(Facts(counts, home=True, proved=True), NOW).rung is Rung.OPEN


def test_no_account_is_guessed_at_a_hundred_times():
    """NIST SP 800-63B-4 section 3.2.2; twice the number, for an account has two names."""
    for home in (False, True):
        met = judge(facts(Rule.ACCOUNT, RULES[Rule.ACCOUNT].refused, home=home, proved=True), NOW)
        assert met.rung is Rung.REFUSED
    assert 2 * RULES[Rule.ACCOUNT].refused <= 100
    assert 2 * RULES[Rule.ACCOUNT].refused_at_home <= 100


def test_a_device_that_fails_too_often_is_a_stranger():
    stranger = RULES[Rule.DEVICE].stranger
    counts = {Rule.DEVICE: Count(stranger, NOW), Rule.NETWORK: Count(RULES[Rule.NETWORK].refused, NOW)}
    assert judge(Facts(counts, known=True), NOW).rung is Rung.REFUSED


def test_a_large_house_may_fail_more_before_it_is_a_storm():
    few = RULES[Rule.STORM].challenged
    assert judge(facts(Rule.STORM, few), NOW).rung is Rung.CHALLENGED
    assert judge(facts(Rule.STORM, few, accounts=10_000), NOW).rung is Rung.OPEN
    assert judge(facts(Rule.STORM, few + 200, accounts=10_000), NOW).rung is Rung.CHALLENGED


@pytest.mark.parametrize(
    ("agent", "tool"),
    [
        ("", True),
        ("python-requests/2.32.3", True),
        ("curl/8.5.0", True),
        ("OpenBullet2/1.0", True),
        ("Go-http-client/1.1", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", False),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/139.0.0.0 Safari/537.36 Edg/139", False),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/139.0 Safari/537.36", False),
    ],
)
def test_programs_that_say_so_are_told_from_browsers(agent, tool):
    assert ladder.is_tool(agent) is tool
