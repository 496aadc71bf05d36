"""The mailings of all practices of an incident as one: asked for, approved and written by one act each.

A vendor's incident concerns many practices. Each has its own mailing, with entries in its own journal; two
people of the practice that leads the incident agree to all of them at once, by a digest over the whole. Where
records were matched as one person's, that person is in one of the mailings, with all that was shown of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db.models import Max

from confide.access.decide import Grant
from confide.access.models import Practice
from confide.errors import AccessDenied, Invalid, Unknown
from confide.incidents import scopes
from confide.incidents.course import Breadth
from confide.incidents.forms import unpack
from confide.incidents.models import Exposed, Incident, Match, Scope
from confide.incidents.notices import chronicle, crates, folders, mailings, reached, scoped, typeset
from confide.incidents.notices.addressing import Why
from confide.incidents.notices.hands import Hands, Here
from confide.incidents.notices.mailings import Draft, Wanted, mandate_of
from confide.incidents.notices.models import Batch, Mailing, Unreached
from confide.incidents.notices.scoped import Told
from confide.incidents.notices.sending import Progress, Sender
from confide.incidents.notices.states import Channel, State
from confide.protect.elements import Element
from confide.vault.mailings import Mailings as Gate
from confide.vault.mandates import Whole

_AT_ONCE: Final = 500
_OPEN: Final = (State.REQUESTED, State.APPROVED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Campaign:
    """The mailings of one request.

    Attributes:
        lead: The practice that leads the incident.
        ids: The mailings', in the order in which they are written.
        people: How many persons they hold.
        done: How many of them are in mailings that are finished.
    """

    incident: str
    lead: str
    ids: tuple[str, ...]
    people: int
    done: int
    state: State


class Campaigns:
    """Asks for the mailings of all practices, approves and writes them.

    Args:
        gate: Two people's word, and the journal.
        sender: Writes each mailing.
        clock: Returns now, aware UTC.
    """

    def __init__(self, gate: Gate, sender: Sender, clock: Callable[[], datetime]) -> None:
        self._gate = gate
        self._sender = sender
        self._clock = clock

    def request(self, grant: Grant, scope: Scope, wanted: Wanted) -> Campaign:
        """Record what a person asks for: a mailing for each practice of a frozen scope; nothing is opened.

        Args:
            grant: A person's of the practice that leads the incident, at the host's terminal.
            scope: Frozen, of an incident of all practices.
            wanted: Letters or records for a print house of that practice.

        Raises:
            AccessDenied: It is not theirs to ask for, or the place is not one for mailings, or not yet.
            Invalid: Nobody is left to be written to, the letters are too hard to read or say what a state
                forbids, or the scope is not frozen.
        """
        incident = scope.incident
        if incident.breadth != Breadth.HOST or incident.practice != grant.practice:
            raise AccessDenied("only who leads an incident of all practices writes for all of them")
        if wanted.channel is Channel.EMAIL:
            raise Invalid("the mailings of all practices go on paper (each practice has its own consents)")
        scoped.require_frozen(scope)
        now = self._clock()
        chosen = _choose(scope, wanted.round, now, more=wanted.more)
        drafts = []
        for practice in scopes.practices(scope):
            who = scoped.frozen(scope, practice, lambda practice=practice: chosen.people(practice))  # type: ignore[misc]
            made = mailings.draft(grant.actor.id, who, wanted, now)
            if made.sheets:
                drafts.append(made)
        if not drafts:
            raise Invalid("nobody is left who would be written to")
        if all(each.mailing.practice == grant.practice for each in drafts):
            raise Invalid("it is one practice's alone: ask for its mailing (without --all-practices)")
        mailings.require_plain(wanted, drafts)
        whole = _whole(grant.practice, incident.pk, [each.mailing for each in drafts])

        def store(entry: int, entries: Sequence[int]) -> None:
            _keep(drafts, entries)
            _tell(latest(incident), wanted.channel, "asked for", grant.actor.id, entry, now)

        self._gate.request_all(grant, whole, store)
        return latest(incident)

    def approve(self, grant: Grant, incident: Incident) -> Campaign:
        """Give the second person's word on all of them.

        Raises:
            AccessDenied: They asked for it themselves, it is not waiting, or has lapsed.
        """
        found, rows = self._rows(incident)
        now = self._clock()
        if any(mailings.state(each, now) is not State.REQUESTED for each in rows):
            raise AccessDenied(f"the mailings are {found.state}, so they cannot be approved")
        account = grant.actor.id

        def store(entry: int, entries: Sequence[int]) -> None:
            _tell(found, rows[0].channel, "approved", account, entry, now)
            for each, mine in zip(rows, entries, strict=True):
                changed = Mailing.objects.filter(pk=each.pk, state=State.REQUESTED).update(
                    state=State.APPROVED, approved_by=account, approved_at=now, approved_in=mine
                )
                if not changed:
                    raise AccessDenied("a mailing is not waiting for approval any more")

        self._gate.approve_all(grant, _whole(found.lead, incident.pk, rows), store)
        return latest(incident)

    def withdraw(self, grant: Grant, incident: Incident) -> Campaign:
        """Take them back; what went out stays out.

        Raises:
            AccessDenied: All of them are finished, or were withdrawn already.
        """
        found, rows = self._rows(incident)
        if found.state not in _OPEN:
            raise AccessDenied(f"the mailings are {found.state}")

        def store(entry: int, _: Sequence[int]) -> None:
            _tell(found, rows[0].channel, "taken back", grant.actor.id, entry, self._clock())
            Mailing.objects.filter(pk__in=found.ids, state__in=_OPEN).update(state=State.WITHDRAWN)

        self._gate.withdraw_all(grant, _whole(found.lead, incident.pk, rows), store)
        return latest(incident)

    def run(
        self,
        account: str,
        incident: Incident,
        progress: Progress = lambda _done, _all: None,
        hands: Hands | None = None,
    ) -> Path:
        """Write all of them, or go on where an interrupted run stopped.

        Args:
            account: Of the person who has them written.
            incident: Whose.
            progress: Told how many persons are done, and how many there are.
            hands: Who writes the batches; None is this process.

        Returns:
            The manifest of the whole, in the destination's folder: each mailing has a folder beside it.

        Raises:
            See :meth:`confide.incidents.notices.sending.Sender.run`.
        """
        found, rows = self._rows(incident)
        whole = _whole(found.lead, incident.pk, rows)
        self._gate.check_all(account, whole)
        destination = rows[0].destination
        if destination is None:
            raise AccessDenied("the mailings go by e-mail")
        place = Path(destination.folder)
        name = f"{found.ids[0]}.whole.json.age"
        wanted = [each.pk for each in rows if each.state != State.FINISHED]
        finished = [each.pk for each in rows if each.state == State.FINISHED]
        if not wanted and (place / name).is_file():
            raise AccessDenied("the mailings are finished, so they are not written")
        one = rows[0]
        del rows

        def finish(entry: int) -> None:
            now = self._clock()
            _tell(found, one.channel, "finished", account, entry, now)
            chronicle.arrive(one, account, entry, now)

        def tell(done: int, _: int) -> None:
            progress(found.done + done, found.people)

        with crates.locked(place):
            folders.tidy(place)
            for each in finished:  # of one of them the last step may have been cut off
                folders.hand_over(place, each)
            self._sender.run_all(
                account, _each(wanted), found.people, tell, hands or Here(self._sender.write)
            )
            content = _manifest(found, scopes.frozen(_scope_of(found)))
            with crates.writing():
                crates.place(place, name, typeset.seal(content, destination.recipient).content)
            self._gate.finish_all(
                account,
                whole,
                hashlib.sha256(content).digest(),
                finish,
            )
        return place / name

    def _rows(self, incident: Incident) -> tuple[Campaign, list[Mailing]]:
        found = latest(incident)
        rows = Mailing.objects.filter(pk__in=found.ids).select_related("destination")
        return found, list(rows.order_by("practice", "pk"))


def latest(incident: Incident) -> Campaign:
    """Return the mailings of all practices that were asked for last.

    Raises:
        Unknown: Nobody has asked for any.
    """
    led = Mailing.objects.filter(incident=incident.pk, destination__practice=incident.practice)
    # Mailings of one request have one moment; that of a single practice is not led from another one.
    at = led.exclude(practice=incident.practice).aggregate(top=Max("requested_at"))["top"]
    if at is None:
        raise Unknown("nobody has asked for the mailings of all practices (confide notice mail)")
    rows = list(led.filter(requested_at=at).order_by("practice", "pk").values_list("pk", "people", "state"))
    states = {State(state) for _, _, state in rows}
    order = (State.RUNNING, State.REQUESTED, State.APPROVED, State.WITHDRAWN, State.FINISHED)
    state = next(each for each in order if each in states)
    if state is State.APPROVED and State.FINISHED in states:
        state = State.RUNNING
    done = sum(people for _, people, each in rows if each == State.FINISHED)
    ids = tuple(pk for pk, _, _ in rows)
    return Campaign(incident.pk, incident.practice, ids, sum(row[1] for row in rows), done, state)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which record of a person with several is written to, and what was shown of all of them.

    Attributes:
        left: Records of persons who are written to by another record.
        told: What was shown of a person, by the record that is written to.
    """

    scope: Scope
    left: frozenset[str]
    told: dict[str, frozenset[Element]]

    def people(self, practice: str) -> Iterator[Told]:
        for patient, elements, state in scoped.people(self.scope, practice):
            if patient not in self.left:
                yield patient, self.told.get(patient, elements), state


def grown(scope: Scope, round_: str, now: datetime) -> int:
    """Return of how many persons a frozen scope shows more than their letters; see ``scoped.grown``."""
    if not scoped.is_later(scope, "", round_):
        return 0
    chosen, number = _choose(scope, round_, now, more=True), 0
    for practice in scopes.practices(scope):
        number += scoped.count_grown(scope.incident_id, practice, round_, chosen.people(practice), now)
    return number


def _choose(scope: Scope, round_: str, now: datetime, *, more: bool = False) -> _Choice:
    """Choose one record for each person who has several: nobody twice, and nobody missed.

    Whoever has been reached by one of them is left out; a record by which a letter did not reach the person
    comes after the others. For letters that say more than the first ones did, it is the record that was
    reached, of those of whom more was shown by any of their records.
    """
    persons: dict[int, list[tuple[str, str]]] = {}
    matches = Match.objects.filter(scope=scope).order_by("practice", "patient")
    for practice, patient, person in matches.values_list("practice", "patient", "person").iterator():
        persons.setdefault(person, []).append((practice, patient))
    among = {patient for group in persons.values() for _, patient in group}
    practices = sorted({practice for group in persons.values() for practice, _ in group})
    told_: dict[str, frozenset[Element]] = {}
    for practice in practices:
        written = reached.told(scope.incident_id, practice, round_, now)
        told_.update((patient, written[patient]) for patient in written.keys() & among)
    missed = set(
        Unreached.objects.filter(mailing__incident=scope.incident_id, mailing__round=round_)
        .exclude(why=Why.DOUBTFUL)
        .values_list("patient", flat=True)
        .iterator()
    )
    shown = _shown(scope, sorted(among))
    left: set[str] = set()
    told: dict[str, frozenset[Element]] = {}
    for group in persons.values():
        ids = [patient for _, patient in group]
        seen = frozenset(element for each in ids for element in shown.get(each, ()))
        reached_ = [each for each in ids if each in told_]
        known = frozenset(element for each in reached_ for element in told_[each])
        if reached_ and (not more or seen <= known):
            left.update(ids)
            continue
        one = next((each for each in reached_ or ids if each not in missed), (reached_ or ids)[0])
        left.update(each for each in ids if each != one)
        told[one] = seen
    return _Choice(scope, frozenset(left), told)


def _shown(scope: Scope, patients: Sequence[str]) -> dict[str, frozenset[Element]]:
    found: dict[str, frozenset[Element]] = {}
    for start in range(0, len(patients), _AT_ONCE):
        rows = Exposed.objects.filter(scope=scope.pk, patient__in=patients[start : start + _AT_ONCE])
        found.update((p, frozenset(unpack(number))) for p, number in rows.values_list("patient", "shown"))
    return found


def _keep(drafts: Sequence[Draft], entries: Sequence[int]) -> None:
    for each, entry in zip(drafts, entries, strict=True):
        each.mailing.requested_in = entry
    mailings.keep(drafts)


def _tell(found: Campaign, channel: str, did: str, by: str, entry: int, now: datetime) -> None:
    """Write a line of the timeline, in the caller's transaction."""
    about = f"{channel} of {len(found.ids):,} practices {did}: {found.people:,} persons"
    chronicle.follow(found.incident, about, by, entry, now)


def _whole(lead: str, incident: str, rows: Iterable[Mailing]) -> Whole:
    return Whole(lead, incident, tuple(mandate_of(each) for each in rows))


def _each(ids: Sequence[str]) -> Iterator[Mailing]:
    for pk in ids:
        yield mailings.get(pk)


def _scope_of(found: Campaign) -> int:
    return int(Mailing.objects.values_list("scope", flat=True).get(pk=found.ids[0]))


def _manifest(found: Campaign, scope: Scope) -> bytes:
    """Say what was written for whom, over all practices; the same bytes each time."""
    rows = Mailing.objects.filter(pk__in=found.ids).order_by("practice", "pk")
    names = dict(Practice.objects.filter(pk__in=rows.values("practice")).values_list("pk", "name"))
    listed: list[dict[str, Any]] = []
    moments: list[datetime] = []
    for pk, practice, people, text, at in rows.values_list(
        "pk", "practice", "people", "manifest", "finished_at"
    ).iterator():
        said = json.loads(text)
        listed.append(
            {
                "mailing": pk,
                "practice": practice,
                "name": names.get(practice, ""),
                "people": people,
                "letters": said["letters"],
                "files": len(said["files"]),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
            }
        )
        moments += [at] if at is not None else []
    content = {
        "incident": found.incident,
        "scope": bytes(scope.digest).hex(),
        "written": max(moments).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "practices": len(listed),
        "people": found.people,
        "letters": sum(each["letters"] for each in listed),
        "batches": Batch.objects.filter(mailing__in=found.ids).count(),
        "mailings": listed,
    }
    return json.dumps(content, indent=1).encode() + b"\n"
