"""Synthetic patients are planted, and age, through the import's own path: the database does not tell them.

They get no appointment, visit or claim, so that nobody has a reason to open them.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, transaction

from confide.access.models import Practice
from confide.access.roles import Role
from confide.audit.findings import Event
from confide.audit.journal import Journal
from confide.audit.terminal import entry_at
from confide.errors import ConfideError, Invalid, Unavailable
from confide.fhir import json
from confide.records.imports import Importer, Unit
from confide.records.models import Resource
from confide.records.rows import document
from confide.vault.donors import open_donors
from confide.vault.door import Vault
from confide.watch import synthetic
from confide.watch.baits import SLOTS, Baits
from confide.watch.models import Cursor

LEAST: Final = 3
PER_TEN_THOUSAND: Final = 5
_DONORS: Final = 60
_MOULDS: Final = 80
_A_MONTH: Final = 30
_AGED: Final = 2  # the row of ``Cursor`` that says which day they aged last
RESOURCE: Final = "Watch"


class Planter:
    """Plants and ages.

    Args:
        vault: Opens the patients of whom they are mixed, for no eye.
        importer: Makes an importer of a practice, for a source.
        baits: Remembers who they are.
        journal: Where it is written that it was done; not who, and not how many.
        dice: Where chance comes from.
    """

    def __init__(
        self,
        vault: Vault,
        importer: Callable[[str, str], Importer],
        baits: Baits,
        journal: Journal,
        dice: random.Random | None = None,
    ) -> None:
        self._vault = vault
        self._importer = importer
        self._baits = baits
        self._journal = journal
        self._dice = dice or random.SystemRandom()

    def plant(self, practice: str, count: int | None, source: str, now: datetime) -> int:
        """Plant synthetic patients in a practice.

        Args:
            practice: The practice's id.
            count: How many; None is as many as are wanted for the practice's size and are not there yet.
            source: The system that its other patients were imported from.
            now: Aware UTC.

        Returns:
            How many were planted.

        Raises:
            Invalid: There are too few patients to mix them from, or too many are asked for.
            JournalUnavailable: It cannot be written down, so nothing was planted.
        """
        there = len(self._baits.of(practice))
        wanted = max(0, self.wanted(practice) - there) if count is None else count
        if not 0 <= wanted <= SLOTS * 10:
            raise Invalid(f"0 to {SLOTS * 10} synthetic patients are planted at once")
        if not wanted:
            return 0
        donors = self._donors(practice, now)
        if len(donors) < 2:
            raise Invalid("a practice needs some patients first: synthetic ones are mixed from them")
        moulds = self._moulds(practice)
        policy = self._vault.plan.policy
        for _ in range(wanted):
            name = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
            patient = synthetic.person(self._dice, donors, policy, name)
            rest = synthetic.chart(self._dice, moulds, name, now.date())
            self._take(practice, source, name, [patient, *rest])
        self._write(practice, now)
        return wanted

    def age(self, practice: str, now: datetime) -> int:
        """Let a thirtieth of them have a result or diagnosis written, as happens to others; due once a day.

        Returns:
            How many resources were written.
        """
        origins = sorted(self._baits.origins(practice))
        some = [each for each in origins if self._dice.randrange(_A_MONTH) == 0]
        moulds = self._moulds(practice) if some else []
        if not moulds:
            return 0
        for patient, source in some:
            name = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
            made = synthetic.record(self._dice, self._dice.choice(moulds), patient, name, now.date())
            self._importer(practice, source).unit(Unit("files", 0, synthetic.bundle([made])))
        return len(some)

    def age_everywhere(self, now: datetime) -> int:
        """Let those of all practices age; one practice that cannot keeps the others from nothing.

        Raises:
            ConfideError: What was the matter at one of them, after all had their turn.
        """
        written, problem = 0, None
        for practice in Practice.objects.order_by("pk").values_list("pk", flat=True):
            try:
                written += self.age(practice, now)
            except ConfideError as found:
                problem = found
        if problem is not None:
            raise problem
        return written

    def wanted(self, practice: str) -> int:
        """Return how many a practice of its size should have: a few in ten thousand, three at least."""
        people = Resource.objects.filter(practice=practice, type="Patient", deleted=False).count()
        return max(LEAST, round(people * PER_TEN_THOUSAND / 10_000))

    @staticmethod
    def is_due(now: datetime) -> bool:
        """Tell whether nobody has let them age today; asking counts as doing."""
        Cursor.objects.get_or_create(pk=_AGED)
        return (
            Cursor.objects.filter(pk=_AGED, position__lt=now.toordinal()).update(position=now.toordinal()) > 0
        )

    def _take(self, practice: str, source: str, name: str, resources: Sequence[dict[str, Any]]) -> None:
        importer = self._importer(practice, source)
        try:
            with transaction.atomic():
                report = importer.unit(Unit("files", 0, synthetic.bundle(resources)))
                patient = importer.find("Patient", name)
                if report.refused or patient is None:
                    raise Invalid("a synthetic patient was refused by the import's own rules")
                self._baits.add(practice, [patient], (name, source))
        except DatabaseError as problem:
            raise Unavailable(f"synthetic patients cannot be stored ({type(problem).__name__})") from None

    def _donors(self, practice: str, now: datetime) -> list[dict[str, Any]]:
        rows = self._some(practice, ["Patient"], _DONORS)
        return open_donors(self._vault, practice, [document(row) for row in rows], now)

    def _moulds(self, practice: str) -> list[dict[str, Any]]:
        bodies = [
            json.parse(bytes(row.body)) for row in self._some(practice, ["Condition", "Observation"], _MOULDS)
        ]
        return [each for each in bodies if isinstance(each.get("code"), dict) and each["code"].get("coding")]

    def _some(self, practice: str, kinds: Sequence[str], most: int) -> list[Resource]:
        """Rows from a place of chance on: ids are random, so what follows is."""
        begin = uuid.UUID(int=self._dice.getrandbits(128))
        chosen = Resource.objects.filter(practice=practice, type__in=kinds, deleted=False).order_by("id")
        rows = list(chosen.filter(id__gte=begin)[:most])
        return rows + list(chosen.filter(id__lt=begin)[: most - len(rows)])

    def _write(self, practice: str, now: datetime) -> None:
        entry = entry_at(Event.PLANTED, RESOURCE, "setup", now, practice=practice, role=Role.OPERATOR.value)
        with transaction.atomic():
            self._journal.append([entry])
