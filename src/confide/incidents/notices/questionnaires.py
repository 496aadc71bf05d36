"""The fields of the forms as their files have them: Maine's in a list, those of HHS on screens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from confide.errors import Damaged

FormName = Literal["maine_ag", "hhs_ocr"]
_Options = tuple[str, ...] | dict[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        id: Its number (Maine), or its label (HHS).
        label: What the form asks.
        kind: What it takes: text, choice, multi, date ...
        choices: What may be chosen; empty where anything may be written.
        required: Whether it must be filled; None where that is not known.
        screen: On which page of the form it is.
        certainty: How sure its wording is.
    """

    id: str
    label: str
    kind: str
    choices: tuple[str, ...] = ()
    required: bool | None = None
    screen: str = ""
    certainty: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its fields, which fact each asks for, and which choice says what."""

    title: str
    source: str
    fields: tuple[Field, ...]
    facts: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]]


class _Maine(msgspec.Struct, frozen=True):
    title: str
    source: str
    certainty: str
    fields: list[list[Any]]


class _Hhs(msgspec.Struct, frozen=True):
    title: str
    source: str
    certainty: str
    screens: list[tuple[str, list[tuple[str, str, _Options, str]]]]


class _Forms(msgspec.Struct, frozen=True):
    maine_ag: _Maine
    hhs_ocr: _Hhs


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    facts: dict[str, str]
    choices: dict[str, dict[str, str]]


class _Filings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    maine_ag: _Words
    hhs_ocr: _Words


@cache
def held() -> Mapping[FormName, Form]:
    """Read ``forms.json`` and ``filings.json``, and hold them against each other.

    Raises:
        Damaged: One is malformed, or names a field or a choice that the other does not have.
    """
    law = resources.files("confide.incidents") / "law"
    try:
        forms = msgspec.json.decode((law / "forms.json").read_bytes(), type=_Forms)
        filings = msgspec.json.decode((law / "filings.json").read_bytes(), type=_Filings)
        maine = tuple(_maine(forms.maine_ag))
    except msgspec.DecodeError as problem:
        raise Damaged(f"the law's forms are malformed ({type(problem).__name__})") from None
    return {
        "maine_ag": _held(forms.maine_ag.title, forms.maine_ag.source, maine, filings.maine_ag),
        "hhs_ocr": _held(
            forms.hhs_ocr.title, forms.hhs_ocr.source, tuple(_hhs(forms.hhs_ocr)), filings.hhs_ocr
        ),
    }


def _held(title: str, source: str, fields: tuple[Field, ...], words: _Words) -> Form:
    ids = {field.id: field for field in fields}
    if len(ids) != len(fields) or not set(words.facts) <= set(ids):
        raise Damaged("the law's filings.json has a field that forms.json does not have")
    for id, fact in words.facts.items():
        if not set(words.choices.get(fact, {}).values()) <= set(ids[id].choices):
            raise Damaged("the law's filings.json has a choice that forms.json does not have")
    return Form(title, source, fields, words.facts, words.choices)


def _maine(form: _Maine) -> Iterator[Field]:
    for row in form.fields:
        id, label, kind, required = msgspec.convert(row[:4], tuple[str, str, str, int])
        choices = msgspec.convert(row[4] if len(row) > 4 else (), tuple[str, ...])
        yield Field(id, label, kind, choices, bool(required), certainty=form.certainty)


def _hhs(form: _Hhs) -> Iterator[Field]:
    for screen, fields in form.screens:
        for label, kind, options, certainty in fields:
            groups = options.values() if isinstance(options, dict) else [options or ()]
            found = tuple(each for group in groups for each in group)
            yield Field(label, label, kind, found, None, screen, certainty)
