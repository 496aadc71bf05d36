"""The attacker's notebook: of whom which value stood in an answer, and what was learned by asking.

It is the ground truth of a drill, written without looking at anything of the server's: the drill has made the
people, so it knows a clear value when it sees one. The journal's scope is compared with it afterwards.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from confide.drill import enrolment, papers
from confide.drill.papers import Named
from confide.drill.population import Population
from confide.protect.elements import Element
from confide.protect.masks import mask

if TYPE_CHECKING:
    from confide.wiring import System

CLEAR: Final = "clear"
MASKED: Final = "masked"
_KEPT: Final = 24
_SSN: Final = re.compile(r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b")


class Roll:
    """Who is who: the rows of a population, by practice and by the ids that the import gave them.

    Args:
        people: Who was loaded.
        practices: Ids, in order.
        system: Whose vault has written the digests of the source's ids.
    """

    def __init__(self, people: Population, practices: list[str], system: System) -> None:
        self._people, self._system = people, system
        self._ends = dict(zip(practices, people.ends(), strict=True))
        self._held: OrderedDict[str, dict[str, Named]] = OrderedDict()
        self._lock = Lock()

    def of(self, practice: str) -> Mapping[str, Named]:
        """The people of a practice, by their ids on the server."""
        with self._lock:
            held = self._held.get(practice)
            if held is None:
                held = self._held[practice] = dict(self._read(practice))
                while len(self._held) > _KEPT:
                    self._held.popitem(last=False)
            else:
                self._held.move_to_end(practice)
            return held

    def _read(self, practice: str) -> Iterator[tuple[str, Named]]:
        from confide.records.models import SourceId

        first, after = self._ends[practice]
        ids = {
            bytes(d): str(i)
            for d, i in SourceId.objects.filter(practice=practice).values_list("digest", "id")
        }
        for one in papers.read(self._people, first, after):
            name = self._system.vault.digest(practice, "source id", enrolment.SOURCE, "Patient", one.key)
            yield ids[name], one


@dataclass(frozen=True, slots=True)
class Count:
    """A question that was answered by a number of people, fewer than those who match.

    Attributes:
        matching: Of whom the answer could be.
        total: Of how many it is.
    """

    element: str
    matching: frozenset[str]
    total: int


class Notebook:
    """Counts people of whom something is known; for many threads."""

    def __init__(self, roll: Roll) -> None:
        self._roll = roll
        self._lock = Lock()
        self.shown: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.asked: defaultdict[str, set[str]] = defaultdict(set)
        self.counts: list[Count] = []
        self.first: datetime | None = None
        """When something was first seen, or learned."""
        self._counted: tuple[tuple[int, ...], int] = ((), 0)
        self.numbers = 0
        """Numbers of social security that stood anywhere in an answer, whosever and in whatever place."""

    def __len__(self) -> int:
        # Asked after every practice, and counted anew only where something has come.
        state = (len(self.shown), len(self.asked), len(self.counts))
        if self._counted[0] != state:
            self._counted = state, len(self.persons())
        return self._counted[1]

    def persons(self) -> frozenset[str]:
        """Of whom anything is known."""
        return frozenset(p for p, seen in self.shown.items() if seen) | frozenset(self.learned())

    def learned(self) -> dict[str, set[str]]:
        """By person, the elements that were learned by asking.

        A number of people who match, but fewer than all of them, is of somebody: of those of whom something
        is known, as far as they go, and then of others.
        """
        with self._lock:
            found = {person: set(codes) for person, codes in self.asked.items()}
            known = {p for p, seen in self.shown.items() if seen}
            for count in self.counts:
                order = sorted(
                    count.matching,
                    key=lambda p: (
                        count.element not in found.get(p, ()),
                        p not in found and p not in known,
                        p,
                    ),
                )
                for person in order[: count.total]:
                    found.setdefault(person, set()).add(count.element)
        return found

    def read(self, practice: str, text: str) -> None:
        """Look through an answer for what it should not hold."""
        if not text or text[:1] not in "{[":
            return
        known = self._roll.of(practice)
        try:
            found = [
                (id_, seen) for each in _resources(json.loads(text)) for id_, seen in _compare(each, known)
            ]
        except ValueError:
            return
        numbers = set(_SSN.findall(text))
        whose = sum(one.ssn in numbers for one in known.values()) if numbers else 0
        with self._lock:
            self.numbers += whose
            if any(seen for _, seen in found):
                self.first = self.first or datetime.now(UTC)
            for id_, seen in found:
                for element, form in seen.items():
                    if self.shown[id_].get(element) != CLEAR:
                        self.shown[id_][element] = form

    def answer(
        self,
        practice: str,
        matches: Callable[[Any], bool],
        total: int,
        ids: Collection[str] = (),
        element: str = Element.NAME.value,
    ) -> None:
        """Note the answer to a question about identity.

        Args:
            practice: Where it was asked.
            matches: Of whom the answer is yes.
            total: How many match, as the answer says.
            ids: Whom the answer names.
            element: By which it was asked.
        """
        if not total:
            return
        everyone = frozenset(id_ for id_, one in self._roll.of(practice).items() if matches(one))
        with self._lock:
            self.first = self.first or datetime.now(UTC)
            named = everyone.intersection(ids)
            certain = everyone if total >= len(everyone) else named
            for id_ in certain:
                self.asked[id_].add(element)
            if total > len(certain):
                self.counts.append(Count(element, everyone - certain, total - len(certain)))


def _resources(value: Any) -> Iterator[dict[str, Any]]:
    """All resources in an answer, however deep."""
    if isinstance(value, dict):
        if value.get("resourceType") in {"Patient", "Coverage"}:
            yield value
        for member in value.values():
            yield from _resources(member)
    elif isinstance(value, list):
        for member in value:
            yield from _resources(member)


def _compare(found: Mapping[str, Any], known: Mapping[str, Named]) -> Iterator[tuple[str, dict[str, str]]]:
    """Whose resource it is, and which of its values are the person's own."""
    patient = found["resourceType"] == "Patient"
    id_ = str(found.get("id") if patient else found.get("beneficiary", {}).get("reference", ""))
    id_ = id_.removeprefix("Patient/")
    one = known.get(id_)
    if one is None:
        return
    seen: dict[str, str] = {}
    values: list[tuple[Element, Any, str]] = []
    for identifier in found.get("identifier", ()):
        values += [
            (Element.SSN, identifier.get("value"), one.ssn),
            (Element.MRN, identifier.get("value"), one.mrn),
            (Element.MEMBER_ID, identifier.get("value"), one.member),
        ]
    values += [(Element.PHONE, each.get("value"), one.phone) for each in found.get("telecom", ())]
    values += [(Element.MEMBER_ID, found.get("subscriberId"), one.member)]
    values += [(Element.BIRTH_DATE, found.get("birthDate"), one.born)]
    for name in found.get("name", ()):
        values += [(Element.NAME, name.get("family"), one.family)]
        values += [(Element.NAME, each, one.given[0]) for each in name.get("given", ())[:1]]
    for address in found.get("address", ()):
        values += [(Element.ADDRESS, address.get("city"), one.city)]
        values += [(Element.ADDRESS, address.get("postalCode"), one.zip)]
        values += [(Element.ADDRESS, each, one.line) for each in address.get("line", ())]
    for element, value, own in values:
        if not own or not isinstance(value, str):
            continue
        if value == own:
            seen[element.value] = CLEAR
        elif value == mask(element, own):
            seen.setdefault(element.value, MASKED)
    yield id_, seen
