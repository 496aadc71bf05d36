"""Whose a bearer token is: one query, asked by each request of each program."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from django.db import connections, router

from confide.access.models import AccessToken, Client
from confide.access.statements import ask, choose, moment_of

# In the order of the models' fields, which `from_db` takes for granted.
_OF_TOKEN: Final = ("digest", "practice_id", "key", "thumbprint", "scopes", "expires_at")
_OF_CLIENT: Final = ("id", "practice_id", "name", "jwks", "elements", "purpose", "networks", "created_at")
_JSON: Final = frozenset({"jwks", "elements", "networks"})
_MOMENTS: Final = frozenset({"expires_at", "created_at"})
_COLUMNS: Final = [
    *((f"t.{name}", ()) for name in _OF_TOKEN),
    *((f"c.{name}", ()) for name in _OF_CLIENT),
]
_FROM: Final = (
    "FROM access_accesstoken t JOIN access_client c ON c.id = t.client_id"
    " WHERE t.digest = %s AND c.active AND c.frozen_at IS NULL"
)


def find(digest: str, now: datetime) -> AccessToken | None:
    """Return a token that has not ended, with its client, if that may act.

    Whether the client's key still holds, and from where the request came, is not looked at here.

    Args:
        digest: SHA-256 of the token, 64 hexadecimal digits.
        now: Aware UTC.

    Raises:
        DatabaseError: It cannot be read.
    """
    alias = router.db_for_read(AccessToken)
    [rows] = ask(connections[alias], [choose(_COLUMNS, _FROM, [digest])])
    if not rows:
        return None
    values = [
        json.loads(value) if name in _JSON else moment_of(value) if name in _MOMENTS else value
        for name, value in zip((*_OF_TOKEN, *_OF_CLIENT), rows[0], strict=True)
    ]
    token = AccessToken.from_db(alias, _OF_TOKEN, values[: len(_OF_TOKEN)])
    token.client = Client.from_db(alias, _OF_CLIENT, values[len(_OF_TOKEN) :])
    return token if token.expires_at > now else None
