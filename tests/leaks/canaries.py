"""Canaries: values that exist nowhere else, and the search for them in whatever they were turned into."""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_INDEX = 6
_HEX_RUN = re.compile(rb"\\x([0-9a-f]{32,})")
_PERCENT = re.compile(rb"%[0-9a-f]{2}")


def _alignments(text: bytes) -> Iterator[bytes]:
    """What base64 makes of *text* in the middle of something, at each of the three places it may begin."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text).rstrip(b"=")
        first = 0 if before == 0 else before + 1
        last = len(encoded) - (1 if (before + len(text)) % 3 else 0)
        yield encoded[first:last]


def _written(mark: str) -> tuple[set[bytes], set[bytes]]:
    """How *mark* may be written: needles for a lower-cased haystack, and for one as it is."""
    folded: set[bytes] = set()
    exact: set[bytes] = set()
    for text in {mark, mark.lower(), mark.upper()}:
        for encoded in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
            folded |= {encoded.lower(), encoded.hex().encode()}
            for once in _alignments(encoded):
                exact.add(once)
                exact |= set(_alignments(once))
        folded.add("".join(f"%{ord(c):02x}" for c in text).encode())
        folded.add("".join(f"\\u{ord(c):04x}" for c in text).encode())
        folded.add("".join(f"&#{ord(c)};" for c in text).encode())
        folded.add("".join(f"&#x{ord(c):x};" for c in text).encode())
        folded.add(text[::-1].lower().encode())
    return folded, exact


@dataclass
class Garden:
    """Makes canaries, remembers where each was planted, and finds them again.

    All canaries of a kind begin with one random mark, so that a search for the mark is a search for all.
    """

    seed: int
    planted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        # The first mark has no vowels, so that it is in no word, and both cases.
        letters = "".join(self.dice.choice("bcdfghjkmnpqrstvwxz") for _ in range(11))
        self.letters = f"{letters[:5].capitalize()}{letters[5:].capitalize()}"
        self.digits = "".join(self.dice.choice("3456789") for _ in range(11))
        self.hex = "".join(self.dice.choice("0123456789abcdef") for _ in range(11)) + "b"
        self.needles = [_written(mark) for mark in (self.letters, self.digits, self.hex)]

    def word(self, place: str) -> str:
        """17 letters."""
        number, tail = len(self.planted), ""
        for _ in range(_INDEX):
            number, rest = divmod(number, 26)
            tail += string.ascii_lowercase[rest]
        return self._remember(self.letters + tail, place)

    def number(self, place: str) -> str:
        """17 digits; the first is not 0."""
        return self._remember(f"{self.digits}{len(self.planted):0{_INDEX}}", place)

    def uuid(self, place: str) -> str:
        """A random UUID whose last twelve digits are the mark."""
        head = (
            f"{len(self.planted):08x}-{self.dice.randrange(16**4):04x}-4b1d-a{self.dice.randrange(16**3):03x}"
        )
        return self._remember(f"{head}-{self.hex}", place)

    def _remember(self, canary: str, place: str) -> str:
        self.planted[canary] = place
        return canary

    def hits(self, haystack: bytes) -> list[str]:
        """What of the canaries is in *haystack*, and around it; empty if nothing is."""
        found = self._search(haystack)
        # A database's dump and log write bytes as hexadecimal digits.
        runs = [bytes.fromhex(run.decode()[: len(run) // 2 * 2]) for run in _HEX_RUN.findall(haystack)]
        if runs:
            found += self._search(b"\0".join(runs))
        if b"%" in haystack:
            found += self._search(_PERCENT.sub(lambda m: bytes([int(m[0][1:], 16)]), haystack.lower()))
        return found

    def _search(self, haystack: bytes) -> list[str]:
        lower = haystack.lower()
        found = []
        for folded, exact in self.needles:
            for needles, hay in ((folded, lower), (exact, haystack)):
                for needle in needles:
                    at = hay.find(needle)
                    if at >= 0:
                        found.append(self._explain(haystack[max(0, at - 150) : at + 150]))
        return found

    def _explain(self, around: bytes) -> str:
        text = around.decode("latin-1")
        for mark in (self.letters, self.digits):
            for match in re.finditer(re.escape(mark) + r"\w{6}", text):
                return f"planted at {self.planted.get(match[0], '?')}, found in {around!r}"
        return f"found in {around!r}"

    def shows(self, body: bytes) -> bool:
        """Whether a canary is in *body* as it was planted; a quick look."""
        return any(mark.encode() in body for mark in (self.letters, self.digits, self.hex))


def held(path: Path) -> bytes:
    """What is in a file; nothing if a running server has removed it since it was listed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every file below *folders*."""
    for folder in folders:
        yield from (p for p in ([folder] if folder.is_file() else folder.rglob("*")) if p.is_file())
