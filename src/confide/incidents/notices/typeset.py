"""Sets a batch of letters as one PDF and encrypts it, in memory: for a process of its own, without Django."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from confide.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file in memory.

    Attributes:
        content: The bytes, an age file.
        sha256: Of them, 64 hexadecimal digits.
    """

    content: bytes
    sha256: str


def set_letters(batch: bytes, at: int) -> bytes:
    """Return the PDF of a batch.

    Args:
        batch: JSON: ``title`` and ``letters`` (``letters.printed``).
        at: The file's date, seconds since 1970.

    Raises:
        Unavailable: Typst is not installed, or cannot set it. Its own message could repeat what is in a
            letter.
    """
    try:
        import typst
    except ModuleNotFoundError:
        raise Unavailable("PDF files are not installed (pip install 'confide[server]')") from None
    try:
        made = typst.compile(
            _template(),
            sys_inputs={"batch": batch.decode()},
            ignore_system_fonts=True,
            timestamp=at,
            pdf_tags=False,
        )
    except RuntimeError:
        raise Unavailable("the letters cannot be set") from None
    if not isinstance(made, bytes):
        raise Unavailable("the letters cannot be set")
    return made


def seal(clear: bytes, recipient: str) -> Sealed:
    """Encrypt bytes to an age key.

    Raises:
        Unavailable: age cannot encrypt.
    """
    import pyrage
    from pyrage import x25519

    try:
        content = pyrage.encrypt(clear, [x25519.Recipient.from_str(recipient)])
    except (pyrage.EncryptError, pyrage.RecipientError):
        raise Unavailable("age cannot encrypt") from None
    return Sealed(content, hashlib.sha256(content).hexdigest())


def finish(batch: bytes, at: int, recipient: str) -> Sealed:
    """Set a batch and encrypt it; see :func:`set_letters` and :func:`seal`."""
    return seal(set_letters(batch, at), recipient)


@cache
def _template() -> bytes:
    return (resources.files("confide.incidents.notices") / "letters.typ").read_bytes()
