"""What a program keeps in a value's place: the stand-in that it has at rest, or a seal. Not a door."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from confide.cipher.derive import frame
from confide.errors import Invalid, SealBroken
from confide.protect.elements import Element
from confide.protect.identifiers import StandIns, fits
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.keystore import KeyUse

IN_FORMAT: Final = frozenset(
    {
        Element.PHONE,
        Element.SSN,
        Element.MRN,
        Element.LICENCE,
        Element.PASSPORT,
        Element.MEMBER_ID,
        Element.ACCOUNT,
        Element.CARD,
        Element.IDENTIFIER,
    }
)
"""Elements that get a stand-in of their format, as at rest; everything else is sealed."""

_VERSION_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Bare:
    """A clear value that is to be protected as in this patient's record."""

    patient: str
    element: Element
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """What may be kept in a value's place: a stand-in with the name of its alphabet, or a seal.

    ``sealed`` is None for a stand-in.
    """

    patient: str
    element: Element
    stand_in: str = field(default="", repr=False)
    alphabet: str = ""
    sealed: bytes | None = field(default=None, repr=False)


class Covers:
    """Makes and undoes what is kept in the place of one practice's values."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._stand_ins = StandIns(keyring.use(KeyUse.FF1))

    def cover(self, key: SubjectKey, bare: Bare) -> Kept:
        """Return what may be kept: equal stand-ins for equal values of a patient, but never equal seals.

        Raises:
            Invalid: The value is no text that can be written.
        """
        if bare.element in IN_FORMAT:
            made = self._stand_ins.protect(bare.value, key.tweak(bare.element))
            if made is not None:
                return Kept(bare.patient, bare.element, *made)
        try:
            data = bare.value.encode()
        except UnicodeEncodeError:
            raise Invalid("a value has no half of a surrogate pair") from None
        version = self._keyring.version
        sealed = key.seal(data, self._context(bare.patient, bare.element, version))
        return Kept(bare.patient, bare.element, sealed=version.to_bytes(_VERSION_BYTES, "big") + sealed)

    def could_be(self, kept: Kept) -> bool:
        """Whether :meth:`cover` could have given this; of a seal that shows when it is opened."""
        return kept.sealed is not None or (kept.element in IN_FORMAT and fits(kept.stand_in, kept.alphabet))

    def uncover(self, key: SubjectKey, kept: Kept) -> str:
        """Give back the value.

        A stand-in says nothing of whose it is: that of another patient opens to some other value.

        Raises:
            SealBroken: A seal of another patient or element, or an edited one.
        """
        if kept.sealed is None:
            return self._stand_ins.reveal(kept.stand_in, kept.alphabet, key.tweak(kept.element))
        version = int.from_bytes(kept.sealed[:_VERSION_BYTES], "big")
        context = self._context(kept.patient, kept.element, version)
        try:
            return key.open(kept.sealed[_VERSION_BYTES:], context).decode()
        except UnicodeDecodeError:
            raise SealBroken("a seal holds something else than a value") from None

    def _context(self, patient: str, element: Element, version: int) -> bytes:
        return frame("value", self._keyring.practice, patient, element, version)
