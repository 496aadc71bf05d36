"""What came of a drill: what was exposed, how soon it was stopped, and whether that is what must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold.

    Attributes:
        what: In words.
        found: What was found, as people read it.
        wanted: What must hold, as people read it.
        holds: Whether it does.
    """

    what: str
    found: str
    wanted: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Exposed:
    """Of how many persons one data element got out.

    Attributes:
        element: Its label.
        clear: Of whom it stood in an answer in clear.
        masked: Of whom a mask did, and nothing clearer.
        asked: Of whom it was learned by asking, and was never shown.
    """

    element: str
    clear: int = 0
    masked: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scenario.

    Attributes:
        code: The scenario's name on the command line.
        title: What it is.
        method: How it was carried out: over HTTP, in process, in memory.
        persons: Of how many people the attacker has any value; None where that is no figure.
        exposed: The same by element.
        figures: Names and values of what was measured besides.
        checks: What must hold.
        notes: What else is to be said, a sentence each.
    """

    code: str
    title: str
    method: str
    seconds: float
    persons: int | None = None
    exposed: tuple[Exposed, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def holds(self) -> bool:
        """Whether all that must hold does."""
        return all(each.holds for each in self.checks)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {**asdict(self), "holds": self.holds}


def most(what: str, found: float, limit: float, unit: str = "") -> Check:
    """Make the check that a figure is no greater than *limit*."""
    return Check(what, amount(found, unit), f"at most {amount(limit, unit)}", found <= limit)


def least(what: str, found: float, limit: float, unit: str = "") -> Check:
    """Make the check that a figure is no smaller than *limit*."""
    return Check(what, amount(found, unit), f"at least {amount(limit, unit)}", found >= limit)


def amount(number: float, unit: str = "") -> str:
    """Write a figure as people read it."""
    text = f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"
    return f"{text}{'' if unit == '%' else ' ' if unit else ''}{unit}"


def count(
    labels: Mapping[str, str], shown: Mapping[str, Mapping[str, str]], asked: Mapping[str, Iterable[str]]
) -> tuple[Exposed, ...]:
    """Count persons by element.

    Args:
        labels: What people call each element's code.
        shown: For each person the elements that were shown, each ``clear`` or ``masked``.
        asked: For each person the elements that were learned by asking.
    """
    rows = []
    for code, label in labels.items():
        clear = sum(1 for seen in shown.values() if seen.get(code) == "clear")
        masked = sum(1 for seen in shown.values() if seen.get(code) == "masked")
        learned = sum(
            1 for person, codes in asked.items() if code in codes and code not in shown.get(person, {})
        )
        if clear or masked or learned:
            rows.append(Exposed(label, clear, masked, learned))
    return tuple(rows)
