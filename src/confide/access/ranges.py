"""Asking a list of breached passwords over the network, without telling which password.

Only the first five hexadecimal digits of the SHA-1 leave the house; some 800 candidates come back, padded to
a length that tells nothing, and the comparison happens here.

Source:
    Have I Been Pwned, API v3, "Searching by range" and "Introducing padding"
    (https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange).
"""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from confide.errors import Misconfigured, Unavailable

PATIENCE: Final = 3.0
"""Seconds."""
_PREFIX: Final = 5
_MOST: Final = 1 << 20


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class RangeApi:
    """A list behind a range API. Threads may share one."""

    def __init__(self, url: str) -> None:
        """Take the address.

        Args:
            url: What the five digits are put behind, such as ``https://passwords.example/range/``.

        Raises:
            Misconfigured: It is no address, or not encrypted where it leaves this machine.
        """
        parts = urlsplit(url)
        here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if parts.hostname is None or parts.scheme not in ({"https", "http"} if here else {"https"}):
            raise Misconfigured("the range API's address begins with https://")
        self._url = url.rstrip("/") + "/"
        self._open = build_opener(_Stay).open

    def __repr__(self) -> str:
        return "RangeApi()"

    def __contains__(self, password: str) -> bool:
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, wanted = digest[:_PREFIX], digest[_PREFIX:].encode()
        headers = {"Add-Padding": "true", "User-Agent": "Confide"}
        request = Request(self._url + prefix, headers=headers)  # noqa: S310 - see __init__
        try:
            with self._open(request, timeout=PATIENCE) as response:
                answer = response.read(_MOST)
        except (URLError, OSError, ValueError):
            raise Unavailable("the list of breached passwords does not answer now") from None
        for line in answer.splitlines():
            suffix, _, count = line.partition(b":")
            if suffix.strip().upper() == wanted:
                return bool(count.strip() != b"0")  # padding has the count 0
        return False
