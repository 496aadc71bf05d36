"""Second factors by name, and what recovery codes are. The secrets are sealed by ``vault.factors``."""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Final

CODES: Final = 10
"""Recovery codes that are made at a time."""

_ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""Nothing that looks like another: 31 signs, so ten of them are 49 bits."""

_SIGNS: Final = 10
_BETWEEN: Final = re.compile(r"[\W_]+")


class Factor(StrEnum):
    """What was proved beside, or instead of, a password.

    ``PROVIDER``: the practice's own identity provider proved one.
    """

    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY = "recovery"
    PROVIDER = "provider"


def make_codes() -> list[str]:
    """Make recovery codes, as they are shown once: two groups of five signs."""
    made = ["".join(secrets.choice(_ALPHABET) for _ in range(_SIGNS)) for _ in range(CODES)]
    return [f"{code[:5]}-{code[5:]}" for code in made]


def tidy(typed: str) -> str:
    """Return a typed code without spaces, hyphens and capitals."""
    return _BETWEEN.sub("", typed[:40]).lower()


def hash_code(code: str) -> str:
    """Return what is kept of a recovery code: 64 hexadecimal digits."""
    return hashlib.sha256(f"recovery {tidy(code)}".encode()).hexdigest()
