"""New record numbers for some patients; the old one stays in the record as an old one, and finds them too."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.errors import Unavailable
from confide.protect.elements import Element
from confide.protect.identifiers import element_of, normalise
from confide.records import identities
from confide.records.charts import Charts
from confide.records.models import IdentifierDigest, Resource
from confide.records.rows import document
from confide.records.writer import Draft
from confide.vault.rekeying import Rekeying

_FEWEST: Final = 6
"""Digits that are drawn at least: a number of fewer would be guessed, or soon be used up."""
_ROUNDS: Final = 100


@dataclass(frozen=True, slots=True)
class Renumbered:
    """One patient's record number, and the one that counts from now on."""

    patient: str
    system: str
    old: str = field(repr=False)
    new: str = field(repr=False)


class Renumbers:
    """Gives new record numbers.

    Args:
        charts: Where they are written.
        rekeying: Opens the Patients.
    """

    def __init__(self, charts: Charts, rekeying: Rekeying) -> None:
        self._charts = charts
        self._rekeying = rekeying

    def held(self, practice: str, patients: Collection[str]) -> dict[str, set[Element]]:
        """Return for each patient whether there is a record number to be opened."""
        there = {str(row.pk): document(row).elements for row in _patients(practice, patients)}
        return {p: {Element.MRN} & there.get(p, frozenset()) for p in patients}

    def renumber(
        self,
        practice: str,
        patients: Collection[str],
        remedy: str,
        entries: Sequence[int],
        now: datetime,
        deliver: Callable[[list[Renumbered]], object],
        done: Callable[[int], object],
    ) -> int:
        """Write some patients anew with other numbers, all of them in one transaction.

        Args:
            practice: Whose patients.
            patients: Their ids; few.
            remedy: Its id.
            entries: Ids of their entries, which are durable.
            now: Aware UTC.
            deliver: Takes old and new numbers before anything is in force; if it raises, nothing is.
            done: Called in the transaction, with how many have a new number.

        Returns:
            How many have a new number; who has none, or whose record was deleted, gets none.

        Raises:
            VersionConflict: Somebody wrote one of them just now; nothing was changed, and it can be repeated.
        """
        rows = [row for row in _patients(practice, patients) if Element.MRN in document(row).elements]
        opened = self._rekeying.open(practice, remedy, entries, [document(row) for row in rows])
        drafts, made = [], []
        taken: set[str] = set()
        for row, resource in zip(rows, opened, strict=True):
            found = self._renumber(practice, resource, now.date(), taken)
            if found is not None:
                drafts.append(Draft("Patient", row.pk, found[0], row))
                made.append(found[1])

        def first() -> None:
            if made:
                deliver(made)
            done(len(made))

        grant = system_grant(Action.IMPORT, practice, "new record numbers", now)
        self._charts.take_over(grant, drafts, first)
        return len(made)

    def _renumber(
        self, practice: str, resource: Mapping[str, Any], today: date, taken: set[str]
    ) -> tuple[dict[str, Any], Renumbered] | None:
        policy = self._charts.vault.plan.policy
        identifiers: list[dict[str, Any]] = list(resource.get("identifier", ()))
        for place, old in enumerate(identifiers):
            value = old.get("value")
            if (
                old.get("use") == "old"
                or element_of(old, policy, Element.IDENTIFIER) is not Element.MRN
                or not isinstance(value, str)
                or not normalise(value)
            ):
                continue
            system = old.get("system", "")
            new = self._draw(practice, value, taken)
            begun = {"period": {"start": today.isoformat()}}
            ended = {"use": "old", "period": {**old.get("period", {}), "end": today.isoformat()}}
            rest = [each for i, each in enumerate(identifiers) if i != place]
            fresh = {**old, "value": new, **begun}
            fresh.pop("_value", None)
            changed = {**resource, "identifier": [fresh, *rest, {**old, **ended}]}
            return changed, Renumbered(resource["id"], system, value, new)
        return None

    def _draw(self, practice: str, old: str, taken: set[str]) -> str:
        for _ in range(_ROUNDS):
            new = draw(old)
            if normalise(new) == normalise(old) or normalise(new) in taken:
                continue
            named = identities.digest(self._charts.vault, practice, Element.MRN, new)
            if not IdentifierDigest.objects.filter(practice=practice, digest=named).exists():
                taken.add(normalise(new))
                return new
        raise Unavailable("no record number of the form of the old one is free")


def draw(old: str) -> str:
    """Draw a number of the form of *old*: its digits anew, and whatever else it has stays in its place.

    A number of fewer than six digits gets more of them at its end.
    """
    drawn = "".join(secrets.choice(string.digits) if c.isdigit() else c for c in old)
    lacking = _FEWEST - sum(c.isdigit() for c in old)
    return drawn + "".join(secrets.choice(string.digits) for _ in range(lacking))


def _patients(practice: str, patients: Collection[str]) -> Sequence[Resource]:
    rows = Resource.objects.filter(practice=practice, type="Patient", deleted=False, pk__in=list(patients))
    return list(rows.order_by("pk"))
