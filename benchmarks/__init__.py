"""What Confide measures of itself, beside the mark of a peer where there is one.

A benchmark is a function that yields figures::

    @benchmark
    def ff1_scalar() -> Iterator[Figure]:
        yield Figure("FF1, one value", 1 / took, "values/s", Peer("fastfpe", 172_000, "measured"))

``make bench`` runs all of them; ``python -m benchmarks cipher`` those of one file. ``make bench-large`` runs
those that are marked ``@large`` instead.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Peer:
    """The mark of another product: its name, its figure in our unit, and who says so."""

    name: str
    value: float
    source: str


@dataclass(frozen=True)
class Figure:
    """One thing measured.

    Attributes:
        unit: ``.../s`` is better when higher; ``us``, ``ms``, ``s``, ``bytes`` and shares (``%``) when lower.
        target: What the project asked of itself, in the same unit.
    """

    name: str
    value: float
    unit: str
    peer: Peer | None = None
    target: float | None = None

    @property
    def higher_is_better(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer; below 1 is worse."""
        if self.peer is None or not self.value:
            return None
        return self.value / self.peer.value if self.higher_is_better else self.peer.value / self.value

    @property
    def on_target(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.higher_is_better else self.value <= self.target

    def row(self) -> dict[str, Any]:
        """As it stands in build/bench.json."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "peer": self.peer and asdict(self.peer),
            "ratio": self.ratio and round(self.ratio, 3),
            "target": self.target,
        }


Benchmark = Callable[[], Iterator[Figure]]
REGISTERED: list[Benchmark] = []
LARGE: list[Benchmark] = []


class LeftOut(Exception):
    """This benchmark needs something that is not on the machine; the message says what."""


def benchmark(function: Benchmark) -> Benchmark:
    """Let ``make bench`` run the function."""
    REGISTERED.append(function)
    return function


def large(function: Benchmark) -> Benchmark:
    """Let ``make bench-large`` run the function: it takes minutes, and gigabytes of disk."""
    LARGE.append(function)
    return function


def seconds(work: Callable[[], object], *, rounds: int = 5, at_least: float = 0.2) -> float:
    """Seconds that one call of *work* takes: the median of rounds that last a fifth of a second each."""
    calls, took = 1, 0.0
    while True:
        took = _run(work, calls)
        if took >= at_least:
            break
        calls = max(calls + 1, int(calls * at_least / max(took, 1e-9) * 1.1))
    return median([took, *(_run(work, calls) for _ in range(rounds - 1))]) / calls


def _run(work: Callable[[], object], calls: int) -> float:
    gc.collect()
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - started


def percentiles(times: list[float]) -> dict[int, float]:
    """The 50th, 95th and 99th of at least 20 times."""
    cuts = quantiles(times, n=100, method="inclusive")
    return {50: cuts[49], 95: cuts[94], 99: cuts[98]}
