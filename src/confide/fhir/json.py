"""JSON in which decimals keep their digits: ``1.10`` comes back as ``1.10``.

FHIR gives the digits of a decimal a meaning (its precision), so a binary float is not enough:
a number with a fraction or an exponent is held as the text that it was written with.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from confide.errors import BrokenJson

DEPTH_LIMIT = 100
"""Levels of arrays and objects that one value may have; real resources have about 11."""

_BOM = b"\xef\xbb\xbf"


class Number:
    """A JSON number with a fraction or an exponent, as it was written.

    Two numbers are equal when their texts are: ``Number("1.0") != Number("1.00")``.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Number({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return type(other) is Number and other.text == self.text

    def __hash__(self) -> int:
        return hash((Number, self.text))

    def __float__(self) -> float:
        return float(self.text)

    def decimal(self) -> Decimal:
        """Return the same number, to calculate with."""
        return Decimal(self.text)


def _write(value: object) -> msgspec.Raw:
    if type(value) is Number:
        return msgspec.Raw(value.text.encode("ascii"))
    raise TypeError


_decode = msgspec.json.Decoder(float_hook=Number).decode
_encode = msgspec.json.Encoder(enc_hook=_write).encode


def parse(data: bytes | str) -> Any:
    """Read one JSON value.

    Args:
        data: UTF-8 bytes (a byte order mark is skipped) or text.

    Returns:
        dict, list, str, int, bool, None, and `Number` for each number that is not an integer. Of
        an object's equal keys the last one counts.

    Raises:
        BrokenJson: Not one JSON value in UTF-8, nested deeper than 100 levels, or an integer of
            thousands of digits.

    Source:
        RFC 8259; FHIR R4 section 2.6.2 (JSON representation).
    """
    try:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        if raw.startswith(_BOM):
            raw = raw[3:]
        value = _decode(raw)
    except RecursionError:
        raise BrokenJson(f"the JSON is nested deeper than {DEPTH_LIMIT} levels") from None
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise BrokenJson(_reason(wrong)) from None
    # Fewer brackets than levels cannot nest deeper; most single resources end here.
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT:
        _limit_depth(value)
    return value


def format(value: Any) -> bytes:
    """Write *value* as compact UTF-8 JSON, each `Number` with its own digits.

    Args:
        value: What `parse` returns, or the like.

    Returns:
        Bytes such that ``parse(format(value)) == value``.

    Raises:
        BrokenJson: Something in it is not JSON: another type, text with a lone surrogate.
    """
    try:
        return _encode(value)
    except RecursionError:
        raise BrokenJson("the value is nested too deeply for JSON") from None
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
        raise BrokenJson("the value has a part that JSON cannot express") from None


def _limit_depth(value: Any) -> None:
    # Level by level rather than by recursion: the input decides how deep it is.
    level = [value]
    for _ in range(DEPTH_LIMIT):
        below = []
        for container in level:
            for child in container.values() if type(container) is dict else container:
                kind = type(child)
                if kind is dict or kind is list:
                    below.append(child)
        if not below:
            return
        level = below
    raise BrokenJson(f"the JSON is nested deeper than {DEPTH_LIMIT} levels")


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, UnicodeError):
        return "the text is not UTF-8"
    # Only the place is repeated: a message of the library could quote what it read.
    _, _, place = str(wrong).rpartition("(byte ")
    if place.endswith(")") and place[:-1].isdigit():
        return f"the text is not JSON (at byte {place[:-1]})"
    return "the text is not JSON (it ends too early, or a number or an escape is impossible)"
