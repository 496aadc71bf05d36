"""The host's own keys, which belong to no practice: what its second factors and its journal stand on.

They hang under a key that the KMS wraps, in the key store, under the name ``host``.
"""

from __future__ import annotations

from threading import Lock
from time import sleep
from typing import Final

from confide.audit.notes import Kind, SigningKey
from confide.cipher.derive import frame, hkdf
from confide.errors import KeyUnavailable
from confide.protect.keyring import Keyring
from confide.protect.keystore import DataKeys, KeyUse
from confide.protect.kms import Kms

HOST: Final = "host"
"""Stands where a practice's id stands in the key store; those are random."""

_PATIENCE: Final = 20
_PAUSE: Final = 0.02


class Host:
    """The host's keys, unlocked when they are first asked for. Threads may share one.

    Args:
        kms: Holds the root key; asked once a process.
        store: The wrapped keys.
    """

    def __init__(self, kms: Kms, store: DataKeys) -> None:
        self._kms = kms
        self._store = store
        self._lock = Lock()
        self._keyring: Keyring | None = None

    def keyring(self) -> Keyring:
        """Return the host's keys; they are made where there are none yet.

        Raises:
            KeyUnavailable: The KMS or the key store does not answer.
        """
        with self._lock:
            if self._keyring is None:
                self._keyring = self._found()
            return self._keyring

    def _found(self) -> Keyring:
        """Make what is missing; where another process makes the same key just now, go on after it."""
        for _ in range(_PATIENCE):
            try:
                return Keyring.found(self._kms, self._store, HOST)
            except KeyUnavailable:
                sleep(_PAUSE)
        return Keyring.found(self._kms, self._store, HOST)

    def log_key(self, origin: str) -> SigningKey:
        """Return the key that signs the journal's checkpoints.

        It is derived from the host's random journal key and the log's name: another name is another log.

        Args:
            origin: The log's name.

        Raises:
            KeyUnavailable: The KMS or the key store does not answer.
        """
        seed = hkdf(self.keyring().use(KeyUse.JOURNAL), frame("checkpoint", origin))
        return SigningKey(origin, Kind.NOTE, seed)
