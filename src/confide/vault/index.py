"""The identity index: finds patients by what identifies them, and returns ids only.

It lives in memory, one per practice and process, because no index of names or birth dates at rest
would stand up to counting. It is built from the sealed patients under a journalled system grant, and
before each query it reads on from the practice's change number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from threading import RLock
from typing import Any, Protocol

from confide.access.decide import system_grant
from confide.access.roles import Action
from confide.protect.elements import CATALOGUE, Element
from confide.protect.identifiers import element_of, normalise
from confide.protect.policy import Policy
from confide.vault.block import EMPTY, Block, Builder, Leaf, Term
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


INDEXED = frozenset(_ELEMENTS.values()) | {Element.MEMBER_ID, Element.ACCOUNT, Element.CARD, Element.MRN}
"""The data elements that the index opens; record numbers only for their order (`IdentityIndex.places`)."""


class Kin(StrEnum):
    """How a patient may stand to somebody who is known by name."""

    NONE = ""
    SELF = "self"
    NAME = "name"
    ADDRESS = "address"


class Source(Protocol):
    """Where the index reads patients from: ``records`` gives it one."""

    def last_change(self, practice: str) -> int:
        """The number of the practice's last change of a patient; 0 if there was none."""

    def changed(self, practice: str, after: int) -> Iterator[tuple[int, str, Document | None]]:
        """(number, patient, document or None where deleted) of later changes, in order."""


# Letters that Unicode does not decompose, as people type them without a special keyboard.
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


_PLAIN_WORDS = re.compile(r"[a-z0-9]+").findall


def fold(text: str) -> str:
    """Lower case without accents, as people type names: ``Müller`` and ``muller`` are one."""
    if text.isascii():
        return text.lower()
    # Decomposed before as well, because a letter of another style (𝙰) has a case only then.
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    decomposed = unicodedata.normalize("NFKD", plain)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """Folded words of a name or a street; a hyphenated name is found by either part and by both."""
    if text.isascii() and "-" not in text:  # as most are
        return _PLAIN_WORDS(text.lower().replace("'", ""))
    folded = fold(text).replace("'", "").replace("’", "")
    parts = "".join(c if c.isalnum() or c == "-" else " " for c in folded).split()
    joined = [p.replace("-", "") for p in parts if "-" in p]
    return [w for w in (*(w for p in parts for w in p.split("-")), *joined) if w]


def digits(text: str) -> str:
    """Only the digits, as phone numbers are compared."""
    return "".join(filter(str.isdigit, text))


def _strings(values: Any) -> list[str]:
    return [value for value in (values if isinstance(values, list) else (values,)) if isinstance(value, str)]


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


_ORDER = "order"
"""The kind of a term that is no key: a record number, by which charts may be opened in order."""


def _terms(patient: Mapping[str, Any], policy: Policy) -> frozenset[Term]:
    """The keys of a patient, and the record number as it sorts: shorter ones first."""
    keys: set[Term] = set(keys_of(patient, policy))
    for identifier in patient.get("identifier", ()):
        value = identifier.get("value")
        if isinstance(value, str) and element_of(identifier, policy, Element.IDENTIFIER) is Element.MRN:
            normal = normalise(value)
            keys.add((_ORDER, f"{len(normal):06}{normal}"))
            break
    return frozenset(keys)


def _is_marked(patient: Mapping[str, Any]) -> bool:
    labels = (patient.get("meta") or {}).get("security", ())
    return any(isinstance(each, dict) and each.get("code") in MARKS for each in labels)


MARKS = frozenset(("CEL", "EMP"))
"""Security labels of a Patient: a celebrity, an employee.

Source:
    HL7 v3 code system ActCode, InformationSensitivityPolicy.
"""


def _person(name: str) -> tuple[str, str]:
    """The first and the last word of a name that is no title, folded."""
    there = [word for word in words(name) if word not in _TITLES]
    return (there[0], there[-1]) if len(there) > 1 else ("", "")


_TITLES = frozenset(("dr", "mr", "mrs", "ms", "md", "do", "rn", "np", "pa", "phd", "jr", "sr"))


_MOST_CHANGES = 100
_MOST_NAMES = 1000  # of staff, whose namesakes are kept


class IdentityIndex:
    """One practice's index. Threads may share it."""

    def __init__(self, vault: Vault, source: Source, practice: str, clock: Clock) -> None:
        self._vault = vault
        self._source = source
        self._practice = practice
        self._clock = clock
        self._lock = RLock()
        self._change = 0  # before the first one: where nobody was ever written there is nothing to read
        self._block = EMPTY
        self._leaf = Leaf(EMPTY)
        self._gone: set[str] = set()
        self._marked: set[str] = set()
        self._known: dict[tuple[str, int], tuple[set[str], set[str]]] = {}

    def __len__(self) -> int:
        return len(self._block) - len(self._gone) + len(self._leaf)

    @property
    def size(self) -> int:
        """Roughly how many bytes of memory it takes."""
        return self._block.size + self._leaf.size

    def catch_up(self, last: int | None = None) -> None:
        """Read on to the practice's last change.

        Args:
            last: Its number, if the caller has just read it.

        Raises:
            KeyUnavailable, JournalUnavailable: The index cannot be trusted now; nothing is found.
        """
        with self._lock:
            last = self._source.last_change(self._practice) if last is None else last
            if last <= self._change:
                return
            grant = system_grant(Action.INDEX, self._practice, "the identity index reads on", self._clock())
            changes = list(self._source.changed(self._practice, self._change))
            documents = [d for _, _, d in changes if d is not None]
            revealed = self._vault.open_for_index(grant, documents, INDEXED)
            policy = self._vault.plan.policy
            changed = {patient for _, patient, _ in changes}
            marked: set[str] = set()

            def opened() -> Iterator[tuple[str, frozenset[Term]]]:
                for d, r in zip(documents, revealed, strict=True):
                    if _is_marked(r.resource):
                        marked.add(d.place.id)
                    yield d.place.id, _terms(r.resource, policy)

            # All are opened before the first is taken in: a broken seal leaves the index as it was.
            if not self._change or len(changed) > self._most:
                self._pack(opened(), changed)
            else:
                terms = dict(opened())
                for patient in changed:
                    if patient in self._block:
                        self._gone.add(patient)
                    self._leaf.put(patient, terms.get(patient, frozenset()))
                if len(self._leaf) + len(self._gone) > self._most:
                    self._pack((), set())
            self._marked = (self._marked - changed) | marked
            self._change = max((number for number, _, _ in changes), default=last)
            self._known.clear()

    @property
    def _most(self) -> int:
        """So many changes lie beside the block at most: to pack is work for each person."""
        return max(_MOST_CHANGES, len(self._block) // 8)

    def _pack(self, opened: Iterable[tuple[str, frozenset[Term]]], changed: Collection[str]) -> None:
        builder = Builder()
        for patient in self._block.ids:
            if patient not in changed and patient not in self._gone:
                builder.add(patient, self._block.terms_of(patient))
        for patient, terms in self._leaf:
            if patient not in changed:
                builder.add(patient, terms)
        for patient, new in opened:
            if new:
                builder.add(patient, new)
        self._block, self._gone = builder.build(), set()
        self._leaf = Leaf(self._block)

    def _of(self, patient: str) -> Block | Leaf:
        """Where a patient's terms lie."""
        return self._leaf if patient in self._leaf or patient in self._gone else self._block

    def _ask(self, found: Callable[[Block | Leaf], set[str]]) -> set[str]:
        with self._lock:
            people = found(self._block)
            if self._gone:
                people -= self._gone
            if self._leaf:
                people |= found(self._leaf)
            return people

    def places(self, patient: str) -> dict[str, int]:
        """Return where a patient stands in the order of family names, birth dates and record numbers.

        Places, from 0, and no value: whoever is told them knows that charts are opened in order, and no more.
        A text that nobody has any more may keep its place for a while.
        """
        with self._lock:
            places = {}
            for name, kind in (("name", Key.FAMILY), ("birth", Key.BIRTH_DATE), ("number", _ORDER)):
                text = self._of(patient).first(patient, kind)
                if text is not None:
                    places[name] = self._block.place(kind, text) + self._leaf.place(kind, text)
            return places

    def is_marked(self, patient: str) -> bool:
        """Tell whether a patient is labelled as well known, or as one of the staff."""
        return patient in self._marked

    def kin(self, name: str, patient: str, rare: int) -> Kin:
        """Say how a patient may stand to somebody, by names and addresses, and tell neither.

        Args:
            name: Of the person, as people write it.
            patient: The patient's id.
            rare: A family name counts that at most so many patients bear.
        """
        with self._lock:
            bearers, selves = self._namesakes(name, rare)
            if patient in selves:
                return Kin.SELF
            if patient in bearers:
                return Kin.NAME
            home = self._home(patient) if selves else frozenset()
            if home and any(self._home(each) == home for each in selves):
                return Kin.ADDRESS
            return Kin.NONE

    def _namesakes(self, name: str, rare: int) -> tuple[set[str], set[str]]:
        """Who bears a person's family name, if it is rare, and who bears both names; kept until a change."""
        found = self._known.get((name, rare))
        if found is None:
            given, family = _person(name)
            bearers = self.exact(Key.FAMILY, family) if family else set()
            selves = bearers & self.exact(Key.GIVEN, given) if given and bearers else set()
            if len(self._known) >= _MOST_NAMES:
                self._known.clear()
            found = self._known[name, rare] = (bearers if len(bearers) <= rare else set(), selves)
        return found

    def _home(self, patient: str) -> frozenset[Term]:
        """The words of a patient's address, if it names a street."""
        home = frozenset(each for each in self._of(patient).terms_of(patient) if each[0] == Key.STREET)
        return home if any(text.isdigit() for _, text in home) and len(home) > 2 else frozenset()

    def exact(self, key: Key, text: str) -> set[str]:
        """Ids of the patients with exactly this (folded) word, date or number."""
        return self._ask(lambda part: part.exact(key, text))

    def prefix(self, key: Key, text: str) -> set[str]:
        """Ids of the patients with a (folded) word that begins so."""
        return self._ask(lambda part: part.prefix(key, text))

    def between(self, key: Key, low: str, high: str) -> set[str]:
        """Ids of the patients with low <= value < high, as text; for birth dates."""
        return self._ask(lambda part: part.between(key, low, high))

    def holds(self, patient: str, tests: Iterable[tuple[Key, str]]) -> bool:
        """Whether one patient has each of these beginnings."""
        with self._lock:
            terms = list(self._of(patient).terms_of(patient))
        return all(any(k == key and t.startswith(text) for k, t in terms) for key, text in tests)
