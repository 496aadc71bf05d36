"""Mailings: asked for over a frozen scope by one person, approved by another, written once.

    requested -> approved -> running -> finished
    requested, approved or running -> withdrawn

Whom it holds, and what was shown of each, is fixed when it is asked for: batches of packed ids, each with its
digest in what two people agree to. An approval lapses after thirty days.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Final

import msgspec
from django.db import transaction

from confide.access.decide import Grant
from confide.access.models import Destination
from confide.errors import AccessDenied, Damaged, Invalid, Unknown
from confide.incidents.notices import chronicle, letters, reached, states, templates, wording
from confide.incidents.notices import facts as telling
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.letters import Templates
from confide.incidents.notices.models import Batch, Mailing
from confide.incidents.notices.readability import Language
from confide.incidents.notices.states import Channel, Round, State
from confide.incidents.notices.templates import PERSONAL, Kind
from confide.protect.elements import Element
from confide.vault import mailings as vault
from confide.vault.mandates import MAILED, PRINTED, Mandate, pack

_AT_ONCE: Final = 500
_TEXTS: Final = 4
"""So many approved texts are kept read: those of 1,600 practices are the same."""

_SETS: Final = 200
"""Distinct sets of elements that are measured; more than that have the same words in them."""


SIZES: Final[Mapping[Channel, int]] = {Channel.LETTERS: 100, Channel.RECORDS: 500, Channel.EMAIL: 100}
"""Persons in a batch. A PDF of a print house has fifty or more."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen scope, as far as one practice's letters need it.

    Attributes:
        incident: The incident's id.
        id: The scope's id.
        sha256: What it was frozen as, 32 bytes.
        sound: Whether the journal under it verified.
        practice: Whose persons they are.
        people: Gives each person's id, what was shown of them, and the state in which they live (empty if
            unknown).
    """

    incident: str
    id: str
    sha256: bytes
    sound: bool
    practice: str
    people: Callable[[], Iterable[tuple[str, frozenset[Element], str]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for."""

    facts: Facts
    templates: Templates
    channel: Channel
    round: Round = Round.NOTICE
    destination: Destination | None = None
    size: int = 0
    more: bool = False
    """Only for those who were written to, and of whom the scope shows more than their letters say."""


class Mailings:
    """Asks for mailings and approves them.

    Args:
        vault: Two people's word, and the journal.
        clock: Returns now, aware UTC.
    """

    def __init__(self, gate: vault.Mailings, clock: Callable[[], datetime]) -> None:
        self._gate = gate
        self._clock = clock

    def request(self, grant: Grant, frozen: Frozen, wanted: Wanted) -> Mailing:
        """Record what a person asks for; nothing is opened.

        Whoever has been written to in this incident and round, and was reached, is left out: nobody twice.
        With ``wanted.more`` it is exactly those, as far as more was shown of them than their letters name.

        Raises:
            AccessDenied: The place is not one for mailings, or not yet.
            Invalid: Nobody is left to be written to, the letters are too hard to read or say what a state
                forbids, or the scope is not frozen or another practice's.
        """
        if frozen.practice != grant.practice:
            raise Invalid("a mailing is of the practice's own persons")
        made = draft(grant.actor.id, frozen, wanted, self._clock())
        if not made.sheets:
            raise Invalid("nobody is left who would be written to")
        require_plain(wanted, [made])
        mailing = made.mailing

        def store(entry: int) -> None:
            mailing.requested_in = entry
            keep([made])
            chronicle.tell(mailing, "asked for", grant.actor.id, entry, mailing.requested_at)

        self._gate.request(grant, mandate_of(mailing), store)
        return mailing

    def approve(self, grant: Grant, mailing: Mailing) -> None:
        """Give the second person's word.

        Raises:
            AccessDenied: They asked for it themselves, it is not waiting, or has lapsed.
        """
        now = self._clock()
        if state(mailing, now) is not State.REQUESTED:
            raise AccessDenied(f"the mailing is {state(mailing, now)}, so it cannot be approved")
        account = grant.actor.id

        def store(entry: int) -> None:
            changed = Mailing.objects.filter(pk=mailing.pk, state=State.REQUESTED).update(
                state=State.APPROVED, approved_by=account, approved_at=now, approved_in=entry
            )
            if not changed:
                raise AccessDenied("the mailing is not waiting for approval any more")
            chronicle.tell(mailing, "approved", account, entry, now)

        self._gate.approve(grant, mandate_of(mailing), store)
        mailing.refresh_from_db()

    def withdraw(self, grant: Grant, mailing: Mailing) -> None:
        """Take a mailing back, approved or under way; what went out stays out.

        Raises:
            AccessDenied: It is finished, or was withdrawn already.
        """
        open_states = [State.REQUESTED, State.APPROVED, State.RUNNING]

        def store(entry: int) -> None:
            if not Mailing.objects.filter(pk=mailing.pk, state__in=open_states).update(state=State.WITHDRAWN):
                raise AccessDenied(f"the mailing is {state(mailing, self._clock())}")
            chronicle.tell(mailing, "taken back", grant.actor.id, entry, self._clock())

        self._gate.withdraw(grant, mandate_of(mailing), store)
        mailing.refresh_from_db()


@dataclass(frozen=True, slots=True)
class Draft:
    """A mailing before anybody has agreed to it.

    Attributes:
        sheets: The packed persons of each batch, and how many they are.
        states: In which they live.
        shown: Which sets of elements there are.
    """

    mailing: Mailing
    sheets: list[tuple[bytes, int]]
    states: set[str]
    shown: set[frozenset[Element]]


def draft(account: str, frozen: Frozen, wanted: Wanted, now: datetime) -> Draft:
    """Put a mailing together; see :meth:`Mailings.request`."""
    if len(frozen.sha256) != 32:
        raise Invalid("a mailing is of a frozen scope")
    if (wanted.channel is Channel.EMAIL) is (wanted.destination is not None):
        raise Invalid("letters on paper go to a destination, and e-mail goes to none")
    if wanted.round is Round.FEDERAL and wanted.channel is Channel.EMAIL:
        raise Invalid("the second letter goes on paper")
    size = wanted.size or SIZES[wanted.channel]
    if not 50 <= size <= 1000 and wanted.channel is not Channel.EMAIL:
        raise Invalid("a batch has 50 to 1,000 persons")
    made = Mailing(
        practice=frozen.practice,
        incident=frozen.incident,
        scope=frozen.id,
        scope_sha256=frozen.sha256,
        sound=frozen.sound,
        channel=wanted.channel,
        round=wanted.round,
        destination=wanted.destination,
        facts=msgspec.json.encode(wanted.facts).decode(),
        templates=write_templates(wanted.templates),
        size=size,
        state=State.REQUESTED,
        requested_by=account,
        requested_at=now,
    )
    sheets, living, shown = _sheets(frozen, wanted, size, now)
    made.people = sum(count for _, count in sheets)
    made.sheets = b"".join(hashlib.sha256(packed).digest() for packed, _ in sheets)
    made.digest = mandate_of(made).digest
    return Draft(made, sheets, living, shown)


def require_plain(wanted: Wanted, drafts: Iterable[Draft]) -> None:
    """Refuse letters that are too hard to read, or say what a state forbids."""
    living: set[str] = set()
    shown: set[frozenset[Element]] = set()
    for each in drafts:
        living |= each.states
        shown |= each.shown
    sets = islice(sorted(shown, key=sorted), _SETS)
    letters.require_plain(wanted.templates, wanted.facts, living, sets)


def keep(drafts: Sequence[Draft]) -> None:
    """Store mailings with their batches, in the caller's transaction."""
    Mailing.objects.bulk_create((each.mailing for each in drafts), batch_size=_AT_ONCE)
    Batch.objects.bulk_create(
        (
            Batch(mailing=each.mailing, number=number, packed=packed, people=count)
            for each in drafts
            for number, (packed, count) in enumerate(each.sheets)
        ),
        batch_size=_AT_ONCE,
    )


def _sheets(
    frozen: Frozen, wanted: Wanted, size: int, now: datetime
) -> tuple[list[tuple[bytes, int]], set[str], set[frozenset[Element]]]:
    """Pack whom it holds; say in which states they live, and which sets of elements there are."""
    written = reached.told(frozen.incident, frozen.practice, wanted.round, now)
    willing = reached.agreed(frozen.practice) if wanted.channel is Channel.EMAIL else None
    living: set[str] = set()
    shown: set[frozenset[Element]] = set()

    def chosen() -> Iterator[tuple[str, frozenset[Element]]]:
        for patient, elements, state in frozen.people():
            if not reached.owed(written, patient, elements, more=wanted.more):
                continue
            if willing is not None and patient not in willing:
                continue
            if wanted.round is Round.FEDERAL and not wording.rule(state).closed & {"description"}:
                continue
            living.add(state)
            shown.add(elements)
            yield patient, elements

    source = chosen()
    sheets = []
    while some := list(islice(source, size)):
        sheets.append((pack(some), len(some)))
    return sheets, living, shown


def state(mailing: Mailing, now: datetime) -> State:
    """How far a mailing is at *now*."""
    return states.at(mailing.state, mailing.approved_at or mailing.requested_at, now)


@contextmanager
def under_way(mailing: Mailing) -> Iterator[None]:
    """One transaction in which a mailing is under way: it is taken back before, or after.

    Raises:
        AccessDenied: It was taken back.
    """
    with transaction.atomic():
        rows = Mailing.objects.select_for_update().filter(pk=mailing.pk, state=State.RUNNING)
        if not rows.values_list("pk", flat=True).first():
            raise AccessDenied("the mailing was withdrawn")
        yield


def mandate_of(mailing: Mailing) -> Mandate:
    """Return what two people agreed to, from a mailing's rows."""
    terms = hashlib.sha256(
        json.dumps(
            [
                mailing.incident, mailing.scope, bytes(mailing.scope_sha256).hex(), mailing.sound,
                mailing.channel, mailing.round, mailing.facts, mailing.templates, mailing.people,
                mailing.size,
            ]
        ).encode()
    ).digest()  # fmt: skip
    return Mandate(
        practice=mailing.practice,
        id=mailing.pk,
        terms=terms,
        batches=bytes(mailing.sheets),
        elements=MAILED if mailing.channel == Channel.EMAIL else PRINTED,
        destination=mailing.destination,
        people=(mailing.requested_by, mailing.approved_by),
        said=(mailing.requested_in, mailing.approved_in),
        lead=lead_of(mailing),
    )


def lead_of(mailing: Mailing) -> str:
    """Return the practice that leads a mailing for another one: the destination's; else nothing."""
    place = mailing.destination
    return place.practice_id if place is not None and place.practice_id != mailing.practice else ""


def facts_of(mailing: Mailing) -> Facts:
    """Return the facts as they were approved."""
    return _facts(mailing.facts)


@lru_cache(_TEXTS)
def _facts(text: str) -> Facts:
    return telling.read(json.loads(text))


def write_templates(found: Templates) -> str:
    """Write the templates of letters as they are kept."""
    kept = {f"{kind}.{language}": each.text for (kind, language), each in found.items() if kind in PERSONAL}
    return json.dumps(kept, sort_keys=True)


def templates_of(mailing: Mailing) -> Templates:
    """Return the templates as they were approved."""
    return _templates(mailing.templates)


@lru_cache(_TEXTS)
def _templates(kept: str) -> Templates:
    found: dict[tuple[Kind, Language], templates.Template] = {}
    for name, text in json.loads(kept).items():
        kind, _, language = name.partition(".")
        if language not in {"en", "es"}:
            raise Damaged("the stored templates of a mailing are not as they were written")
        found[Kind(kind), language] = templates.read(text, Kind(kind), language)
    return found


def get(id_: str) -> Mailing:
    """Return a mailing that is there, with its destination."""
    return Mailing.objects.select_related("destination").get(pk=id_)


def find(practice: str, name: str) -> Mailing:
    """Return the mailing of that id, or of an id that begins so if there is one such.

    Raises:
        Unknown: There is none, or more than one.
    """
    found = list(
        Mailing.objects.filter(practice=practice, id__startswith=name).select_related("destination")[:2]
    )
    if not name or len(found) != 1:
        raise Unknown("there is no such mailing (see confide notice list)")
    return found[0]
