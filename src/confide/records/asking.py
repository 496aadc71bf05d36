"""The one place where it is asked who somebody is. No answer without paying for what it tells.

The filters of a question are tests of the identity index or of the digests of identifiers; each says by which
elements it asks. Only here are they looked at, and the caller gets back of whom the answer may speak: those
who match and are paid for. Nothing else of the answer depends on anybody who is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.errors import InvalidResource, Issue
from confide.protect.elements import Element
from confide.vault.door import Vault

FEW = 5
"""Up to so many who are left over by what is no secret (sex, time of writing) count as fixed."""

_MOST_KINDS = 6
_Hits = frozenset[str]


@dataclass(frozen=True, slots=True)
class Test:
    """One filter.

    Attributes:
        elements: By what it asks.
        find: Returns the ids of those who pass. Only `Asking` calls it.
    """

    elements: frozenset[Element]
    find: Callable[[], Collection[str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Whom a question leaves open before anybody's identity is looked at.

    Attributes:
        ids: Those who pass what is no secret.
        named: The question names them by their ids.
    """

    ids: frozenset[str]
    named: bool

    @property
    def fixes(self) -> bool:
        """Whether a "no" tells something of each of them."""
        return self.named or len(self.ids) <= FEW


@dataclass(frozen=True, slots=True)
class Answer:
    """Who matches.

    Attributes:
        ids: Those who match and are paid for, in order.
        spent: The budget has no room for anybody new, so others may match or not.
        too_many: More match than may be shown; nobody is named, and nobody was charged.
    """

    ids: list[str]
    spent: bool = False
    too_many: bool = False


class Asking:
    """Asks questions on identity.

    Args:
        vault: Charges them, and writes them down.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def ask(
        self,
        grant: Grant,
        operation: Operation,
        tests: Iterable[Test],
        *,
        among: Narrowed | None = None,
        most: int | None = None,
        order: Callable[[Collection[str]], list[str]] = sorted,
    ) -> Answer:
        """Answer a question, and charge for it.

        Args:
            grant: For searching; must show everything that is asked by in clear.
            operation: How it is asked.
            tests: Who matches passes all of them.
            among: Who is left by the rest of the question; None is anybody.
            most: If more match nobody is shown, and nobody is charged: it tells of no one, as long as it is
                more than one.
            order: In which order they are paid for.

        Raises:
            AccessDenied: The grant does not show everything that is asked by.
            BudgetSpent: Too many questions within the hour were matched by nobody.
            InvalidResource: The question has too many kinds of filters.
        """
        hits: dict[frozenset[Element], _Hits] = {}
        for test in tests:
            found = frozenset(test.find())
            if grant.kept:  # who has asked for a restriction is not found by what it covers
                found = frozenset(p for p in found if not grant.keeps(test.elements, p))
            hits[test.elements] = hits[test.elements] & found if test.elements in hits else found
        if len(hits) > _MOST_KINDS:
            text = f"a question asks by at most {_MOST_KINDS} kinds of filters"
            raise InvalidResource([Issue("search", "too-costly", text)])
        elements = frozenset().union(*hits)
        matched = _all(hits.values(), among)
        if most is not None and len(matched) > most:
            return Answer([], too_many=True)
        fixed = _fixed(list(hits.values()), among) - matched
        ordered = order(matched)
        learned = self._vault.asked(grant, operation, elements, ordered, order(fixed))
        return Answer([patient for patient in ordered if patient in learned.paid], learned.spent)


def _all(hits: Iterable[_Hits], among: Narrowed | None) -> _Hits:
    groups = [*hits] if among is None else [*hits, among.ids]
    return frozenset.intersection(*groups)


def _fixed(hits: Sequence[_Hits], among: Narrowed | None) -> _Hits:
    """Those of whom a "no" tells something: named, or the only one whom a part of the question leaves."""
    fixed = among.ids if among is not None and among.fixes else frozenset()
    for size in range(1, len(hits)):
        for part in combinations(hits, size):
            left = _all(part, among)
            if len(left) == 1:
                fixed |= left
    return fixed
