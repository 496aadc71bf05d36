"""How one member goes out: dates, addresses, names, ages and references; the rest is as at rest.

The rules have the form of those at rest (`confide.protect.rules`). The edits that those record are thrown
away: nothing of an export comes back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, Final

from confide.fhir import vocabulary
from confide.fhir.invariants import check_period
from confide.protect import datatypes
from confide.protect.elements import Element
from confide.protect.exports.ages import OLDEST, years
from confide.protect.exports.dates import shift_day, shift_time
from confide.protect.exports.keys import ExportKeys
from confide.protect.exports.policy import ExportPolicy, Method, Released
from confide.protect.rules import MASKED, Path, Rule, Work


@dataclass(slots=True, kw_only=True)
class ExportWork(Work):
    """One resource on its way out.

    Attributes:
        days: The person's shift; None where the resource is nobody's, or several people's.
        shown: References to these types may go out.
        cohort: Patients to whom a reference may lead; None for any.
        oldest: Whether the person is in the class of 90 and over.
    """

    policy: ExportPolicy
    keys: ExportKeys
    days: int | None
    shown: Container[str]
    cohort: Container[str] | None
    oldest: bool
    released: dict[Element, Released] = field(default_factory=dict)

    def stand_in(self, value: str, element: Element) -> tuple[str, str] | None:
        """What stands for an identifier; asked by the rules at rest."""
        match self.policy.method(element):
            case Method.STAND_IN:
                made = self.keys.stand_in(element, value)
                if made is None:
                    return None
                self.release(element, Released.STAND_IN)
                return made, ""
            case Method.KEEP:
                self.release(element, Released.CLEAR)
                return value, ""
            case _:
                return None

    def release(self, element: Element, form: Released) -> None:
        if self.released.get(element) is not Released.CLEAR:
            self.released[element] = form


def hide(out: dict[str, Any], key: str, value: Any) -> None:
    """Data-absent-reason ``masked`` stands in the place of a primitive."""
    if isinstance(value, list):
        out[key] = [None]
        out["_" + key] = [MASKED]
    else:
        out["_" + key] = MASKED


# Dates


def dates(element: Element, *, instant: bool) -> Rule:
    """A date, dateTime or instant, or a list of them, by the policy for *element*."""

    def rule(out: dict[str, Any], key: str, value: Any, _path: Path, work: Work) -> None:
        many = isinstance(value, list)
        texts = value if many else [value]
        if not isinstance(work, ExportWork):  # inside an extension: none that is kept has a date
            return hide(out, key, value)
        made = [None if t is None else _date(str(t), key, element, work, instant=instant) for t in texts]
        if any(m is None and t is not None for m, t in zip(made, texts, strict=True)):
            return hide(out, key, value)
        out[key] = made if many else made[0]
        return None

    return rule


def _date(text: str, part: str, element: Element, work: ExportWork, *, instant: bool) -> str | None:
    method = work.policy.method(element)
    if work.days is None and method in {Method.SHIFT, Method.SHIFT_TIME}:
        method = Method.YEAR  # of nobody, or of several people who have a shift each
    made = _moved(text, part, method, work.days or 0, instant=instant)
    if made is None:
        return None
    oldest = f"{max(work.oldest_year, 0):04}"
    if text[:4] <= oldest or made[:4] <= oldest:
        made = work.oldest_class
    if instant and len(made) <= len("YYYY"):
        return None  # an instant cannot be written as a year
    if made != text or len(text) > len("YYYY"):
        # A month that a small shift does not leave is shifted all the same.
        kept = method is Method.KEEP and made == text
        work.release(element, Released.CLEAR if kept else Released.STAND_IN)
    return made


def _moved(text: str, part: str, method: Method, days: int, *, instant: bool) -> str | None:
    match method:
        case Method.SHIFT:
            day = shift_day(text, days, part)
            return f"{day}T00:00:00Z" if instant and day is not None else day
        case Method.SHIFT_TIME:
            return shift_time(text, days, part)
        case Method.YEAR:
            return text[:4]
        case Method.KEEP:
            return text
        case _:
            return None


def periods(inner: Rule) -> Rule:
    """A Period whose ends were made less precise: an end that now comes before the start goes."""

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        inner(out, key, value, path, work)
        for period in out[key] if isinstance(out[key], list) else [out[key]]:
            if check_period(period):
                del period["end"]
                hide(period, "end", "")

    return rule


# Addresses and names

_CITY = re.compile(r"[^\W\d_][^\d_<>@#/\\]{0,59}").fullmatch


def address(period_rule: Rule) -> Rule:
    """State, town, ZIP and lines, each by its own line of the policy; nothing else of an address goes out."""

    def one(value: dict[str, Any], path: Path, work: ExportWork) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, member in value.items():
            made = _place(key, member, work)
            if made is not None:
                out[key] = made
            elif key == "period":
                period_rule(out, key, member, path, work)
            elif key[0] != "_" and key not in {"extension", "id"}:
                hide(out, key, member)
        return out or MASKED

    return _each(one)


def _place(key: str, member: Any, work: ExportWork) -> Any:
    """What goes out of one part of an address; None for nothing."""
    policy = work.policy
    if key in {"use", "type"} or (key == "country" and vocabulary.known_country(member)):
        return member
    if key == "state" and vocabulary.known_state(member) and policy.method("state") is Method.KEEP:
        return member
    if key == "postalCode" and isinstance(member, str):
        return _zip(member, work)
    kept = (
        key == "city" and isinstance(member, str) and _CITY(member) and policy.method("city") is Method.KEEP
    ) or (key == "line" and policy.method(Element.ADDRESS) is Method.KEEP and None not in member)
    if kept:
        work.release(Element.ADDRESS, Released.CLEAR)
        return member
    return None


def _zip(text: str, work: ExportWork) -> str | None:
    general = datatypes.zip3(text)
    if general is None:
        return None
    match work.policy.method("zip"):
        case Method.ZIP3:
            work.release(Element.ADDRESS, Released.STAND_IN)
            return general
        case Method.KEEP:
            work.release(Element.ADDRESS, Released.CLEAR)
            return text
        case _:
            return None


def names(out: dict[str, Any], key: str, value: Any, _path: Path, work: Work) -> None:
    """The names of the person whose resource it is: a pseudonym, or nothing."""
    if isinstance(work, ExportWork) and work.policy.method(Element.NAME) is Method.PSEUDONYM:
        given, family = work.pseudonym
        work.release(Element.NAME, Released.STAND_IN)
        out[key] = [{"use": "anonymous", "family": family, "given": [given]}]
    else:
        out[key] = [MASKED] if isinstance(value, list) else MASKED


# Numbers and ages

MOST: Final = 1_000_000
"""From here on a bare number has the length of somebody's: a telephone number, an account."""


def integer(out: dict[str, Any], key: str, value: Any, _path: Path, _work: Work) -> None:
    """Integers of fewer than seven digits say nothing of who it is."""
    values = value if isinstance(value, list) else [value]
    if all(v is None or abs(v) < MOST for v in values):
        out[key] = value
    else:
        hide(out, key, value)


def quantity(element: Element, *, age: bool) -> Rule:
    """As at rest, but no time of 90 years or more, in whatever unit: one class stands in its place."""
    plain = datatypes.quantity(element, age=False)

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        plain(out, key, value, path, work)
        if isinstance(value, list):
            out[key] = [_aged(v, made, work, age=age) for v, made in zip(value, out[key], strict=True)]
        else:
            out[key] = _aged(value, out[key], work, age=age)

    return rule


def _aged(value: dict[str, Any], made: dict[str, Any], work: Work, *, age: bool) -> dict[str, Any]:
    method = work.policy.method("age") if isinstance(work, ExportWork) else Method.REMOVE
    if "value" not in made:
        return made
    if "code" not in made and abs(float(made["value"])) >= MOST:
        return MASKED
    if method is Method.KEEP:
        return made
    if age and (method is Method.REMOVE or (isinstance(work, ExportWork) and work.oldest)):
        return MASKED
    time = years(value, unitless=age)
    return OLDEST if time is not None and time >= 90 else made


# References


def reference(element: Element) -> Rule:
    """References among what is exported, by handles; displays, identifiers and others do not go out."""
    plain = datatypes.reference(element, sealed=True)

    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        plain(out, key, value, path, work)
        for one in out[key] if isinstance(out[key], list) else [out[key]]:
            target = one.get("reference")
            if target is None:
                continue
            kind, id = target.split("/")[:2]
            if isinstance(work, ExportWork) and leads_out(kind, id, work):
                one["reference"] = f"{kind}/{work.keys.handle(id)}"
            else:
                del one["reference"]
                hide(one, "reference", "")

    return rule


def leads_out(kind: str, id: str, work: ExportWork) -> bool:
    """Whether what a reference names may be in this export."""
    if kind == "Patient":
        return work.cohort is None or id in work.cohort
    return kind in work.shown


def _each(one: Callable[[dict[str, Any], Path, ExportWork], dict[str, Any]]) -> Rule:
    def rule(out: dict[str, Any], key: str, value: Any, path: Path, work: Work) -> None:
        if not isinstance(work, ExportWork):
            out[key] = [MASKED] if isinstance(value, list) else MASKED
        elif isinstance(value, list):
            out[key] = [one(v, (*path, key, i), work) for i, v in enumerate(value)]
        else:
            out[key] = one(value, (*path, key), work)

    return rule
