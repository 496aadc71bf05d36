"""Tests on identity: by name, birth date, phone and the rest. Only ``asking`` looks at what they find."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from confide.protect.elements import Element
from confide.protect.identifiers import normalise
from confide.records import identities
from confide.records.asking import Test
from confide.records.models import IdentifierDigest
from confide.records.query import span, split_prefix
from confide.vault.door import Vault
from confide.vault.index import IdentityIndex, Key, digits, fold, number_key, words

_DIGITS_OF_PHONE = 10


def by_words(index: IdentityIndex, key: Key, text: str, *, exact: bool = False) -> Test:
    """Whoever has every word of *text* in a name or an address."""
    look = index.exact if exact else index.prefix

    def find() -> set[str]:
        found = [look(key, word) for word in words(text)]
        return set.intersection(*found) if found else set()

    return Test(frozenset({key.element}), find)


def by_text(index: IdentityIndex, key: Key, text: str, *, exact: bool = False) -> Test:
    """Whoever has *text* as it is, or as a beginning: a city, a state, an e-mail address."""
    look = index.exact if exact else index.prefix
    return Test(frozenset({key.element}), lambda: look(key, fold(text)))


def by_phone(index: IdentityIndex, text: str, *, exact: bool = True) -> Test:
    """Whoever has this phone number."""
    look = index.exact if exact else index.prefix
    return Test(frozenset({Element.PHONE}), lambda: look(Key.PHONE, digits(text)[-_DIGITS_OF_PHONE:]))


def by_birth(index: IdentityIndex, value: str) -> Test:
    """Whoever was born then: a FHIR date with its prefix, such as ``ge1963``."""
    return Test(frozenset({Element.BIRTH_DATE}), lambda: _born(index, value))


def _born(index: IdentityIndex, value: str) -> set[str]:
    prefix, text = split_prefix(value)
    asked = span(text)
    match prefix:
        case "eq" | "ap":
            return index.between(Key.BIRTH_DATE, asked.low, asked.high)
        case "ge":
            return index.between(Key.BIRTH_DATE, asked.low, "~")
        case "gt" | "sa":
            return index.between(Key.BIRTH_DATE, asked.high, "~")
        case "lt" | "eb":
            return index.between(Key.BIRTH_DATE, "", asked.low)
        case "le":
            return index.between(Key.BIRTH_DATE, "", asked.high)
        case _:
            return index.between(Key.BIRTH_DATE, "", "~") - index.between(
                Key.BIRTH_DATE, asked.low, asked.high
            )


def by_number(
    vault: Vault,
    index: IdentityIndex,
    practice: str,
    number: str,
    kinds: Collection[Element],
    system: str | None = None,
) -> Test:
    """Whoever has this identifier.

    Args:
        vault: Makes the digests.
        index: Holds the identifiers that have none.
        practice: The practice's id.
        number: As typed.
        kinds: What it may be; at least one.
        system: Under which it was recorded; None is any.
    """

    def find() -> set[str]:
        if not normalise(number):
            return set()
        found: set[str] = set()
        for kind in set(kinds).difference(identities.SEARCHABLE):
            found |= index.prefix(Key.IDENTIFIER, number_key(kind, number, system))
        wanted = [
            identities.digest(vault, practice, kind, number, system)
            for kind in set(kinds).intersection(identities.SEARCHABLE)
        ]
        rows = IdentifierDigest.objects.filter(practice=practice, digest__in=wanted)
        return found | {str(patient) for patient in rows.values_list("patient", flat=True)}

    return Test(frozenset(kinds), find)


def any_of(tests: Iterable[Test]) -> Test:
    """Whoever passes one of *tests*; it asks by what each of them asks by."""
    listed = list(tests)
    elements = frozenset[Element]().union(*(test.elements for test in listed))
    return Test(elements, lambda: frozenset[str]().union(*(test.find() for test in listed)))
