"""The tables that a synthetic population is drawn from, as columns: names, ages, households, states."""

from __future__ import annotations

import gzip
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FIRST_ADULT_YEAR: Final = 18


@dataclass(frozen=True, slots=True)
class Choice:
    """Things, some more frequent than others.

    Attributes:
        things: What they are called.
        sums: Their summed shares, ending with 1.
    """

    things: tuple[str, ...]
    sums: Floats

    def draw(self, fractions: Floats) -> Integers:
        """Return a place in ``things`` for each of *fractions*, which lie from 0 to 1."""
        return np.searchsorted(self.sums, fractions, side="right").astype(np.int64)


@dataclass(frozen=True, slots=True)
class State:
    """One of the 50 states, or the District of Columbia.

    Attributes:
        residents: At the census of 2020.
        zips: The first and the last three digits that its ZIP codes begin with.
        area: A telephone area code.
    """

    code: str
    residents: int
    zips: tuple[int, int]
    area: int


@dataclass(frozen=True, slots=True)
class Census:
    """All tables."""

    families: Choice
    women: Choice
    men: Choice
    states: tuple[State, ...]
    bounds: Integers
    ages: Floats
    households: Floats
    towns: tuple[str, ...]
    anchored: int
    anchors: dict[str, int]


def choice(weighted: dict[str, float]) -> Choice:
    """Make a choice of things with their weights."""
    sums = np.cumsum(np.array(list(weighted.values()), dtype=np.float64))
    return Choice(tuple(weighted), sums / sums[-1])


@cache
def census() -> Census:
    """Read the tables; each says in its file where it comes from."""
    folder = files("confide.drill") / "terms"
    table = tomllib.loads((folder / "census.toml").read_text("utf-8"))
    names = gzip.decompress((folder / "census-names.txt.gz").read_bytes()).decode()
    kinds: dict[str, dict[str, float]] = {"family": {}, "women": {}, "men": {}}
    for line in names.splitlines():
        if not line.startswith("#"):
            kind, name, weight = line.split(" ")
            kinds[kind][name] = float(weight)
    states = tuple(
        State(code, residents, (low, high), area)
        for code, (residents, low, high, area) in table["states"].items()
    )
    return Census(
        families=choice(kinds["family"]),
        women=choice(kinds["women"]),
        men=choice(kinds["men"]),
        states=states,
        bounds=np.array([0, *table["ages"]["bounds"]], dtype=np.int64),
        ages=_sums(table["ages"]["shares"]),
        households=_sums(table["households"]["shares"]),
        towns=tuple(table["towns"]["names"]),
        anchored=table["anchor"]["persons"],
        anchors=table["anchor"]["states"],
    )


def _sums(shares: list[Any]) -> Floats:
    sums = np.cumsum(np.array(shares, dtype=np.float64))
    made: Floats = sums / sums[-1]
    return made


def apportion(total: int, weights: Floats, least: int = 0) -> Integers:
    """Share out *total* in proportion to *weights*, each at least *least*, so that the sum is exact.

    Source:
        The method of largest remainders.
    """
    rest = total - least * len(weights)
    exact = rest * weights / weights.sum()
    shares = np.floor(exact).astype(np.int64)
    missing = rest - int(shares.sum())
    # Ties go to the earlier one, on every machine.
    order = np.lexsort((np.arange(len(weights)), -(exact - shares)))
    shares[order[:missing]] += 1
    made: Integers = shares + least
    return made


def residents(persons: int, which: str) -> dict[str, int]:
    """Say how many of *persons* live in each state.

    Args:
        persons: All.
        which: ``anchor`` puts as many of them in Maine and Texas as the incident had, the rest in
            proportion to the census; ``census`` all of them.
    """
    table = census()
    fixed = {}
    if which == "anchor":
        fixed = {code: round(persons * n / table.anchored) for code, n in table.anchors.items()}
    free = [state for state in table.states if state.code not in fixed]
    weights = np.array([state.residents for state in free], dtype=np.float64)
    shares = apportion(persons - sum(fixed.values()), weights)
    found = fixed | {state.code: int(n) for state, n in zip(free, shares, strict=True)}
    return {state.code: found[state.code] for state in table.states}
