"""Days of service at rest: sealed under a key of the practice, opened to decide and for nothing else.

Two ordinals of four bytes, always, so that the length says nothing. Only decisions ask, by the thousand a
minute: what was opened stays in memory, as the keys do.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

import msgspec

from confide.cipher.seal import SealingKey
from confide.errors import KeyUnavailable
from confide.protect.keystore import KeyUse
from confide.vault.door import Vault

_DAYS: Final = struct.Struct(">II")
_REMEMBERED: Final = 50_000


class SealedDays:
    """Seals and opens pairs of days; implements ``access.relationships.Sealed``.

    Args:
        vault: Whose keys it uses.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[str, SealingKey] = {}
        self._remembered = lru_cache(_REMEMBERED)(self._days_of)

    def seal_days(self, practice: str, days: tuple[int, int], *bound: str | int) -> bytes:
        """Seal a first and a last day (proleptic ordinals), bound to *bound*."""
        return self._key(practice).seal(_DAYS.pack(*days), _frame(practice, bound))

    def open_days(self, practice: str, sealed: bytes, *bound: str | int) -> tuple[int, int]:
        """Give back what `seal_days` took; see `relationships.Sealed`."""
        return self._remembered(practice, sealed, bound)

    def _days_of(self, practice: str, sealed: bytes, bound: tuple[str | int, ...]) -> tuple[int, int]:
        first, last = _DAYS.unpack(self._key(practice).open(sealed, _frame(practice, bound)))
        return first, last

    def _key(self, practice: str) -> SealingKey:
        key = self._keys.get(practice)
        if key is None:
            key = self._keys[practice] = SealingKey(self._purpose_key(practice))
        return key

    def _purpose_key(self, practice: str) -> bytes:
        try:
            return self._vault.keyring(practice).use(KeyUse.DAYS)
        except KeyUnavailable:
            # A practice that was founded before there were such keys.
            self._vault.found(practice)
            return self._vault.keyring(practice).use(KeyUse.DAYS)


def _frame(practice: str, bound: tuple[str | int, ...]) -> bytes:
    """Write what a seal is bound to; JSON, because no other list of texts and numbers is written alike.

    (`cipher.derive.frame` says the same in ten times the time, and a decision opens a dozen.)
    """
    return msgspec.json.encode((practice, bound))
