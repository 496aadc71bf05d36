"""What people type into the journal is sealed under the practice's journal key, bound to what it is about.

A typed reason may name a patient. It stands in its entry as it is stored, sealed; the hash covers that.
"""

from __future__ import annotations

from typing import Final

from confide.cipher.derive import expand, extract, frame
from confide.cipher.seal import SealingKey, pad, unpad
from confide.errors import SealBroken
from confide.protect.keystore import KeyUse
from confide.vault.door import Vault

_VERSION_BYTES: Final = 2


class Reasons:
    """Seals and opens what was typed.

    Args:
        vault: Whose keys it uses.
        kind: What it is about, such as ``emergency``; part of each seal.
    """

    def __init__(self, vault: Vault, kind: str) -> None:
        self._vault = vault
        self._kind = kind

    def seal(self, practice: str, id_: str, what: str, text: str) -> bytes:
        """Seal *text*.

        Args:
            practice: Whose key it is.
            id_: Of what it is about.
            what: Which of its texts, such as ``reason``.
            text: As typed.
        """
        return self.seal_bytes(practice, id_, what, text.encode())

    def seal_bytes(self, practice: str, id_: str, what: str, content: bytes) -> bytes:
        """Seal what is no text, at most 4 GiB; see `seal`."""
        keyring = self._vault.keyring(practice)
        version = keyring.versions(KeyUse.JOURNAL)[-1]
        key = _key(keyring.use(KeyUse.JOURNAL, version))
        sealed = key.seal(pad(content), self._bound(practice, id_, what, version))
        return version.to_bytes(_VERSION_BYTES) + sealed

    def unseal(self, practice: str, id_: str, what: str, sealed: bytes) -> str:
        """Open what `seal` returned for the same place.

        Raises:
            SealBroken: It was sealed for another place, or edited.
        """
        return self.unseal_bytes(practice, id_, what, sealed).decode()

    def unseal_bytes(self, practice: str, id_: str, what: str, sealed: bytes) -> bytes:
        """Open what `seal_bytes` returned for the same place; see `unseal`."""
        if len(sealed) <= _VERSION_BYTES:
            raise SealBroken("a typed reason has lost its seal")
        version = int.from_bytes(sealed[:_VERSION_BYTES])
        key = _key(self._vault.keyring(practice).use(KeyUse.JOURNAL, version))
        return unpad(key.open(sealed[_VERSION_BYTES:], self._bound(practice, id_, what, version)))

    def _bound(self, practice: str, id_: str, what: str, version: int) -> bytes:
        return frame(self._kind, practice, id_, what, version)


def _key(purpose_key: bytes) -> SealingKey:
    return SealingKey(expand(extract(purpose_key), frame("typed reason")))
