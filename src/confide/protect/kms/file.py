"""The root key in a file of mode 0600, in clear or under a passphrase.

Its folder should not be the data folder: a copy of the disk with both is a copy of everything.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from confide.cipher.derive import frame
from confide.cipher.seal import KEY_BYTES, SealingKey
from confide.protect.kms import keyfile
from confide.protect.kms.keyfile import check

__all__ = ["FileKms", "check"]

FORMAT: Final = keyfile.ROOT_KEY


class FileKms:
    """A Kms whose root key was read from a file and is held in memory."""

    __slots__ = ("_root",)

    name: Final = "file"

    def __init__(self, root: bytes) -> None:
        """Take the root key itself: 32 bytes. Use :meth:`create` or :meth:`open`."""
        self._root = SealingKey(root)

    def __repr__(self) -> str:
        return "FileKms()"

    @classmethod
    def create(cls, path: Path | str, passphrase: str | None = None, now: datetime | None = None) -> FileKms:
        """Make a key file with a new random root key, and open it.

        Args:
            path: A file that does not exist, in a folder that does.
            passphrase: Asked for at each start when given; without it the file alone is enough.
            now: Aware; written into the file for people. The clock's when absent.

        Raises:
            Misconfigured: The file exists or cannot be written, or the passphrase is empty.
        """
        root = os.urandom(KEY_BYTES)
        locked = keyfile.lock(root, passphrase, FORMAT)
        keyfile.write(Path(path), {"format": FORMAT, "created": keyfile.stamp(now), **locked})
        return cls(root)

    @classmethod
    def open(cls, path: Path | str, passphrase: str | None = None) -> FileKms:
        """Open a key file.

        Raises:
            KeyUnavailable: The file is missing or unreadable; or the passphrase is wrong or missing.
            Misconfigured: Others can read the file, a passphrase is given for a file without one, or it
                is a keyring for columns.
            Damaged: The file is not a key file.
        """
        path = Path(path)
        root = keyfile.unlock(keyfile.read(path, FORMAT), passphrase, path, FORMAT)
        if len(root) != KEY_BYTES:
            raise keyfile.not_ours(path)
        return cls(root)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """See :meth:`confide.protect.kms.Kms.wrap`."""
        return self._root.wrap(key, frame("root", context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See :meth:`confide.protect.kms.Kms.unwrap`."""
        return self._root.unwrap(wrapped, frame("root", context))
