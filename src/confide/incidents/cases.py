"""The life of an incident: opened, contained, assessed, notified, closed; each step journalled, with who.

Texts that people type are sealed under the leading practice's journal key. The timeline only grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from django.db import DatabaseError, transaction

from confide.access import pulse, terminal
from confide.access.decide import Grant
from confide.access.roles import Action, Role
from confide.audit.journal import Entry, Journal, entry_for
from confide.audit.terminal import OPERATOR, entry_at
from confide.errors import AccessDenied, Invalid, Unavailable, Unknown
from confide.incidents.course import MOVES, Act, Breadth, Part, State, require_ready
from confide.incidents.facts import Way
from confide.incidents.models import Happening, Incident, Member, Task
from confide.vault.door import Clock, Vault
from confide.vault.reasons import Reasons

RESOURCE: Final = "Incident"
"""What the journal calls one."""

BY_ITSELF: Final = OPERATOR
"""Stands in a timeline for what no person has done."""

LONGEST: Final = 4000
_LONGEST_TITLE: Final = 200
_SLACK: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the timeline, opened.

    Attributes:
        text: What was typed; empty if nothing was.
    """

    at: datetime
    noted_at: datetime
    kind: Act
    by: str
    about: str
    entry: int
    text: str = field(repr=False)


class Cases:
    """The incidents of one installation.

    Args:
        vault: Whose keys seal what is typed.
        journal: Where each step is written.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Clock) -> None:
        self._reasons = Reasons(vault, "incident")
        self._journal = journal
        self._clock = clock

    # Finding

    def find(self, grant: Grant, id_: str) -> Incident:
        """Return an incident of the grant's practice.

        Args:
            grant: For ``JOURNAL_READ``.
            id_: Its id, or the first eight letters of it.

        Raises:
            Unknown: There is none, or another practice leads it.
        """
        self.require(grant)
        if len(id_) < _SHORTEST:
            raise Unknown("there is no such incident in this practice")
        found = list(Incident.objects.filter(practice=grant.practice, pk__startswith=id_)[:2])
        if len(found) != 1:
            raise Unknown("there is no such incident in this practice")
        return found[0]

    def listed(self, grant: Grant) -> list[Incident]:
        """Return the incidents that the grant's practice leads, the newest first."""
        self.require(grant)
        return list(Incident.objects.filter(practice=grant.practice).order_by("-opened_at"))

    def require(self, grant: Grant) -> None:
        """Refuse whoever may not read the journal now."""
        grant.require(Action.JOURNAL_READ, None, self._clock())
        if grant.actor.kind != "person":
            raise AccessDenied("incidents are led by people")
        pulse.recheck(grant)

    def require_lead(self, grant: Grant) -> None:
        """Refuse whoever may only look: an auditor.

        Raises:
            AccessDenied: The role is not the privacy officer's.
        """
        self.require(grant)
        if grant.actor.role is not Role.PRIVACY_OFFICER:
            raise AccessDenied("incidents are led by the privacy officer")

    # Steps

    def open(
        self,
        grant: Grant,
        title: str,
        discovered: datetime,
        *,
        way: Way = Way.OTHER,
        breadth: Breadth = Breadth.PRACTICE,
        source: str = "",
    ) -> Incident:
        """Open an incident.

        Args:
            grant: The privacy officer's, for ``JOURNAL_READ``.
            title: What people will call it; sealed.
            discovered: When it was known, or could have been: clocks run from it. Aware.
            way: How the data were reached.
            breadth: All of the host only at the terminal, for whoever has the machine in hand.
            source: What it came from: a finding's public name.

        Raises:
            AccessDenied: It is not theirs to open.
            Invalid: The title is missing or too long, or the moment is in the future.
        """
        self.require_lead(grant)
        now = self._clock()
        title = _text(title, _LONGEST_TITLE, "the title")
        if discovered.tzinfo is None or discovered > now + _SLACK:
            raise Invalid("the moment of discovery is in the future, or has no time zone")
        if breadth is Breadth.HOST and grant.actor.credential != terminal.CREDENTIAL:
            raise AccessDenied("an incident of all practices is opened at the host's terminal")
        made = Incident(
            practice=grant.practice, breadth=breadth, state=State.OPEN, way=way, discovered=discovered,
            source=source[:64], opened_by=grant.actor.id, opened_at=now,
        )  # fmt: skip
        made.title_sealed = self._reasons.seal(grant.practice, made.pk, "title", title)
        with storing():
            made.save(force_insert=True)
            Member.objects.create(incident=made, account=grant.actor.id, part=Part.LEAD, since=now)
            self.record(grant, made, Act.OPEN, way.value, at=now)
            if discovered < now - _SLACK:
                self.record(grant, made, Act.NOTE, "discovered", at=discovered)
        return made

    def move(self, grant: Grant, incident: Incident, state: State, text: str = "") -> None:
        """Bring it to another state, if the law and its course allow that.

        Raises:
            Invalid: There is no such step from where it stands, or something is missing for it.
        """
        self.require_lead(grant)
        with storing():
            incident = self._locked(incident)
            before, state = State(incident.state), State(state)
            if state not in MOVES[before]:
                allowed = ", ".join(MOVES[before])
                raise Invalid(f"an incident that is {before} can become {allowed}; not {state}")
            require_ready(incident, state)
            if before is State.CLOSED and self.found_for(incident.practice, incident.subject):
                raise Invalid("another incident of the same login is open by now: go on in that one")
            incident.state = state
            incident.save(update_fields=["state"])
            self.record(grant, incident, Act.MOVE, f"{before} {state}", text)

    def note(self, grant: Grant, incident: Incident, text: str, at: datetime | None = None) -> None:
        """Add a line to the timeline.

        Args:
            grant: The privacy officer's.
            incident: Which.
            text: What happened; sealed.
            at: When it happened, if not now; aware, not in the future.
        """
        self.require_lead(grant)
        now = self._clock()
        if at is not None and (at.tzinfo is None or at > now + _SLACK):
            raise Invalid("a line of the timeline is not in the future, and has a time zone")
        with storing():
            self.record(grant, incident, Act.NOTE, "", _text(text, LONGEST, "the text"), at=at)

    def join(self, grant: Grant, incident: Incident, account: str, part: Part) -> None:
        """Name somebody who works on it."""
        self.require_lead(grant)
        with storing():
            _, new = Member.objects.get_or_create(
                incident=incident, account=account, part=part, defaults={"since": self._clock()}
            )
            if new:
                self.record(grant, incident, Act.MEMBER, f"{part} {account}")

    def add_task(
        self, grant: Grant, incident: Incident, text: str, due: date | None = None, account: str = ""
    ) -> Task:
        """Write down what is to be done, by whom and until when."""
        self.require_lead(grant)
        task = Task(incident=incident, account=account, due=due, made_at=self._clock())
        task.text_sealed = self._reasons.seal(
            incident.practice, task.pk, "task", _text(text, _LONGEST_TITLE, "the task")
        )
        with storing():
            task.save(force_insert=True)
            self.record(grant, incident, Act.TASK, f"new {task.pk}")
        return task

    def finish(self, grant: Grant, incident: Incident, task: str) -> None:
        """Tick a task off.

        Raises:
            Unknown: The incident has no such task.
        """
        self.require_lead(grant)
        now = self._clock()
        with storing():
            rows = Task.objects.filter(pk=task, incident=incident, done_at__isnull=True)
            if not rows.update(done_at=now, done_by=grant.actor.id):
                raise Unknown("there is no such open task")
            self.record(grant, incident, Act.TASK, f"done {task}")

    def hold(self, grant: Grant, incident: Incident, text: str = "") -> None:
        """Counsel asks that nothing of it be destroyed; Confide removes nothing, and its pages say so."""
        self._hold(grant, incident, grant.actor.id, self._clock(), text)

    def release(self, grant: Grant, incident: Incident, text: str = "") -> None:
        """Counsel's hold ends."""
        self._hold(grant, incident, "", None, text)

    def _hold(self, grant: Grant, incident: Incident, by: str, at: datetime | None, text: str) -> None:
        self.require_lead(grant)
        with storing():
            incident = self._locked(incident)
            if (incident.hold_at is None) == (at is None):
                raise Invalid("the hold is as it should be already")
            incident.hold_by, incident.hold_at = by, at
            incident.save(update_fields=["hold_by", "hold_at"])
            self.record(grant, incident, Act.HOLD, "begun" if at else "ended", text)

    # Reading

    def title(self, incident: Incident) -> str:
        """Return what people call it."""
        return self._reasons.unseal(incident.practice, incident.pk, "title", bytes(incident.title_sealed))

    def timeline(self, incident: Incident) -> Iterator[Said]:
        """Return what happened, the first first, with what was typed."""
        for row in incident.happenings.order_by("at", "noted_at", "entry"):
            sealed = bytes(row.text_sealed)
            text = self._reasons.unseal(incident.practice, row.pk, "text", sealed) if sealed else ""
            yield Said(row.at, row.noted_at, Act(row.kind), row.by, row.about, row.entry, text)

    def task_text(self, task: Task) -> str:
        """Return what is to be done."""
        practice = task.incident.practice
        return self._reasons.unseal(practice, task.pk, "task", bytes(task.text_sealed))

    # For the other parts of an incident

    @staticmethod
    def found_for(practice: str, subject: str) -> Incident | None:
        """Return the open incident that the watch opened for a login, if there is one."""
        rows = Incident.objects.filter(practice=practice, subject=subject).exclude(state=State.CLOSED)
        return rows.first() if subject else None

    def observe(self, incident: Incident, act: Act, about: str = "", text: str = "") -> int:
        """Write into journal and timeline what Confide did by itself; as `record` does for a person."""
        return self._write(
            incident,
            act,
            about,
            text,
            self._clock(),
            lambda now: entry_at(
                act.value,
                RESOURCE,
                incident.pk,
                now,
                practice=incident.practice,
                role=Role.SYSTEM.value,
                credential="",
            ),
        )

    def record(
        self,
        grant: Grant,
        incident: Incident,
        act: Act,
        about: str = "",
        text: str = "",
        *,
        at: datetime | None = None,
        sha256: bytes = b"",
    ) -> int:
        """Write a step into the journal and the timeline, in the caller's transaction.

        Args:
            grant: Whose doing it is.
            incident: Which.
            act: What.
            about: Codes and ids; never what was typed.
            text: What was typed; sealed.
            at: When it happened, if not now.
            sha256: Of what it is about, for the entry: whoever has that can show it.

        Returns:
            The id of the entry.
        """
        if incident.subject and not incident.members.exists():  # it opened itself: who goes on with it leads
            Member.objects.create(
                incident=incident, account=grant.actor.id, part=Part.LEAD, since=self._clock()
            )
        return self._write(
            incident,
            act,
            about,
            text,
            at,
            lambda now: replace(
                entry_for(grant, now, resource_type=RESOURCE, resource_id=incident.pk, body_sha256=sha256),
                action=act.value,
            ),
            grant.actor.id,
        )

    def _write(
        self,
        incident: Incident,
        act: Act,
        about: str,
        text: str,
        at: datetime | None,
        make: Callable[[datetime], Entry],
        by: str = BY_ITSELF,
    ) -> int:
        now = self._clock()
        row = Happening(incident=incident, at=at or now, noted_at=now, kind=act, by=by, about=about[:100])
        if text:
            text = _text(text, LONGEST, "the text")
            row.text_sealed = self._reasons.seal(incident.practice, row.pk, "text", text)
        (row.entry,) = self._journal.append([replace(make(now), reason_sealed=bytes(row.text_sealed))])
        row.save(force_insert=True)
        return row.entry

    def seal(self, incident: Incident, id_: str, what: str, text: str) -> bytes:
        """Seal a text of another part of the incident."""
        return self._reasons.seal(incident.practice, id_, what, text)

    def unseal(self, incident: Incident, id_: str, what: str, sealed: bytes) -> str:
        """Open it."""
        return self._reasons.unseal(incident.practice, id_, what, sealed)

    def seal_bytes(self, incident: Incident, id_: str, what: str, content: bytes) -> bytes:
        """Seal what is no text; see `seal`."""
        return self._reasons.seal_bytes(incident.practice, id_, what, content)

    def unseal_bytes(self, incident: Incident, id_: str, what: str, sealed: bytes) -> bytes:
        """Open it."""
        return self._reasons.unseal_bytes(incident.practice, id_, what, sealed)

    @staticmethod
    def _locked(incident: Incident) -> Incident:
        """The row as it is now; nobody else moves it meanwhile."""
        return Incident.objects.select_for_update().get(pk=incident.pk)


_SHORTEST: Final = 8


@contextmanager
def storing() -> Iterator[None]:
    """One durable transaction of what is stored and of the entry that says so.

    Raises:
        Unavailable: The database does not take it.
    """
    try:
        with transaction.atomic():
            yield
    except DatabaseError as problem:
        raise Unavailable(f"the incident cannot be stored ({type(problem).__name__})") from None


def _text(text: str, longest: int, what: str) -> str:
    text = text.strip()
    if not text or len(text) > longest:
        raise Invalid(f"{what} has from 1 to {longest} characters")
    return text
