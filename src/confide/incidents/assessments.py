"""Was it a breach of unsecured PHI? It is presumed, until a person decides the four factors and signs that.

What the scope says fills the form in; a person decides. Encryption is a safe harbour for a medium that was
encrypted itself, with its key elsewhere: not for a valid login, which opens what is encrypted, and not for
the database, in which codes and years stand in clear.

Source:
    45 CFR 164.402 (breach, paragraph (2); unsecured protected health information); 45 CFR 164.414(b), burden
    of proof; 45 CFR 164.530(j)(2), six years.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from confide.access.decide import Grant
from confide.access.freshness import require_fresh
from confide.access.roles import Form
from confide.errors import Invalid
from confide.incidents.cases import Cases, storing
from confide.incidents.course import Act
from confide.incidents.facts import Encryption, Way
from confide.incidents.models import Assessment, Incident, Scope
from confide.incidents.questions import Copy, Question
from confide.protect.elements import CATALOGUE, Element
from confide.vault.door import Clock

YEARS: Final = 6
LONGEST: Final = 2000


class Factor(StrEnum):
    """The four factors of 45 CFR 164.402(2)(i) to (iv)."""

    NATURE = "nature"
    WHO = "who"
    ACQUIRED = "acquired"
    MITIGATED = "mitigated"

    @property
    def label(self) -> str:
        """What the law asks."""
        return _LABELS[self]


_LABELS: Final = {
    Factor.NATURE: "The nature and extent of the PHI, and how likely persons are recognised by it",
    Factor.WHO: "Who used it, or to whom it was disclosed",
    Factor.ACQUIRED: "Whether it was really acquired or viewed",
    Factor.MITIGATED: "How far the risk has been mitigated",
}


class Finding(StrEnum):
    """How much a factor weighs for a compromise."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Outcome(StrEnum):
    """What is decided."""

    BREACH = "breach"
    UNLIKELY = "unlikely"
    SECURED = "secured"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _OUTCOMES[self]


_OUTCOMES: Final = {
    Outcome.BREACH: "A breach of unsecured PHI: notices are owed",
    Outcome.UNLIKELY: "A low probability that the PHI was compromised: no notice under HIPAA",
    Outcome.SECURED: "The medium was encrypted with its key safe: no unsecured PHI",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What the scope says to each factor, for a person who decides.

    Attributes:
        findings: As far as they follow; a person may decide otherwise.
        words: What they follow from.
        harbour: Why the safe harbour may hold, or does not.
        open: Whether it may be chosen at all.
    """

    findings: Mapping[Factor, Finding]
    words: Mapping[Factor, str]
    harbour: str
    open: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A signed assessment, with what was typed."""

    row: Assessment
    reasons: Mapping[str, str] = field(repr=False)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.row.outcome)


class Assessments:
    """The assessments of one installation's incidents.

    Args:
        cases: The incidents.
        clock: Returns now, aware UTC.
    """

    def __init__(self, cases: Cases, clock: Clock) -> None:
        self._cases = cases
        self._clock = clock

    def sign(
        self,
        grant: Grant,
        incident: Incident,
        scope: Scope,
        findings: Mapping[Factor, Finding],
        reasons: Mapping[Factor, str],
        outcome: Outcome,
        encryption: Encryption,
        proved_at: datetime | None,
    ) -> Assessment:
        """Sign an assessment. It is kept; another one is another row, and the last one holds.

        Args:
            grant: The privacy officer's.
            incident: Which.
            scope: By which count.
            findings: Of all four factors.
            reasons: What was typed to them; for each, for the burden of proof is the entity's.
            outcome: What is decided.
            encryption: Of the stolen medium itself.
            proved_at: When the person proved who they are the last time.

        Raises:
            StepUpNeeded: That was not lately.
            Invalid: A factor or its reason is missing, or the outcome does not follow.
        """
        self._cases.require_lead(grant)
        now = self._clock()
        require_fresh(proved_at, now)
        if set(findings) != set(Factor) or any(not reasons.get(each, "").strip() for each in Factor):
            raise Invalid("all four factors are decided, each with its reason (45 CFR 164.402(2))")
        if any(len(text) > LONGEST for text in reasons.values()):
            raise Invalid(f"a reason has at most {LONGEST} characters")
        prepared = draft(incident, scope)
        if outcome is Outcome.SECURED and (encryption is not Encryption.KEY_SAFE or not prepared.open):
            raise Invalid(f"the safe harbour does not hold: {prepared.harbour}")
        if encryption is Encryption.KEY_SAFE and not prepared.open:
            raise Invalid(f"the safe harbour does not hold: {prepared.harbour}")
        if encryption is Encryption.KEY_SAFE and outcome is Outcome.BREACH:
            raise Invalid("a medium that was encrypted with its key safe is no breach of unsecured PHI")
        if outcome is Outcome.UNLIKELY and Finding.HIGH in findings.values():
            raise Invalid("a low probability is not decided where a factor weighs high")
        made = Assessment(
            incident=incident, scope=scope, factors={each.value: findings[each].value for each in Factor},
            encryption=encryption, outcome=outcome, signed_by=grant.actor.id, signed_at=now,
            kept_until=_later(now.date(), YEARS),
        )  # fmt: skip
        text = json.dumps({each.value: reasons[each].strip() for each in Factor})
        made.reasons_sealed = self._cases.seal(incident, made.pk, "assessment", text)
        with storing():
            made.save(force_insert=True)
            self._cases.record(grant, incident, Act.ASSESS, f"{outcome} version {scope.version}")
        return made

    def signed(self, incident: Incident) -> Opened | None:
        """Return the assessment that holds, with what was typed."""
        row = incident.latest_assessment()
        if row is None:
            return None
        text = self._cases.unseal(incident, row.pk, "assessment", bytes(row.reasons_sealed))
        return Opened(row, json.loads(text))


def draft(incident: Incident, scope: Scope) -> Draft:
    """Fill the form in from a scope."""
    question = Question.read(scope.question)
    clear = [Element(e) for e, forms in scope.elements.items() if forms.get(Form.CLEAR)]
    names = ", ".join(CATALOGUE[each].label for each in clear)
    heavy = any(CATALOGUE[each].step_up for each in clear)
    named = Element.NAME in clear or Element.ADDRESS in clear
    nature = Finding.HIGH if heavy or (named and Element.CLINICAL in clear) else Finding.MEDIUM
    if not clear:
        nature = Finding.LOW
    harbour, open_ = _harbour(Way(incident.way), question)
    copied = bool(question.copy)
    return Draft(
        findings={
            Factor.NATURE: nature,
            Factor.WHO: Finding.HIGH,
            Factor.ACQUIRED: Finding.HIGH if scope.records and not copied else Finding.MEDIUM,
            Factor.MITIGATED: Finding.HIGH,
        },
        words={
            Factor.NATURE: f"Shown in clear: {names}." if names else "Nothing was shown in clear.",
            Factor.WHO: "Not known to be bound to keep it confidential; presumed not to be.",
            Factor.ACQUIRED: (
                f"{scope.records:,} records are in the copy; whether it was opened is not known."
                if copied
                else f"The journal has {scope.records:,} records that were shown or asked by."
            ),
            Factor.MITIGATED: "Nothing is known that would take the risk back.",
        },
        harbour=harbour,
        open=open_,
    )


def _harbour(way: Way, question: Question) -> tuple[str, bool]:
    """Whether encryption may be a safe harbour, and why not; never chosen beforehand."""
    if way is Way.LOGIN or question.actors or question.credentials or question.addresses:
        return "a valid login opens what is encrypted", False
    if question.exports:
        return "an export is encrypted to its recipient: it holds only if that key was not taken, too", True
    if question.copy is Copy.NONE:
        return "no medium was taken", False
    return _MEDIUM, True


_MEDIUM: Final = (
    "codes and years stand in clear in the store, so it holds only if the stolen medium itself was encrypted,"
    " with its key elsewhere"
)


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year + years, month=3, day=1)
