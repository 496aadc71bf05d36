"""What is done for a scope so that what was taken is worth less; each by two persons, and journalled.

*Revoke*: whoever's login was used loses password and sessions, a program its tokens, and is frozen.
*Retokenise*: exactly the exposed persons get new tokens with every recipient, and a destination gets the
list of old and new. *Rekey* and *renumber* take long: once agreed to, ``renewals`` does them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from django.db.models import Sum

from confide.access import destinations, raises, sessions, terminal
from confide.access.decide import Grant
from confide.access.destinations import Use
from confide.access.models import AccessToken, Account, Client, Destination
from confide.access.standing import Reason
from confide.audit import scope as journal_scope
from confide.audit import standing
from confide.audit.journal import Journal
from confide.errors import AccessDenied, Invalid, Unavailable, Unknown
from confide.incidents import scopes
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.models import Exposed, Incident, Portion, Remedy, Scope
from confide.incidents.notices.crates import place_list
from confide.incidents.questions import Question
from confide.vault.door import Clock
from confide.vault.retokens import Changed, Retokens

_KEPT: Final = "confide-retokens"
_AT_ONCE: Final = 500


class Kind(StrEnum):
    """What is done."""

    REVOKE = "revoke"
    RETOKENISE = "retokenise"
    REKEY = "rekey"
    RENUMBER = "renumber"


LONG: Final = frozenset({Kind.REKEY, Kind.RENUMBER})
"""What is done portion by portion."""


class Remedies:
    """The remedies of one installation's incidents.

    Args:
        cases: The incidents.
        retokens: Reissues tokens.
        journal: Where each step is written.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, retokens: Retokens, journal: Journal, clock: Clock) -> None:
        self._cases = cases
        self._retokens = retokens
        self._journal = journal
        self._clock = clock

    def ask(
        self,
        grant: Grant,
        incident: Incident,
        scope: Scope,
        kind: Kind,
        destination: str = "",
        patients: Collection[str] = (),
    ) -> Remedy:
        """Ask for a remedy; a second person's word does it.

        Args:
            grant: The privacy officer's.
            incident: Of which.
            scope: For whom; frozen for all but `REVOKE`.
            kind: What is to be done.
            destination: Where the list of old and new goes, by its name; for all but `REVOKE`.
            patients: For new record numbers: only these of the scope, by their ids; empty is all of them.

        Raises:
            Invalid: There is nobody to do it to, the scope is not frozen, or somebody is not in it.
            AccessDenied: The destination cannot be used.
        """
        self._cases.require_lead(grant)
        now = self._clock()
        told: dict[str, Any] = {}
        if kind is Kind.REVOKE and not any(_targets(incident, scope)):
            raise Invalid("the scope names no login, session or program")
        if patients and kind is not Kind.RENUMBER:
            raise Invalid("only new record numbers are for some of the persons")
        if kind is not Kind.REVOKE:
            if scope.frozen_at is None:
                raise Invalid("new tokens, keys and numbers are for exactly the persons of a frozen scope")
            if kind in LONG and not scope.records:
                raise Invalid("the scope holds nobody")
            found = destinations.find(grant.practice, destination)
            destinations.require_usable(found, Use.EXPORT, now)
            told = {"destination": found.pk}
            if patients:
                told["patients"] = _chosen(scope, patients)
        with storing():
            made = Remedy.objects.create(
                incident=incident, scope=scope, kind=kind, asked_by=grant.actor.id, asked_at=now, done=told
            )
            self._cases.record(grant, incident, Act.REMEDY, f"{kind} asked {made.pk}")
        return made

    def find(self, practice: str, id_: str) -> Remedy:
        """Return a remedy that waits.

        Raises:
            Unknown: There is none of that id in the practice.
        """
        rows = Remedy.objects.filter(pk=id_, incident__practice=practice, done_at__isnull=True)
        found = rows.select_related("incident", "scope").first()
        if found is None:
            raise Unknown("there is no such remedy that waits here")
        return found

    def approve(self, grant: Grant, remedy: Remedy, account: Account) -> Remedy:
        """Give the second person's word; it is done at once.

        Args:
            grant: For ``JOURNAL_READ``, of the second person.
            remedy: As `find` returns it.
            account: The second person's.

        Raises:
            AccessDenied: It is the one who asked, whose own login it is, or who may not approve.
        """
        self._cases.require(grant)
        now, incident = self._clock(), remedy.incident
        raises.require_approver(account, grant.practice, now)
        if account.pk in {remedy.asked_by, *(each.pk for each in _targets(incident, remedy.scope)[0])}:
            raise AccessDenied("another person must agree, and not about themselves")
        if Kind(remedy.kind) in LONG:
            with storing():
                self._agree(grant, remedy, now)
            return remedy
        if Kind(remedy.kind) is Kind.REVOKE:
            with storing():
                done: dict[str, Any] = self._revoke(incident, remedy.scope, account, now)
                self._finish(grant, remedy, done, now)
            return remedy
        done = self._retokenise(grant, remedy, now)
        with storing():
            self._finish(grant, remedy, done, now)
        return remedy

    def _agree(self, grant: Grant, remedy: Remedy, now: datetime) -> None:
        waiting = Remedy.objects.select_for_update().filter(pk=remedy.pk, approved_at__isnull=True)
        if not waiting.update(approved_by=grant.actor.id, approved_at=now):
            raise Invalid("it is agreed to already")
        remedy.refresh_from_db()
        self._cases.record(grant, remedy.incident, Act.REMEDY, f"{remedy.kind} agreed {remedy.pk}")

    def _finish(self, grant: Grant, remedy: Remedy, done: dict[str, Any], now: datetime) -> None:
        waiting = Remedy.objects.select_for_update().filter(pk=remedy.pk, done_at__isnull=True)
        if not waiting.update(approved_by=grant.actor.id, approved_at=now, done_at=now, done=done):
            raise Invalid("it is done already")
        remedy.refresh_from_db()
        self._cases.record(grant, remedy.incident, Act.REMEDY, f"{remedy.kind} done {remedy.pk}")

    def _revoke(self, incident: Incident, scope: Scope, by: Account, now: datetime) -> dict[str, Any]:
        people, programs = _targets(incident, scope)
        ended = 0
        for person in people:
            person.set_unusable_password()
            person.save(update_fields=["password"])
            ended += sessions.end_all(person)
        tokens = 0
        for program in programs:
            tokens += AccessToken.objects.filter(client=program).delete()[0]
            standing.freeze(
                self._journal, program, Reason.MISUSE, now, by=by, practice=incident.practice,
                credential=terminal.CREDENTIAL,
            )  # fmt: skip
        return {"people": len(people), "sessions": ended, "programs": len(programs), "tokens": tokens}

    def _retokenise(self, grant: Grant, remedy: Remedy, now: datetime) -> dict[str, Any]:
        destination = Destination.objects.get(pk=remedy.done["destination"])
        destinations.require_usable(destination, Use.EXPORT, now)
        given = set(remedy.portions.values_list("number", flat=True))
        for number, practice in enumerate(scopes.practices(remedy.scope), 1):
            if number in given:  # before it was stopped: another list would take the place of the first
                continue
            patients = [each.patient for each in scopes.records(remedy.scope, practice)]
            told = Portion(remedy=remedy, number=number, practice=practice, people=len(patients), done_at=now)
            try:
                self._retokens.reissue(grant, practice, patients, partial(_hand, destination, told))
            except OSError as problem:
                raise Unavailable(f"the list cannot be written ({problem.strerror})") from None
        changed = remedy.portions.aggregate(sum=Sum("changed"))["sum"] or 0
        return {"destination": destination.pk, "tokens": changed}


def _targets(incident: Incident, scope: Scope) -> tuple[list[Account], list[Client]]:
    """The logins and programs that a scope is about: named, or behind a session or token that is named."""
    question = Question.read(scope.question)
    ids = set(question.actors)
    if question.credentials:
        ids |= journal_scope.actors(scopes.reach(incident), question.credentials)
    return list(Account.objects.filter(pk__in=ids)), list(Client.objects.filter(pk__in=ids))


def _chosen(scope: Scope, patients: Collection[str]) -> list[str]:
    """Those patients, each once.

    Raises:
        Invalid: One is not in the scope.
    """
    wanted = sorted(set(patients))
    there = Exposed.objects.filter(scope=scope.pk)
    found: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        found |= set(
            there.filter(patient__in=wanted[start : start + _AT_ONCE]).values_list("patient", flat=True)
        )
    if len(found) < len(wanted):
        raise Invalid(f"{len(wanted) - len(found)} of the persons are not in the frozen scope")
    return wanted


def _hand(to: Destination, portion: Portion, changed: Sequence[Changed]) -> None:
    """Mark a practice as done and hand its list over, in the transaction in which its tokens change."""
    portion.changed = len(changed)
    portion.save(force_insert=True)
    name = f"{_KEPT}-{portion.remedy_id[:8]}-{portion.number:04}.csv.age"
    tokens = ((each.scope, each.old, each.new) for each in changed)
    place_list(Path(to.folder), name, to.recipient, chain([("recipient", "old", "new")], tokens))
