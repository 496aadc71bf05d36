"""Whether what the journal says was seen is what was seen: persons and elements, each way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from confide.drill.notebook import CLEAR, MASKED, Notebook

if TYPE_CHECKING:
    from confide.drill.venue import Venue


@dataclass(frozen=True, slots=True)
class Exactness:
    """How the journal's scope compares with the attacker's notebook.

    Attributes:
        persons: In the journal's scope.
        missing: Pairs of person and element that the attacker has and the journal has not.
        beyond: Pairs that the journal has and no answer to the attacker accounts for.
        milder: Pairs of which the journal tells a milder form than was seen.
        pairs: All that the journal has.
        took: Seconds to find the scope in all practices.
    """

    persons: int
    missing: int
    beyond: int
    milder: int
    pairs: int
    took: float

    @property
    def percent(self) -> float:
        """Of all pairs on either side, those on which both agree."""
        both = self.pairs - self.beyond - self.milder
        everything = self.pairs + self.missing
        return 100.0 * both / everything if everything else 100.0


def scope(venue: Venue, actor: str, since: datetime, until: datetime) -> dict[str, Mapping[str, str]]:
    """Ask the journal of every practice what an actor has seen; by patient, elements and forms."""
    from confide.audit.scope import scope as ask

    officer = venue.officer()
    found: dict[str, Mapping[str, str]] = {}
    for practice in venue.practices:
        grant = venue.reading(officer, practice)
        now = venue.system.clock()
        found.update(ask(venue.system.journal, grant, since, until, now, actor=actor).patients)
    return found


def compare(journal: Mapping[str, Mapping[str, str]], notebook: Notebook, took: float) -> Exactness:
    """Compare.

    Where a number told of fewer people than match, it is not known which: then as many of those who match
    must be in the journal, and none of them is beyond.
    """
    truth: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for person, learned in notebook.asked.items():
        truth[person] |= dict.fromkeys(learned, "searched")
    for person, seen in notebook.shown.items():
        truth[person] |= seen
    possible = {(p, count.element) for count in notebook.counts for p in count.matching}
    missing = milder = 0
    for person, codes in truth.items():
        for code, form in codes.items():
            said = journal.get(person, {}).get(code)
            missing += said is None
            milder += said is not None and form in {CLEAR, MASKED} and said not in {form, CLEAR}
    for count in notebook.counts:
        there = sum(1 for p in count.matching if count.element in journal.get(p, {}))
        missing += max(0, count.total - there)
    pairs = [(p, code) for p, seen in journal.items() for code in seen]
    beyond = sum(1 for p, code in pairs if code not in truth.get(p, {}) and (p, code) not in possible)
    return Exactness(len(journal), missing, beyond, milder, len(pairs), took)
