"""What values look like: for each kind of value, whether one has its shape, check digit and range.

Source:
    SSN: SSA, "Social Security Number Randomization" (never 000, 666 or 9xx, nor 00, nor 0000). Card: ISO/IEC
    7812-1. NPI: 45 CFR 162.406. Phone: the North American Numbering Plan (NXX-NXX-XXXX).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from confide.protect.files.hints import WORDS

Test = Callable[[str], object]

_NOT_DIGITS: Final = re.compile(r"[ .()+-]")
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NPI_PREFIX: Final = 24

is_sealed: Final[Test] = re.compile(r"sealed:[A-Za-z0-9_-]{100,}").fullmatch
is_email: Final[Test] = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}").fullmatch
is_uuid: Final[Test] = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}").fullmatch
is_url: Final[Test] = re.compile(r"(https?|ftp)://\S+", re.IGNORECASE).fullmatch
is_ip: Final[Test] = re.compile(r"(\d{1,3}\.){3}\d{1,3}|(?=.*::|(.*:){7})[0-9a-fA-F:]{3,39}").fullmatch
is_ssn_written: Final[Test] = re.compile(r"(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}").fullmatch
is_ssn_bare: Final[Test] = re.compile(r"(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}").fullmatch
is_nine_digits: Final[Test] = re.compile(r"\d{3}([- ]?)\d{2}\1\d{4}").fullmatch
is_phone_written: Final[Test] = re.compile(
    r"(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}(?: ?(?:x|ext\.?) ?\d{1,6})?"
    r"|\+\d[\d ().-]{6,18}\d"
).fullmatch
is_phone_bare: Final[Test] = re.compile(r"1?[2-9]\d\d[2-9]\d{6}").fullmatch
is_zip: Final[Test] = re.compile(r"\d{5}(-\d{4})?").fullmatch
is_zip_bare: Final[Test] = re.compile(r"\d{5}(-?\d{4})?").fullmatch
is_zip_plus: Final[Test] = re.compile(r"\d{5}-\d{4}").fullmatch
is_number: Final[Test] = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?").fullmatch
is_whole: Final[Test] = re.compile(r"\d+").fullmatch
is_wordlike: Final[Test] = re.compile(r"[^\W\d_]").match
is_word: Final[Test] = re.compile(r"[^\W\d_]+([ .,'’-]+[^\W\d_]+){0,4}\.?").fullmatch
is_identifier: Final[Test] = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9 ./_#:-]{3,40}").fullmatch
is_street: Final[Test] = re.compile(
    r"(\d+[A-Za-z]?|p\.? ?o\.? box) .*|.*\b(street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|"
    r"court|ct|way|place|pl|apt|suite|ste|highway|hwy)\b\.?( .*)?",
    re.IGNORECASE,
).fullmatch
is_sex: Final[Test] = re.compile(
    r"[mfuox]|male|female|other|unknown|nonbinary|non-binary|undifferentiated", re.IGNORECASE
).fullmatch
is_year: Final[Test] = re.compile(r"(18|19|20)\d\d").fullmatch

finds_identifier: Final[Test] = re.compile(
    r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"
    r"|[^@\s,;\"]+@[^@\s,;\"]+\.[A-Za-z]{2,}"
    r"|\([2-9]\d\d\) ?\d{3}-\d{4}|(?<![\d-])[2-9]\d\d[-.][2-9]\d\d[-.]\d{4}(?![\d-])"
).search
"""Whether an SSN, an e-mail address or a phone number stands anywhere in a text."""

_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_TIME: Final = r"(?:[T ]\d{1,2}:\d\d.*)?"
_YEARS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<year>1[89]\d\d|20\d\d)[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01]){_TIME}",
        rf"(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?P<year>1[89]\d\d|20\d\d|\d\d){_TIME}",
        r"(?P<year>19\d\d|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4,6})?",
        rf"\d{{1,2}}[- ](?:{_MONTHS})[a-z]*\.?[-, ]+(?P<year>\d{{4}}|\d\d){_TIME}",
        rf"(?:{_MONTHS})[a-z]*\.? \d{{1,2}},? (?P<year>\d{{4}}){_TIME}",
    )
)
_STATE_CODES: Final = frozenset(WORDS["states"]["codes"].split())
_STATE_NAMES: Final = frozenset(WORDS["states"]["names"])
_NAMES: Final = frozenset(WORDS["names"]["words"].split())


def share(values: Iterable[str], test: Test) -> float:
    """The share of values that pass a test; 0 of none."""
    passed = [bool(test(value)) for value in values]
    return sum(passed) / len(passed) if passed else 0.0


def digits(value: str) -> str:
    """The digits of a number, without what stands between them; "" if there is anything else."""
    bare = _NOT_DIGITS.sub("", value)
    return bare if bare.isascii() and bare.isdigit() else ""


def luhn(number: str, prefix: int = 0) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = prefix + sum(map(int, number[::-2])) + sum(_DOUBLED[int(digit)] for digit in number[-2::-2])
    return total % 10 == 0


def is_card(value: str) -> bool:
    """Thirteen to nineteen digits of an issuer's range, the last one right."""
    number = digits(value)
    return 13 <= len(number) <= 19 and number[0] in "23456" and luhn(number)


def is_npi(value: str) -> bool:
    """Ten digits, 1 or 2 first, the last one right."""
    return len(value) == 10 and value[0] in "12" and bool(is_whole(value)) and luhn(value, _NPI_PREFIX)


def is_state(value: str) -> bool:
    """A state of the United States, by its name or code."""
    return value.upper() in _STATE_CODES or value.lower() in _STATE_NAMES


def year(value: str) -> int | None:
    """The year of a date in one of the usual writings; None if it is no date."""
    for pattern in _YEARS:
        found = pattern.fullmatch(value)
        if found:
            number = int(found["year"])
            return number if number > 99 else 1900 + number
    return None


def has_known_name(value: str) -> bool:
    """Whether one of its words is among the most frequent given names and surnames."""
    words = re.split(r"[ ,.'’-]+", value.casefold())
    return any(word in _NAMES for word in words)
