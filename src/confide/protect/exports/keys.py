"""The keys of one export: joinable inside it, unlinkable to any other, traceable by us."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from confide.cipher.derive import expand, extract, frame
from confide.cipher.ff1 import FF1
from confide.errors import Damaged, Invalid
from confide.protect.elements import Element
from confide.protect.identifiers import ALPHABETS, LONGEST, StandIns
from confide.protect.pseudonym import pseudonym

ROOT_BYTES: Final = 32
MOST_DAYS: Final = 365

_HEX: Final = "0123456789abcdef"
_NUMERALS: Final = {c: i for i, c in enumerate(_HEX)}
_HANDLE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_IDS_AT_ONCE = 1 << 17


class ExportKeys:
    """Everything that one export is made with, from one secret.

    Two exports have two roots, so nothing that one made says anything of what the other made. Holds no state
    but what it has computed; threads may share one.
    """

    def __init__(self, root: bytes) -> None:
        """Take the export's own secret.

        Args:
            root: 32 random bytes, of this export alone.

        Raises:
            Invalid: The root has another length.
        """
        if len(root) != ROOT_BYTES:
            raise Invalid("an export's root has 32 bytes")
        self._prk = extract(root, b"confide export, version 1")
        self.stand_ins = StandIns(self._derive("stand-ins"))
        self._ids = FF1(self._derive("ids"), len(_HEX))
        self._pseudonyms = self._derive("pseudonyms")
        self._tweaks = {e: self._derive("tweak", str(e), length=16) for e in Element}
        self.handle = lru_cache(_IDS_AT_ONCE)(self._handle)

    def __repr__(self) -> str:
        return "ExportKeys()"

    def _derive(self, *use: str, length: int = 32) -> bytes:
        return expand(self._prk, frame(*use), length)

    # Ids

    def _handle(self, id: str) -> str:
        """Return what stands for one of our random ids in this export.

        FF1 over the 32 hexadecimal digits: a permutation, so two ids never get one handle, and without the
        key a handle says nothing of the id. It is no code made from facts about a person: the id was drawn
        at random (45 CFR 164.514(c)(1)).

        Args:
            id: A random UUID in the form that records have: lower case, version 4.

        Returns:
            32 hexadecimal digits, with hyphens where a UUID has them.

        Raises:
            Invalid: The id is not one of ours.
        """
        if _OURS(id) is None:
            raise Invalid("an exported id must be one of ours: a random UUID")
        return _uuid(self._ids.encrypt([_NUMERALS[c] for c in id if c != "-"]))

    def unhandle(self, handle: str) -> str | None:
        """Return the id that a handle of this export stands for; None if no id of ours gives it.

        A handle of another export passes for one of ours with a chance of 1 in 64, and then names an id that
        nobody has (2^122 are possible): who looks the id up is never told a wrong one.
        """
        if _HANDLE(handle) is None:
            return None
        id = _uuid(self._ids.decrypt([_NUMERALS[c] for c in handle if c != "-"]))
        return id if _OURS(id) else None

    def person(self, patient_id: str) -> str:
        """Return the handle of a patient; see :meth:`handle`."""
        return self.handle(patient_id)

    def unperson(self, handle: str) -> str | None:
        """Return the patient's id that a handle stands for; see :meth:`unhandle`."""
        return self.unhandle(handle)

    # Dates

    def shift(self, patient_id: str) -> int:
        """Return the days to add to every date of one person in this export: -1 to -365, all alike likely.

        The same number for every date of the person, so that the time between two of them stays. Always into
        the past: a date to come would tell that the shift is at least so large, and a birth or a vaccination
        in the future is not valid anywhere. Any number of days, not whole weeks: weeks would keep the day of
        the week, and leave an attacker 52 possibilities where there are 365.
        """
        drawn = int.from_bytes(self._derive("shift", patient_id, length=16), "big")
        return -1 - drawn % MOST_DAYS

    # Values

    def stand_in(self, element: Element, value: str) -> str | None:
        """Return the stand-in of an identifier, in its format; None for a value too short or odd.

        Equal letters and digits of one element have equal stand-ins, whosever they are.
        """
        made = self.stand_ins.protect(value, self._tweaks[element])
        return None if made is None else made[0]

    def clears(self, element: Element, stand_in: str) -> tuple[str, ...]:
        """Return every value that has this stand-in, in the order of the alphabets' sizes.

        Mostly one. Where the stand-in of letters and digits came out as digits alone, the value made of
        digits that has the same stand-in comes first.
        """
        if len(stand_in) > LONGEST:
            return ()
        found = []
        for alphabet in ALPHABETS:
            try:
                value = self.stand_ins.reveal(stand_in, alphabet, self._tweaks[element])
            except (Damaged, Invalid):
                continue
            if self.stand_in(element, value) == stand_in:
                found.append(value)
        return tuple(found)

    def clear(self, element: Element, stand_in: str) -> str | None:
        """Return the likeliest value that has this stand-in; None where none has."""
        return next(iter(self.clears(element, stand_in)), None)

    def pseudonym(self, patient_id: str) -> tuple[str, str]:
        """Return a pronounceable (given name, family name) for a person, of this export alone."""
        return pseudonym(self._pseudonyms, self.handle(patient_id))


def _uuid(numerals: list[int]) -> str:
    text = "".join(_HEX[n] for n in numerals)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
