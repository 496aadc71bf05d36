"""What a column seems to hold, and what to do with it: judged by a sample of its values, then by its name.

Where two readings fit, the one that protects wins. A person checks the proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Final

from confide.protect.columns.column import find_malformed
from confide.protect.columns.kinds import KINDS, ColumnElement, Method
from confide.protect.files import shapes
from confide.protect.files.hints import Hint, hints
from confide.protect.files.recipe import KEPT, Treatment
from confide.protect.files.shapes import Test, share

MOST: Final = 0.9
"""The share of values that must have a shape: real columns have a few that are wrong."""
_SOME: Final = 0.5
_NEARLY_ALL: Final = 0.97
_HEX: Final = "0123456789abcdef"
_LONG_TEXT: Final = 40
_FEW: Final = 50
_BIRTH_SPREAD, _BIRTH_AGE = 40, 15


@dataclass(frozen=True, slots=True)
class Finding:
    """What a column seems to hold.

    Attributes:
        what: For people.
        share: The share of values that look like it.
        treatment: What is proposed.
        identifies: Whether it tells who somebody is, so that it is not left in clear unasked.
        quasi: Whether it helps to tell who somebody is, together with other columns.
        malformed: The share of values that the proposal would refuse.
        note: What to look at; "" for nothing.
    """

    what: str
    share: float = 1.0
    treatment: Treatment = KEPT
    identifies: bool = False
    quasi: bool = False
    malformed: float = 0.0
    note: str = ""


@dataclass
class Evidence:
    """What is known of a column.

    Attributes:
        name: Its name.
        values: A sample, without nulls and empty texts.
        year: The current one.
        nested: Whether the values are lists or objects, as JSON.
        hints: What its name hints at.
    """

    name: str
    values: Sequence[str]
    year: int
    nested: bool = False
    hints: frozenset[Hint] = field(init=False)

    def __post_init__(self) -> None:
        self.hints = hints(self.name)

    def share(self, test: Test) -> float:
        return share(self.values, test)

    @cached_property
    def distinct(self) -> int:
        return len(set(self.values))

    @cached_property
    def varied(self) -> bool:
        """Whether most values stand there once."""
        return len(self.values) > 1 and self.distinct > _SOME * len(self.values)

    @cached_property
    def digits_only(self) -> bool:
        return self.share(shapes.is_whole) == 1


def judge(evidence: Evidence) -> Finding:
    """Judge a column."""
    if not evidence.values:
        return Finding("empty", note="has no values in the sample")
    found = next((found for rule in _RULES if (found := rule(evidence)) is not None), None)
    if found is None:
        found = _other(evidence)
    if not found.identifies and evidence.share(shapes.finds_identifier):
        return Finding("text with identifiers in it", 1, _sealed(ColumnElement.TEXT), identifies=True)
    return found


# What is done with it


def _sealed(element: ColumnElement) -> Treatment:
    return Treatment(element, Method.SEAL)


def _as(evidence: Evidence, element: ColumnElement, what: str, fits: float, note: str = "") -> Finding:
    """A column that identifies, with the proposal that fits most of its values."""
    treatment, malformed = _proposal(evidence, element)
    return Finding(what, fits, treatment, identifies=True, malformed=malformed, note=note)


def _proposal(evidence: Evidence, element: ColumnElement) -> tuple[Treatment, float]:
    method = KINDS[element].method
    if method is not Method.FF1:
        return Treatment(element, method), 0.0
    alphabets: list[str | None] = [None]
    if KINDS[element].alphabet != "10":
        alphabets = ["10", None, "36L", "62"] if evidence.digits_only else [None, "36L", "62"]
    values = list(evidence.values)
    wrong = {each: len(find_malformed(values, element, alphabet=each)) / len(values) for each in alphabets}
    best = min(alphabets, key=lambda each: wrong[each])
    if wrong[best] > 1 - MOST:
        return _sealed(element), 0.0
    return Treatment(element, Method.FF1, best), wrong[best]


# Rules, the surest first


def _written(evidence: Evidence) -> Finding | None:
    """Values whose shape says all."""
    for test, least, element, what in (
        (shapes.is_email, _SOME, ColumnElement.EMAIL, "e-mail address"),
        (shapes.is_ssn_written, MOST, ColumnElement.SSN, "Social Security number"),
        (shapes.is_card, MOST, ColumnElement.CARD, "card number, check digits right"),
        (shapes.is_npi, MOST, ColumnElement.NPI, "National Provider Identifier, check digits right"),
        (shapes.is_phone_written, MOST, ColumnElement.PHONE, "phone number"),
    ):
        fits = evidence.share(test)
        if fits >= least:
            return _as(evidence, element, what, fits)
    for test, what in ((shapes.is_ip, "network address"), (shapes.is_url, "web address")):
        fits = evidence.share(test)
        if fits >= MOST:
            return Finding(what, fits, _sealed(ColumnElement.IDENTIFIER), identifies=True)
    return None


def _sealed_already(evidence: Evidence) -> Finding | None:
    fits = evidence.share(shapes.is_sealed)
    return Finding("sealed already", fits) if fits >= MOST else None


def _uuid(evidence: Evidence) -> Finding | None:
    fits = evidence.share(shapes.is_uuid)
    if fits < MOST:
        return None
    alphabet = _HEX.upper() if any(value != value.lower() for value in evidence.values) else _HEX
    treatment = Treatment(ColumnElement.IDENTIFIER, Method.FF1, alphabet)
    note = "random, but the same wherever it stands: it links tables"
    return Finding("UUID", fits, treatment, identifies=True, note=note)


def _date(evidence: Evidence) -> Finding | None:
    years = [shapes.year(value) for value in evidence.values]
    known = sorted(each for each in years if each is not None)
    fits = len(known) / len(years)
    if fits < MOST:
        return None
    birth = Hint.BIRTH in evidence.hints
    if not birth and not evidence.hints & {Hint.DATE}:
        spread = known[-1 - len(known) // 100] - known[len(known) // 100]
        birth = spread >= _BIRTH_SPREAD and median(known) <= evidence.year - _BIRTH_AGE
    element = ColumnElement.BIRTH_DATE if birth else ColumnElement.DATE
    return Finding(KINDS[element].label.lower(), fits, Treatment(element, Method.SEAL), identifies=True)


def _named_number(evidence: Evidence) -> Finding | None:
    """Numbers of which the column's name says what they are."""
    for hint, element, what in (
        (Hint.SSN, ColumnElement.SSN, "Social Security number"),
        (Hint.PHONE, ColumnElement.PHONE, "phone number"),
        (Hint.CARD, ColumnElement.CARD, "card number"),
        (Hint.MRN, ColumnElement.MRN, "medical record number"),
        (Hint.MEMBER_ID, ColumnElement.MEMBER_ID, "member id"),
        (Hint.ACCOUNT, ColumnElement.ACCOUNT, "account number"),
        (Hint.LICENCE, ColumnElement.LICENCE, "licence number"),
        (Hint.PASSPORT, ColumnElement.PASSPORT, "passport number"),
    ):
        if hint in evidence.hints and Hint.NAME not in evidence.hints:
            test = _NUMBERS.get(element, shapes.is_identifier)
            fits = evidence.share(test)
            if fits >= _SOME:
                return _as(evidence, element, what, fits)
    return None


_NUMBERS: Final[dict[ColumnElement, Test]] = {
    ColumnElement.SSN: shapes.is_nine_digits,
    ColumnElement.PHONE: lambda value: 7 <= len(shapes.digits(value)) <= 15,
    ColumnElement.CARD: lambda value: 12 <= len(shapes.digits(value)) <= 19,
}


def _zip(evidence: Evidence) -> Finding | None:
    fits = evidence.share(shapes.is_zip)
    if Hint.ZIP in evidence.hints:
        named = evidence.share(shapes.is_zip_bare)
        if named >= _SOME:
            return _as(evidence, ColumnElement.ZIP, "ZIP code", named)
        if evidence.share(shapes.is_whole) >= MOST and max(map(len, evidence.values)) <= 3:
            return Finding("first digits of a ZIP code", 1, quasi=True)
        if evidence.share(shapes.is_whole) >= MOST:
            return Finding(
                "ZIP code without leading zeros", 1, _sealed(ColumnElement.ZIP), identifies=True
            )  # fmt: skip
    if fits >= MOST and evidence.share(shapes.is_zip_plus) >= _SOME:
        return _as(evidence, ColumnElement.ZIP, "ZIP code", fits)
    if fits >= _NEARLY_ALL and evidence.distinct > _FEW and not evidence.hints & {Hint.CODE, Hint.KEY}:
        return _as(evidence, ColumnElement.ZIP, "ZIP code, perhaps", fits, "five digits may be another code")
    return None


def _bare_number(evidence: Evidence) -> Finding | None:
    """Digits that may be an SSN or a phone number: random ones are less often valid."""
    if evidence.hints & {Hint.CODE} or not evidence.varied:
        return None
    fits = evidence.share(shapes.is_ssn_bare)
    if fits >= _NEARLY_ALL and not _runs(evidence):
        note = "nine digits that are all valid ones"
        return _as(evidence, ColumnElement.SSN, "Social Security number, perhaps", fits, note)
    fits = evidence.share(shapes.is_phone_bare)
    if fits >= _NEARLY_ALL and not _runs(evidence):
        return _as(evidence, ColumnElement.PHONE, "phone number, perhaps", fits)
    return None


def _runs(evidence: Evidence) -> bool:
    """Whether numbers are counted on: a range hardly larger than their number."""
    numbers = [int(value) for value in evidence.values if shapes.is_whole(value)]
    return bool(numbers) and max(numbers) - min(numbers) < 1000 * len(numbers) and evidence.varied


def _class(evidence: Evidence) -> Finding | None:
    """Small sets: sex, state, age, year, and what a name says is a group of people."""
    for hint, test, what in (
        (Hint.SEX, shapes.is_sex, "sex"),
        (Hint.STATE, shapes.is_state, "state"),
    ):
        fits = evidence.share(test)
        if fits >= MOST and (hint in evidence.hints or evidence.distinct > 1):
            return Finding(what, fits, quasi=True)
    if Hint.AGE in evidence.hints and evidence.share(shapes.is_number) >= MOST:
        return Finding("age", 1, quasi=True, note="ages over 89 identify (45 CFR 164.514(b)(2)(i)(C))")
    if evidence.share(shapes.is_year) >= MOST:
        return Finding("year", 1, quasi=True)
    if evidence.hints & {Hint.GROUP, Hint.SEX, Hint.STATE} and evidence.distinct <= 10 * _FEW:
        return Finding("group of people", 1, quasi=True)
    return None


def _place(evidence: Evidence) -> Finding | None:
    fits = evidence.share(shapes.is_street)
    if fits >= MOST or (Hint.ADDRESS in evidence.hints and not evidence.share(shapes.is_number) >= MOST):
        return _as(evidence, ColumnElement.ADDRESS, "street address", fits)
    if Hint.PLACE in evidence.hints:
        return _as(evidence, ColumnElement.ADDRESS, "place smaller than a state", 1.0)
    return None


def _name(evidence: Evidence) -> Finding | None:
    words = evidence.share(shapes.is_word)
    if Hint.NAME in evidence.hints and evidence.share(shapes.is_wordlike) >= _SOME:
        return _as(evidence, ColumnElement.NAME, "name", words)
    known = evidence.share(shapes.has_known_name)
    likely = words >= MOST and known >= 0.3 and evidence.distinct > min(_FEW, len(evidence.values) // 2)
    if likely and not evidence.hints & {Hint.CODE}:
        return _as(evidence, ColumnElement.NAME, "name", words)
    return None


def _text(evidence: Evidence) -> Finding | None:
    lengths = [len(value) for value in evidence.values]
    spaced = evidence.share(lambda value: value.count(" ") >= 3)
    long = sum(lengths) / len(lengths) >= _LONG_TEXT and spaced >= _SOME
    told = Hint.TEXT in evidence.hints and evidence.distinct > _FEW and spaced >= _SOME / 5
    if (long or told) and (evidence.varied or evidence.distinct > _FEW or len(lengths) < _FEW):
        note = "names may stand anywhere in it"
        return Finding("free text", 1, _sealed(ColumnElement.TEXT), identifies=True, note=note)
    return None


def _nested(evidence: Evidence) -> Finding | None:
    if not evidence.nested:
        return None
    inside = evidence.hints.union(*(hints(value) for value in evidence.values[:_FEW]))
    telling = {
        Hint.SSN, Hint.NAME, Hint.BIRTH, Hint.PHONE, Hint.EMAIL, Hint.ADDRESS, Hint.PLACE, Hint.MRN, Hint.ZIP,
    }  # fmt: skip
    if inside & telling or evidence.share(shapes.finds_identifier):
        note = "a list or an object is sealed as a whole"
        return Finding(
            "nested, with identifiers in it", 1, _sealed(ColumnElement.TEXT), identifies=True, note=note
        )
    return Finding("nested", note="was looked into only for what is obvious")


def _number(evidence: Evidence) -> Finding | None:
    if evidence.share(shapes.is_number) < MOST:
        return None
    wide = min(map(len, evidence.values)) >= 6
    if evidence.digits_only and evidence.varied and (wide or evidence.hints & {Hint.KEY, Hint.PERSON}):
        if Hint.PERSON in evidence.hints or (
            wide and not _runs(evidence) and Hint.CODE not in evidence.hints
        ):
            return _as(evidence, ColumnElement.IDENTIFIER, "number that identifies, perhaps", 1.0)
        return Finding("number of a row", note="links to other tables with it")
    return Finding("number")


_RULES: Final[tuple[Callable[[Evidence], Finding | None], ...]] = (
    _sealed_already, _nested, _written, _uuid, _date, _named_number, _zip, _bare_number, _class, _place,
    _name, _text, _number,
)  # fmt: skip


def _other(evidence: Evidence) -> Finding:
    """Words and codes."""
    if evidence.varied and evidence.distinct > _FEW and Hint.CODE not in evidence.hints:
        fits = evidence.share(shapes.is_identifier)
        if fits >= MOST:
            return _as(evidence, ColumnElement.IDENTIFIER, "identifier", fits)
        note = "nearly every row has another value"
        return Finding(
            "words, nearly all different", 1, _sealed(ColumnElement.TEXT), identifies=True, note=note
        )
    if evidence.distinct <= _FEW:
        return Finding("category")
    return Finding("code", note="many different values")
