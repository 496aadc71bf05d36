"""Patients and their charts: create, read, update, delete, history. Every way in and out is here.

What goes in is checked, protected and journalled; what comes out passes the vault, which decides
from the grant, the budget and the journal what of it is clear.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DatabaseError, transaction

from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.access.roles import Action
from confide.errors import Gone, InvalidResource, Issue, Unavailable, Unknown, VersionConflict
from confide.protect.elements import Element
from confide.records import checks, terms
from confide.records.models import Resource, Stored, Superseded, Term
from confide.records.rows import View, current, document, parse_id, some
from confide.records.writer import Draft, Writer
from confide.vault.days import SealedDays
from confide.vault.door import Clock, Vault

EVERYTHING = frozenset(Element)
_MOST_VERSIONS = 1000


class Charts:
    """The charts of all practices of one installation.

    Args:
        vault: The door.
        days: Seals the days of relationships.
        clock: Returns now, aware UTC.
        code_systems: Local code systems that this installation has registered.
    """

    def __init__(
        self, vault: Vault, days: SealedDays, clock: Clock, code_systems: frozenset[str] = frozenset()
    ) -> None:
        self.vault = vault
        self._clock = clock
        self._code_systems = code_systems
        self._writer = Writer(vault, days, clock)

    # In

    def create(self, grant: Grant, resource: Any) -> View:
        """Store a new resource under an id of ours.

        Raises:
            InvalidResource: It breaks a rule; nothing was stored.
        """
        checked = checks.valid(resource)
        draft = Draft(checked["resourceType"], uuid.uuid4(), checked)
        return self.write(grant, [draft], [""])[0]

    def update(self, grant: Grant, kind: str, id_: str, resource: Any, if_match: int | None = None) -> View:
        """Store a new version.

        Args:
            grant: For writing.
            kind: The resource's type.
            id_: Our id of it.
            resource: All of the new version, clear.
            if_match: The version that the caller has seen; None to write whatever is there.

        Raises:
            Unknown: There is no such resource: an update does not create.
            VersionConflict: Somebody else wrote a newer version first.
        """
        checked = checks.valid(resource)
        if checked["resourceType"] != kind or checked.get("id") != id_:
            raise InvalidResource(
                [Issue(f"{kind}.id", "invariant", "type and id must be those of the address")]
            )
        return self.write(grant, [self.replacing(grant, kind, id_, checked, if_match)], [""])[0]

    def delete(self, grant: Grant, kind: str, id_: str, if_match: int | None = None) -> None:
        """Delete: its versions stay in its history.

        Raises:
            InvalidResource: It is a patient whose chart is not empty.
        """
        self.write(grant, [self.replacing(grant, kind, id_, None, if_match)], [""])

    def replacing(
        self, grant: Grant, kind: str, id_: str, resource: dict[str, Any] | None, if_match: int | None = None
    ) -> Draft:
        """The draft of an update or (None) a deletion."""
        row = current(grant.practice, kind, id_)
        if if_match is not None and row.version != if_match:
            msg = "somebody else wrote a newer version first; read it, and write again"
            raise VersionConflict(msg)
        return Draft(kind, row.pk, resource, row)

    def write(self, grant: Grant, drafts: Sequence[Draft], where: Sequence[str]) -> list[View]:
        """Store *drafts* in one transaction: all of them, or nothing.

        Args:
            grant: For writing.
            drafts: What to store.
            where: The path of each in its bundle, for error messages.

        Raises:
            InvalidResource: A reference leads to nothing, or a code's system is unknown.
        """
        grant.require_action(Action.WRITE, self._clock())
        self._refuse_strangers(grant, drafts, where)
        return self._store(grant, drafts, lambda: self._refuse_orphans(grant, drafts))

    def take_over(self, grant: Grant, drafts: Sequence[Draft], first: Callable[[], None]) -> list[View]:
        """Store what another system recorded, as it is, in one transaction with *first*.

        Only for imports: references to nothing and codes of unknown systems are kept.
        """
        grant.require(Action.IMPORT, None, self._clock())
        return self._store(grant, drafts, first)

    def _store(self, grant: Grant, drafts: Sequence[Draft], first: Callable[[], None]) -> list[View]:
        try:
            batch = self._writer.prepare(grant, drafts)
            with transaction.atomic():
                first()
                self._writer.commit(grant, batch)
        except BaseException as problem:
            # Keys of what was not stored after all; the key store is asked again before their next use.
            self.vault.forget(grant.practice, (str(d.id) for d in drafts if d.replaces is None))
            if not isinstance(problem, DatabaseError):
                raise
            msg = "the database does not answer; nothing was stored"
            raise Unavailable(msg) from problem
        return [self._written(p.row) for p in batch.prepared]

    def _refuse_strangers(self, grant: Grant, drafts: Sequence[Draft], where: Sequence[str]) -> None:
        resources = [(w, d.resource) for w, d in zip(where, drafts, strict=True) if d.resource is not None]
        new = {f"{d.type}/{d.id}" for d in drafts if d.resource is not None and d.replaces is None}
        issues = checks.dangling(grant.practice, resources, new)
        for w, resource in resources:
            for issue in checks.foreign_codes(resource, self._code_systems):
                issues.append(Issue(f"{w}.{issue.path}" if w else issue.path, issue.kind, issue.text))
        for w, d in zip(where, drafts, strict=True):
            if d.resource is not None and d.replaces is not None and d.replaces.elements:
                issues += checks.stand_ins(d.resource, w)
        if issues:
            raise InvalidResource(issues[: checks.MOST_ISSUES])

    def _refuse_orphans(self, grant: Grant, drafts: Sequence[Draft]) -> None:
        """A patient whose chart is not empty is not deleted: nobody would find the chart again."""
        gone = [draft.id for draft in drafts if draft.resource is None]
        for draft in drafts:
            if draft.resource is None and draft.type == "Patient":
                key = terms.term(grant.practice, "", terms.COMPARTMENT, str(draft.id))
                if Term.objects.filter(key=key).exclude(resource__in=gone).exists():
                    text = "the patient's chart is not empty; delete or move its resources first"
                    raise InvalidResource([Issue("Patient", "conflict", text)])

    def _written(self, row: Resource) -> View:
        return View(
            row.type,
            str(row.pk),
            row.version,
            row.updated,
            None,
            frozenset(),
            frozenset(),
            tuple(row.patients.split()),
        )

    # Out

    def read(self, grant: Grant, kind: str, id_: str, elements: frozenset[Element] = EVERYTHING) -> View:
        """Read the current version, in the form that the grant and its budget allow.

        Raises:
            Unknown: There is none, or it is another practice's.
            Gone: It was deleted.
        """
        return self.views(grant, [current(grant.practice, kind, id_)], elements)[0]

    def vread(self, grant: Grant, kind: str, id_: str, version: int) -> View:
        """Read one version."""
        row = self._version(grant, kind, id_, version)
        if row.deleted:
            msg = "this version is its deletion"
            raise Gone(msg)
        return self.views(grant, [row], operation=Operation.VREAD)[0]

    def _version(self, grant: Grant, kind: str, id_: str, version: int) -> Stored:
        wanted = {"id": parse_id(id_), "practice": grant.practice, "type": kind, "version": version}
        row = Resource.objects.filter(**wanted).first() or Superseded.objects.filter(**wanted).first()
        if row is None:
            msg = "there is no such version"
            raise Unknown(msg)
        return row

    def history(self, grant: Grant, kind: str, id_: str) -> list[View]:
        """Read all versions, newest first."""
        wanted = {"id": parse_id(id_), "practice": grant.practice, "type": kind}
        rows: list[Stored] = list(Resource.objects.filter(**wanted))
        if not rows:
            msg = "there is no resource of that type and id"
            raise Unknown(msg)
        rows += Superseded.objects.filter(**wanted).order_by("-version")[:_MOST_VERSIONS]
        return self.views(grant, rows, operation=Operation.HISTORY)

    def chart(self, grant: Grant, patient: str, elements: frozenset[Element] = EVERYTHING) -> list[View]:
        """Read everything in one patient's compartment, the Patient first."""
        first = current(grant.practice, "Patient", patient)
        key = terms.term(grant.practice, "", terms.COMPARTMENT, patient)
        ids = set(Term.objects.filter(key=key).values_list("resource", flat=True)) - {first.pk}
        rows = Resource.objects.filter(practice=grant.practice, deleted=False)
        rest = [row for row in some(rows, ids) if patient in row.patients.split()]
        rest.sort(key=lambda row: (row.type, row.pk))
        return self.views(grant, [first, *rest], elements, Operation.EVERYTHING)

    def views(
        self,
        grant: Grant,
        rows: Sequence[Stored],
        elements: frozenset[Element] = EVERYTHING,
        operation: Operation = Operation.READ,
    ) -> list[View]:
        """Show rows in order, each in the form that the grant allows and the budget covers."""
        there = [row for row in rows if not row.deleted]
        revealed = iter(self.vault.reveal(grant, [document(row) for row in there], elements, operation))
        views = []
        for row in rows:
            common = (row.type, str(row.id), row.version, row.updated)  # type: ignore[attr-defined]  # both models have an id
            patients = tuple(row.patients.split())
            if row.deleted:
                views.append(View(*common, None, frozenset(), frozenset(), patients))
            else:
                r = next(revealed)
                views.append(View(*common, r.resource, r.shown, r.hidden, patients))
        return views
