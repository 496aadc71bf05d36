"""Where does this come from? Recognises leaked stand-ins, and says how likely it is that it is chance.

A source is an export, the tokens of a recipient, or the records themselves. It is recognised by handles and
ids, which nobody can make up, and by stand-ins of numbers, of which so many exist that some made-up ones hit
by chance. How many would is computed, and what is found beyond that is the certainty. Nothing is opened for
it, and people are only counted.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from confide.access.decide import Grant
from confide.access.roles import Action
from confide.audit.journal import Journal, entry_for
from confide.errors import GrantMismatch, KeyUnavailable
from confide.protect.exports.keys import ExportKeys
from confide.vault.desk import durable
from confide.vault.door import Vault
from confide.vault.exports import State
from confide.vault.imprint import Imprint, Shape, domain, fold, shape
from confide.vault.models import Export, Token
from confide.vault.release import root_of

RESOURCE: Final = "Trace"
_HANDLES: Final = 2.0**122


class Shelves(Protocol):
    """What lies in the records: ``records`` gives it."""

    def owners(self, practice: str, ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Those of *ids* that are of something here, and the patients whose it is."""

    def count(self, practice: str) -> int:
        """How many ids there are."""

    def stand_ins(self, practice: str) -> Iterator[tuple[str, str]]:
        """Every stand-in that lies in the records, and whose it is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a leaked piece has to go by.

    Attributes:
        handles: UUIDs in it, in lower case.
        values: What looks like a number or a pseudonym, as it was written.
    """

    handles: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One source, compared with the sample.

    Attributes:
        kind: ``export``, ``tokens`` or ``records``.
        name: The export's id or the tokens' recipient; empty for the records.
        found: How many of the sample's handles and values it holds.
        tried: How many it was asked for.
        expected: How many it would hold by chance, had somebody made the sample up.
        people: How many people of ours they lead to; None where that cannot be said.
        chance: How likely so many hits are by chance, at most, all sources considered.
        readable: Whether its key is still there; without it nothing can be recognised.
        persons: The ids of these people, in order; synthetic patients are nobody.
    """

    kind: str
    name: str
    found: int
    tried: int
    expected: float
    people: int | None
    chance: float
    readable: bool = True
    persons: tuple[str, ...] = field(default=(), repr=False)


class _Tally:
    """Hits of one source as they are counted, each handle and value once."""

    def __init__(self, nobody: Collection[str]) -> None:
        self._nobody = nobody
        self.handles = 0
        self.handles_expected = 0.0
        self.values = 0
        self.values_expected = 0.0
        self.people: set[str] = set()
        self._shapes: Counter[Shape] = Counter()
        self._seen: set[str] = set()

    def look(self, value: str, patient: str, wanted: Collection[str]) -> None:
        """Count one stand-in that lies in the source, if it is one of the folded ones that are *wanted*."""
        folded = fold(value)
        self._shapes[shape(folded)] += 1
        if folded in wanted:
            self._seen.add(folded)
            self.people.update({patient} - {""})

    def close(self, wanted: Collection[str]) -> None:
        """Add up what was looked at."""
        self.values = len(self._seen)
        self.values_expected = math.fsum(
            min(1.0, self._shapes[shape(each)] / domain(shape(each))) for each in wanted
        )

    def finding(self, kind: str, name: str, tried: int) -> Finding:
        persons = tuple(sorted(self.people.difference(self._nobody)))
        return Finding(
            kind,
            name,
            self.handles + self.values,
            tried,
            self.handles_expected + self.values_expected,
            len(persons) if self.people else None,
            # Two questions were asked, and the surer answer counts.
            2 * min(tail(self.handles, self.handles_expected), tail(self.values, self.values_expected)),
            persons=persons,
        )


def tail(found: int, expected: float) -> float:
    """Return a bound on the chance of *found* hits or more where *expected* are expected.

    For independent trials, however different, by Chernoff's inequality; it is not below the exact value.

    Source:
        Mitzenmacher and Upfal, "Probability and Computing", theorem 4.4: P(X >= k) <= e^(k - m) (m / k)^k.
    """
    if found == 0 or found <= expected:
        return 1.0
    if expected <= 0:
        return 0.0
    return math.exp(min(0.0, found - expected + found * math.log(expected / found)))


class Tracer:
    """Compares a sample with all that ever left a practice under a key of its own, and with its records.

    Args:
        vault: Has the keys.
        shelves: What lies in the records.
        journal: Where each trace is written first.
        clock: Returns now, aware UTC.
        nobody: Returns the ids of a practice's synthetic patients: a hit on one is a hit, and no person.
    """

    def __init__(
        self,
        vault: Vault,
        shelves: Shelves,
        journal: Journal,
        clock: Callable[[], datetime],
        nobody: Callable[[str], Collection[str]] = frozenset,
    ) -> None:
        self._vault = vault
        self._shelves = shelves
        self._journal = journal
        self._clock = clock
        self._nobody = nobody

    def trace(self, grant: Grant, sample: Sample) -> list[Finding]:
        """Say for each source how much of *sample* it holds, the surest first.

        Args:
            grant: A person's, for reading the journal: it is the same question, who had what.
            sample: The leaked piece.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: It could not be written that somebody asks; nothing was compared.
        """
        now = self._clock()
        grant.require(Action.JOURNAL_READ, None, now)
        if grant.actor.kind != "person":
            raise GrantMismatch("a leak is traced by people")
        with durable():
            self._journal.append([entry_for(grant, now, resource_type=RESOURCE)])
        practice = grant.practice
        wanted = {fold(value) for value in sample.values}
        findings = [self._export(each, sample, wanted) for each in _exports(practice)]
        findings += self._tokens(practice, wanted)
        findings.append(self._records(practice, sample, wanted))
        several = max(1, len(findings))
        findings = [replace(each, chance=min(1.0, each.chance * several)) for each in findings]
        return sorted(findings, key=lambda each: (each.chance, -each.found))

    def _export(self, export: Export, sample: Sample, wanted: Collection[str]) -> Finding:
        practice, tried = export.practice, len(sample.handles) + len(wanted)
        try:
            root = root_of(self._vault.keyring(practice), export)
        except KeyUnavailable:
            root = None
        if root is None:
            return Finding("export", export.id, 0, 0, 0.0, None, 1.0, readable=False)
        keys, imprint = ExportKeys(root), Imprint(root, bytes(export.imprint), export.shapes)
        tally = _Tally(self._nobody(practice))
        ids = {i for i in map(keys.unhandle, sample.handles) if i is not None}
        self._ids(practice, tally, ids, len(sample.handles))
        for value in wanted:
            tally.values_expected += imprint.chance(value)
            tally.values += value in imprint
        return tally.finding("export", export.id, tried)

    def _ids(self, practice: str, tally: _Tally, ids: Collection[str], tried: int) -> None:
        owners = self._shelves.owners(practice, ids)
        tally.handles = len(owners)
        tally.handles_expected = tried * self._shelves.count(practice) / _HANDLES
        tally.people.update(patient for whose in owners.values() for patient in whose)

    def _tokens(self, practice: str, wanted: Collection[str]) -> list[Finding]:
        """The token table, a source for each recipient. It is read whole: a query would name the values."""
        nobody = self._nobody(practice)
        tallies: defaultdict[str, _Tally] = defaultdict(lambda: _Tally(nobody))
        rows = Token.objects.filter(practice=practice).values_list("scope", "token", "subject")
        for scope, token, subject in rows.iterator(chunk_size=5000) if wanted else ():
            tallies[scope].look(token, subject, wanted)
        for tally in tallies.values():
            tally.close(wanted)
        return [tally.finding("tokens", scope, len(wanted)) for scope, tally in tallies.items()]

    def _records(self, practice: str, sample: Sample, wanted: Collection[str]) -> Finding:
        tally = _Tally(self._nobody(practice))
        self._ids(practice, tally, sample.handles, len(sample.handles))
        for value, patient in self._shelves.stand_ins(practice) if wanted else ():
            tally.look(value, patient, wanted)
        tally.close(wanted)
        return tally.finding("records", "", len(sample.handles) + len(wanted))


def _exports(practice: str) -> Iterable[Export]:
    rows = Export.objects.filter(practice=practice, state=State.WRITTEN).order_by("written_at")
    return rows.defer("patients", "policy_text", "manifest").iterator(chunk_size=10)
