"""A connection of an outside program to a server: tokens by private_key_jwt, requests in JSON."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from confide.errors import Misconfigured

TIMEOUT: Final = 120.0  # seconds for one answer
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM: Final = "application/x-www-form-urlencoded"


class Wire:
    """One connection, kept open; for one thread.

    Args:
        address: Where the server answers, such as ``http://localhost:8100``.
        context: How its certificate is checked, and which one is shown to it; None is the machine's way.
    """

    def __init__(self, address: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Misconfigured("the server's address must start with http:// or https://")
        self._address = address.rstrip("/")
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT, context=context or ssl.create_default_context()
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        )

    def close(self) -> None:
        self._connection.close()

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Send a request; return the status and the whole answer. What was lost on the way is asked again."""
        for last in (False, True):
            try:
                self._connection.request(method, path, body, dict(headers or {}))
                response = self._connection.getresponse()
                return response.status, response.read().decode(errors="replace")
            except (http.client.HTTPException, OSError):
                self._connection.close()
                if last:
                    raise
        raise AssertionError

    def ask_token(self, client: str, key: Mapping[str, Any], scopes: str, practice: str = "") -> str:
        """Return an access token for a practice; empty if the server gives none."""
        form = {"grant_type": "client_credentials", "scope": scopes, "client_assertion_type": _ASSERTION}
        form["client_assertion"] = sign(client, key, f"{self._address}/oauth/token")
        if practice:
            form["resource"] = f"urn:uuid:{practice}"
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        status, answer = self.send("POST", "/oauth/token", urlencode(form).encode(), headers)
        return str(json.loads(answer)["access_token"]) if status == 200 else ""


def sign(client: str, key: Mapping[str, Any], audience: str) -> str:
    """Return a client assertion for one use, signed with an ES384 key (a private JWK with a ``kid``)."""
    from joserfc import jwt
    from joserfc.jwk import ECKey

    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 240}
    claims["jti"] = secrets.token_urlsafe(24)
    header = {"typ": "JWT", "alg": "ES384", "kid": key["kid"]}
    return jwt.encode(header, claims, ECKey.import_key(dict(key)), algorithms=["ES384"])
