"""All scenarios by their names. Each is loaded when it is carried out, for it needs a running Django."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from confide.drill.outcome import Outcome
from confide.errors import Unknown

if TYPE_CHECKING:
    from confide.drill.venue import Venue


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attack, or one stretch of honest work.

    Attributes:
        code: Its name on the command line.
        title: What it is; the module's ``TITLE``.
        module: Where it stands in this package; its ``run`` carries it out.
        needs_people: It takes place in an installation with a population; else in memory, with a seed.
    """

    code: str
    title: str
    module: str
    needs_people: bool = True

    def run(self, venue: Venue | None, seed: int) -> Outcome:
        """Carry it out in *venue*, or in memory with *seed*."""
        act: Callable[[Venue | int | None], Outcome] = import_module(f"confide.drill.{self.module}").run
        return act(venue if self.needs_people else seed)


_LISTED: Final = (
    Scenario("nextgen", "A stolen OAuth client that reaches every practice", "nextgen"),
    Scenario("password", "A re-used password, without the second factor", "password"),
    Scenario("session", "A stolen session cookie", "session"),
    Scenario("insider", "An insider at the front desk", "insider"),
    Scenario("storm", "A storm of freezes against the clinicians", "storm"),
    Scenario("dump", "A dump of the database", "dump"),
    Scenario("backup", "A stolen backup", "backup"),
    Scenario("injection", "SQL injection: reading the database", "injection"),
    Scenario("tamper", "An administrator edits the journal", "tamper"),
    Scenario("slow", "Slow and low: twenty patients a day for seventeen days", "slow", needs_people=False),
    Scenario("honest", "A year of honest work in a clinic of forty", "honest", needs_people=False),
)
ALL: Final = {each.code: each for each in _LISTED}


def named(code: str) -> list[Scenario]:
    """Return the scenario of a name.

    Raises:
        Unknown: There is none.
    """
    found = ALL.get(code)
    if found is None:
        raise Unknown("there is no such scenario (confide drill list shows all)")
    return [found]
