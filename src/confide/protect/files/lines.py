"""NDJSON: one object a line. Members that nobody names keep their writing, to the last digit of a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec
import pyarrow as pa

from confide.errors import BrokenRow

Row = dict[str, msgspec.Raw]

_NOT_JSON: Final = "is not one JSON object in UTF-8"
_NOT_TEXT: Final = "has a text that is not Unicode"
_NULL: Final = b"null"
_DECODER: Final = msgspec.json.Decoder(Row)
_TEXT: Final = msgspec.json.Decoder(str)
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Lines:
    """The objects of a block."""

    rows: list[Row]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str, *, as_json: bool) -> pa.Array:
        """The texts under a name; null where it is null or absent.

        Args:
            name: The member.
            as_json: Numbers, lists and objects are among them: each value is given as it is written.

        Raises:
            BrokenRow: A text is not Unicode.
        """
        texts: list[str | None] = []
        for at, row in enumerate(self.rows):
            raw = row.get(name)
            written = _NULL if raw is None else bytes(raw)
            if written == _NULL:
                texts.append(None)
            elif as_json:
                texts.append(written.decode())
            else:
                texts.append(_decode(written, at))
        return pa.array(texts, pa.string())

    def replace(
        self, columns: Mapping[str, pa.Array], dropped: Iterable[str], as_json: frozenset[str]
    ) -> bytes:
        """The lines with other texts under some names, and without others.

        Args:
            columns: Texts by name; one that was absent stays absent.
            dropped: Names to leave out.
            as_json: Names whose texts are values as they are written, and not texts.

        Raises:
            BrokenRow: Such a text is no JSON.
        """
        written = {name: _encode_all(column, as_json=name in as_json) for name, column in columns.items()}
        for name in dropped:
            for row in self.rows:
                row.pop(name, None)
        for name, values in written.items():
            for row, value in zip(self.rows, values, strict=True):
                if name in row:
                    row[name] = value
        return _join(self.rows)


def lines(block: bytes) -> Lines:
    """Read whole lines; empty ones are no rows.

    Raises:
        BrokenRow: One is not an object, or not UTF-8.
    """
    rows: list[Row] = []
    parts = [part for part in block.split(b"\n") if part and not part.isspace()]
    for at, part in enumerate(parts):
        try:
            if not part.isascii():
                part.decode()
            row = _DECODER.decode(part)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            row = None
        if row is None:
            raise BrokenRow(at, _NOT_JSON)
        rows.append(row)
    return Lines(rows)


class Kind(Enum):
    """What a value is, by its first character."""

    NULL = "null"
    TEXT = "text"
    NESTED = "nested"
    PLAIN = "plain"


def kind_of(raw: msgspec.Raw) -> Kind:
    """What a value is."""
    return _KINDS.get(bytes(raw)[:1], Kind.PLAIN)


_KINDS: Final = {b"n": Kind.NULL, b'"': Kind.TEXT, b"{": Kind.NESTED, b"[": Kind.NESTED}


def cut(block: bytes) -> int:
    """How many bytes of a block are whole lines."""
    return block.rfind(b"\n") + 1


def write(names: Sequence[str], columns: Sequence[pa.Array], as_json: frozenset[str] = frozenset()) -> bytes:
    """Objects anew: a null stays, and a value of a column with a type becomes what JSON has for it."""
    if not columns:
        return b""
    values = [
        _encode_all(column, as_json=name in as_json) for name, column in zip(names, columns, strict=True)
    ]
    return _join([dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)])


def _join(rows: Sequence[Row]) -> bytes:
    return msgspec.json.Encoder().encode_lines(rows)


def _encode_all(column: pa.Array, *, as_json: bool) -> list[msgspec.Raw]:
    values: list[Any] = column.to_pylist()
    if not as_json:
        encode = msgspec.json.Encoder(decimal_format="number").encode
        return [msgspec.Raw(encode(value)) for value in values]
    made = []
    for at, text in enumerate(values):
        try:
            value = _ANY.decode(_NULL if text is None else text)
        except (msgspec.DecodeError, RecursionError):
            value = None
        if value is None:
            raise BrokenRow(at, "is not what it was before it was protected")
        made.append(value)
    return made


def _decode(written: bytes, at: int) -> str:
    try:
        text = _TEXT.decode(written)
        text.encode()
    except (msgspec.DecodeError, UnicodeEncodeError):
        text = None
    if text is None:
        raise BrokenRow(at, _NOT_TEXT)
    return text
