"""What finds a resource again: public codes and random ids, hashed to 64 bits.

Only what the protected resource shows is taken, so that no clear value can become a term. A hit is
always checked again on the resource itself: the hash narrows, it does not decide.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from confide.fhir import search
from confide.records.models import Term
from confide.vault import bulk

COMPARTMENT = "-compartment"
"""The parameter under which a patient's whole chart is found, whatever its types."""


def term(practice: str, kind: str, parameter: str, value: str) -> int:
    """Return the key of one term, a signed 64-bit number."""
    return _hash(f"{practice}|{kind}|{parameter}|{value}")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


_code_term = lru_cache(100_000)(term)


Places = frozenset[tuple[Any, ...]]


def places(parameter: search.SearchParameter) -> Places:
    """Where a parameter looks; ``subject`` and ``patient`` look at the same place for other types."""
    return frozenset((p.keys, p.key, p.equals, p.then) for p in parameter.paths)


@lru_cache(400)
def indexed(kind: str) -> tuple[search.SearchParameter, ...]:
    """The search parameters of a type that have terms: tokens and references, each place once."""
    chosen: list[search.SearchParameter] = []
    seen: set[Any] = set()
    candidates = [p for p in search.parameters(kind).values() if p.kind in {"token", "reference"}]
    for parameter in sorted(candidates, key=lambda p: (any(q.only for q in p.paths), -len(p.paths), p.name)):
        if parameter.name not in {"identifier", "_id"} and not places(parameter) <= seen:
            seen |= places(parameter)
            chosen.append(parameter)
    return tuple(chosen)


@lru_cache(2000)
def term_name(kind: str, name: str) -> str | None:
    """The indexed parameter whose terms also find what *name* finds; None where there is none."""
    wanted = places(search.parameters(kind)[name])
    return next((p.name for p in indexed(kind) if wanted <= places(p)), None)


def codes(value: Any) -> Iterator[str]:
    """The codes in one raw element: a code, a boolean, a Coding or a CodeableConcept."""
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        if isinstance(value.get("code"), str):
            yield value["code"]
        for coding in value.get("coding", ()):
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                yield coding["code"]


def target(reference: Any) -> str | None:
    """The id that a Reference names, without its type and version."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    parts = text.split("/") if isinstance(text, str) else []
    return parts[1] if len(parts) in {2, 4} else None


def terms(practice: str, patients: Iterable[str], protected: Mapping[str, Any]) -> set[int]:
    """Return the keys by which a protected resource is found."""
    kind = protected["resourceType"]
    keys = {term(practice, "", COMPARTMENT, patient) for patient in patients}
    for parameter in indexed(kind):
        for value in search.values(protected, parameter):
            if parameter.kind == "token":
                keys.update(_code_term(practice, kind, parameter.name, code) for code in codes(value))
            elif (id_ := target(value)) is not None:
                keys.add(term(practice, kind, parameter.name, id_))
    return keys


def insert(rows: Iterable[tuple[int, uuid.UUID]]) -> None:
    """Write terms of resources that have none yet, in the caller's transaction."""
    bulk.insert(Term, ("key", "resource"), rows)


def with_all(keys: Iterable[Iterable[int]]) -> set[uuid.UUID] | None:
    """Ids that have, of each group of keys, at least one; None where there is no group."""
    found: set[uuid.UUID] | None = None
    for group in keys:
        hits = set(Term.objects.filter(key__in=list(group)).values_list("resource", flat=True))
        found = hits if found is None else found & hits
        if not found:
            break
    return found
