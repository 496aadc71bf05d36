"""The accounting of disclosures: to whom a patient's information was told, outside of the practice, and why.

What the system itself lets out is in the journal: exports. What leaves otherwise, by telephone or on paper,
the privacy officer writes down: what is typed is sealed in its entry. Opening a chart at work is a use and no
disclosure; the access report tells of those.

Source:
    45 CFR 164.528, accounting of disclosures; 45 CFR 160.103, disclosure and use.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from confide.access import pulse
from confide.access.decide import Grant
from confide.access.roles import Action, Form, Purpose, Role
from confide.audit.codes import DISCLOSE
from confide.audit.journal import Journal, Line, Outcome, entry_for, line_of
from confide.audit.questions import Question, asking, entries
from confide.errors import AccessDenied, ConfideError, Invalid
from confide.fhir import json
from confide.protect.elements import CATALOGUE, Element
from confide.protect.exports.policy import Basis as Policy
from confide.vault.desk import durable
from confide.vault.door import Clock, Vault
from confide.vault.exports import Act, policy_of
from confide.vault.grounds import BASES, Basis, Left
from confide.vault.models import Export
from confide.vault.reasons import Reasons

RESOURCE: Final = "Disclosure"
"""What the journal calls one that a person wrote down."""

YEARS: Final = 6
"""So far back an accounting goes (164.528(a)(1))."""

LONGEST: Final = 500
_KEPT: Final = "disclosure"
_BACK_TO: Final = date(2003, 4, 14)  # the compliance date of the Privacy Rule: 164.528(a)(1)(ix)


@dataclass(frozen=True, slots=True)
class Told:
    """What the privacy officer writes down of a disclosure.

    Attributes:
        day: When it was told, ``2026-05-04``.
        recipient: Whom: a person or an organisation.
        address: Theirs, if it is known.
        what: What was told, in a few words.
        basis: Why it might be told.
        purpose: What for, in a few words.
        silent_until: An agency has asked that the patient not be told of it before this day; else empty.
    """

    day: str
    recipient: str = field(repr=False)
    address: str = field(repr=False)
    what: str = field(repr=False)
    basis: Basis
    purpose: str = field(repr=False)
    silent_until: str = ""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One line of an accounting: once, or several times to the same for the same.

    Attributes:
        first: When, or the first time.
        last: The last time.
        times: How often.
        line: The entry of the first time.
        rule: The rule that allows it.

    Source:
        45 CFR 164.528(b)(2)(i) to (iv); (b)(3) for several to the same recipient for a single purpose.
    """

    first: date
    last: date
    times: int
    recipient: str
    address: str
    what: str
    purpose: str
    rule: str
    line: Line = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounting:
    """What a patient is told of who was told.

    Attributes:
        since: From which day on.
        until: The day of the accounting.
        disclosures: The first first.
        left: How many entries are left out for each reason.
    """

    since: date
    until: date
    disclosures: Sequence[Disclosure]
    left: Mapping[Left, int]


class Disclosures:
    """The disclosures of all practices of one installation.

    Args:
        vault: Whose keys seal what is typed.
        journal: Where it is written.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Clock) -> None:
        self._reasons = Reasons(vault, _KEPT)
        self._journal = journal
        self._clock = clock

    def record(self, grant: Grant, patient: str, told: Told, elements: Iterable[Element]) -> str:
        """Write down that something was told outside of the system.

        Args:
            grant: The privacy officer's, for ``JOURNAL_READ``.
            patient: Whose information; a patient of the practice: the caller has seen to that.
            told: What is typed.
            elements: Which of the catalogue's elements it was.

        Returns:
            Its id.

        Raises:
            AccessDenied: It is not theirs to write.
            Invalid: Something is missing, too long, or no day.
            JournalUnavailable: It cannot be written down.
        """
        now, id_ = self._clock(), str(uuid.uuid4())
        grant.require(Action.JOURNAL_READ, patient, now)
        if grant.actor.kind != "person" or grant.actor.role is not Role.PRIVACY_OFFICER:
            raise AccessDenied("disclosures are written down by the privacy officer")
        _check(told, now)
        typed = json.format(asdict(told)).decode()
        sealed = self._reasons.seal(grant.practice, id_, "told", typed)
        entry = entry_for(
            grant,
            now,
            patient=patient,
            elements=dict.fromkeys(elements, Form.CLEAR),
            resource_type=RESOURCE,
            resource_id=id_,
            reason_sealed=sealed,
        )
        with durable():
            pulse.recheck(grant)
            self._journal.append([replace(entry, action=DISCLOSE)])
        return id_

    def account(self, grant: Grant, patient: str) -> Accounting:
        """Account for a patient's disclosures in the six years before today; that is an entry itself.

        Args:
            grant: For ``JOURNAL_READ``.
            patient: The patient's id.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: The journal cannot be read, or this reading cannot be recorded.
            SealBroken: What was typed is not as it was written.
        """
        now = self._clock()
        today = now.date()
        since = max(_BACK_TO, _years_before(today, YEARS))
        left: Counter[Left] = Counter()
        found: list[Disclosure] = []
        with asking(self._journal, grant, now, patient=patient, what="disclosures"):
            rows = _told_outside(grant.practice, patient).order_by("id")
            lines = [line_of(row) for row in rows]
            start = datetime(since.year, since.month, since.day, tzinfo=UTC)
            left.update(_count_left(grant.practice, patient, start))
        exports = {line.entry.resource_id for line in lines if line.entry.action == Action.EXPORT}
        listed = {row.pk: row for row in Export.objects.filter(pk__in=exports).select_related("destination")}
        for line in lines:
            if line.entry.action == DISCLOSE:
                one = self._typed(line, today)
            else:
                one = _exported(line, listed.get(line.entry.resource_id), left)
            if one is not None and one.first >= since:
                found.append(one)
        return Accounting(since, today, _group(found), left)

    def _typed(self, line: Line, today: date) -> Disclosure | None:
        entry = line.entry
        text = self._reasons.unseal(entry.practice, entry.resource_id, "told", entry.reason_sealed)
        said: Any = json.parse(text.encode())
        told = Told(**{**said, "basis": Basis(said["basis"])})
        if told.silent_until and date.fromisoformat(told.silent_until) > today:
            return None  # 164.528(a)(2): not a word, or the silence would tell
        words, rule = BASES[told.basis]
        day = date.fromisoformat(told.day)
        purpose = f"{words}: {told.purpose}" if told.purpose else words
        return Disclosure(day, day, 1, told.recipient, told.address, told.what, purpose, rule, line)


# What is typed


def _check(told: Told, now: datetime) -> None:
    for name, text, needed in (
        ("whom", told.recipient, True),
        ("their address", told.address, False),
        ("what was told", told.what, True),
        ("what for", told.purpose, True),
    ):
        if needed and not text.strip():
            raise Invalid(f"say {name}")
        if len(text) > LONGEST or any(not c.isprintable() for c in text):
            raise Invalid(f"{name} takes {LONGEST} characters on one line at most")
    day = _day(told.day)
    if day is None or not _BACK_TO <= day <= now.date():
        raise Invalid("the day is one that has been, such as 2026-05-04")
    if told.silent_until and _day(told.silent_until) is None:
        raise Invalid("the day until which the patient is not told is such as 2026-05-04")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _years_before(day: date, years: int) -> date:
    last = 28 if (day.month, day.day) == (2, 29) else day.day
    return day.replace(year=day.year - years, day=last)


# What the journal says


def _told_outside(practice: str, patient: str) -> Any:
    chosen = entries(practice, Question(patient=patient, outcomes=[Outcome.SUCCESS]))
    return chosen.filter(action__in=[DISCLOSE, Action.EXPORT]).exclude(actor_kind="system")


def _exported(line: Line, export: Export | None, left: Counter[Left]) -> Disclosure | None:
    """A patient's part in an export; None where it is not accounted for."""
    if line.entry.resource_type != Act.RELEASE:
        return None
    try:
        policy = None if export is None else policy_of(export)
    except ConfideError:
        policy = None  # what cannot be read is accounted for
    if policy is not None and policy.basis is Policy.LIMITED_DATA_SET:
        left[Left.LIMITED] += 1
        return None
    if policy is not None and policy.basis is Policy.SAFE_HARBOR:
        left[Left.ANONYMOUS] += 1
        return None
    day = line.entry.at.date()
    what = [CATALOGUE[element].label for element in Element if element.value in line.entry.elements]
    recipient = "An export" if export is None else export.destination.name
    words, rule = BASES[Basis.RESEARCH]
    return Disclosure(
        day,
        day,
        1,
        recipient,
        "",
        ", ".join(what) or "Health information without identifiers",
        words,
        rule,
        line,
    )


def _count_left(practice: str, patient: str, since: datetime) -> Counter[Left]:
    """How many entries are uses, or were told to programs for what is not accounted for."""
    shown = [Action.READ, Action.SEARCH, Action.REVEAL]
    question = Question(patient=patient, since=since, outcomes=[Outcome.SUCCESS], actions=shown)
    left: Counter[Left] = Counter()
    for kind, purpose in entries(practice, question).values_list("actor_kind", "purpose").iterator():
        if kind == "client":
            left[Left.PATIENT if purpose == Purpose.PATRQT else Left.TREATMENT] += 1
        elif kind == "person":
            left[Left.USE] += 1
    return left


def _group(found: Sequence[Disclosure]) -> list[Disclosure]:
    """Several to the same recipient for a single purpose are one line: the first, how often, the last."""
    groups: dict[tuple[str, ...], Disclosure] = {}
    for one in sorted(found, key=lambda each: (each.first, each.line.id)):
        key = (one.recipient, one.address, one.what, one.purpose)
        before = groups.get(key)
        groups[key] = one if before is None else replace(before, last=one.last, times=before.times + 1)
    return list(groups.values())
