"""The keys of column work: a keyring of its own, apart from every key of the server.

    one random root per version
      gives (HKDF)  FF1 key | tweak per element | tweaks per row | sealing key | pseudonym key

Whoever holds the keyring reads every column that it protected: there is no door here, no budget and
no journal. That is why it is another keyring than the server's.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from confide.cipher.derive import expand, extract, frame
from confide.cipher.seal import KEY_BYTES, RepeatableSealingKey, SealingKey
from confide.errors import Invalid, KeyUnavailable, SealBroken
from confide.protect.kms import Kms, keyfile

FORMAT: Final = keyfile.COLUMN_KEYRING
WRAPPED: Final = "confide wrapped column keyring, version 1"
TWEAK_BYTES: Final = 16
MAX_VERSION: Final = (1 << 16) - 1
"""A sealed cell has two bytes for the version."""

_ID_BYTES: Final = 8
_MOST_VERSIONS: Final = 256


class ColumnKeyring:
    """The keys for columns: one root per version, the highest for new work. Threads may share one.

    Attributes:
        id: Random and public; sealed cells are bound to it.
        version: The current version.
        versions: All that it has, in order.
    """

    __slots__ = ("_pseudorandom", "id", "version", "versions")

    def __init__(self, id: str, pseudorandom: Mapping[int, bytes]) -> None:
        """Take what ``derive.extract`` gave for the root of each version.

        Use :meth:`create`, :meth:`open`, :meth:`random` or :meth:`unwrap`.
        """
        self.id = id
        self.versions = tuple(sorted(pseudorandom))
        self.version = self.versions[-1]
        self._pseudorandom = dict(pseudorandom)

    def __repr__(self) -> str:
        return f"ColumnKeyring({self.id!r}, version={self.version})"

    def __reduce__(self) -> NoReturn:
        raise Invalid("a column keyring is not copied as it is: wrap it under a Kms, and unwrap it there")

    # Where it comes from

    @classmethod
    def random(cls) -> ColumnKeyring:
        """Make one in memory only: what it protects cannot be revealed once it is gone."""
        return _Held.new("").keyring()

    @classmethod
    def create(
        cls, path: Path | str, passphrase: str | None = None, now: datetime | None = None
    ) -> ColumnKeyring:
        """Make a keyring file with a first version, and open it.

        Args:
            path: A file that does not exist, in a folder that does.
            passphrase: Asked for at each opening when given; without it the file alone is enough.
            now: Aware; written into the file for people. The clock's when absent.

        Raises:
            Misconfigured: The file exists or cannot be written, or the passphrase is empty.
        """
        held = _Held.new(keyfile.stamp(now))
        keyfile.write(Path(path), held.content(passphrase))
        return held.keyring()

    @classmethod
    def open(cls, path: Path | str, passphrase: str | None = None) -> ColumnKeyring:
        """Open a keyring file.

        Raises:
            KeyUnavailable: It is missing or unreadable; or the passphrase is wrong or missing.
            Misconfigured: Others can read it, a passphrase is given for a file without one, or it is a
                key of the server.
            Damaged: It is not a column keyring.
        """
        return _Held.read(Path(path), passphrase).keyring()

    @classmethod
    def add_version(
        cls, path: Path | str, passphrase: str | None = None, now: datetime | None = None
    ) -> ColumnKeyring:
        """Give a keyring file another version, which new work then uses; older ones still reveal.

        Raises:
            KeyUnavailable: It is missing or unreadable; or the passphrase is wrong or missing.
            Misconfigured: It cannot be written, or as for :meth:`open`.
            Damaged: It is not a column keyring.
            Invalid: It has 256 versions already.
        """
        path = Path(path)
        with keyfile.alone(path):
            held = _Held.read(path, passphrase)
            held.grow(keyfile.stamp(now))
            keyfile.replace(path, held.content(passphrase))
        return held.keyring()

    # For programs on other machines

    def wrap(self, kms: Kms) -> bytes:
        """Write the keyring as bytes that only *kms* opens, to be sent to workers.

        Raises:
            KeyUnavailable: The Kms does not answer.
        """
        key = os.urandom(KEY_BYTES)
        context = frame(WRAPPED, self.id)
        keys = {str(version): _text(each) for version, each in self._pseudorandom.items()}
        sealed = SealingKey(key).wrap(json.dumps(keys).encode(), context)
        content = {
            "format": WRAPPED,
            "id": self.id,
            "key": _text(kms.wrap(key, context)),
            "sealed": _text(sealed),
        }
        return json.dumps(content).encode()

    @classmethod
    def unwrap(cls, kms: Kms, wrapped: bytes) -> ColumnKeyring:
        """Give back the keyring.

        Raises:
            KeyUnavailable: The Kms does not answer.
            SealBroken: Another Kms wrapped it, or the bytes are not those that ``wrap`` gave.
        """
        try:
            content = json.loads(wrapped)
            if content["format"] != WRAPPED:
                raise SealBroken("not a wrapped column keyring")
            id = str(content["id"])
            key, sealed = _bytes(content["key"]), _bytes(content["sealed"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise SealBroken("not a wrapped column keyring") from None
        context = frame(WRAPPED, id)
        keys = json.loads(SealingKey(kms.unwrap(key, context)).unwrap(sealed, context))
        return cls(id, {int(version): _bytes(each) for version, each in keys.items()})

    def repeatable(self, *run: str | bytes | int) -> ColumnKeyring:
        """The same keyring, for one run of work that a cluster may do again and whose bytes must not change.

        Args:
            run: Names the run; two runs over different rows never have the same name.

        Returns:
            A keyring whose seals are the same when the same cells are sealed again in the same order.
        """
        return _Repeatable(self, frame(*run))

    # What is derived from it

    def ff1(self, version: int | None = None) -> bytes:
        """The FF1 key of a version, 32 bytes; the current one unless another is asked for.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        return self._derive(version, "ff1")

    def tweak(self, element: str, version: int | None = None) -> bytes:
        """The FF1 tweak of a whole column of one element: 16 bytes.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        return self._derive(version, "tweak", element, length=TWEAK_BYTES)

    def row_tweaks(self, element: str, version: int | None = None) -> bytes:
        """The key under which the bytes beside a value become its own tweak: 32 bytes.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        return self._derive(version, "row tweaks", element)

    def sealing(self, version: int | None = None) -> SealingKey:
        """The key that seals cells.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        return SealingKey(self._derive(version, "seal"))

    def pseudonym(self, version: int | None = None) -> bytes:
        """The key from which names get their pseudonyms: 32 bytes.

        Raises:
            KeyUnavailable: The keyring has no such version.
        """
        return self._derive(version, "pseudonym")

    def _derive(self, version: int | None, *use: str | bytes, length: int = KEY_BYTES) -> bytes:
        pseudorandom = self._pseudorandom.get(self.version if version is None else version)
        if pseudorandom is None:
            raise KeyUnavailable("the column keyring has no such version")
        return expand(pseudorandom, frame("confide columns", *use), length)


class _Repeatable(ColumnKeyring):
    """A keyring for one run; see :meth:`ColumnKeyring.repeatable`."""

    __slots__ = ("_keys", "_run")

    def __init__(self, keyring: ColumnKeyring, run: bytes) -> None:
        super().__init__(keyring.id, keyring._pseudorandom)  # noqa: SLF001 - same module
        self._run = run
        self._keys: dict[int, SealingKey] = {}

    def sealing(self, version: int | None = None) -> SealingKey:
        """See :meth:`ColumnKeyring.sealing`; always the same object, for it counts what it seals."""
        version = self.version if version is None else version
        if version not in self._keys:
            nonces = self._derive(version, "nonces", self._run)
            self._keys[version] = RepeatableSealingKey(self._derive(version, "seal"), nonces)
        return self._keys[version]


class _Held:
    """What a keyring file says: the id, and root and time of each version."""

    def __init__(self, id: str, roots: dict[int, bytes], created: dict[int, str]) -> None:
        self.id = id
        self.roots = roots
        self.created = created

    @classmethod
    def new(cls, created: str) -> _Held:
        return cls(secrets.token_hex(_ID_BYTES), {1: os.urandom(KEY_BYTES)}, {1: created})

    @classmethod
    def read(cls, path: Path, passphrase: str | None) -> _Held:
        content = keyfile.read(path, FORMAT)
        try:
            id, versions = content["id"], content["versions"]
            created = {int(version): str(at) for version, at in versions.items()}
            sound = isinstance(id, str) and bool(id) and bool(created)
            sound = sound and all(1 <= version <= MAX_VERSION for version in created)
        except (AttributeError, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise keyfile.not_ours(path)
        together = keyfile.unlock(content, passphrase, path, FORMAT, *cls._bound(id, created))
        if len(together) != KEY_BYTES * len(created):
            raise keyfile.not_ours(path)
        parts = [together[at : at + KEY_BYTES] for at in range(0, len(together), KEY_BYTES)]
        return cls(id, dict(zip(sorted(created), parts, strict=True)), created)

    @staticmethod
    def _bound(id: str, created: Mapping[int, str]) -> list[str | int]:
        return [id, *(part for version in sorted(created) for part in (version, created[version]))]

    def grow(self, created: str) -> None:
        version = max(self.roots) + 1
        if len(self.roots) >= _MOST_VERSIONS or version > MAX_VERSION:
            raise Invalid("the keyring has all the versions that fit; make another keyring")
        self.roots[version] = os.urandom(KEY_BYTES)
        self.created[version] = created

    def content(self, passphrase: str | None) -> dict[str, Any]:
        together = b"".join(self.roots[version] for version in sorted(self.roots))
        bound = self._bound(self.id, self.created)
        return {
            "format": FORMAT,
            "id": self.id,
            "created": self.created[min(self.created)],
            "versions": {str(version): self.created[version] for version in sorted(self.created)},
            **keyfile.lock(together, passphrase, FORMAT, *bound),
        }

    def keyring(self) -> ColumnKeyring:
        return ColumnKeyring(self.id, {version: extract(root) for version, root in self.roots.items()})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
