"""The ladder of signing in: open, slowed, challenged, refused. A pure function of what was counted.

Numbers stand in ``ladder.toml``. The counting is done by ``attempts``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final


class Rung(StrEnum):
    """How a try is met, from the mildest."""

    OPEN = "open"
    SLOWED = "slowed"
    CHALLENGED = "challenged"
    REFUSED = "refused"


_ORDER: Final = tuple(Rung)


class Rule(StrEnum):
    """What is counted; see ``ladder.toml``. ``QUEUE``: a network waits for too many tickets already."""

    ACCOUNT = "account"
    SPREAD = "spread"
    NETWORK = "network"
    UNASKED = "unasked"
    TOOL = "tool"
    STORM = "storm"
    DEVICE = "device"
    CLIENT = "client"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Limits:
    """One rule's numbers; None is never.

    Attributes:
        window: How far back is counted.
        stranger: From how many failures on a known device is not known any more.
        per_hundred: How much higher every number is for each hundred accounts.
    """

    window: timedelta
    slowed: int | None = None
    challenged: int | None = None
    refused: int | None = None
    refused_at_home: int | None = None
    stranger: int | None = None
    per_hundred: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """How often, and when last."""

    number: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was counted for one try.

    Attributes:
        counts: By rule; what is missing is nought.
        known: The device is one that the account knows.
        home: The network is the home of a practice.
        accounts: How many accounts the installation has.
        proved: A good ticket came with it.
    """

    counts: Mapping[Rule, Count] = field(default_factory=dict)
    known: bool = False
    home: bool = False
    accounts: int = 0
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a try is met.

    Attributes:
        rule: The rule that is strictest; None where the way is open.
        wait: Whole seconds until a try is looked at; 0 where it does not depend on time.
        number: What that rule had counted.
    """

    rung: Rung
    rule: Rule | None = None
    wait: int = 0
    number: int = 0


_OPEN: Final = Verdict(Rung.OPEN)


def _load() -> dict[str, Any]:
    return tomllib.loads((files("confide.access") / "ladder.toml").read_text(encoding="utf-8"))


def _limits(written: dict[str, Any]) -> Limits:
    window = timedelta(**{unit: written.pop(unit, 0) for unit in ("days", "hours", "minutes")})
    return Limits(window, per_hundred=written.pop("and_of_100_accounts", 0), **written)


_WRITTEN: Final = _load()
RULES: Final[Mapping[Rule, Limits]] = MappingProxyType(
    {Rule(name): _limits(dict(written)) for name, written in _WRITTEN["rules"].items()}
)
FIRST_WAIT: Final = timedelta(seconds=_WRITTEN["slow"]["first_seconds"])
LONGEST_WAIT: Final = timedelta(seconds=_WRITTEN["slow"]["most_seconds"])
PACE: Final = timedelta(seconds=_WRITTEN["challenge"]["seconds"])
GOOD_FOR: Final = timedelta(minutes=_WRITTEN["challenge"]["good_for_minutes"])
LONGEST_QUEUE: Final = timedelta(seconds=_WRITTEN["challenge"]["longest_queue_seconds"])
HOME_AFTER: Final = timedelta(days=_WRITTEN["home"]["known_for_days"])
HOME_WITHIN: Final = timedelta(days=_WRITTEN["home"]["seen_within_days"])
KEPT: Final = max(limits.window for limits in RULES.values())
"""How long tries are remembered."""

_TOOLS: Final = tuple(_WRITTEN["tools"]["names"])


def is_tool(agent: str) -> bool:
    """Tell whether a browser's own name for itself is a program's, or missing."""
    told = agent.strip().lower()
    return not told or any(name in told for name in _TOOLS)


def judge(facts: Facts, now: datetime) -> Verdict:
    """Say how a try is met.

    A known device is judged by its own failures alone: nobody can shut out a person at a device of theirs.

    Args:
        facts: What was counted, this try not among it.
        now: Aware UTC.
    """
    if facts.known:
        own = facts.counts.get(Rule.DEVICE, Count())
        if own.number < (RULES[Rule.DEVICE].stranger or own.number + 1):
            return _meet(Rule.DEVICE, own, facts, now)
    verdicts = [
        _meet(rule, facts.counts.get(rule, Count()), facts, now) for rule in RULES if rule is not Rule.DEVICE
    ]
    return max(verdicts, key=lambda verdict: (_ORDER.index(verdict.rung), verdict.wait))


def _meet(rule: Rule, count: Count, facts: Facts, now: datetime) -> Verdict:
    limits = RULES[rule]
    more = limits.per_hundred * facts.accounts // 100
    refused = limits.refused_at_home if facts.home else limits.refused
    if refused is not None and count.number >= refused + more:
        return Verdict(Rung.REFUSED, rule, 0, count.number)
    if facts.proved:
        return _OPEN
    if limits.challenged is not None and count.number >= limits.challenged + more:
        return Verdict(Rung.CHALLENGED, rule, 0, count.number)
    if limits.slowed is not None and count.number >= limits.slowed + more and count.last is not None:
        doublings = min(count.number - limits.slowed - more, 16)
        left = count.last + min(FIRST_WAIT * 2**doublings, LONGEST_WAIT) - now
        if left > timedelta(0):
            return Verdict(Rung.SLOWED, rule, -(-left // timedelta(seconds=1)), count.number)
    return _OPEN
