"""Writes down which patients are whose business, in the transaction that writes what says so.

The days are sealed before the transaction. A version that says what the one before said keeps its maker and
its time: to move an appointment by an hour makes no new relationship, to move it by a day does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from confide.access.decide import Grant
from confide.access.relationships import bound, bound_restriction
from confide.access.ties import Relationship, Restriction
from confide.records import ties
from confide.records.ties import Denial, Tie
from confide.vault import bulk
from confide.vault.days import SealedDays

if TYPE_CHECKING:
    from confide.records.writer import Draft

_RELATIONSHIP: Final = (
    "practice", "patient", "kind", "type", "resource", "version", "people", "year", "owner", "made", "days",
)  # fmt: skip
_RESTRICTION: Final = ("practice", "patient", "purpose", "elements", "resource", "version", "days")
_MOST_AT_ONCE: Final = 900
_Said = tuple[str, str, str, tuple[int, int]]


@dataclass(slots=True)
class Bound:
    """What is to be written of some drafts.

    Attributes:
        replaced: Ids of resources whose earlier rows go.
    """

    replaced: list[str] = field(default_factory=list)
    relationships: list[tuple[Any, ...]] = field(default_factory=list)
    restrictions: list[tuple[Any, ...]] = field(default_factory=list)


class Binder:
    """Makes the rows of relationships and restrictions."""

    def __init__(self, days: SealedDays) -> None:
        self._days = days

    def prepare(
        self,
        grant: Grant,
        drafts: Sequence[Draft],
        whose: Sequence[tuple[str, ...]],
        now: datetime,
    ) -> Bound:
        """Seal what *drafts* say.

        Args:
            grant: For writing; its actor is who makes a relationship.
            drafts: What is to be written.
            whose: The patients of each.
            now: Aware UTC.

        Raises:
            KeyUnavailable: No key, no write.
        """
        telling = [(d, w) for d, w in zip(drafts, whose, strict=True) if d.type in ties.TYPES]
        made = Bound([str(d.id) for d, _ in telling if d.replaces is not None])
        said = [
            (d, w, found)
            for d, w in telling
            if d.resource is not None and (found := ties.tie(d.resource, now.date())) is not None
        ]
        resources = [d.resource for d in drafts if d.resource is not None] if said else []
        who = ties.practitioners(grant.practice, [found for *_, found in said], resources)
        before = self._before(grant.practice, made.replaced) if said else {}
        for draft, patients, found in said:
            people = " ".join(sorted({who[text] for text in found.people if text in who}))
            for patient in patients:
                what = (patient, str(found.kind), people, found.days)
                since = before.get(str(draft.id), {}).get(what)
                owner, at = since or (grant.actor.owner, int(now.timestamp()))
                made.relationships.append(self._relationship(grant.practice, draft, found, what, owner, at))
        for draft, patients in telling:
            for denial in ties.denials(draft.resource) if draft.resource is not None else ():
                made.restrictions += [self._restriction(grant.practice, draft, denial, p) for p in patients]
        return made

    def commit(self, made: Bound) -> None:
        """Write, in the caller's transaction."""
        for start in range(0, len(made.replaced), _MOST_AT_ONCE):
            some = made.replaced[start : start + _MOST_AT_ONCE]
            Relationship.objects.filter(resource__in=some).delete()
            Restriction.objects.filter(resource__in=some).delete()
        bulk.insert(Relationship, _RELATIONSHIP, made.relationships)
        bulk.insert(Restriction, _RESTRICTION, made.restrictions)

    def _before(
        self, practice: str, replaced: Iterable[str]
    ) -> Mapping[str, Mapping[_Said, tuple[str, int]]]:
        """What earlier versions said, and who made it so and when."""
        found: dict[str, dict[_Said, tuple[str, int]]] = {}
        for row in Relationship.objects.filter(practice=practice, resource__in=list(replaced)):
            days = self._days.open_days(
                practice,
                bytes(row.days),
                *bound(
                    row.patient,
                    row.kind,
                    row.resource,
                    row.version,
                    row.people,
                    row.year,
                    row.owner,
                    row.made,
                ),
            )
            what = (row.patient, row.kind, row.people, days)
            found.setdefault(row.resource, {})[what] = row.owner, row.made
        return found

    def _relationship(
        self, practice: str, draft: Draft, found: Tie, what: _Said, owner: str, at: int
    ) -> tuple[Any, ...]:
        patient, kind, people, days = what
        resource, version, year = str(draft.id), draft.version, found.year
        sealed = self._days.seal_days(
            practice, days, *bound(patient, kind, resource, version, people, year, owner, at)
        )
        return practice, patient, kind, draft.type, resource, version, people, year, owner, at, sealed

    def _restriction(self, practice: str, draft: Draft, denial: Denial, patient: str) -> tuple[Any, ...]:
        purpose, elements = denial.purpose.value, " ".join(denial.elements)
        resource, version = str(draft.id), draft.version
        sealed = b""
        if denial.days is not None:
            where = bound_restriction(patient, purpose, elements, resource, version)
            sealed = self._days.seal_days(practice, denial.days, *where)
        return practice, patient, purpose, elements, resource, version, sealed
