"""What is kept at rest for a whole host or practice and must not be read there: sealed under its journal key.

What the watch remembers of a login, say, or which patients are synthetic: in a dump they are bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from confide.cipher.derive import expand, extract, frame
from confide.cipher.seal import SealingKey, pad, unpad
from confide.errors import SealBroken
from confide.protect.keyring import Keyring
from confide.protect.keystore import KeyUse
from confide.vault.host import HOST

_VERSION_BYTES: Final = 2


class Keepsakes:
    """Seals and opens. Threads may share it.

    Args:
        keyring: Returns the keys of a practice, or of the host.
    """

    def __init__(self, keyring: Callable[[str], Keyring]) -> None:
        self._keyring = keyring
        self._keys: dict[tuple[str, int], SealingKey] = {}

    def seal(self, kind: str, name: str, data: bytes, practice: str = HOST) -> bytes:
        """Seal *data*, bound to its kind and name; padded, so that the length says little.

        Args:
            kind: What it is, such as ``memory``.
            name: Which one.
            data: What nobody is to read.
            practice: Under whose key.

        Raises:
            KeyUnavailable: The KMS or the key store does not answer.
        """
        version = self._keyring(practice).versions(KeyUse.JOURNAL)[-1]
        sealed = self._key(practice, version).seal(pad(data), frame(kind, practice, name, version))
        return version.to_bytes(_VERSION_BYTES) + sealed

    def open(self, kind: str, name: str, sealed: bytes, practice: str = HOST) -> bytes:
        """Give back what `seal` took.

        Raises:
            SealBroken: It is another's, or edited.
            KeyUnavailable: The KMS or the key store does not answer.
        """
        if len(sealed) <= _VERSION_BYTES:
            raise SealBroken("what was kept has lost its seal")
        version = int.from_bytes(sealed[:_VERSION_BYTES])
        bound = frame(kind, practice, name, version)
        return unpad(self._key(practice, version).open(sealed[_VERSION_BYTES:], bound))

    def _key(self, practice: str, version: int) -> SealingKey:
        key = self._keys.get((practice, version))
        if key is None:
            secret = self._keyring(practice).use(KeyUse.JOURNAL, version)
            key = self._keys[practice, version] = SealingKey(expand(extract(secret), frame("keepsakes")))
        return key

    def secret(self, use: str) -> bytes:
        """Return a secret of the host for one use, such as to sign webhooks: 32 bytes, always the same."""
        keyring = self._keyring(HOST)
        return expand(extract(keyring.use(KeyUse.JOURNAL)), frame("secret", use))
