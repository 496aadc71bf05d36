"""Which passwords are accepted: length, what everybody knows of the person, and lists of breached ones.

No rules of composition: they make passwords worse.

Source:
    NIST SP 800-63B-4 section 3.1.1.2: at least 15 characters where the password stands alone, 8 with a second
    factor; at least 64 accepted; no composition rules; a blocklist of breached, common and expected ones.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Protocol

from confide.access.breached import Corpus
from confide.errors import WeakPassword

ALONE: Final = 15
WITH_SECOND_FACTOR: Final = 8
LONGEST: Final = 256
_SHORTEST_WORD: Final = 4
_ONSETS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES: Final = 3
_SERVICE: Final = ("confide",)
_SEPARATORS: Final = re.compile(r"[\W_]+")


class Blocklist(Protocol):
    """Knows breached passwords: a filter in a file, or a range API."""

    def __contains__(self, password: str) -> bool:
        """Tell whether the password has turned up in a breach.

        Raises:
            Unavailable: It cannot be asked now.
        """


@cache
def popular() -> Corpus:
    """Open the small filter of very common passwords that comes with Confide."""
    with as_file(files("confide.access") / "popular.filter") as path:
        return Corpus(path)


@cache
def corpora(path: Path | None) -> tuple[Corpus, ...]:
    """Open what an installation checks against: the small filter, and the one that was built for it."""
    return (popular(),) if path is None else (popular(), Corpus(path))


def make_words(words: int = 4) -> str:
    """Make a secret that can be read out: words of three syllables, 18 bits each, joined by hyphens."""
    return "-".join(
        "".join(secrets.choice(_ONSETS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))
        for _ in range(words)
    )


def normalise(password: str) -> str:
    """Return the password as it is hashed and looked up: NFKC, so that every keyboard gives the same."""
    return unicodedata.normalize("NFKC", password)


def is_breached(password: str, lists: Iterable[Blocklist]) -> bool:
    """Tell whether any of *lists* has the password, as it is or in lower case."""
    known = normalise(password)
    return any(known in listed or known.lower() in listed for listed in lists)


def require_strong(
    password: str, lists: Iterable[Blocklist], about: Sequence[str] = (), *, shortest: int = ALONE
) -> None:
    """Refuse a password that is too short, expected, or breached.

    Args:
        password: What was typed.
        lists: Of breached passwords.
        about: What everybody knows of the person: username, names, address, practice.
        shortest: ``ALONE`` or ``WITH_SECOND_FACTOR``.

    Raises:
        WeakPassword: With the reason, and never with the password.
        Unavailable: A list cannot be asked now.
    """
    known = normalise(password)
    if len(known) < shortest:
        raise WeakPassword(
            f"use at least {shortest} characters; a few words with spaces are easy to remember"
        )
    if len(known) > LONGEST:
        raise WeakPassword(f"use at most {LONGEST} characters")
    if len(set(known)) < 5:
        raise WeakPassword("use more than a few different characters")
    if _expected(known, about):
        raise WeakPassword("leave out your own name, your username and the names of the practice and program")
    if is_breached(known, lists):
        raise WeakPassword(
            "this password is in lists of passwords stolen elsewhere; whoever has such a list would try it"
        )


def _expected(password: str, about: Sequence[str]) -> bool:
    """Whether little is left of the password without the words that anyone would try."""
    rest = _SEPARATORS.sub("", password).casefold()
    words = {
        word
        for text in (*about, *_SERVICE)
        for word in (
            *_SEPARATORS.split(text.casefold()),
            _SEPARATORS.sub("", text.casefold()),
        )
        if len(word) >= _SHORTEST_WORD
    }
    whole = rest
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != whole and len(rest) < WITH_SECOND_FACTOR
