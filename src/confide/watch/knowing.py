"""What the watch knows of patients: the vault tells places and kinship, rows tell what explains an access.

An explanation is a relationship that somebody else made, or an order that somebody else wrote lately.

Source:
    Fabbri and LeFevre, Explanation-Based Auditing, PVLDB 5(1), 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connections, router

from confide.access import relationships
from confide.access.facts import find_relationships
from confide.access.models import Account
from confide.access.relationships import MOST_ROWS, RULES, Row, Sealed
from confide.access.roles import Role
from confide.access.statements import among, ask
from confide.audit import stream
from confide.errors import ConfideError, Damaged, KeyUnavailable
from confide.vault.index import IdentityIndex, Kin
from confide.watch import thresholds
from confide.watch.baits import Baits
from confide.watch.events import Batch
from confide.watch.traits import Trait

ORDERS: Final = ("ServiceRequest", "MedicationRequest", "DiagnosticReport", "Communication", "Task")
"""What somebody else writes about a patient and so gives others work."""

LATELY: Final = timedelta(days=30)
_NAMES: Final = 5000
_ROLES: Final = {role.value: role for role in Role}
_RARE: Final[int] = thresholds.of("family")["rare"]


class Known:
    """Answers from the vault and the rows; implements ``traits.Traits``.

    Args:
        indexes: Returns a practice's identity index.
        changes: Returns the numbers of the practices' last changes of a patient; 0 where there was none.
        baits: Knows who is synthetic.
        sealed: Opens the days of relationships.
    """

    def __init__(
        self,
        indexes: Callable[[str], IdentityIndex],
        changes: Callable[[Collection[str]], Mapping[str, int]],
        baits: Baits,
        sealed: Sealed,
    ) -> None:
        self._indexes = indexes
        self._changes = changes
        self._baits = baits
        self._sealed = sealed
        self._near: dict[str, IdentityIndex] = {}
        self._names: dict[str, str] = {}
        self._baited: Mapping[str, frozenset[str]] = {}
        self._explained: set[tuple[str, str, str, str]] = set()
        self._own: set[tuple[str, str, str]] = set()

    def prepare(self, batches: Sequence[Batch], now: datetime) -> str:
        """Ask for all of them at once: an answer for each login costs no query of its own.

        The identity indexes read on; what they open is journalled in transactions of their own. One record
        that does not open would else blind the watch at every practice.

        Returns:
            What is damaged, or has lost its key; of that practice less is known.

        Raises:
            KeyUnavailable, JournalUnavailable: It is known later; nothing is looked at meanwhile.
        """
        practices = {each.practice for each in batches}
        # Held until they are asked: another practice's might take their room meanwhile.
        self._near = {practice: self._indexes(practice) for practice in practices}
        broken: list[ConfideError] = []
        self._baited = self._baits.of_each(practices, broken)
        for practice, change in self._changes(practices).items():
            try:
                self._near[practice].catch_up(change)
            except (Damaged, KeyUnavailable) as problem:
                broken.append(problem)
        missing = {each.owner for each in batches if not each.program} - self._names.keys()
        if len(self._names) + len(missing) > _NAMES:
            self._names.clear()
            missing = {each.owner for each in batches if not each.program}
        self._names |= dict.fromkeys(missing, "") | _names_of(missing)
        self._explained = set(self._explain(batches, now, broken))
        self._own = set(self._made_alone(batches, now))
        return f"of a practice's patients less is known: {broken[0]}" if broken else ""

    def about(self, batch: Batch, now: datetime) -> Sequence[Trait]:
        """Say what is known of each patient of a batch that it was prepared for, in its order."""
        del now
        index = self._near[batch.practice]
        baits = self._baited.get(batch.practice, frozenset())
        name = "" if batch.program else self._names.get(batch.owner, "")
        traits = []
        for seen in batch.seen:
            patient = seen.patient
            explained = (batch.practice, batch.owner, batch.role, patient) in self._explained
            kin = index.kin(name, patient, _RARE) if name else Kin.NONE
            # Only the order of unexplained charts is looked at, and to find places takes longest.
            orders = {} if seen.related or explained else index.places(patient)
            own = (batch.practice, batch.owner, patient) in self._own
            traits.append(Trait(orders, patient in baits, index.is_marked(patient), kin, explained, own))
        return traits

    def _explain(
        self, batches: Sequence[Batch], now: datetime, broken: list[ConfideError]
    ) -> Iterator[tuple[str, str, str, str]]:
        """Find who is explained by what the journal does not name: practice, owner, role and patient."""
        asked = {
            (each.practice, each.owner, each.role, seen.patient)
            for each in batches
            for seen in each.seen
            if not seen.related
        }
        patients = sorted({(practice, patient) for practice, _, _, patient in asked})
        if not patients:
            return
        ordered = stream.written_about(patients, ORDERS, now - LATELY)
        ties = find_relationships(patients, now)
        for practice, owner, role, patient in asked:
            of = practice, patient
            try:
                if (of in ordered and ordered[of] - {owner.partition(":")[2]}) or (
                    of in ties and self._related(practice, owner, role, ties[of], now)
                ):
                    yield practice, owner, role, patient
            except Damaged as problem:  # what does not open explains nothing
                broken.append(problem)

    def _made_alone(self, batches: Sequence[Batch], now: datetime) -> Iterator[tuple[str, str, str]]:
        """Find synthetic patients for whom the one who opens them has made each reason.

        A day later the journal calls such a reason no more their own; whoever waits for that is no colleague.
        """
        touched = {
            (each.practice, each.owner, seen.patient)
            for each in batches
            for seen in each.seen
            if seen.related and seen.patient in self._baited.get(each.practice, ())
        }
        if not touched:
            return
        ties = find_relationships(sorted({(practice, patient) for practice, _, patient in touched}), now)
        for practice, owner, patient in touched:
            rows = ties.get((practice, patient), ())
            if rows and all(row[6] == owner for row in rows):
                yield practice, owner, patient

    def _related(self, practice: str, owner: str, role: str, rows: Sequence[Row], now: datetime) -> bool:
        """Tell whether a relationship that somebody else made counts for the role."""
        others = [row for row in rows if row[6] != owner][:MOST_ROWS]
        acting = _ROLES.get(role, Role.INTEGRATOR)
        acting = acting if acting in RULES else Role.PRACTICE_MANAGER  # for whom any at the practice counts
        found = relationships.relate(acting, owner, "", others, practice, self._sealed, now)
        return bool(found.kinds)


def _names_of(owners: Collection[str]) -> dict[str, str]:
    if not owners:
        return {}
    connection = connections[router.db_for_read(Account)]
    condition, asked = among(connection, "id", [owner.partition(":")[2] for owner in owners])
    query = f"SELECT id, display_name FROM access_account WHERE {condition}"  # noqa: S608 - a name of ours
    [rows] = ask(connection, [(query, [asked])])
    return {f"person:{id_}": name for id_, name in rows}
