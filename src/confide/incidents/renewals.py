"""Remedies that take long are done portion by portion: rekeying, and new record numbers.

The entries of a portion's persons are durable first. What is stored changes in one transaction with the mark
that the portion is done, and the list for the partner is in its folder before that. Whoever is killed goes on
with the portion that was begun: nobody has a second entry, and nobody is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final

from django.db.models import Sum

from confide.access import destinations
from confide.access.decide import Grant, system_grant
from confide.access.destinations import Use
from confide.access.models import Destination
from confide.access.roles import Action, Form
from confide.audit.openings import read_ids, write_ids
from confide.audit.writes import Renewing
from confide.errors import Invalid, Unavailable
from confide.incidents import scopes
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.models import Portion, Remedy
from confide.incidents.notices.crates import locked, place_list
from confide.incidents.remedies import Kind
from confide.records.rekeys import Count, Rekeys, Swap
from confide.records.renumbers import Renumbered, Renumbers
from confide.vault.desk import durable
from confide.vault.door import Clock
from confide.vault.rekeying import Rekeying

AT_ONCE: Final = 50
"""Persons of a portion: so many records are held at once."""

RETIRED_AFTER: Final = timedelta(hours=1)
"""So long the older keys live on: whoever had begun to write under one has stored it by then."""

_WHY: Final = "older keys are retired"
Fresh = Callable[[], Grant]
Tell = Callable[[int, int], object]
_HEADS: Final = {
    Kind.REKEY: ("patient", "resource", "element", "old", "new"),
    Kind.RENUMBER: ("patient", "system", "old", "new"),
}


class Renewals:
    """Does the long remedies that two officers have agreed to.

    Args:
        cases: The incidents.
        rekeying: Writes the entries.
        rekeys: Seals records anew.
        renumbers: Gives new record numbers.
        clock: Returns now, aware UTC.
    """

    def __init__(
        self, cases: Cases, rekeying: Rekeying, rekeys: Rekeys, renumbers: Renumbers, clock: Clock
    ) -> None:
        self._cases = cases
        self._rekeying = rekeying
        self._rekeys = rekeys
        self._renumbers = renumbers
        self._clock = clock

    def run(
        self, fresh: Fresh, remedy: Remedy, tell: Tell = lambda *_: None, most: int | None = None
    ) -> Remedy:
        """Do a remedy that was agreed to, from where it stands.

        Args:
            fresh: Returns a grant of the leading officer's as it is now; who runs it is in the entries.
            remedy: Agreed to.
            tell: Called with how many persons are done, and of how many.
            most: So many portions at most; None is all of them.

        Raises:
            Invalid: It waits for a second person, or is done.
            AccessDenied: The destination cannot be used any more.
            Unavailable: Another process does it just now, or the list cannot be written.
        """
        self._cases.require_lead(fresh())
        if remedy.approved_at is None:
            raise Invalid("it waits for another person's word")
        with locked(self._folder(remedy)):
            remedy.refresh_from_db()
            if remedy.done_at is not None:
                raise Invalid("it is done already")
            total = people(remedy)
            for number, (practice, patients) in enumerate(_portions(remedy)):
                portion = remedy.portions.filter(number=number).first()
                if portion is not None and portion.done_at is not None:
                    continue
                if most is not None:
                    if most <= 0:
                        return remedy
                    most -= 1
                self._do(fresh(), remedy, portion, number, practice, patients)
                tell(progress(remedy), total)
            self._finish(fresh, remedy)
        return remedy

    def retire(self, now: datetime) -> int:
        """Destroy the older keys of rekeyings that were done an hour ago; the server calls it now and then.

        Returns:
            How many remedies that were.
        """
        done = 0
        for remedy in Remedy.objects.filter(kind=Kind.REKEY, done_at__lte=now - RETIRED_AFTER):
            if "retired" in remedy.done:
                continue
            with locked(self._folder(remedy)):
                remedy.refresh_from_db()
                if "retired" in remedy.done:
                    continue
                keys = 0
                for practice, everybody in _everybody(remedy):
                    fresh = partial(system_grant, Action.IMPORT, practice, _WHY, now)
                    _, shared = self._sweep(fresh, remedy, practice, everybody, "late-")
                    keys += self._rekeys.retire(practice, everybody | shared)
                with storing():
                    remedy.done = {**remedy.done, "retired": keys}
                    remedy.save(update_fields=["done"])
                    self._cases.observe(
                        remedy.incident, Act.REMEDY, f"{remedy.kind} keys retired {remedy.pk}"
                    )
                done += 1
        return done

    def _do(
        self,
        grant: Grant,
        remedy: Remedy,
        portion: Portion | None,
        number: int,
        practice: str,
        patients: Sequence[str],
    ) -> None:
        kind, now = Kind(remedy.kind), self._clock()
        act = Renewing.REKEY if kind is Kind.REKEY else Renewing.RENUMBER
        if portion is None:
            form = Form.STAND_IN if kind is Kind.REKEY else Form.CLEAR
            held = (self._rekeys if kind is Kind.REKEY else self._renumbers).held(practice, patients)
            with durable():
                ids = self._rekeying.announce(grant, practice, remedy.pk, act, held, form)
                portion = Portion.objects.create(
                    remedy=remedy, number=number, practice=practice, people=len(patients),
                    entries=write_ids(ids),
                )  # fmt: skip
        entries = list(read_ids(portion.entries))
        mine = Portion.objects.filter(pk=portion.pk, done_at__isnull=True)
        name = f"{number:05}"
        if kind is Kind.RENUMBER:
            self._renumbers.renumber(
                practice, patients, remedy.pk, entries, now, self._delivery(remedy, name),
                lambda made: mine.update(done_at=now, resources=made, changed=made),
            )  # fmt: skip
            return
        self._rekeying.allow(act, remedy.pk, entries)
        if portion.keyed_at is None:
            self._rekeys.renew_keys(practice, patients)
            mine.update(keyed_at=now)
        self._rekeys.renew(
            grant, practice, patients, self._delivery(remedy, name),
            lambda count: mine.update(done_at=now, resources=count.rows, changed=count.stand_ins),
        )  # fmt: skip

    def _finish(self, fresh: Fresh, remedy: Remedy) -> None:
        sums = remedy.portions.aggregate(people=Sum("people"), rows=Sum("resources"), changed=Sum("changed"))
        told = {key: number or 0 for key, number in sums.items()}
        if remedy.kind == Kind.REKEY:
            for practice, everybody in _everybody(remedy):
                found, _ = self._sweep(fresh, remedy, practice, everybody, "")
                told["rows"] += found.rows
                told["changed"] += found.stand_ins
        words = {"people": "persons", "rows": "resources", "changed": "stand-ins"}
        if remedy.kind == Kind.RENUMBER:
            words = {"people": "persons", "changed": "new numbers"}
        done = {words[key]: number for key, number in told.items() if key in words}
        with storing():
            remedy.done = {**remedy.done, **done}
            remedy.done_at = self._clock()
            remedy.save(update_fields=["done", "done_at"])
            self._cases.record(fresh(), remedy.incident, Act.REMEDY, f"{remedy.kind} done {remedy.pk}")

    def _sweep(
        self, fresh: Fresh, remedy: Remedy, practice: str, everybody: set[str], when: str
    ) -> tuple[Count, set[str]]:
        return self._rekeys.sweep(
            fresh, practice, everybody, lambda name: self._delivery(remedy, f"{when}{name}")
        )

    def _folder(self, remedy: Remedy) -> Path:
        return Path(_destination(remedy).folder)

    def _delivery(self, remedy: Remedy, name: str) -> Callable[[Sequence[Swap] | Sequence[Renumbered]], None]:
        """What takes a list: encrypted to the destination's key; nothing of it is in clear on the disk."""
        file = f"confide-{remedy.kind}-{remedy.pk[:8]}-{name}.csv.age"

        def deliver(rows: Sequence[Swap] | Sequence[Renumbered]) -> None:
            to = _destination(remedy)
            destinations.require_usable(to, Use.EXPORT, self._clock())
            _deliver(to, file, Kind(remedy.kind), rows)

        return deliver


def people(remedy: Remedy) -> int:
    """Return how many persons a remedy is for."""
    return len(remedy.done.get("patients") or ()) or remedy.scope.records


def progress(remedy: Remedy) -> int:
    """Return how many persons of a remedy are done."""
    return int(remedy.portions.filter(done_at__isnull=False).aggregate(sum=Sum("people"))["sum"] or 0)


def _portions(remedy: Remedy) -> Iterator[tuple[str, list[str]]]:
    """The portions of a frozen scope: always the same ones in the same order."""
    for practice in scopes.practices(remedy.scope):
        patients = _patients(remedy, practice)
        while some := list(islice(patients, AT_ONCE)):
            yield practice, some


def _patients(remedy: Remedy, practice: str) -> Iterator[str]:
    chosen = frozenset(remedy.done.get("patients") or ())
    for each in scopes.records(remedy.scope, practice):
        if not chosen or each.patient in chosen:
            yield each.patient


def _everybody(remedy: Remedy) -> Iterator[tuple[str, set[str]]]:
    for practice in scopes.practices(remedy.scope):
        if everybody := set(_patients(remedy, practice)):
            yield practice, everybody


def _destination(remedy: Remedy) -> Destination:
    return Destination.objects.get(pk=remedy.done["destination"])


def _deliver(to: Destination, name: str, kind: Kind, rows: Iterable[Swap | Renumbered]) -> None:
    lines = chain([_HEADS[kind]], map(_line, rows))
    try:
        place_list(Path(to.folder), name, to.recipient, lines)
    except OSError as problem:
        raise Unavailable(f"the list cannot be written ({problem.strerror})") from None


def _line(row: Swap | Renumbered) -> tuple[str, ...]:
    if isinstance(row, Swap):
        return row.patient, row.resource, row.changed.element, row.changed.old, row.changed.new
    return row.patient, row.system, row.old, row.new
