"""One subject's data key in memory, and the older ones that it took the place of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from confide.cipher.derive import Mac, extract, frame
from confide.cipher.seal import KEY_BYTES, SealingKey, pad, unpad
from confide.errors import SealBroken

TWEAK_BYTES: Final = 16

# Framed once, not for each person.
_SEAL: Final = frame("seal")
_WRAP: Final = frame("wrap")


@lru_cache(1_000)
def _tweak_info(element: str, version: int) -> bytes:
    return frame("tweak", element, version)


class SubjectKey:
    """One subject's data key, and what is derived from it. Threads may share one."""

    __slots__ = (
        "_again",
        "_ff1_version",
        "_key",
        "_mac",
        "_sealing",
        "_tweaks",
        "_wrapping",
        "direct",
        "older",
        "subject",
        "version",
    )

    def __init__(
        self,
        subject: str,
        key: bytes,
        *,
        ff1_version: int,
        direct: bool,
        version: int,
        again: Callable[[str], SubjectKey | None],
    ) -> None:
        """Only :class:`Keyring` makes one.

        Args:
            subject: Whose.
            key: 32 bytes.
            ff1_version: Of the FF1 key that its tweaks go with.
            direct: The practice key itself wraps it.
            version: From 1; each rekeying makes a newer one.
            again: Asks the store anew for a subject's key.
        """
        self.subject = subject
        self.direct = direct
        self.version = version
        self.older: tuple[SubjectKey, ...] = ()
        self._again = again
        self._key = key
        self._ff1_version = ff1_version
        # The data key only feeds HKDF: sealing, wrapping and tweaks have keys of their own.
        # Derived at first use, because an import makes thousands of keys a second.
        self._mac: Mac | None = None
        self._sealing: SealingKey | None = None
        self._wrapping: SealingKey | None = None
        self._tweaks: dict[tuple[str, int], bytes] = {}

    def __repr__(self) -> str:
        return f"SubjectKey({self.subject!r})"

    @property
    def sealing(self) -> SealingKey:
        """The key that seals this subject's values."""
        if self._sealing is None:
            self._sealing = SealingKey(self._derive(_SEAL))
        return self._sealing

    @property
    def wrapping(self) -> SealingKey:
        """The key that wraps the data keys of what this subject shares with others."""
        if self._wrapping is None:
            self._wrapping = SealingKey(self._derive(_WRAP))
        return self._wrapping

    def tweak(self, element: str, version: int | None = None) -> bytes:
        """The FF1 tweak of one element of this subject.

        Args:
            element: The element's code, such as ``ssn``.
            version: Of the FF1 key it will go with; the current one when absent.

        Returns:
            16 bytes: HKDF of the data key, so equal values of two subjects have unrelated stand-ins.
        """
        at = (element, self._ff1_version if version is None else version)
        tweak = self._tweaks.get(at)
        if tweak is None:
            tweak = self._derive(_tweak_info(*at), TWEAK_BYTES)
            self._tweaks[at] = tweak
        return tweak

    def wrap_under(self, by: SealingKey, aad: bytes) -> bytes:
        """Wrap this key under another one."""
        return by.wrap(self._key, aad)

    def seal(self, data: bytes, aad: bytes) -> bytes:
        """Pad *data* so that its length hardly shows, and seal it, bound to *aad*."""
        return self.sealing.seal(pad(data), aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Give back what :meth:`seal` took.

        Raises:
            SealBroken: Another subject's, other associated data, or edited bytes.
        """
        return unpad(self.find(sealed, aad)[0])

    def find(self, sealed: bytes, aad: bytes) -> tuple[bytes, SubjectKey]:
        """Open a seal with this key, with an older one, or with a newer one that another process has made.

        Returns:
            What was sealed, padded; and the key that opened it, whose tweaks its stand-ins have.

        Raises:
            SealBroken: None of the subject's keys sealed it so.
        """
        try:
            return self.sealing.open(sealed, aad), self
        except SealBroken as problem:
            found = _try(self.older, sealed, aad)
            if found is not None:
                return found
            newer = self._again(self.subject)
            if newer is not None and newer.version > self.version:
                found = _try((newer, *newer.older), sealed, aad)
                if found is not None:
                    return found
            raise SealBroken(str(problem)) from None

    def _derive(self, info: bytes, length: int = KEY_BYTES) -> bytes:
        if self._mac is None:
            self._mac = Mac(extract(self._key))
        return self._mac.expand(info, length)


def _try(keys: Sequence[SubjectKey], sealed: bytes, aad: bytes) -> tuple[bytes, SubjectKey] | None:
    for key in keys:
        try:
            return key.sealing.open(sealed, aad), key
        except SealBroken:
            continue
    return None
