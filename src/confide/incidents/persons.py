"""Records are not persons: one person may have a record at several practices. Which ones, is matched.

Two records are one person's if their Social Security numbers agree; where one of them has none, if names and
birth date agree and no other number contradicts. Whatever cannot be compared is a person of its own, so that
the number of persons is rather too high than too low.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Final
from uuid import UUID

from confide.access.decide import Grant
from confide.errors import Invalid
from confide.incidents import census, scopes
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.models import Match, Scope
from confide.incidents.questions import Question, legs
from confide.records.models import Resource
from confide.records.rows import document
from confide.vault.door import Clock, Vault
from confide.vault.matching import Digests, Matching

_AT_ONCE: Final = 500
Record = tuple[str, str]
"""A practice's id and a patient's."""


class Persons:
    """Counts persons.

    Args:
        cases: The incidents.
        vault: Opens identities, under an entry in each practice's journal.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, vault: Vault, clock: Clock) -> None:
        self._cases = cases
        self._vault = vault
        self._clock = clock

    def match(self, grant: Grant, scope: Scope, honey: Iterable[str] = ()) -> Scope:
        """Find out how many persons the records of a scope are.

        Args:
            grant: The privacy officer's.
            scope: Not frozen yet, and not matched.
            honey: Ids that are left out.

        Raises:
            Invalid: It is frozen or matched already.
        """
        self._cases.require_lead(grant)
        if scope.frozen_at is not None or scope.persons is not None:
            raise Invalid("the scope is frozen or matched already (count a new version)")
        incident = scope.incident
        with storing():
            self._cases.record(grant, incident, Act.MATCH, f"version {scope.version}")
        asked = legs(Question.read(scope.question), scopes.reach(incident), sorted(honey))
        groups = group(self._compared(census.people(census.join(asked))))
        persons = {number for _, number in groups}
        sizes: dict[int, int] = {}
        for _, number in groups:
            sizes[number] = sizes.get(number, 0) + 1
        with storing():
            Match.objects.bulk_create(
                (
                    Match(scope=scope, practice=practice, patient=patient, person=number)
                    for (practice, patient), number in groups
                    if sizes[number] > 1
                ),
                batch_size=_AT_ONCE,
            )
            scope.persons = len(persons)
            scope.save(update_fields=["persons"])
            self._cases.record(grant, incident, Act.MATCH, f"version {scope.version} done")
        return scope

    def _compared(self, people: Iterator[Record]) -> Iterator[tuple[Record, Digests]]:
        run = Matching(self._vault, self._clock)
        for practice, some in groupby(people, key=itemgetter(0)):
            ids = (patient for _, patient in some)
            while part := list(islice(ids, _AT_ONCE)):
                rows = Resource.objects.filter(
                    practice=practice, type="Patient", deleted=False, pk__in=[UUID(each) for each in part]
                )
                found = {d.patient: d for d in run.read(practice, [document(row) for row in rows])}
                for patient in part:
                    yield (practice, patient), found.get(patient, Digests(patient, b"", b""))


def group(records: Iterable[tuple[Record, Digests]]) -> list[tuple[Record, int]]:
    """Return each record with the number of its person."""
    listed = list(records)
    by_number: dict[bytes, int] = {}
    by_name: dict[bytes, set[int]] = {}
    found: dict[Record, int] = {}
    count = 0
    for record, told in listed:
        if told.number:
            person = by_number.setdefault(told.number, count)
            count += person == count
            found[record] = person
            if told.name:
                by_name.setdefault(told.name, set()).add(person)
    nameless: dict[bytes, int] = {}
    for record, told in listed:
        if told.number:
            continue
        known = by_name.get(told.name, set()) if told.name else set()
        if len(known) == 1:
            found[record] = next(iter(known))
            continue
        # Two persons of one name and birth date: nobody can say which of them it is.
        person = nameless.setdefault(told.name, count) if told.name and not known else count
        count += person == count
        found[record] = person
    return [(record, found[record]) for record, _ in listed]
