"""The primitive datatypes of FHIR R4: one check for each.

A check returns None for a good value and otherwise a sentence about what is expected, never the
value. The languages accepted are those of the definitions' regular expressions; where an
expression of the definitions can take exponential time, an equal one that cannot is used.

Source:
    FHIR R4 4.0.1, section 2.24.0.1 (primitive types) and the StructureDefinitions' ``regex``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from confide.fhir.json import Number

Check = Callable[[Any], str | None]

_YEAR = "([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = "(0[1-9]|[1-2][0-9]|3[0-1])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_DATE = re.compile(f"{_YEAR}(-(0[1-9]|1[0-2])(-{_DAY})?)?")
_DATE_TIME = re.compile(f"{_YEAR}(-(0[1-9]|1[0-2])(-{_DAY}(T{_CLOCK}{_ZONE})?)?)?")
_INSTANT = re.compile(f"{_YEAR}-(0[1-9]|1[0-2])-{_DAY}T{_CLOCK}{_ZONE}")
_TIME = re.compile(_CLOCK)
_CODE = re.compile(r"[^\s]+(\s[^\s]+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BASE_64 = re.compile(r"(?:\s*[0-9a-zA-Z+/=]{4})+\s*")
# Lone surrogates too: they are not text, and cannot be written as UTF-8.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_SPACE = re.compile(r"\s", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

TEXT_LIMIT = 1024 * 1024
"""Characters that a string may have (section 2.24.0.1)."""

_LOW, _HIGH = -(2**31), 2**31 - 1


def has_control(text: str) -> bool:
    """Whether *text* has control characters (but tab and line ends) or lone surrogates."""
    return _CONTROL.search(text) is not None


def check_string(value: Any) -> str | None:
    """Check a string: not empty, no control characters but tab and line ends, at most 1 MB."""
    if type(value) is not str:
        return "must be a string"
    if not value:
        return "must not be empty"
    if value.isascii() and value.isprintable() and len(value) <= TEXT_LIMIT:
        return None
    if len(value) > TEXT_LIMIT:
        return "must not be longer than 1,048,576 characters"
    if _CONTROL.search(value) is not None:
        return "must not have control characters"
    return None


def check_markdown(value: Any) -> str | None:
    """Check a markdown text: as a string."""
    return check_string(value)


def check_uri(value: Any) -> str | None:
    """Check a uri, url or canonical: not empty, no white space."""
    if type(value) is not str:
        return "must be a string"
    if not value:
        return "must not be empty"
    if value.isascii() and value.isprintable():
        return None if " " not in value else "must be an address without white space"
    if _SPACE.search(value) is not None or _CONTROL.search(value) is not None:
        return "must be an address without white space"
    return None


def check_code(value: Any) -> str | None:
    """Check a code: no white space at the ends, single white space inside."""
    if type(value) is not str:
        return "must be a string"
    if value.isalnum():
        return None
    if _CODE.fullmatch(value) is not None and _CONTROL.search(value) is None:
        return None
    return "must be a code, without white space at its ends or twice in a row"


def check_id(value: Any) -> str | None:
    """Check an id: 1 to 64 letters, digits, ``-`` and ``.``."""
    if type(value) is not str:
        return "must be a string"
    if _ID.fullmatch(value) is not None:
        return None
    return "must be an id: 1 to 64 letters, digits, '-' and '.'"


def check_boolean(value: Any) -> str | None:
    """Check a boolean."""
    return None if value is True or value is False else "must be true or false"


def check_integer(value: Any) -> str | None:
    """Check an integer of 32 bits."""
    if type(value) is int and _LOW <= value <= _HIGH:
        return None
    return "must be an integer of 32 bits"


def check_unsigned(value: Any) -> str | None:
    """Check an unsignedInt."""
    if type(value) is int and 0 <= value <= _HIGH:
        return None
    return "must be an integer from 0 to 2,147,483,647"


def check_positive(value: Any) -> str | None:
    """Check a positiveInt."""
    if type(value) is int and 0 < value <= _HIGH:
        return None
    return "must be an integer from 1 to 2,147,483,647"


def check_decimal(value: Any) -> str | None:
    """Check a decimal: any JSON number."""
    kind = type(value)
    if kind is int or kind is float:
        return None
    if kind is Number and _DECIMAL.fullmatch(value.text) is not None:
        return None
    return "must be a number"


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_date(value: Any) -> str | None:
    """Check a date: a year, a month, or a day of the calendar."""
    if type(value) is not str:
        return "must be a string"
    if _DATE.fullmatch(value) is None:
        return "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"
    if len(value) == 10 and not _is_day(value):
        return "must be a day that the calendar has"
    return None


def check_date_time(value: Any) -> str | None:
    """Check a dateTime: a date, or a day with time of day and zone."""
    if type(value) is not str:
        return "must be a string"
    if _DATE_TIME.fullmatch(value) is None:
        return "must be a date, or a date with a time and a zone"
    if len(value) >= 10 and not _is_day(value[:10]):
        return "must be a day that the calendar has"
    return None


def check_instant(value: Any) -> str | None:
    """Check an instant: day, time to the second, and zone."""
    if type(value) is not str:
        return "must be a string"
    if _INSTANT.fullmatch(value) is None:
        return "must be an instant: a date with a time and a zone"
    if not _is_day(value[:10]):
        return "must be a day that the calendar has"
    return None


def check_time(value: Any) -> str | None:
    """Check a time of day."""
    if type(value) is str and _TIME.fullmatch(value) is not None:
        return None
    return "must be a time: hh:mm:ss"


def check_oid(value: Any) -> str | None:
    """Check an OID in its URN form."""
    if type(value) is str and _OID.fullmatch(value) is not None:
        return None
    return "must be an OID: urn:oid: and its numbers"


def check_uuid(value: Any) -> str | None:
    """Check a UUID in its URN form."""
    if type(value) is str and _UUID.fullmatch(value) is not None:
        return None
    return "must be a UUID: urn:uuid: and its lower-case digits"


def check_base_64(value: Any) -> str | None:
    """Check base64 data."""
    if type(value) is str and _BASE_64.fullmatch(value) is not None:
        return None
    return "must be base64"


CHECKS: Mapping[str, Check] = {
    "base64Binary": check_base_64,
    "boolean": check_boolean,
    "canonical": check_uri,
    "code": check_code,
    "date": check_date,
    "dateTime": check_date_time,
    "decimal": check_decimal,
    "id": check_id,
    "instant": check_instant,
    "integer": check_integer,
    "markdown": check_markdown,
    "oid": check_oid,
    "positiveInt": check_positive,
    "string": check_string,
    "time": check_time,
    "unsignedInt": check_unsigned,
    "uri": check_uri,
    "url": check_uri,
    "uuid": check_uuid,
}
"""The check of each primitive datatype but xhtml, which `confide.fhir.narrative` checks."""
