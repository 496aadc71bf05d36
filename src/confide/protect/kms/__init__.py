"""Where the root key lives: one Protocol, several implementations."""

from __future__ import annotations

from typing import Protocol


class Kms(Protocol):
    """Holds the root key and never gives it away: it wraps and unwraps practice keys.

    Asked once per practice and process, never per field. Threads may share one.
    """

    @property
    def name(self) -> str:
        """Which kind it is, for ``confide doctor``: ``file``, ..."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt *key* under the root key, bound to *context*.

        Args:
            key: 32 bytes.
            context: What the key is for; not stored, must be given again to unwrap.

        Returns:
            Bytes to be stored; other bytes each time.

        Raises:
            KeyUnavailable: The root key cannot be had now.
        """

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Give back the key.

        Raises:
            KeyUnavailable: The root key cannot be had now.
            SealBroken: Other root key, other context, or edited bytes.
        """
