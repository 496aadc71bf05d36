"""The identity index: finds patients by what identifies them, and returns ids only.

It lives in memory, one per practice and process, because no index of names or birth dates at rest
would stand up to counting. It is built from the sealed patients under a journalled system grant, and
before each query it reads on from the practice's change number.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from threading import RLock
from typing import Any, Protocol

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of, normalise
from confide.protect.policy import Policy
from confide.vault.door import Clock, Document, Vault


class Key(StrEnum):
    """By what a patient can be found. Each belongs to one data element."""

    NAME = "name"
    FAMILY = "family"
    GIVEN = "given"
    BIRTH_DATE = "birthdate"
    PHONE = "phone"
    EMAIL = "email"
    STREET = "address"
    CITY = "address-city"
    ZIP = "address-postalcode"
    STATE = "address-state"
    IDENTIFIER = "identifier"

    @property
    def element(self) -> Element:
        return _ELEMENTS[self]


_ELEMENTS = {
    Key.NAME: Element.NAME,
    Key.FAMILY: Element.NAME,
    Key.GIVEN: Element.NAME,
    Key.BIRTH_DATE: Element.BIRTH_DATE,
    Key.PHONE: Element.PHONE,
    Key.EMAIL: Element.EMAIL,
    Key.STREET: Element.ADDRESS,
    Key.CITY: Element.ADDRESS,
    Key.ZIP: Element.ADDRESS,
    Key.STATE: Element.ADDRESS,
    Key.IDENTIFIER: Element.IDENTIFIER,
}


INDEXED = frozenset(_ELEMENTS.values()) | {Element.MEMBER_ID, Element.ACCOUNT, Element.CARD}
"""The data elements that the index opens."""


class Source(Protocol):
    """Where the index reads patients from: ``records`` gives it one."""

    def last_change(self, practice: str) -> int:
        """The number of the practice's last change of a patient; 0 if there was none."""

    def changed(self, practice: str, after: int) -> Iterator[tuple[int, str, Document | None]]:
        """(number, patient, document or None where deleted) of later changes, in order."""


# Letters that Unicode does not decompose, as people type them without a special keyboard.
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def fold(text: str) -> str:
    """Lower case without accents, as people type names: ``Müller`` and ``muller`` are one."""
    # Decomposed before as well, because a letter of another style (𝙰) has a case only then.
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    decomposed = unicodedata.normalize("NFKD", plain)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """Folded words of a name or a street; a hyphenated name is found by either part and by both."""
    folded = fold(text).replace("'", "").replace("’", "")
    parts = "".join(c if c.isalnum() or c == "-" else " " for c in folded).split()
    joined = [p.replace("-", "") for p in parts if "-" in p]
    return [w for w in (*(w for p in parts for w in p.split("-")), *joined) if w]


def digits(text: str) -> str:
    """Only the digits, as phone numbers are compared."""
    return "".join(c for c in text if c.isdigit())


def _strings(values: Any) -> Iterator[str]:
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, str):
            yield value


def number_key(element: Element, value: str, system: str | None) -> str:
    """How an identifier stands in the index; without a *system*, the beginning that any system has."""
    return f"{element}|{normalise(value)}|" + ("" if system is None else f"{system}|")


def keys_of(patient: Mapping[str, Any], policy: Policy) -> set[tuple[Key, str]]:
    """Everything by which one Patient resource can be found, but for what has a digest at rest."""
    keys: set[tuple[Key, str]] = set()
    for name in patient.get("name", ()):
        families = [w for t in _strings(name.get("family")) for w in words(t)]
        givens = [w for t in _strings(name.get("given", [])) for w in words(t)]
        others = [
            w for part in ("text", "prefix", "suffix") for t in _strings(name.get(part, [])) for w in words(t)
        ]
        keys |= {(Key.FAMILY, w) for w in families} | {(Key.GIVEN, w) for w in givens}
        keys |= {(Key.NAME, w) for w in (*families, *givens, *others)}
    if isinstance(patient.get("birthDate"), str):
        keys.add((Key.BIRTH_DATE, patient["birthDate"]))
    for contact in patient.get("telecom", ()):
        value = contact.get("value")
        if isinstance(value, str):
            if contact.get("system") == "email":
                keys.add((Key.EMAIL, fold(value)))
            else:
                keys.add((Key.PHONE, digits(value)[-10:]))
    keys |= _addresses(patient) | _numbers(patient, policy)
    return keys


def _addresses(patient: Mapping[str, Any]) -> set[tuple[Key, str]]:
    keys: set[tuple[Key, str]] = set()
    for address in patient.get("address", ()):
        for member, key in (("city", Key.CITY), ("postalCode", Key.ZIP), ("state", Key.STATE)):
            keys |= {(key, fold(t)) for t in _strings(address.get(member))}
        for member in ("line", "city", "postalCode", "state", "text"):
            keys |= {(Key.STREET, w) for t in _strings(address.get(member, [])) for w in words(t)}
    return keys


def _numbers(patient: Mapping[str, Any], policy: Policy) -> set[tuple[Key, str]]:
    keys: set[tuple[Key, str]] = set()
    for identifier in patient.get("identifier", ()):
        element = element_of(identifier, policy, Element.IDENTIFIER)
        value = identifier.get("value")
        if element and not CATALOGUE[element].unique_to_person and isinstance(value, str):
            keys.add((Key.IDENTIFIER, number_key(element, value, identifier.get("system", ""))))
    return keys


class IdentityIndex:
    """One practice's index. Threads may share it."""

    def __init__(self, vault: Vault, source: Source, practice: str, clock: Clock) -> None:
        self._vault = vault
        self._source = source
        self._practice = practice
        self._clock = clock
        self._lock = RLock()
        self._change = -1
        self._keys: dict[str, set[tuple[Key, str]]] = {}
        self._found: dict[tuple[Key, str], set[str]] = {}
        self._sorted: dict[Key, list[str]] = {key: [] for key in Key}

    def __len__(self) -> int:
        return len(self._keys)

    def catch_up(self) -> None:
        """Read on to the practice's last change.

        Raises:
            KeyUnavailable, JournalUnavailable: The index cannot be trusted now; nothing is found.
        """
        with self._lock:
            last = self._source.last_change(self._practice)
            if last == self._change:
                return
            grant = system_grant(Action.INDEX, self._practice, "the identity index reads on", self._clock())
            changes = list(self._source.changed(self._practice, self._change))
            documents = [d for _, _, d in changes if d is not None]
            revealed = self._vault.open_for_index(grant, documents, INDEXED)
            policy = self._vault.plan.policy
            # All are opened before the first is taken in: a broken seal leaves the index as it was.
            opened = {
                d.place.id: keys_of(r.resource, policy) for d, r in zip(documents, revealed, strict=True)
            }
            fresh = not self._keys
            for _, patient, _ in changes:
                self._replace(patient, opened.get(patient, set()), fresh=fresh)
            if fresh:
                for key, text in self._found:
                    self._sorted[key].append(text)
                for listed in self._sorted.values():
                    listed.sort()
            self._change = max((number for number, _, _ in changes), default=last)

    def _replace(self, patient: str, keys: set[tuple[Key, str]], *, fresh: bool) -> None:
        before = self._keys.pop(patient, set())
        for gone in before - keys:
            self._found[gone].discard(patient)
            if not self._found[gone]:
                del self._found[gone]
                listed = self._sorted[gone[0]]
                del listed[bisect_left(listed, gone[1])]
        for new in keys - before:
            holders = self._found.get(new)
            if holders is None:
                holders = self._found[new] = set()
                if not fresh:
                    insort(self._sorted[new[0]], new[1])
            holders.add(patient)
        if keys:
            self._keys[patient] = keys

    def exact(self, key: Key, text: str) -> set[str]:
        """Ids of the patients with exactly this (folded) word, date or number."""
        with self._lock:
            return set(self._found.get((key, text), ()))

    def prefix(self, key: Key, text: str) -> set[str]:
        """Ids of the patients with a (folded) word that begins so."""
        with self._lock:
            return self._union(key, text, lambda t: t.startswith(text))

    def between(self, key: Key, low: str, high: str) -> set[str]:
        """Ids of the patients with low <= value < high, as text; for birth dates."""
        with self._lock:
            return self._union(key, low, lambda t: t < high)

    def _union(self, key: Key, start: str, holds: Callable[[str], bool]) -> set[str]:
        listed = self._sorted[key]
        found: set[str] = set()
        for i in range(bisect_left(listed, start), len(listed)):
            if not holds(listed[i]):
                break
            found |= self._found[key, listed[i]]
        return found

    def holds(self, patient: str, tests: Iterable[tuple[Key, str]]) -> bool:
        """Whether one patient has each of these beginnings."""
        keys = self._keys.get(patient, set())
        return all(any(k is key and t.startswith(text) for k, t in keys) for key, text in tests)
