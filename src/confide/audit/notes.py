"""Signed notes: the keys, the checkpoints of a log, and the cosignatures of its witnesses.

A note is text with lines of signatures under it. Until :func:`open_note` has returned it, its text is a
claim.

Source:
    C2SP signed-note v1 (notes and their keys), tlog-checkpoint v1 (checkpoints), tlog-cosignature v1
    (Ed25519 cosignatures); RFC 8032 (Ed25519).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from confide.errors import Invalid, ProofBroken

MOST_SIGNATURES: Final = 100
MOST_BYTES: Final = 1_000_000
SEED_BYTES: Final = 32
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_DASH: Final = "\u2014 "
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LAST: Final = 2**63 - 1


class Kind(IntEnum):
    """What a key signs: the signature type identifier byte."""

    NOTE = 1
    COSIGNATURE = 4


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are believed: what a vkey says.

    Attributes:
        name: Of the key; not empty, without spaces and plus.
        kind: What it signs.
        public: The Ed25519 public key, 32 bytes.
    """

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != _KEY_BYTES:
            raise Invalid("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The key's id, four bytes: for recognition, not for trust."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> PublicKey:
        """Read a vkey: ``name+id+base64 of kind and key``.

        Raises:
            Invalid: It is none, is of a kind that is not known here, or its id does not fit.
        """
        name, _, rest = vkey.partition("+")
        id_, _, encoded = rest.partition("+")
        try:
            decoded = _decode(encoded)
            key = cls(name, Kind(decoded[0]), decoded[1:])
        except (ValueError, IndexError):
            raise Invalid("a public key is written name+id+base64, and for Ed25519") from None
        if id_ != key.id.hex():
            raise Invalid("the id in a public key does not fit the key")
        return key

    def verify(self, text: str, signature: Signature) -> None:
        """Check this key's signature of *text*.

        Raises:
            ProofBroken: It does not hold.
        """
        data = signature.data
        message = text.encode()
        if self.kind is Kind.COSIGNATURE:
            message = _cosigned(signature.seconds, text)
            data = data[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(data, message)
        except (InvalidSignature, ValueError):
            raise ProofBroken(f"the signature of {self.name} does not hold") from None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs in the name of its public key.

    Attributes:
        name: Of the key.
        kind: What it signs.
        seed: The Ed25519 private key, 32 bytes.
    """

    name: str
    kind: Kind
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.seed) != SEED_BYTES:
            raise Invalid("an Ed25519 private key has 32 bytes")

    @property
    def public(self) -> PublicKey:
        """Whose signatures they are."""
        return PublicKey(self.name, self.kind, self._private().public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """Sign a note's text.

        Raises:
            Invalid: The text is not a note's, or this key cosigns.
        """
        if self.kind is not Kind.NOTE:
            raise Invalid("this key is for cosignatures")
        _check_text(text)
        return Signature(self.name, self.public.id, self._private().sign(text.encode()))

    def cosign(self, text: str, at: datetime) -> Signature:
        """Say that *text* is the largest consistent checkpoint of its log that was seen by *at*.

        Args:
            text: A checkpoint's text, all of it.
            at: Aware UTC; seconds count.

        Raises:
            Invalid: The text is not a checkpoint's, or this key signs notes.
        """
        if self.kind is not Kind.COSIGNATURE:
            raise Invalid("this key is for notes")
        Head.parse(text)
        seconds = int(at.timestamp())
        signed = self._private().sign(_cosigned(seconds, text))
        return Signature(self.name, self.public.id, seconds.to_bytes(8, "big") + signed)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a note.

    Attributes:
        name: Of the key.
        id: Of the key, four bytes.
        data: What the key made; for a cosignature the time (u64) and 64 bytes.
    """

    name: str
    id: bytes
    data: bytes

    @property
    def seconds(self) -> int:
        """When it was cosigned, in POSIX seconds.

        Raises:
            ProofBroken: It is no cosignature.
        """
        seconds = int.from_bytes(self.data[:8], "big")
        if len(self.data) != 8 + _SIGNATURE_BYTES or seconds > _LAST:
            raise ProofBroken("this is no cosignature")
        return seconds

    @property
    def at(self) -> datetime:
        """When it was cosigned, aware UTC.

        Raises:
            ProofBroken: It is no cosignature, or of no year that there is.
        """
        try:
            return datetime.fromtimestamp(self.seconds, UTC)
        except (OverflowError, OSError, ValueError):
            raise ProofBroken("this cosignature has an impossible time") from None

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.id + self.data).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line, with or without its newline.

        Raises:
            Invalid: It is none.
        """
        if not line.startswith(_DASH):
            raise Invalid("the note is malformed: a line under it is no signature")
        name, _, encoded = line.removeprefix(_DASH).removesuffix("\n").partition(" ")
        _check_name(name)
        decoded = _decode(encoded)
        if len(decoded) < 5:
            raise Invalid("the note is malformed: a signature is too short")
        return cls(name, decoded[:4], decoded[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """Text and signatures.

    Attributes:
        text: What is signed, to its last newline.
        signatures: In order, without repetitions.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def by(self, key: PublicKey) -> Signature | None:
        """Return the signature that claims to be of *key*, if there is one."""
        return next((s for s in self.signatures if (s.name, s.id) == (key.name, key.id)), None)


def parse_note(written: str | bytes) -> Note:
    """Read a note whose signatures nobody has checked.

    Raises:
        Invalid: It is none: not UTF-8, control characters, no signature, or too long.
    """
    try:
        message = written.decode() if isinstance(written, bytes) else written
        long = len(message.encode()) > MOST_BYTES
    except UnicodeError:
        raise Invalid("the note is malformed: it is not UTF-8") from None
    if long:
        raise Invalid("the note is malformed: it is too long")
    text, blank, rest = message.rpartition("\n\n")
    text += "\n"
    if not blank or not rest.endswith("\n"):
        raise Invalid("the note is malformed: text, a blank line and signatures are wanted")
    _check_text(text)
    _check_text(rest)
    lines = rest.removesuffix("\n").split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Invalid("the note is malformed: it has too many signatures")
    return Note(text, tuple(dict.fromkeys(map(Signature.parse, lines))))


def open_note(written: str | bytes, keys: Iterable[PublicKey]) -> Note:
    """Read a note and check the signatures of *keys*; the others are left out of what is returned.

    Args:
        written: The note.
        keys: Whose signatures are believed; one of them is enough, but none may be wrong.

    Returns:
        The text, with the signatures that hold.

    Raises:
        Invalid: It is no note, or two different keys are named alike.
        ProofBroken: A signature by one of the keys does not hold, or there is none.
    """
    known: dict[tuple[str, bytes], PublicKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.id), key) != key:
            raise Invalid("two public keys have the same name and id")
    note = parse_note(written)
    held = []
    for signature in note.signatures:
        trusted = known.get((signature.name, signature.id))
        if trusted is not None:
            trusted.verify(note.text, signature)
            held.append(signature)
    if not held:
        raise ProofBroken("the note is signed by none of the keys that are known")
    return Note(note.text, tuple(held))


@dataclass(frozen=True, slots=True)
class Head:
    """What a checkpoint says.

    Attributes:
        origin: The log that it is of.
        size: Leaves in the tree.
        root: Of the tree, 32 bytes.
        extensions: Further lines, which this project does not write.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read a checkpoint's text.

        Raises:
            Invalid: It is none.
        """
        _check_text(text)
        origin, *lines = text.removesuffix("\n").split("\n")
        if len(lines) < 2 or not origin or not all(lines) or not _COUNT.fullmatch(lines[0]):
            raise Invalid("this is no checkpoint: origin, size and root are wanted, a line each")
        size, hashed = int(lines[0]), _decode(lines[1])
        if size > _LAST or len(hashed) != 32:
            raise Invalid("this is no checkpoint: its size or its root is impossible")
        return cls(origin, size, hashed, tuple(lines[2:]))


def _cosigned(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _check_name(name: str) -> None:
    if not name or "+" in name or any(e.isspace() or e < " " or _is_surrogate(e) for e in name):
        raise Invalid("a key's name has at least one character, and neither spaces nor plus")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any((each < " " and each != "\n") or _is_surrogate(each) for each in text):
        raise Invalid(
            "the note is malformed: its text ends in a newline, and has no other control characters"
        )


def _is_surrogate(character: str) -> bool:
    """Is it half a character, which has no UTF-8?"""
    return "\ud800" <= character <= "\udfff"


def _decode(encoded: str) -> bytes:
    """Read base64 in its one writing."""
    try:
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        raise Invalid("base64 is wanted") from None
    if b64encode(decoded).decode() != encoded:
        raise Invalid("base64 is wanted, in its one writing")
    return decoded
