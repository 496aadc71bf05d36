"""Key files: JSON of mode 0600 with a secret in it, in clear or under a passphrase.

They are JSON so that a person can see which kind one is and since when. Two kinds exist: the
server's root key, and a keyring for columns. One is never taken for the other.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from confide.cipher.derive import frame
from confide.cipher.seal import KEY_BYTES, SealingKey
from confide.errors import Damaged, KeyUnavailable, Misconfigured, SealBroken

ROOT_KEY: Final = "confide root key, version 1"
COLUMN_KEYRING: Final = "confide column keyring, version 1"
MODE: Final = 0o600
MAX_FILE: Final = 64 * 1024

_SQLITE: Final = b"SQLite format 3\0"
_KINDS: Final[Mapping[str, str]] = {
    ROOT_KEY: "the server's root key",
    COLUMN_KEYRING: "a column keyring",
}
_WANTED: Final[Mapping[str, str]] = {
    ROOT_KEY: "the server has a root key of its own (confide init)",
    COLUMN_KEYRING: "columns have a keyring of their own (confide keyring new)",
}


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
        """Derive the key that seals the secret."""
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

    def aad(self, form: str, *bound: str | int) -> bytes:
        """What the sealed secret is bound to: nobody weakens the parameters unnoticed."""
        return frame(form, self.salt, self.iterations, self.lanes, self.memory, *bound)


def stamp(now: datetime | None) -> str:
    """The time to write into a key file for people: *now*, aware, or the clock's."""
    return (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


def lock(secret: bytes, passphrase: str | None, form: str, *bound: str | int) -> dict[str, Any]:
    """Write *secret* as the members of a key file that hold it.

    Args:
        secret: The key or keys.
        passphrase: Asked for at each opening when given; without it the file alone is enough.
        form: Which kind of file, :data:`ROOT_KEY` or :data:`COLUMN_KEYRING`.
        bound: What else in the file a passphrase protects from being edited.

    Raises:
        Misconfigured: The passphrase is empty.
    """
    if passphrase is None:
        return {"key": base64.b64encode(secret).decode()}
    if not passphrase:
        raise Misconfigured("the passphrase is empty; leave it out to have none")
    argon2 = Argon2(os.urandom(16))
    sealed = argon2.key(passphrase).wrap(secret, argon2.aad(form, *bound))
    return {
        "argon2id": {
            "salt": base64.b64encode(argon2.salt).decode(),
            "iterations": argon2.iterations,
            "lanes": argon2.lanes,
            "memory_kib": argon2.memory,
        },
        "sealed": base64.b64encode(sealed).decode(),
    }


def unlock(
    content: Mapping[str, Any], passphrase: str | None, path: Path, form: str, *bound: str | int
) -> bytes:
    """Give back what :func:`lock` wrote.

    Raises:
        KeyUnavailable: The passphrase is wrong or missing.
        Misconfigured: A passphrase is given for a file without one.
        Damaged: Members are missing or are not as they were written.
    """
    try:
        if "key" in content:
            if passphrase is not None:
                raise Misconfigured(f"{path} has no passphrase, but one is configured")
            return base64.b64decode(content["key"], validate=True)
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
        return argon2.key(passphrase).unwrap(sealed, argon2.aad(form, *bound))
    except SealBroken:
        raise KeyUnavailable(f"the passphrase does not open {path}") from None
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
        raise not_ours(path) from None


def not_ours(path: Path) -> Damaged:
    """The error for a file that is no key file of the kind that its reader knows."""
    return Damaged(f"{path} is not a key file of this format")


def read(path: Path, form: str) -> dict[str, Any]:
    """Read a key file of the kind *form*.

    Raises:
        KeyUnavailable: It is missing or unreadable.
        Misconfigured: Others can read it, or it is a key file of the other kind; for columns also if it
            is the server's key store.
        Damaged: It is something else.
    """
    text = _read(path)
    if form == COLUMN_KEYRING and text.startswith(_SQLITE):
        raise Misconfigured(f"{path} is a database, such as the server's key store; {_WANTED[form]}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise not_ours(path)
    stated = content.get("format")
    if stated != form:
        kind = _KINDS.get(stated) if isinstance(stated, str) else None
        raise Misconfigured(f"{path} is {kind}; {_WANTED[form]}") if kind else not_ours(path)
    return content


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


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a new file, mode 0600 from its first moment, and wait until the disk has it.

    Raises:
        Misconfigured: The file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise Misconfigured(f"{path} exists; a key file is never overwritten") from None
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(json.dumps(content, indent=2).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _settle(path.parent)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise Misconfigured(f"{path}: {error.strerror}") from None


def replace(path: Path, content: Mapping[str, Any]) -> None:
    """Put new content in the place of a key file; at every moment one of the two is whole there.

    Raises:
        Misconfigured: The folder cannot be written.
    """
    path = path.resolve()  # a link stays a link
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write(beside, content)
    try:
        beside.replace(path)
        _settle(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise Misconfigured(f"{path}: {error.strerror}") from None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other programs that change a key file in this folder waiting, so that no change is lost.

    Raises:
        KeyUnavailable: The folder is not there or cannot be read.
    """
    import fcntl  # POSIX only, as the modes are

    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise KeyUnavailable(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _settle(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
