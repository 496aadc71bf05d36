"""A folder of files for one recipient: encrypted with age as they are made, and there whole or not at all.

Until the end the files have no name, so that nothing is left of a process that is killed. Where the file
system has no such files they lie in a hidden folder, which the next attempt removes. Nothing is ever written
in clear.

Source:
    The age file encryption format, version 1 (age-encryption.org/v1).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confide.errors import Misconfigured, Unavailable

SUFFIX: Final = ".age"
_COMPLETE: Final = ".complete"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
# What open says where a file system has no files without a name.
_NO_NAMELESS_FILES: Final = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


@dataclass(frozen=True, slots=True)
class Sealed:
    """One encrypted file.

    Attributes:
        name: With its suffix, ``Patient.ndjson.age``.
        sha256: Of the encrypted bytes, 64 hexadecimal digits.
        size: In bytes.
    """

    name: str
    sha256: str
    size: int


class Parcel:
    """Files for one recipient in one folder.

    Used as a context manager: it locks the place, and leaves nothing unless :meth:`deliver` was called.

    Args:
        place: An existing folder.
        name: Of the folder to be made in it.
        recipient: An age public key.
    """

    def __init__(self, place: Path, name: str, recipient: str) -> None:
        self.path = place / name
        self._place = place
        self._hidden = place / f".{name}.part"
        self._recipient = recipient
        self._lock = -1
        self._kept = False
        self._files: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        """Take the place for this process, and remove what a killed one left.

        Raises:
            Misconfigured: The folder is not there, or cannot be written to.
            Unavailable: Another process is writing there.
        """
        try:
            self._lock = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise Unavailable(
                "another export is being written to this place (wait until it is done)"
            ) from None
        except OSError as problem:
            self._unlock()
            raise Misconfigured(
                f"the destination's folder cannot be used ({problem.strerror}; is it there and writable?)"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, descriptor in self._files:
            with suppress(OSError):
                os.close(descriptor)
        self._files = []
        if problem is not None and not self._kept and self._hidden.is_dir():
            shutil.rmtree(self._hidden, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def delivered(self) -> bool:
        """Whether the folder is there under its name."""
        return self.path.is_dir()

    @property
    def complete(self) -> bool:
        """Whether all files are there, and only the last step is wanted."""
        return (self._hidden / _COMPLETE).exists()

    def discard(self) -> None:
        """Remove what an interrupted attempt left."""
        shutil.rmtree(self._hidden, ignore_errors=True)

    def add(self, name: str, chunks: Iterable[bytes]) -> Sealed:
        """Encrypt *chunks* into one more file, as they come; memory holds one chunk at a time.

        Args:
            name: Without the suffix of encryption.
            chunks: The clear bytes.

        Raises:
            Unavailable: The disk is full, or fails.
        """
        import pyrage
        from pyrage import x25519

        with _writing():
            descriptor = self._open(name + SUFFIX)
        self._files.append((name + SUFFIX, descriptor))
        source, sink = _Source(chunks), _Sink(descriptor)
        try:
            pyrage.encrypt_io(source, sink, [x25519.Recipient.from_str(self._recipient)])
        except (pyrage.EncryptError, pyrage.RecipientError):
            # Its message would repeat that of what we raised ourselves, which may say more than we say.
            raise source.problem or sink.problem or Unavailable("age cannot encrypt") from None
        if source.problem or sink.problem:  # an error at the very end of a file goes unsaid otherwise
            raise source.problem or sink.problem or Unavailable("age cannot encrypt") from None
        with _writing():
            os.fsync(descriptor)
        return Sealed(name + SUFFIX, sink.digest.hexdigest(), sink.size)

    def _open(self, name: str) -> int:
        try:
            return os.open(self._place, os.O_TMPFILE | os.O_RDWR, _FILE_MODE)
        except OSError as problem:
            if problem.errno not in _NO_NAMELESS_FILES:
                raise
        self._hidden.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        return os.open(self._hidden / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)

    def complete_all(self) -> None:
        """Give all files their names, in a folder that is still hidden, durably.

        Raises:
            Unavailable: The disk is full, or fails.
        """
        with _writing():
            self._hidden.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            there = os.open(self._hidden, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name, descriptor in self._files:
                    if not os.fstat(descriptor).st_nlink:
                        # linkat with AT_SYMLINK_FOLLOW: so a file without a name gets one (open(2)).
                        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=there, follow_symlinks=True)
                os.close(os.open(self._hidden / _COMPLETE, os.O_WRONLY | os.O_CREAT, _FILE_MODE))
                os.fsync(there)
            finally:
                os.close(there)

    def deliver(self) -> None:
        """Give the folder its name. Nothing is there before, all of it after.

        Raises:
            Unavailable: The disk fails, or a folder of that name is there.
        """
        self._kept = True  # it is recorded as written by now: should this fail, it can be done again
        with _writing():
            self._hidden.rename(self.path)
            (self.path / _COMPLETE).unlink(missing_ok=True)
            os.fsync(self._lock)


class _Source:
    """Chunks as a file to read from; what goes wrong with making them is kept."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = memoryview(b"")
        self.problem: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
            size = len(self._rest) if size < 0 else size
            given, self._rest = self._rest[:size], self._rest[size:]
            return bytes(given)
        except StopIteration:
            return b""
        except BaseException as problem:
            self.problem = problem
            raise


class _Sink:
    """A file to write to, which digests what it gets; what goes wrong is kept."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.digest = hashlib.sha256()
        self.size = 0
        self.problem: BaseException | None = None

    def write(self, written: bytes) -> int:
        try:
            with _writing():
                rest = memoryview(written)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except BaseException as problem:
            self.problem = problem
            raise
        self.digest.update(written)
        self.size += len(written)
        return len(written)

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise Unavailable(
            f"the files cannot be written ({problem.strerror}); nothing was left there"
        ) from None
