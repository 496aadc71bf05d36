"""Django's sessions in the database, asked only for keys that it could have made.

Whatever else a browser sends in the cookie is looked up nowhere: PostgreSQL refuses some of it, and a
database may write down what it is asked.
"""

from __future__ import annotations

import re
from typing import Final

from django.contrib.sessions.backends import db

_KEY: Final = re.compile(r"[0-9a-z]{32}").fullmatch


class SessionStore(db.SessionStore):
    """Django finds it by the name of its module (``SESSION_ENGINE``)."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and _KEY(key) is not None
