"""Exactly some persons' records under fresh keys: first person by person, then whatever else is theirs.

What a person's compartment holds is found by its terms. A last look over all rows of the practice finds what
no term leads to: versions of what was deleted or moved to somebody else, and what several patients share.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, transaction

from confide.access.decide import Grant
from confide.errors import Unavailable
from confide.protect.elements import Element
from confide.protect.renewal import Changed, Renewed
from confide.records import terms
from confide.records.models import Resource, Superseded, Term
from confide.records.rows import document, elements
from confide.vault.rekeying import Rekeying

_AT_ONCE: Final = 200
_MOST: Final = 900


@dataclass(frozen=True, slots=True)
class Swap:
    """One stand-in of one person's record, and what has taken its place."""

    patient: str
    resource: str
    changed: Changed


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows were sealed anew, and how many stand-ins are others."""

    rows: int
    stand_ins: int


Deliver = Callable[[list[Swap]], object]


class Rekeys:
    """Rekeys records.

    Args:
        rekeying: Opens, seals, and writes the journal.
    """

    def __init__(self, rekeying: Rekeying) -> None:
        self._rekeying = rekeying

    def held(self, practice: str, patients: Collection[str]) -> dict[str, set[Element]]:
        """Return which elements the records of some patients hold sealed."""
        found: dict[str, set[Element]] = {patient: set() for patient in patients}
        for rows in _compartments(practice, patients):
            for subject, number in rows.values_list("subject", "elements"):
                found[subject] |= elements(number)
        return found

    def renew_keys(self, practice: str, patients: Collection[str]) -> None:
        """Make newer keys; `renew` seals under them."""
        self._rekeying.renew_keys(practice, patients)

    def renew(
        self,
        grant: Grant,
        practice: str,
        patients: Collection[str],
        deliver: Deliver,
        done: Callable[[Count], object],
    ) -> Count:
        """Seal the compartments of some patients anew, all of it in one transaction.

        Args:
            grant: Of whoever has it done.
            practice: Whose patients.
            patients: Their ids; few.
            deliver: Takes what has taken whose place before anything is in force; if it raises, nothing is.
            done: Called in the transaction.

        Raises:
            SealBroken: Something is not what was stored; nothing was changed.
            Unavailable: The database does not answer.
        """
        with _storing():
            rows = [row for some in _compartments(practice, patients) for row in some.select_for_update()]
            count = self._renew(grant, practice, rows, deliver)
            done(count)
        return count

    def sweep(
        self,
        fresh: Callable[[], Grant],
        practice: str,
        patients: Collection[str],
        deliver: Callable[[str], Deliver],
    ) -> tuple[Count, set[str]]:
        """Seal whatever is still under an older key of theirs, and what they share with others.

        Args:
            fresh: Returns a grant of whoever has it done, or the system's, as it is now.
            practice: Whose patients.
            patients: Their ids; all of them.
            deliver: Given a name, returns what takes the list; see `renew`.

        Returns:
            How much that was, and the ids of what is shared.
        """
        people, shared = set(patients), set()
        for model in (Resource, Superseded):
            for id_, subject, whose in (
                _sealed(model, practice).values_list("id", "subject", "patients").iterator()
            ):
                if subject == str(id_) and subject not in people and people & set(whose.split()):
                    shared.add(subject)
        for subject in sorted(shared):
            self._rekeying.renew_shared_key(practice, subject)
        theirs, total, stand_ins = people | shared, 0, 0
        for model in (Resource, Superseded):
            listed = _sealed(model, practice).order_by("pk").values_list("pk", "subject").iterator()
            chosen = [pk for pk, subject in listed if subject in theirs]
            for start in range(0, len(chosen), _AT_ONCE):
                pks = chosen[start : start + _AT_ONCE]
                with _storing():
                    rows = list(model.objects.filter(pk__in=pks).order_by("pk").select_for_update())
                    name = f"{model.__name__.lower()}-{str(pks[0])[:13]}"
                    found = self._renew(fresh(), practice, rows, deliver(name))
                total, stand_ins = total + found.rows, stand_ins + found.stand_ins
        return Count(total, stand_ins), shared

    def retire(self, practice: str, subjects: Collection[str]) -> int:
        """Destroy the older keys; return how many."""
        return self._rekeying.retire(practice, subjects)

    def _renew(self, grant: Grant, practice: str, rows: Sequence[Any], deliver: Deliver) -> Count:
        documents = [document(row) for row in rows]
        made = self._rekeying.renew(practice, documents)
        swaps: list[Swap] = []
        bodies = []
        for row, d, renewed in zip(rows, documents, made, strict=True):
            if renewed is None:
                continue
            _store(row, renewed)
            if renewed.changed:
                bodies.append((d, renewed.sha256))
                whose = d.patients[0] if d.patients else d.place.subject
                swaps += [Swap(whose, f"{d.place.type}/{d.place.id}", each) for each in renewed.changed]
        self._rekeying.record(grant, practice, bodies)
        if swaps:
            deliver(swaps)
        return Count(sum(each is not None for each in made), len(swaps))


def _store(row: Any, renewed: Renewed) -> None:
    changed: dict[str, bytes] = {"seal": renewed.seal}
    if renewed.changed:
        changed["body"] = renewed.body
    type(row).objects.filter(pk=row.pk).update(**changed)


def _sealed(model: Any, practice: str) -> Any:
    return model.objects.filter(practice=practice).exclude(subject="").exclude(seal=b"")


def _compartments(practice: str, patients: Collection[str]) -> Iterator[Any]:
    """The sealed rows of some patients that terms lead to, some at once."""
    keys = [terms.term(practice, "", terms.COMPARTMENT, patient) for patient in patients]
    ids = set(Term.objects.filter(key__in=keys).values_list("resource", flat=True))
    ids |= {uuid.UUID(patient) for patient in patients}
    listed = sorted(ids)
    for model in (Resource, Superseded):
        for start in range(0, len(listed), _MOST):
            some = listed[start : start + _MOST]
            yield _sealed(model, practice).filter(id__in=some, subject__in=list(patients)).order_by("pk")


@contextmanager
def _storing() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except DatabaseError as problem:
        raise Unavailable(f"the records do not answer ({type(problem).__name__})") from None
