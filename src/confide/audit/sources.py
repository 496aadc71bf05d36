"""Where a witness reads a log: over HTTP, or in a folder. No Django here.

What comes from there is believed only as far as a signature and hashes carry it; it is small, or refused.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from confide.audit.tiles import HEIGHT, WIDTH, place
from confide.cipher.tree import HASH_BYTES, Nodes, hash_pairs
from confide.errors import Invalid, Unavailable, Unknown

PATIENCE: Final = 10
LARGEST_NOTE: Final = 64 * 1024


class Source(Protocol):
    """A log's files, by the names that C2SP tlog-tiles gives them."""

    def fetch(self, path: str, most: int) -> bytes:
        """Return a file.

        Args:
            path: Such as ``checkpoint`` or ``tile/0/x001/234.p/7``.
            most: Bytes; a larger one is refused.

        Raises:
            Unknown: There is none.
            Unavailable: The log does not answer, or answers what it must not.
        """
        ...

    def hand_over(self, note: str) -> None:
        """Give the log a cosigned checkpoint.

        Raises:
            Unavailable: It does not take it.
        """
        ...


class Folder:
    """A log in a folder: its own, or a copy.

    Args:
        path: With the file ``checkpoint`` and the folder ``tile``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, path: str, most: int) -> bytes:
        try:
            with (self._path / path).open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            raise Unknown("the log has no such file") from None
        except OSError as problem:
            raise Unavailable(f"the log cannot be read ({type(problem).__name__})") from None
        if len(data) > most:
            raise Unavailable("the log has a file that is too large")
        return data

    def hand_over(self, note: str) -> None:
        """A folder takes nothing: the witness's state folder holds what it cosigned."""


class Web:
    """A log over HTTP, under one address.

    Args:
        url: Such as ``https://records.example/journal``.
        authorities: A file of authorities for TLS, instead of the system's.

    Raises:
        Invalid: It is no such address.
    """

    def __init__(self, url: str, authorities: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise Invalid("a log's address begins with https:// or http:// and has no question mark")
        self._url = url.rstrip("/")
        context = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
        self._open: Callable[..., Any] = build_opener(_Stay, HTTPSHandler(context=context)).open

    def fetch(self, path: str, most: int) -> bytes:
        data = self._ask(Request(f"{self._url}/{path}"), most)  # noqa: S310 - http or https, see above
        if len(data) > most:
            raise Unavailable("the log answers with a file that is too large")
        return data

    def hand_over(self, note: str) -> None:
        kind = {"Content-Type": "text/plain; charset=utf-8"}
        self._ask(Request(f"{self._url}/cosignatures", note.encode(), kind), LARGEST_NOTE)  # noqa: S310 - as above

    def _ask(self, request: Request, most: int) -> bytes:
        try:
            with self._open(request, timeout=PATIENCE) as response:
                return bytes(response.read(most + 1))
        except HTTPError as refusal:
            with refusal:
                if refusal.code == HTTPStatus.NOT_FOUND and request.data is None:
                    raise Unknown("the log has no such file") from None
                raise Unavailable(f"the log answers with status {refusal.code}") from None
        except (URLError, OSError, ValueError) as problem:
            reason = problem.reason if isinstance(problem, URLError) else problem
            raise Unavailable(f"the log does not answer ({type(reason).__name__})") from None


class _Stay(HTTPRedirectHandler):
    """A log is at its address, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def read_nodes(source: Source, size: int) -> Nodes:
    """Return the hashes of the complete subtrees of a tree of *size* leaves, from a log's tiles.

    Nothing here checks them; a proof that is made of them leads to a root, or does not.

    Raises (when asked for a hash):
        Unavailable: The log does not answer, or a tile is missing or has not its length.
    """
    held: dict[tuple[int, int], list[bytes]] = {}

    def tile(level: int, index: int) -> list[bytes]:
        if (level, index) not in held:
            width = min(WIDTH, (size >> HEIGHT * level) - index * WIDTH)
            held[level, index] = _fetch_tile(source, level, index, width)
        return held[level, index]

    def nodes(level: int, index: int) -> bytes:
        above = level // HEIGHT
        spread = level % HEIGHT
        first = index << spread
        start = first % WIDTH
        hashes = tile(above, first // WIDTH)[start : start + (1 << spread)]
        if len(hashes) != 1 << spread:
            raise Unavailable("a tile of the log is shorter than its tree")
        while len(hashes) > 1:
            hashes = hash_pairs(hashes)
        return hashes[0]

    return nodes


def _fetch_tile(source: Source, level: int, index: int, width: int) -> list[bytes]:
    for wanted in dict.fromkeys((width, WIDTH)):  # a partial tile may have grown full since
        name = place(level, index) if wanted == WIDTH else f"{place(level, index)}.p/{wanted}"
        try:
            data = source.fetch(name, WIDTH * HASH_BYTES)
        except Unknown:
            continue
        if len(data) != wanted * HASH_BYTES:
            raise Unavailable("a tile of the log has not its length")
        return [data[i : i + HASH_BYTES] for i in range(0, width * HASH_BYTES, HASH_BYTES)]
    raise Unavailable("a tile of the log is missing")
