"""Scopes of programs: read, intersected and asked. SMART's in both versions, and the vault's. No HTTP.

Source:
    SMART App Launch 2.2.0, scopes (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html):
    ``system/Type.read|write|*`` (version 1) and ``system/Type.cruds`` (version 2); narrowing a scope by
    search parameters is not supported. ``vault/detokenize`` and its like are Confide's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from confide.fhir.tables import RESOURCES

_LETTERS = "cruds"
_VERSION_1 = {"read": "rs", "write": "cud", "*": _LETTERS}
VAULT: Final = "vault"
OPERATIONS: Final = ("tokenize", "detokenize", "protect", "reveal")
"""What a scope ``vault/...`` may name: each is one address of the vault's API."""

_OWN: Final = {f"{VAULT}/{operation}": operation for operation in OPERATIONS}
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,40})\.(read|write|\*|c?r?u?d?s?)", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be done with one type, or with all; or at the vault.

    Attributes:
        kind: A resource type, or ``*``, or ``vault``.
        letters: Of create, read, update, delete, search: those that are allowed. At the vault the operation.
    """

    kind: str
    letters: frozenset[str]

    def __str__(self) -> str:
        if self.kind == VAULT:
            return f"{VAULT}/{next(iter(self.letters))}"
        return f"system/{self.kind}.{''.join(letter for letter in _LETTERS if letter in self.letters)}"

    def meet(self, other: Scope) -> Scope | None:
        """What both allow; None where that is nothing."""
        letters = self.letters & other.letters
        if not letters or (self.kind != other.kind and "*" not in {self.kind, other.kind}):
            return None
        return Scope(other.kind if self.kind == "*" else self.kind, letters)


def parse(text: str) -> frozenset[Scope]:
    """Read scopes separated by spaces; what is not a scope of a program on this server is left out."""
    found = set()
    for word in text.split():
        if word in _OWN:
            found.add(Scope(VAULT, frozenset({_OWN[word]})))
            continue
        match = _SCOPE(word)
        if match is None or not match[2] or (match[1] != "*" and match[1] not in RESOURCES):
            continue
        found.add(Scope(match[1], frozenset(_VERSION_1.get(match[2], match[2]))))
    return frozenset(found)


def narrowed(text: str) -> bool:
    """Tell whether one of the scopes is narrowed by search parameters (``system/Type.rs?name=value``).

    They are not supported. To leave the parameters out would be to grant more than was asked for.
    """
    return any(word.startswith("system/") and "?" in word for word in text.split())


def strangers(text: str) -> int:
    """Count the words of *text* that are no scope here."""
    return sum(1 for word in text.split() if not parse(word))


def grant(requested: str, registered: str) -> str:
    """Return the scopes that are both requested and registered, in the writing of the request."""
    ours = parse(registered)
    granted: list[str] = []
    for word in requested.split():
        for scope in parse(word):
            met = {m for other in ours if (m := scope.meet(other)) is not None}
            written = [word] if scope in met else sorted(map(str, met))
            granted += [text for text in written if text not in granted]
    return " ".join(granted)


def allows(scopes: Iterable[Scope], kind: str, letter: str) -> bool:
    """Tell whether one of *scopes* allows an interaction with a type.

    Args:
        scopes: Of a token.
        kind: A resource type, or ``*`` for all of them at once, or ``vault``.
        letter: ``c`` create, ``r`` read, ``u`` update, ``d`` delete or ``s`` search; or the operation.
    """
    return any(scope.kind in {kind, "*"} and letter in scope.letters for scope in scopes)
