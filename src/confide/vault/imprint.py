"""What stays of an export, so that a leaked piece of it can be recognised: keyed digests, no values.

A handle is turned back into an id with the export's key. A stand-in of a number could be turned back, too,
but to look the clear number up would be to ask about people. So a digest of each stand-in that left is kept
instead: recognising it opens nothing, finds every kind of number, and works when the chart has changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from confide.cipher.derive import digest, frame, hkdf
from confide.protect.elements import Element
from confide.protect.exports.keys import ExportKeys
from confide.protect.identifiers import normalise

DIGEST_BYTES: Final = 8
Shape = tuple[str, int]
"""Of which characters, and how many: ``("10", 9)``."""


def fold(value: str) -> str:
    """Return what is compared: letters and digits in upper case, and of a mere number no leading zeros.

    A spreadsheet drops leading zeros and a text drops hyphens; what leaked is recognised all the same.
    """
    plain = normalise(value)
    return plain.lstrip("0") if plain.isdecimal() else plain


def shape(folded: str) -> Shape:
    """Return the shape of a folded value; what has letters is counted as letters and digits."""
    return ("10" if folded.isdecimal() else "26" if folded.isalpha() else "36", len(folded))


def domain(of: Shape) -> int:
    """How many folded values have that shape."""
    characters, length = of
    if length < 1:
        return 1
    return int(9 * 10 ** (length - 1) if characters == "10" else int(characters) ** length)


class Imprint:
    """Digests of the stand-ins of one export, and how many there are of each shape.

    Args:
        root: The export's root, 32 bytes.
        digests: As :meth:`packed` gave them.
        shapes: As :meth:`counts` gave them.
    """

    def __init__(self, root: bytes, digests: bytes = b"", shapes: Mapping[str, int] | None = None) -> None:
        self._key = hkdf(root, frame("confide export", "imprint"))
        self._packed = digests
        self._new: set[bytes] = set()
        self._shapes: Counter[Shape] = Counter()
        for name, count in (shapes or {}).items():
            characters, _, length = name.partition(":")
            self._shapes[characters, int(length)] = count

    def add(self, values: Iterable[str]) -> None:
        """Remember stand-ins."""
        for value in values:
            folded = fold(value)
            made = self._digest(folded)
            if made not in self._new:
                self._new.add(made)
                self._shapes[shape(folded)] += 1

    def __contains__(self, value: str) -> bool:
        wanted, width = self._digest(fold(value)), DIGEST_BYTES
        place = bisect_left(
            range(len(self._packed) // width),
            wanted,
            key=lambda i: self._packed[i * width : (i + 1) * width],
        )
        return self._packed[place * width : (place + 1) * width] == wanted

    def chance(self, value: str) -> float:
        """How likely it is that a value of this shape, made up by somebody else, is in it."""
        of = shape(fold(value))
        return min(1.0, self._shapes[of] / domain(of))

    def packed(self) -> bytes:
        """The digests as they are kept: sorted, 8 bytes each."""
        return b"".join(sorted(self._new))

    def counts(self) -> dict[str, int]:
        """How many stand-ins there are of each shape, as it is kept."""
        return {f"{characters}:{length}": n for (characters, length), n in sorted(self._shapes.items())}

    def _digest(self, folded: str) -> bytes:
        return digest(self._key, folded.encode("utf-8", "surrogatepass"))[:DIGEST_BYTES]


class ImprintingKeys(ExportKeys):
    """The keys of one export, which leave an imprint of each stand-in that they make."""

    def __init__(self, root: bytes, imprint: Imprint) -> None:
        super().__init__(root)
        self._imprint = imprint

    def stand_in(self, element: Element, value: str) -> str | None:
        made = super().stand_in(element, value)
        if made is not None:
            self._imprint.add([made])
        return made

    def pseudonym(self, patient_id: str) -> tuple[str, str]:
        made = super().pseudonym(patient_id)
        self._imprint.add(made)
        return made
