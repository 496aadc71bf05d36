"""What a thief has of whom: values that stood in an answer, and values that were learned by asking.

The drill knows the truth, because it has made the people. A value counts wherever it turns up in an answer,
clear or masked; and where an answer says how many match a question about identity, those who match count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock
from typing import Any, Final

_LETTERS: Final = "abdefghiklmnoprstuvz"
_SSN: Final = "http://hl7.org/fhir/sid/us-ssn"
_OLDEST: Final = date(1940, 1, 1)
_DAYS: Final = 27_000
_NAME: Final = 6  # letters: 64 million names


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up patient, of whom no two values are another's.

    Attributes:
        practice: The practice's id.
        id: The patient's id on the server.
    """

    practice: str
    id: str
    given: str
    family: str
    born: str
    ssn: str
    phone: str

    @property
    def values(self) -> tuple[str, ...]:
        """What must not turn up: clear values, and masks."""
        masks = f"***-**-{self.ssn[-4:]}", f"(***) ***-{self.phone[-4:]}"
        return (self.given, self.family, self.born, self.ssn, self.phone, *masks)


def make(number: int) -> dict[str, Any]:
    """Return the FHIR Patient of a number, which no other number has a value of."""
    ssn = f"{100 + number % 500}-{11 + number % 80}-{number % 10**4:04}"
    exchange, line = divmod((number * 7_919 + 1_234_567) % 10**7, 10**4)
    return {
        "resourceType": "Patient",
        "identifier": [{"system": _SSN, "value": ssn}],
        "name": [{"family": _name(number * 1_000_003 + 17), "given": [_name(number * 998_244 + 5)]}],
        "telecom": [{"system": "phone", "value": f"({200 + number % 700}) {exchange:03}-{line:04}"}],
        "gender": "female",
        "birthDate": (_OLDEST + timedelta(days=number * 37 % _DAYS)).isoformat(),
    }


def person(practice: str, id_: str, patient: dict[str, Any]) -> Person:
    """Return what the drill knows of a patient that it has stored."""
    name = patient["name"][0]
    ssn, phone = patient["identifier"][0]["value"], patient["telecom"][0]["value"]
    return Person(practice, id_, name["given"][0], name["family"], patient["birthDate"], ssn, phone)


def _name(number: int) -> str:
    number %= len(_LETTERS) ** _NAME
    letters = []
    for _ in range(_NAME):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters).capitalize()


class Loot:
    """Counts people of whom something is known; for many threads."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._of: defaultdict[str, list[Person]] = defaultdict(list)
        for each in people:
            self._of[each.practice].append(each)
        for listed in self._of.values():
            listed.sort(key=lambda each: each.id)
        self._values = {
            practice: [(each.id, each.values) for each in listed] for practice, listed in self._of.items()
        }
        self._shown: set[str] = set()
        self._learned: set[str] = set()
        self._lock = Lock()

    @property
    def shown(self) -> frozenset[str]:
        """Of whom a clear or masked value stood in an answer."""
        return frozenset(self._shown)

    @property
    def learned(self) -> frozenset[str]:
        """Of whom a value was learned by asking."""
        return frozenset(self._learned)

    def __len__(self) -> int:
        return len(self._shown | self._learned)

    def read(self, practice: str, text: str) -> None:
        """Look through an answer for what it should not hold."""
        rows = self._values.get(practice, [])
        found = {id_ for id_, values in rows if any(value in text for value in values)}
        with self._lock:
            self._shown |= found

    def answer(
        self,
        practice: str,
        matches: Callable[[Any], bool],
        total: int,
        ids: Collection[str] = (),
        element: str = "",  # noqa: ARG002 - it counts persons, by whatever they are known
    ) -> None:
        """Note the answer to a question about identity.

        Args:
            practice: Where it was asked.
            matches: Of whom the answer is yes.
            total: How many match, as the answer says.
            ids: Whom the answer names.
            element: By which it was asked.
        """
        everyone = [each.id for each in self._of[practice] if matches(each)]
        with self._lock:
            found = {id_ for id_ in everyone if id_ in ids}
            # Of those who are not named, one takes whoever is known before somebody new.
            known = self._shown | self._learned | found
            found.update(sorted(everyone, key=lambda id_: id_ not in known)[: max(total, len(found))])
            self._learned |= found
