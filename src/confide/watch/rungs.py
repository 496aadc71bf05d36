"""The ladder: from what a login's findings weigh together to what is done. A pure function."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from confide.watch.findings import Code, Finding
from confide.watch.thresholds import RUNGS


class Rung(StrEnum):
    """What is done to a login or program, from the mildest.

    ``WATCH``: it is told to the privacy officer. ``STEP_UP``: what it has proved counts no more until it
    proves again. ``MASKED``: it is suspect, and sees stand-ins. ``FROZEN``: it is refused.
    """

    NONE = ""
    WATCH = "watch"
    STEP_UP = "step-up"
    MASKED = "masked"
    FROZEN = "frozen"

    @property
    def height(self) -> int:
        """From 0."""
        return _ORDER.index(self)


_ORDER: Final = tuple(Rung)
_COUNTS: Final = timedelta(days=RUNGS["counts_days"])


def rung_of(findings: Iterable[Finding], now: datetime) -> Rung:
    """Return the rung that one owner's open findings have reached.

    Args:
        findings: All of one owner's; each detector counts once, by the heaviest.
        now: Aware UTC.
    """
    heaviest: dict[Code, int] = {}
    for each in findings:
        if now - each.at < _COUNTS:
            heaviest[each.code] = max(each.weight, heaviest.get(each.code, 0))
    weight = sum(heaviest.values())
    reached = [rung for rung in _ORDER[1:] if weight >= RUNGS[rung.value]]
    return reached[-1] if reached else Rung.NONE


def limit(rung: Rung, most: Rung) -> Rung:
    """Return the lower of two rungs."""
    return min(rung, most, key=lambda each: each.height)
