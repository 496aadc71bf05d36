"""The body of a request: read up to a limit, whether its length is declared or it comes in chunks.

Nothing larger than the limit is ever held in memory. What is too large is read on and thrown away up to a
second limit, because a client that cannot finish sending does not read the answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, UnreadablePostError

from confide.errors import BrokenJson, Invalid, TooLarge
from confide.fhir import json

FORM_LIMIT = 1024 * 1024
_PIECE = 64 * 1024
_DRAIN = 256 * 1024 * 1024
_MOST_FIELDS = 1000


def media_type(request: HttpRequest) -> str:
    """Return the body's media type in lower case; empty where it is not UTF-8, or is compressed."""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    plain = request.headers.get("Content-Encoding", "identity").lower() == "identity"
    return (request.content_type or "").lower() if plain and charset in {"utf-8", "utf8"} else ""


def read(request: HttpRequest, limit: int) -> bytes:
    """Read the whole body.

    Args:
        request: Nothing has read its body yet.
        limit: Bytes.

    Raises:
        TooLarge: It has more bytes than that.
        Invalid: It ends before its declared length.
    """
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    declared = None if chunked else _length(request)
    pieces, total = bytearray(), 0
    too_large = declared is not None and declared > limit
    while declared is None or total < declared:
        size = _PIECE if declared is None else min(_PIECE, declared - total)
        piece = _piece(request, size, chunked=chunked)
        if not piece:
            break
        total += len(piece)
        if too_large or total > limit:
            too_large = True
            pieces.clear()
            if total > _DRAIN:
                break
        else:
            pieces += piece
    if too_large:
        raise TooLarge(f"the body is larger than the {limit} bytes that this server reads")
    if declared is not None and total < declared:
        raise Invalid("the body ends before its declared length")
    return bytes(pieces)


def read_json(request: HttpRequest, limit: int) -> Any:
    """Read a body of JSON.

    Raises:
        TooLarge, Invalid: As `read`.
        BrokenJson: It is not one JSON value.
    """
    raw = read(request, limit)
    if not raw.strip():
        raise BrokenJson("the body is empty; a resource is expected")
    return json.parse(raw)


def read_form(request: HttpRequest, limit: int = FORM_LIMIT) -> list[tuple[str, str]]:
    """Read a body of form fields, in order.

    Raises:
        TooLarge, Invalid: As `read`, or it is not a form.
    """
    return parse_fields(read(request, limit))


def parse_fields(raw: bytes) -> list[tuple[str, str]]:
    """Read the fields of a form or of an address.

    Raises:
        Invalid: They are not UTF-8, or too many.
    """
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("the parameters are not a form in UTF-8, or too many") from None


def _length(request: HttpRequest) -> int:
    try:
        return max(0, int(request.headers.get("Content-Length") or 0))
    except ValueError:
        return 0


def _piece(request: HttpRequest, size: int, *, chunked: bool) -> bytes:
    try:
        if chunked:
            # Django gives a request without Content-Length an empty body. The server decodes the chunks, and
            # says with input_terminated that its stream ends where the body ends.
            environ = getattr(request, "environ", {})
            piece: bytes = environ["wsgi.input"].read(size) if environ.get("wsgi.input_terminated") else b""
            return piece
        return request.read(size)
    except (OSError, UnreadablePostError):
        raise Invalid("the body broke off") from None
