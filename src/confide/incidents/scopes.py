"""The scope of an incident: whose record, which elements, in which form, when first and last, and where.

It is counted from the journal (or, for a stolen copy, from what is stored), proved by verifying the journal,
and frozen before a notice goes: from then on its numbers cannot drift. Another count is another version, with
its difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Max

from confide.access.decide import Grant
from confide.access.roles import Form
from confide.audit.journal import Journal, entry_for
from confide.audit.scope import signed
from confide.audit.walk import Verdict
from confide.errors import Invalid, Unknown
from confide.incidents import census, residences
from confide.incidents.cases import RESOURCE, Cases, storing
from confide.incidents.course import Act, Breadth
from confide.incidents.forms import unpack
from confide.incidents.models import Exposed, Incident, Scope, Share
from confide.incidents.questions import Question, legs
from confide.incidents.statutes import UNKNOWN
from confide.protect.elements import Element
from confide.vault.door import Clock
from confide.vault.models import Export

_CHUNK: Final = 5000
_MOST_WRONG: Final = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a frozen scope, as a notice goes by it.

    Attributes:
        patient: The patient's id.
        elements: What was shown of it, each in the form that told most.
        state: Two letters, or ``unknown``.
        first: When it was seen first, aware UTC.
        last: When last.
    """

    patient: str
    elements: dict[Element, Form]
    state: str
    first: datetime
    last: datetime


class Scopes:
    """The scopes of one installation's incidents.

    Args:
        cases: The incidents.
        journal: Where counting and freezing are written.
        honey: Returns the ids of honey patients of some practices (of none: of all): they are nobody.
        clock: Returns now, aware UTC.
    """

    def __init__(
        self,
        cases: Cases,
        journal: Journal,
        clock: Clock,
        honey: Callable[[Sequence[str]], Iterable[str]] = tuple,
    ) -> None:
        self._cases = cases
        self._journal = journal
        self._clock = clock
        self._honey = honey

    def measure(self, grant: Grant, incident: Incident, question: Question) -> Scope:
        """Count who was seen. The count is not proved yet, and may still change.

        Args:
            grant: The privacy officer's, for ``JOURNAL_READ``.
            incident: Of which it is the scope.
            question: By whom, from where, and when.

        Returns:
            A new version.

        Raises:
            Invalid: The window is reversed or empty of a question.
            Unknown: A credential, session, client, address or export is not known here.
            JournalUnavailable: It cannot be counted, or that cannot be recorded.
        """
        self._cases.require_lead(grant)
        now = self._clock()
        practices = reach(incident)
        question.check(now, practices)
        residences.refresh()
        honey = self.honey(incident)
        with storing():
            # Written first: reading the journal is an entry whatever it finds.
            version = 1 + (incident.scopes.aggregate(top=Max("version"))["top"] or 0)
            self._cases.record(grant, incident, Act.SCOPE, f"version {version}")
            found = census.count(census.join(legs(question, practices, honey)))
            made = Scope.objects.create(
                incident=incident, version=version, question=question.write(), made_by=grant.actor.id,
                made_at=now, checkpoint=signed(), sound=False, records=found.records,
                practices=len(found.practices), states=found.states, elements=found.elements,
                honey=len(honey), first=found.first, last=found.last,
            )  # fmt: skip
            Share.objects.bulk_create(_shares(made, found), batch_size=_CHUNK)
        return made

    def prove(self, grant: Grant, scope: Scope, verify: Callable[[datetime], Verdict]) -> Scope:
        """Verify the journal from before what was counted on, and keep what that says beside the count.

        Args:
            grant: The privacy officer's.
            scope: Not frozen yet.
            verify: Verifies the journal since a moment (``audit.verdict.verify`` with this host's keys).

        Raises:
            Invalid: It is frozen: a new version is made instead.
        """
        self._cases.require_lead(grant)
        if scope.frozen_at is not None:
            raise Invalid("the scope is frozen: what it says stays (count a new version)")
        verdict = verify(begin(scope))
        scope.sound = not verdict.wrong and verdict.size > 0
        scope.checkpoint = verdict.size
        scope.proof = {
            "size": verdict.size,
            "start": verdict.start,
            "cosigned": verdict.cosigned,
            "at": self._clock().isoformat(),
            "wrong": [[each.where, each.what] for each in verdict.wrong[:_MOST_WRONG]],
        }
        with storing():
            scope.save(update_fields=["sound", "checkpoint", "proof"])
            said = "verified" if scope.sound else "does not verify"
            self._cases.record(grant, scope.incident, Act.SCOPE, f"version {scope.version} {said}")
        return scope

    def freeze(self, grant: Grant, scope: Scope) -> Scope:
        """Write each record down, with a hash over all: notices go by it, and it cannot change any more.

        Raises:
            Invalid: It is frozen already, was never proved, or the count is another one by now.
        """
        self._cases.require_lead(grant)
        if scope.frozen_at is not None:
            raise Invalid("the scope is frozen already")
        if not scope.proof:
            raise Invalid("the journal is verified first (a scope without proof is not frozen)")
        incident, now = scope.incident, self._clock()
        who = census.join(legs(Question.read(scope.question), reach(incident), self.honey(incident)))
        with storing():
            before = incident.frozen_scope()
            census.keep(who, scope.pk)
            found = census.recount(scope.pk)
            if not _same(scope, found):
                raise Invalid("what is counted changed since this version was made (count a new one)")
            scope.frozen_at, scope.frozen_by = now, grant.actor.id
            scope.digest = digest(scope)
            if before is not None:
                scope.difference = _difference(before, scope)
            scope.save(update_fields=["frozen_at", "frozen_by", "digest", "difference"])
            about = f"version {scope.version}"
            self._cases.record(grant, incident, Act.FREEZE, about, sha256=scope.digest)
            self._tell_practices(grant, incident, found.practices, now)
        return scope

    def honey(self, incident: Incident) -> list[str]:
        """Return the honey patients that an incident's scopes leave out."""
        return sorted(set(self._honey(reach(incident))))

    def _tell_practices(
        self, grant: Grant, incident: Incident, practices: Sequence[str], now: datetime
    ) -> None:
        """An entry in the journal of each other practice that is concerned: it reads its own."""
        entry = entry_for(grant, now, resource_type=RESOURCE, resource_id=incident.pk)
        others = [
            replace(entry, practice=practice, role="", action=Act.FREEZE.value)
            for practice in practices
            if practice != incident.practice
        ]
        self._journal.append(others)


def begin(scope: Scope) -> datetime:
    """Return since when the journal has what a scope is counted from: exports left before they were lost."""
    question = Question.read(scope.question)
    asked = Export.objects.filter(pk__in=question.exports).values_list("requested_at", flat=True)
    return min([question.since, *([scope.first] if scope.first else []), *asked])


def reach(incident: Incident) -> tuple[str, ...]:
    """Return the practices that an incident may look at; none is all of the host's."""
    return () if incident.breadth == Breadth.HOST else (incident.practice,)


# What notices go by


def frozen(id_: int) -> Scope:
    """Return a frozen scope.

    Raises:
        Unknown: There is none such, or it is not frozen.
    """
    found = Scope.objects.filter(pk=id_, frozen_at__isnull=False).first()
    if found is None:
        raise Unknown("there is no such frozen scope")
    return found


def practices(scope: Scope) -> list[str]:
    """Return the ids of the practices that a scope concerns, in order."""
    return sorted(set(scope.shares.values_list("practice", flat=True)))


def records(scope: Scope, practice: str, after: str = "") -> Iterator[Record]:
    """Return the records of one practice in a frozen scope, in the order of their ids.

    Args:
        scope: Frozen.
        practice: The practice's id.
        after: Only those whose id comes after this one: where a run that was stopped goes on.
    """
    rows = Exposed.objects.filter(scope=scope.pk, practice=practice, patient__gt=after).order_by("patient")
    for row in rows.values_list("patient", "shown", "state", "first", "last").iterator(_CHUNK):
        patient, shown, state, first, last = row
        yield Record(patient, unpack(shown), state or UNKNOWN, first, last)


def digest(scope: Scope) -> bytes:
    """Return the hash over all that a frozen scope says, computed anew from its rows, 32 bytes.

    SHA-256 over one line of JSON (incident, version, question, checkpoint, whether the journal verified), and
    then a line for each record in the order of practice and patient.
    """
    head = json.dumps(digest_of(scope), sort_keys=True, separators=(",", ":"))
    hashed = hashlib.sha256(head.encode() + b"\n")
    for line in lines(scope):
        hashed.update(line)
    return hashed.digest()


def digest_of(scope: Scope) -> dict[str, Any]:
    """Return what stands before the records in the hash over a scope."""
    return {
        "incident": scope.incident_id,
        "version": scope.version,
        "question": scope.question,
        "checkpoint": scope.checkpoint,
        "sound": scope.sound,
    }


def lines(scope: Scope) -> Iterator[bytes]:
    """Return a scope's records as lines, tabs between: practice, patient, shown, state, first, last."""
    if residences.vendor() == "sqlite":
        order, columns = "practice, patient", "practice, patient, shown, state, first, last"
    else:  # a million lines are put together where they are
        order = 'practice COLLATE "C", patient COLLATE "C"'
        stamps = (f"to_char({each} AT TIME ZONE 'UTC', '{_STAMP}')" for each in ("first", "last"))
        columns = "concat_ws(E'\\t', practice, patient, shown, state, " + ", ".join(stamps) + ")"
    with census.streaming() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM incidents_exposed WHERE scope = %s ORDER BY {order}",  # noqa: S608
            (scope.pk,),
        )
        while rows := cursor.fetchmany(_CHUNK):
            for row in rows:
                yield (row[0] if len(row) == 1 else "\t".join(_cells(row))).encode() + b"\n"


_STAMP: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'


def _cells(row: tuple[Any, ...]) -> Iterator[str]:
    *cells, first, last = row
    yield from map(str, cells)
    for value in (first, last):
        yield census.moment(value).astimezone(UTC).isoformat(timespec="microseconds")


def _shares(scope: Scope, found: census.Count) -> list[Share]:
    return [
        Share(scope=scope, practice=practice, state=state, records=cell.records, elements=cell.elements)
        for (practice, state), cell in sorted(found.cells.items())
    ]


def _same(scope: Scope, found: census.Count) -> bool:
    """Tell whether what is counted now is what a version says, in each practice and state."""
    rows = scope.shares.values_list("practice", "state", "records", "elements")
    told = {(practice, state): (records, elements) for practice, state, records, elements in rows}
    counted = {where: (cell.records, cell.elements) for where, cell in found.cells.items()}
    if (found.states, found.elements) != (scope.states, scope.elements):
        return False
    return told == counted and (found.first, found.last) == (scope.first, scope.last)


def _difference(before: Scope, after: Scope) -> dict[str, Any]:
    states = {
        state or UNKNOWN: after.states.get(state, 0) - before.states.get(state, 0)
        for state in sorted({*before.states, *after.states})
    }
    return {
        "against": before.version,
        **census.differ(before.pk, after.pk),
        "records": after.records - before.records,
        "practices": after.practices - before.practices,
        "states": {state: number for state, number in states.items() if number},
    }
