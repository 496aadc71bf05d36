"""What every operation costs: by what it asks, whom it matches, whom it fixes, and what it shows.

Asking is telling. Whoever matches is charged the elements that were asked by, whatever is shown of them and
also where only their number is; whoever is fixed otherwise (named by id, or left over by the rest of the
question) is charged too where nothing matches, because "no" is an answer. What is shown is charged in its
form: masks weigh too.

An operation that has no rule here is refused, and so is what this server does not do, by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from confide.access.exposure import Charge
from confide.access.roles import Form
from confide.errors import AccessDenied
from confide.protect.elements import Element


class Operation(StrEnum):
    """What somebody does with patients' values."""

    # What shows
    READ = "read"
    VREAD = "vread"
    HISTORY = "history"
    EVERYTHING = "$everything"
    RESULTS = "results"  # a page of what a search found
    CHART = "chart"
    REVEAL = "reveal"
    DETOKENIZE = "detokenize"
    UNCOVER = "uncover"  # a stand-in or a seal that a program holds
    # What asks
    SEARCH = "search"  # filters and counts alike
    FIND = "find"
    TYPE_AHEAD = "type-ahead"
    COHORT = "cohort"
    TEST = "test"  # a filter within one patient, opened to be asked
    SORT = "sort"
    PROTECT = "protect"  # a value for its stand-in
    TOKENIZE = "tokenize"  # a value for its token
    # What tells nothing of a value: ids are random, and what is kept clear is nobody's secret
    LOCATE = "locate"
    CODES = "codes"
    WRITE = "write"
    # What is not done here
    MATCH = "$match"
    INCLUDE = "_include"
    REVINCLUDE = "_revinclude"
    HAS = "_has"
    CHAIN = "chained search"
    CREATE_IF_NONE = "conditional create"
    UPDATE_IF = "conditional update"
    DELETE_IF = "conditional delete"
    PATCH = "patch"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be charged for an operation; what it does beyond that is refused.

    Attributes:
        asks: It asks by elements: who matches, and who is fixed, is charged them.
        shows: It shows elements, in the form in which they are charged.
    """

    asks: bool = False
    shows: bool = False


_SHOWS: Final = Rule(shows=True)
_ASKS: Final = Rule(asks=True)
_FREE: Final = Rule()

RULES: Final[Mapping[Operation, Rule | None]] = {
    Operation.READ: _SHOWS,
    Operation.VREAD: _SHOWS,
    Operation.HISTORY: _SHOWS,
    Operation.EVERYTHING: _SHOWS,
    Operation.RESULTS: _SHOWS,
    Operation.CHART: _SHOWS,
    Operation.REVEAL: _SHOWS,
    Operation.DETOKENIZE: _SHOWS,
    Operation.UNCOVER: _SHOWS,
    Operation.SEARCH: _ASKS,
    Operation.FIND: _ASKS,
    Operation.TYPE_AHEAD: _ASKS,
    Operation.COHORT: _ASKS,
    Operation.TEST: _SHOWS,  # everybody in it is opened, and charged as if it were shown
    Operation.SORT: _SHOWS,
    Operation.PROTECT: _ASKS,
    Operation.TOKENIZE: _ASKS,
    Operation.LOCATE: _FREE,
    Operation.CODES: _FREE,
    Operation.WRITE: _FREE,
    Operation.MATCH: None,
    Operation.INCLUDE: None,
    Operation.REVINCLUDE: None,
    Operation.HAS: None,
    Operation.CHAIN: None,
    Operation.CREATE_IF_NONE: None,
    Operation.UPDATE_IF: None,
    Operation.DELETE_IF: None,
    Operation.PATCH: None,
    Operation.SUBSCRIBE: None,
}
"""None: this server refuses it."""


def charge(
    operation: Operation,
    *,
    asked: Collection[Element] = (),
    matched: Iterable[str] = (),
    fixed: Iterable[str] = (),
    shown: Iterable[tuple[str, Mapping[Element, Form]]] = (),
) -> list[Charge]:
    """Return what *operation* costs, in the order in which it is paid for.

    Args:
        operation: What is done.
        asked: The elements that it asks by.
        matched: The patients who match.
        fixed: The patients of whom something is told even if they do not match.
        shown: Patients, with the form in which each of their elements is shown.

    Returns:
        Charges: first of those about whom something is told by asking, then of those who are shown.

    Raises:
        AccessDenied: There is no rule for the operation, or it does more than its rule says.
    """
    rule = RULES.get(operation)
    if rule is None:
        raise AccessDenied("this operation is not done here, because nobody has said what it costs")
    about = list(dict.fromkeys([*matched, *fixed]))
    showing = list(shown)
    if (asked or about) and not rule.asks:
        raise AccessDenied("this operation does not ask by what identifies")
    if showing and not rule.shows:
        raise AccessDenied("this operation does not show what identifies")
    if about and not asked:
        raise AccessDenied("who matches was found by something, and that is what is paid for")
    asking = [(patient, element, Form.CLEAR) for patient in about for element in asked]
    return asking + [(p, element, form) for p, forms in showing for element, form in forms.items()]
