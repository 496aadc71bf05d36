"""Whether a resource has what a search asks for: the resource decides, never an index alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from confide.fhir import search
from confide.protect.identifiers import normalise
from confide.records import terms
from confide.records.query import Filter, is_moment, matches, span, split_prefix
from confide.vault.index import fold


def holds(f: Filter, id_: uuid.UUID, body: Mapping[str, Any] | None) -> bool:
    """Whether the resource *body* passes one filter."""
    if body is None:
        return False
    if f.parameter.name == "_id":
        return str(id_) in f.values
    values = search.values(body, f.parameter)
    held = any(_one(f, want, value) for want in f.values for value in values)
    return held != (f.modifier == "not")


def _one(f: Filter, want: str, value: Any) -> bool:
    match f.parameter.kind:
        case "token":
            return _token_matches(want, value)
        case "reference":
            return terms.target(value) == want.rsplit("/", maxsplit=1)[-1] and (
                "/" not in want or value["reference"].startswith(want)
            )
        case "date":
            prefix, text = split_prefix(want)
            zoned = is_moment(text)
            asked = span(text, zoned=zoned)
            return any(matches(prefix, asked, low, high) for low, high in _span_of(value, zoned=zoned))
        case "string":
            return _string_matches(f.modifier, want, value)
        case _:
            return isinstance(value, str) and value == want


def _token_matches(want: str, value: Any) -> bool:
    system, bar, code = want.rpartition("|")
    if isinstance(value, dict) and ("value" in value and "code" not in value):
        return (not bar or value.get("system", "") == system) and normalise(str(value["value"])) == normalise(
            code
        )
    if code not in terms.codes(value):
        return False
    if not bar or not isinstance(value, dict):
        return True
    codings = [value, *value.get("coding", ())]
    return any(c.get("code") == code and c.get("system", "") == system for c in codings)


def _string_matches(modifier: str, want: str, value: Any) -> bool:
    texts = [value] if isinstance(value, str) else _texts(value)
    if modifier == "exact":
        return want in texts
    if modifier == "contains":
        return any(fold(want) in fold(t) for t in texts)
    return any(fold(t).startswith(fold(want)) for t in texts)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for v in value.values() for t in _texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in _texts(v)]
    return [value] if isinstance(value, str) else []


def spans(body: Mapping[str, Any] | None, parameter: search.SearchParameter) -> list[tuple[str, str]]:
    """What the dates in a resource cover: from (inclusive) and to, as comparable text."""
    return [s for v in search.values(body, parameter) for s in _span_of(v, zoned=False)] if body else []


def _span_of(value: Any, *, zoned: bool) -> list[tuple[str, str]]:
    if isinstance(value, str):
        s = span(value, zoned=zoned)
        return [(s.low, s.high)]
    if isinstance(value, dict) and ("start" in value or "end" in value):
        low = span(value["start"], zoned=zoned).low if "start" in value else ""
        high = span(value["end"], zoned=zoned).high if "end" in value else "~"
        return [(low, high)]
    if isinstance(value, dict) and "event" in value:
        return [s for v in value["event"] if v is not None for s in _span_of(v, zoned=zoned)]
    return []
