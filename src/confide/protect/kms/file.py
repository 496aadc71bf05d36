"""The root key in a file of mode 0600, in clear or under a passphrase.

The file is JSON, so that a person can see which kind it is and since when. Its folder should not
be the data folder: a copy of the disk with both is a copy of everything.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from confide.cipher.derive import frame
from confide.cipher.seal import KEY_BYTES, SealingKey
from confide.errors import Damaged, KeyUnavailable, Misconfigured, SealBroken

FORMAT: Final = "confide root key, version 1"
MODE: Final = 0o600
MAX_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Argon2:
    """Parameters of Argon2id; they are written into the key file, so a file outlives a new default.

    Attributes:
        salt: 16 random bytes.
        iterations: Passes over the memory (t).
        lanes: Degree of parallelism (p).
        memory: KiB (m).

    Source:
        RFC 9106 section 4, second recommended option (t=3, p=4, 64 MiB, 128-bit salt): the first
        one asks for 2 GiB, which a small clinic's server does not have to spare.
    """

    salt: bytes
    iterations: int = 3
    lanes: int = 4
    memory: int = 64 * 1024

    def key(self, passphrase: str) -> SealingKey:
        """Derive the key that seals the root key."""
        # NFKC: the same passphrase typed on another keyboard or system gives the same bytes.
        secret = unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
        try:
            return SealingKey(
                Argon2id(
                    salt=self.salt,
                    length=KEY_BYTES,
                    iterations=self.iterations,
                    lanes=self.lanes,
                    memory_cost=self.memory,
                ).derive(secret)
            )
        except MemoryError:
            raise KeyUnavailable(f"Argon2id needs {self.memory // 1024} MiB of memory") from None

    def aad(self) -> bytes:
        """What the sealed root key is bound to: nobody weakens the parameters unnoticed."""
        return frame(FORMAT, self.salt, self.iterations, self.lanes, self.memory)


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
        path = Path(path)
        root = os.urandom(KEY_BYTES)
        content: dict[str, Any] = {
            "format": FORMAT,
            "created": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        }
        if passphrase is None:
            content["key"] = base64.b64encode(root).decode()
        elif not passphrase:
            raise Misconfigured("the passphrase is empty; leave it out to have none")
        else:
            argon2 = Argon2(os.urandom(16))
            content["argon2id"] = {
                "salt": base64.b64encode(argon2.salt).decode(),
                "iterations": argon2.iterations,
                "lanes": argon2.lanes,
                "memory_kib": argon2.memory,
            }
            content["sealed"] = base64.b64encode(argon2.key(passphrase).wrap(root, argon2.aad())).decode()
        _write(path, json.dumps(content, indent=2).encode() + b"\n")
        return cls(root)

    @classmethod
    def open(cls, path: Path | str, passphrase: str | None = None) -> FileKms:
        """Open a key file.

        Raises:
            KeyUnavailable: The file is missing or unreadable; or the passphrase is wrong or missing.
            Misconfigured: Others can read the file, or a passphrase is given for a file without one.
            Damaged: The file is not a key file.
        """
        path = Path(path)
        content = _parse(_read(path), path)
        try:
            if "key" in content:
                if passphrase is not None:
                    raise Misconfigured(f"{path} has no passphrase, but one is configured")
                return cls._of(base64.b64decode(content["key"], validate=True), path)
            if passphrase is None:
                raise KeyUnavailable(f"{path} asks for its passphrase")
            stated = content["argon2id"]
            argon2 = Argon2(
                base64.b64decode(stated["salt"], validate=True),
                stated["iterations"],
                stated["lanes"],
                stated["memory_kib"],
            )
            sealed = base64.b64decode(content["sealed"], validate=True)
            return cls._of(argon2.key(passphrase).unwrap(sealed, argon2.aad()), path)
        except SealBroken:
            raise KeyUnavailable(f"the passphrase does not open {path}") from None
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
            raise Damaged(f"{path} is not a key file of this format") from None

    @classmethod
    def _of(cls, root: bytes, path: Path) -> FileKms:
        if len(root) != KEY_BYTES:
            raise Damaged(f"{path} is not a key file of this format")
        return cls(root)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """See :meth:`confide.protect.kms.Kms.wrap`."""
        return self._root.wrap(key, frame("root", context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See :meth:`confide.protect.kms.Kms.unwrap`."""
        return self._root.unwrap(wrapped, frame("root", context))


def check(path: Path | str) -> None:
    """Whether the file is there and nobody else can read or write it; for ``confide doctor`` too.

    Raises:
        KeyUnavailable: It is missing or cannot be looked at.
        Misconfigured: It belongs to, or may be read or written by, somebody else.
    """
    path = Path(path)
    try:
        _guard(path.stat(), path)
    except OSError as error:
        raise KeyUnavailable(f"{path}: {error.strerror}") from None


def _guard(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Misconfigured(f"{path} is not a file")
    if status.st_mode & 0o077:
        raise Misconfigured(f"others may read or write {path}; run: chmod 600 {path}")
    # Root reads everything anyway, so its files are not somebody else's.
    if status.st_uid not in {os.geteuid(), 0}:
        raise Misconfigured(f"{path} belongs to another user; run: chown {os.geteuid()} {path}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # The open file is looked at, not the name: between two looks a name can change.
            _guard(os.fstat(file.fileno()), path)
            return file.read(MAX_FILE)
    except OSError as error:
        raise KeyUnavailable(f"{path}: {error.strerror}") from None


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Damaged(f"{path} is not a key file of this format")
    return content


def _write(path: Path, content: bytes) -> None:
    """Write a new file, mode 0600 from its first moment, and wait until the disk has it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise Misconfigured(f"{path} exists; a root key is never overwritten") from None
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise Misconfigured(f"{path}: {error.strerror}") from None
