"""Bodies of the vault's API: what may stand in a batch, and how its answer is written.

The shape of a batch is all or nothing: a field that is not known, or of another kind, refuses the request and
is named by its path. What stands in the fields is judged item by item.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from django.http import HttpResponse

from confide.errors import BrokenJson, ConfideError, Invalid, TooLarge
from confide.fhir import json
from confide.protect.elements import Element
from confide.protect.tokens import Wanted
from confide.server.vault import answers
from confide.vault.covers import Bare, Kept
from confide.vault.values import Shown

LIMIT: Final = 10_000
"""Items in a batch."""

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a batch."""

_PLACE: Final = re.compile(r" - at `\$\.?([a-z_.\[\]0-9]+)`$").search
_LACKING: Final = re.compile(r"^Object missing required field `([a-z_]+)`").match


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object with these fields and no other."""


class _Wanted(_Shape):
    element: str
    value: str
    patient: str | None = None


class Tokenize(_Shape):
    """The body of ``tokenize``."""

    scope: str
    items: list[_Wanted]
    expires: str | None = None


class _Token(_Shape):
    token: str


class Detokenize(_Shape):
    """The body of ``detokenize``."""

    scope: str
    items: list[_Token]


class _Bare(_Shape):
    patient: str
    element: str
    value: str


class Protect(_Shape):
    """The body of ``protect``."""

    items: list[_Bare]


class _Covered(_Shape):
    patient: str
    element: str
    stand_in: str | None = None
    alphabet: str | None = None
    sealed: str | None = None


class Reveal(_Shape):
    """The body of ``reveal``."""

    items: list[_Covered]


Body = TypeVar("Body", Tokenize, Detokenize, Protect, Reveal)
Item = TypeVar("Item")
Result = TypeVar("Result")


def read(raw: bytes, shape: type[Body]) -> Body:
    """Read a batch.

    Args:
        raw: JSON in UTF-8.
        shape: Which batch it is to be.

    Raises:
        BrokenJson: It is not JSON.
        Invalid: A field is missing, not known, or of another kind; the message names the place.
        TooLarge: It has more than 10,000 items.
    """
    try:
        batch = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=shape)
    except msgspec.ValidationError as wrong:
        raise Invalid(_explain(str(wrong))) from None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        json.parse(raw)  # says at which byte
        raise BrokenJson("the text is not JSON in UTF-8") from None
    if len(batch.items) > LIMIT:
        raise TooLarge(f"a batch has at most {LIMIT:,} items")
    return batch


def _explain(message: str) -> str:
    """Say what is wrong with the shape; of what was sent nothing is repeated, not even a field's name."""
    found = _PLACE(message)
    place = found[1] if found else "the body"
    lacking = _LACKING(message)
    if lacking:
        return f"{place} lacks {lacking[1]}"
    if message.startswith("Object contains unknown field"):
        return f"{place} has a field that is not known here"
    return f"{place} is not of the right kind"


def wanted(batch: Tokenize) -> list[Wanted | ConfideError]:
    """The items of ``tokenize``, each checked by itself."""
    return _each(
        batch.items,
        lambda item, at: Wanted(_element(item.element, at), item.value, item.patient or ""),
    )


def expiry(batch: Tokenize) -> datetime | None:
    """When the tokens end; None is never.

    Raises:
        Invalid: It is not a moment with a time zone.
    """
    if batch.expires is None:
        return None
    try:
        moment = datetime.fromisoformat(batch.expires)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid("expires is a moment with its time zone, such as 2027-01-01T00:00:00Z")


def bare(batch: Protect) -> list[Bare | ConfideError]:
    """The items of ``protect``, each checked by itself."""
    return _each(batch.items, lambda item, at: Bare(item.patient, _element(item.element, at), item.value))


def kept(batch: Reveal) -> list[Kept | ConfideError]:
    """The items of ``reveal``, each checked by itself.

    Raises:
        Invalid: An item has neither a stand-in with its alphabet nor a seal, or both.
    """
    for i, item in enumerate(batch.items):
        given = (item.stand_in is not None, item.alphabet is not None, item.sealed is not None)
        if given not in {(True, True, False), (False, False, True)}:
            raise Invalid(f"items[{i}] has stand_in and alphabet, or sealed")
    return _each(
        batch.items,
        lambda item, at: Kept(
            item.patient,
            _element(item.element, at),
            item.stand_in or "",
            item.alphabet or "",
            None if item.sealed is None else _seal(item.sealed, at),
        ),
    )


def _each(items: Iterable[Item], check: Callable[[Item, str], Result]) -> list[Result | ConfideError]:
    checked: list[Result | ConfideError] = []
    for i, item in enumerate(items):
        try:
            checked.append(check(item, f"items[{i}]"))
        except Invalid as problem:
            checked.append(problem)
    return checked


def _element(code: str, at: str) -> Element:
    try:
        return Element(code)
    except ValueError:
        raise Invalid(f"{at}.element is none of the elements that there are") from None


def _seal(written: str, at: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"{at}.sealed is not base64") from None


def carry(
    items: Sequence[Item | ConfideError], work: Callable[[list[Item]], Sequence[Result | ConfideError]]
) -> list[Result | ConfideError]:
    """Do *work* on the items that are none of an error, and put everything back in order."""
    done = iter(work([item for item in items if not isinstance(item, ConfideError)]))
    return [item if isinstance(item, ConfideError) else next(done) for item in items]


def send(results: Iterable[Any]) -> HttpResponse:
    """Answer a batch: each item's result or error, in order."""
    return answers.send({"items": [_write(result) for result in results]})


def _write(result: Any) -> dict[str, Any]:
    if isinstance(result, ConfideError):
        return answers.trouble(result.code, str(result))
    if isinstance(result, str):
        return {"token": result}
    if isinstance(result, Kept):
        if result.sealed is None:
            return {"stand_in": result.stand_in, "alphabet": result.alphabet}
        return {"sealed": base64.b64encode(result.sealed).decode()}
    if isinstance(result, Shown):
        return {"element": result.element.value, "value": result.value, "form": result.form.value}
    raise TypeError("an item of a batch has another result")
