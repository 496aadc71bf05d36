"""Whose charts an export takes: chosen once, when it is asked for, and read when it is written."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from random import SystemRandom
from typing import Final
from urllib.parse import parse_qsl

from django.db.models import QuerySet

from confide.access.decide import Grant
from confide.errors import Invalid, InvalidResource, Issue, Unknown
from confide.fhir import tables
from confide.protect.elements import Element
from confide.records import terms
from confide.records.models import Resource, Term
from confide.records.rows import document, elements, some
from confide.records.search import Search
from confide.vault.door import Document

WHOLE: Final = "the whole practice"
_ROWS_AT_ONCE: Final = 900
_PATIENTS_AT_ONCE: Final = 200
# Up to so many patients their resources are looked up one by one; for more, all rows are read in order.
_FEW: Final = 1000
_LONGEST_LABEL: Final = 200


def everybody(practice: str) -> list[uuid.UUID]:
    """The ids of all patients of a practice."""
    rows = Resource.objects.filter(practice=practice, type="Patient", deleted=False)
    return list(rows.values_list("pk", flat=True))


def found(search: Search, grant: Grant, text: str) -> tuple[str, list[uuid.UUID]]:
    """The patients of what a FHIR search finds.

    Args:
        search: The searches of all practices.
        grant: For searching; what is asked by is paid for.
        text: ``Patient?gender=female``, ``Condition?code=http://snomed.info/sct|44054006``, or a type alone.

    Returns:
        How they were chosen, without what was asked for; and their ids.

    Raises:
        InvalidResource: No such type or parameter.
        AccessDenied, BudgetSpent: Who matches may not be learned by asking so.
    """
    kind, _, rest = text.partition("?")
    if kind not in tables.RESOURCES:
        raise InvalidResource([Issue("cohort", "not-supported", "a cohort's search begins with a type")])
    params = parse_qsl(rest, keep_blank_values=True)
    ids = search.every(grant, kind, params)
    label = f"{kind}?{'&'.join(name for name, _ in params)}"[:_LONGEST_LABEL]
    if kind == "Patient":
        return label, ids
    rows = Resource.objects.filter(practice=grant.practice).only("patients")
    return label, list({uuid.UUID(p) for row in some(rows, ids) for p in row.patients.split()})


def listed(practice: str, path: Path) -> tuple[str, list[uuid.UUID]]:
    """The patients whose ids a file lists, one a line; ``Patient/`` may stand before them.

    Raises:
        Invalid: The file cannot be read, or a line is no id.
        Unknown: There is no such patient; the message has the line's number.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise Invalid(f"the file of patient ids cannot be read ({type(problem).__name__})") from None
    places: dict[uuid.UUID, int] = {}
    for number, line in enumerate(lines, 1):
        word = line.strip().removeprefix("Patient/")
        if word:
            try:
                places.setdefault(uuid.UUID(word), number)
            except ValueError:
                raise Invalid(f"line {number} of the file of patient ids is no id") from None
    rows = Resource.objects.filter(practice=practice, type="Patient", deleted=False).only("pk")
    there = {row.pk for row in some(rows, places)}
    missing = sorted(number for patient, number in places.items() if patient not in there)
    if missing:
        raise Unknown(
            f"{len(missing)} of the file's ids are of no patient here (the first is in line {missing[0]})"
        )
    return "a list of ids", list(there)


def leave_out(patients: Collection[uuid.UUID], nobody: Collection[str]) -> list[uuid.UUID]:
    """Return *patients* without the synthetic ones, which are in no count and no registry."""
    return [patient for patient in patients if str(patient) not in nobody]


class Cohort:
    """What there is of some patients, and of nobody, type by type.

    Args:
        practice: The practice's id.
        patients: Their ids.
        kinds: The types that are wanted.
        shared: Those of them that are wanted also where they belong to nobody, or to several of *patients*.
    """

    def __init__(
        self, practice: str, patients: Collection[uuid.UUID], kinds: Collection[str], shared: Collection[str]
    ) -> None:
        self._practice = practice
        self._patients = {str(patient) for patient in patients}
        self._shared = frozenset(shared)
        self._kinds = self._order(kinds)
        self._few = self._gather() if len(self._patients) <= _FEW else None
        self.held: dict[str, frozenset[Element]] = {}
        self.total = 0

    def _order(self, kinds: Collection[str]) -> list[str]:
        """The types that there are, people first: the rest of a chart needs to know of them."""
        there = Resource.objects.filter(practice=self._practice).values_list("type", flat=True).distinct()
        return sorted(set(there) & set(kinds), key=lambda kind: (kind != "Patient", kind))

    @property
    def kinds(self) -> list[str]:
        return self._kinds

    def survey(self) -> None:
        """Read what lies sealed in whose rows, for the journal, and how many rows there are."""
        held: dict[str, int] = {}
        for kind in self._kinds:
            for row in self._rows(kind, "patients", "elements", "type"):
                self.total += 1
                for patient in row.patients.split():
                    held[patient] = held.get(patient, 0) | row.elements
        self.held = {patient: elements(bits) for patient, bits in held.items()}

    def documents(self, kind: str) -> Iterator[Document]:
        """What there is of one type, as the vault sees it, in an order drawn anew each time.

        The order of the rows in the database would tell which person of one export is which of another. Ids
        are held in memory for it, some 60 MB for a million.
        """
        ids = [row.pk.bytes for row in self._rows(kind, "patients", "type")]
        SystemRandom().shuffle(ids)
        rows = Resource.objects.filter(practice=self._practice, type=kind, deleted=False)
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            batch = [uuid.UUID(bytes=i) for i in ids[start : start + _ROWS_AT_ONCE]]
            found = {row.pk: row for row in some(rows, batch)}
            yield from (document(found[i]) for i in batch if i in found and self._belongs(found[i]))

    def _rows(self, kind: str, *only: str) -> Iterator[Resource]:
        """The rows of one type, without their bodies."""
        rows = Resource.objects.filter(practice=self._practice, type=kind, deleted=False).only(*only)
        if self._few is None:
            return filter(self._belongs, in_order(rows))
        theirs: Iterable[Resource] = some(rows, self._few.get(kind, ()))
        if kind in self._shared:
            theirs = chain(theirs, in_order(rows.filter(patients="")))
        return filter(self._belongs, theirs)

    def _gather(self) -> dict[str, set[uuid.UUID]]:
        """The ids of what lies in the patients' compartments, by type."""
        found: dict[str, set[uuid.UUID]] = {}
        listed = sorted(self._patients)
        for start in range(0, len(listed), _PATIENTS_AT_ONCE):
            keys = [
                terms.term(self._practice, "", terms.COMPARTMENT, patient)
                for patient in listed[start : start + _PATIENTS_AT_ONCE]
            ]
            ids = Term.objects.filter(key__in=keys).values_list("resource", flat=True)
            rows = Resource.objects.filter(practice=self._practice, deleted=False).only("type")
            for row in some(rows, set(ids)):
                found.setdefault(row.type, set()).add(row.pk)
        return found

    def _belongs(self, row: Resource) -> bool:
        """Whether a row is one patient's of the cohort, or shared by none but them."""
        whose = row.patients.split()
        if len(whose) == 1:
            return whose[0] in self._patients
        return row.type in self._shared and self._patients.issuperset(whose)


def in_order(rows: QuerySet[Resource]) -> Iterator[Resource]:
    """Rows by id, some at a time, so that no reader holds the database for as long as an export takes."""
    last = uuid.UUID(int=0)
    while some_rows := list(rows.filter(pk__gt=last).order_by("pk")[:_ROWS_AT_ONCE]):
        yield from some_rows
        last = some_rows[-1].pk
