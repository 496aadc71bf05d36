"""Where a file is written: beside its name, whole or not at all, for its owner only.

The name that it has meanwhile is always the same, so that what a killed run has left is found and
replaced by the next one. Who writes holds a lock on it, so a run at work is not taken for a dead one.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from confide.errors import Invalid, Misconfigured, Unavailable

MODE: Final = 0o600
UNFINISHED: Final = ".confide-unfinished"
_PUSH: Final = 16 << 20


class Place:
    """A file that is being written.

    Attributes:
        path: The name that it gets in the end.
        file: Open for writing.
    """

    def __init__(self, path: Path, *, replaces: bool = False) -> None:
        """Take the name it gets in the end.

        Args:
            path: In a folder that exists.
            replaces: Take the place of a file that is there.
        """
        self.path = path
        self.replaces = replaces
        self.unfinished = path.with_name(f".{path.name}{UNFINISHED}")
        self._file: IO[bytes] | None = None
        self._pushed = 0

    @property
    def file(self) -> IO[bytes]:
        if self._file is None:
            raise Misconfigured(f"{self.path} is not open for writing")
        return self._file

    def check(self) -> None:
        """Find out, before any work, whether it can be written.

        Raises:
            Invalid: There is a file of that name, and it is not to be replaced; or it is not a file.
            Misconfigured: The folder is not there.
        """
        if not self.path.parent.is_dir():
            raise Misconfigured(f"there is no folder {self.path.parent}")
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise Invalid(f"{self.path} is not a file, but a link, a folder or a device")
        if self.path.exists() and not self.replaces:
            raise Invalid(f"{self.path} exists (--force takes its place)")

    def open(self) -> None:
        """Begin.

        Raises:
            Misconfigured: The folder cannot be written.
            Unavailable: Another run is writing this file.
        """
        with writing(self.path):
            while True:
                descriptor = self._make()
                if descriptor is not None:
                    self._file = os.fdopen(descriptor, "wb")
                    return

    def _make(self) -> int | None:
        """The new file, locked; None where another run came between."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.unfinished, flags, MODE)
        except FileExistsError:
            self._remove_left()
            return None
        if self._lock(descriptor):
            os.fchmod(descriptor, MODE)
            return descriptor
        os.close(descriptor)
        return None

    def _remove_left(self) -> None:
        """Remove what a killed run has left."""
        try:
            descriptor = os.open(self.unfinished, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError:
            raise Misconfigured(f"{self.unfinished} is in the way (remove it)") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Misconfigured(f"{self.unfinished} is in the way (remove it)")
            if self._lock(descriptor):
                self.unfinished.unlink()
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> bool:
        """Whether the open file, which must still have its name, is now ours."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another run is writing {self.path}") from None
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.unfinished.lstat())
        return False

    def push(self) -> None:
        """Let the disk begin with what has been written so far: there is less to wait for in the end."""
        if hasattr(os, "posix_fadvise"):
            size = os.fstat(self.file.fileno()).st_size
            if size - self._pushed >= _PUSH:
                os.posix_fadvise(
                    self.file.fileno(), self._pushed, size - self._pushed, os.POSIX_FADV_DONTNEED
                )
                self._pushed = size

    def finish(self) -> None:
        """Wait until the disk has it, and give it its name.

        Raises:
            Invalid: A file of that name has come meanwhile, and it is not to be replaced.
            Unavailable: The disk does not take it.
        """
        with writing(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            if self.replaces:
                self.unfinished.replace(self.path)
            else:
                self._link()
            self.file.close()
            self._file = None
            settle(self.path.parent)

    def _link(self) -> None:
        """Rename, but never onto a file."""
        try:
            os.link(self.unfinished, self.path)
        except FileExistsError:
            raise Invalid(f"{self.path} exists now (--force takes its place)") from None
        except OSError:  # a file system without hard links
            self.check()
            self.unfinished.replace(self.path)
        else:
            self.unfinished.unlink()

    def drop(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            with suppress(OSError):
                self.unfinished.unlink()
            with suppress(OSError):
                self._file.close()
            self._file = None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate what the system says of a file that is written."""
    try:
        yield
    except PermissionError as problem:
        raise Misconfigured(f"{path} cannot be written ({problem.strerror})") from None
    except OSError as problem:
        raise Unavailable(f"{path} cannot be written ({problem.strerror}); nothing was written") from None


def write_whole(path: Path, content: bytes) -> None:
    """Put a small file in its place, whole or not at all.

    Raises:
        Misconfigured: The folder cannot be written.
        Unavailable: The disk does not take it, or another run is writing it.
    """
    place = Place(path, replaces=True)
    place.open()
    try:
        with writing(path):
            place.file.write(content)
        place.finish()
    finally:
        place.drop()


def settle(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
