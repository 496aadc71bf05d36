"""Reads a leaked piece for what it can be recognised by: ids, and what looks like a number.

A table, lines of JSON, plain text, or a part of one: the piece is read as text, in blocks, and only what
could be a handle, a number or a pseudonym is kept, up to a limit.
"""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confide.errors import Invalid, Misconfigured
from confide.vault.tracing import Sample

MOST_HANDLES: Final = 10_000
MOST_VALUES: Final = 20_000
_BLOCK: Final = 1 << 20
_OVERLAP: Final = 256
_LONGEST: Final = 128

_UUID = re.compile(
    r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
    r"(?![0-9a-fA-F-])"
)
_DATE = re.compile(r"(?<![\d-])\d{4}-\d\d(?:-\d\d)?(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?(?![\d-])")
_BETWEEN = re.compile(r"[\s,;\"'|<>{}\[\]=&?\\]+")
_PARTS = re.compile(r"[/:()#+*^]+")
# Numbers that are written with blanks between their groups, telephone numbers among them.
_GROUPS = re.compile(r"(?<![\w.-])\(?\d{2,6}\)?(?:[ -]\d{2,6}){1,5}(?![\w-])")
_FEWEST_DIGITS: Final = 6
_FEWEST_MIXED: Final = 4
_FEWEST_LETTERS: Final = 8
_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = {b"\xff\xfe", b"\xfe\xff"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        sample: What it has to go by.
        whole: All of it was read; else a limit was reached first.
    """

    sample: Sample
    whole: bool


def read(path: Path) -> Reading:
    """Read a leaked piece.

    Args:
        path: Text in UTF-8 or UTF-16, such as CSV or NDJSON, perhaps compressed by gzip; or Parquet.

    Raises:
        Invalid: It cannot be read.
        Misconfigured: It is Parquet, and what reads that is not installed.
    """
    handles: set[str] = set()
    values: set[str] = set()
    try:
        for text in _texts(path):
            _gather(text, handles, values)
            if len(handles) >= MOST_HANDLES and len(values) >= MOST_VALUES:
                break
    except (OSError, EOFError) as problem:
        raise Invalid(f"the sample cannot be read ({type(problem).__name__})") from None
    whole = len(handles) < MOST_HANDLES and len(values) < MOST_VALUES
    return Reading(Sample(frozenset(handles), frozenset(values)), whole)


def _gather(text: str, handles: set[str], values: set[str]) -> None:
    for match in _UUID.finditer(text):
        if len(handles) < MOST_HANDLES:
            plain = match[0].replace("-", "").lower()
            handles.add(f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}")
    rest = _DATE.sub(" ", _UUID.sub(" ", text))
    for word in _words(rest):
        if len(values) >= MOST_VALUES:
            return
        if _could_be(word):
            values.add(word)


def _words(text: str) -> Iterator[str]:
    yield from (match[0] for match in _GROUPS.finditer(text))
    for word in _BETWEEN.split(text):
        stripped = word.strip(".:!")
        yield stripped
        parts = _PARTS.split(stripped)
        if len(parts) > 1:
            yield from parts


def _could_be(word: str) -> bool:
    """Whether it has the shape of a number that has a stand-in, or of a pseudonym."""
    if not 0 < len(word) <= _LONGEST or not word.isascii():
        return False
    characters = [c for c in word if c.isalnum()]
    digits = sum(c.isdigit() for c in characters)
    if digits == len(characters):
        return digits >= _FEWEST_DIGITS
    # A stand-in may come out without a digit; in a text most words are no stand-ins.
    mere_word = digits == 0 and not word.isupper()
    return len(characters) >= (_FEWEST_LETTERS if mere_word else _FEWEST_MIXED)


def _texts(path: Path) -> Iterator[str]:
    """The piece as text, in blocks that overlap, so that nothing is cut in two."""
    with path.open("rb") as file:
        begin = file.read(4)
    if begin == _PARQUET:
        yield from _parquet(path)
        return
    encoding = "utf-16" if begin[:2] in _UTF_16 else "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    tail = ""
    with gzip.open(path) if begin[:2] == _GZIP else path.open("rb") as source:
        while block := source.read(_BLOCK):
            text = tail + decoder.decode(block)
            yield text
            tail = text[-_OVERLAP:]


def _parquet(path: Path) -> Iterator[str]:
    try:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException
    except ModuleNotFoundError:
        raise Misconfigured("a Parquet sample needs pyarrow (pip install 'confide[columns]')") from None
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=2000):
            rows: list[dict[str, Any]] = batch.to_pylist()
            yield "\n".join(str(value) for row in rows for value in row.values() if value is not None)
    except ArrowException:
        raise Invalid("the sample is not readable Parquet") from None
