"""How hard a text is to read, measured here: no network, no word list but a few exceptions.

English is measured by the Flesch-Kincaid grade, Spanish by Fernandez-Huerta's score. Both need sentences,
words and syllables. Sentences end with a full stop, question mark or exclamation mark before a blank and a
capital, and with the end of a paragraph or list item. A number is one word, with a syllable for each digit:
as strict as it is read aloud. Headings and addresses are not part of what is measured: they are short, and
would flatter.

Source:
    Kincaid, Fishburne, Rogers and Chissom, Derivation of new readability formulas for Navy enlisted personnel
    (1975). Fernandez Huerta, Medidas sencillas de lecturabilidad, Consigna 214 (1959), with words to a
    sentence and not sentences to a hundred words: see G. Law, LINGUIST List 22.2332 (2011), on the error in
    many copies. Hiatus and diphthongs: Real Academia Espanola, Ortografia de la lengua espanola (2010),
    chapter II.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from confide.errors import Invalid

Language = Literal["en", "es"]

GRADE: Final = 8.0
"""An English notice is at this grade at most."""

SCORE: Final = 70.0
"""A Spanish notice has this score at least."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+")
_END: Final = re.compile(r"[.!?…]+[\"”»')\]]*(?=\s+[^\sa-záéíóúüñ]|\s*$)")

# English: a group of vowels is a syllable, less the silent ones, more those that only look like one.
_GROUP: Final = re.compile(r"[aeiouy]+")
_SILENT: Final = (
    re.compile(r"[^aeiouylr]e$|[aeiouy][lr]e$"),  # take, rule, care; not table or acre
    re.compile(r"[^aeiouytd]ed$"),  # stopped, used; not wanted or needed
    re.compile(
        r"[^aeiouycgsxz]es$(?<!shes)(?<!ches)(?<!les)|[aeiouy]les$"
    ),  # takes, files; not pages or tables
    re.compile(r"[^aeiouy]e(?:ful(?:ly)?|ly|ments?|less|ness)$"),  # careful, safely
    re.compile(r"^(?:some|there|where|here|home|safe|fore|life|time)(?=[bcdfghjklmnpqrstvwxz]\w)(?!ly$)"),
)
_APART: Final = (
    re.compile(r"i[ao](?!us)(?<![ctsgx]i[ao])(?!(?<=lia)[nr])"),  # medi-a, bi-ology; not na-tion, so-cial
    re.compile(r"[^qg]u[ao]|[^q]uing$|[iy]ing$|[aeiou]{2}ing$"),  # actu-al, do-ing, study-ing, see-ing
    re.compile(r"(?:^re|^pre|^co)(?=[aeo](?!r?d))(?<!^rea)"),  # re-enter, co-operate
    re.compile(r"eo(?!us)|i[eu](?:t|m)|ier$|iest$"),  # vide-o, soci-ety
    re.compile(r"[^aeiouy]ism$"),
)
_KNOWN: Final = {
    "area": 3, "being": 2, "create": 2, "created": 3, "people": 2, "something": 2, "someone": 2,
    "somewhere": 2, "business": 2, "every": 2, "everyone": 3, "real": 1, "really": 2, "reach": 1,
    "read": 1, "reading": 2, "reason": 2, "reset": 2, "idea": 3, "once": 1, "whose": 1, "media": 3,
    "minutes": 2, "our": 1, "hour": 1, "hours": 1, "evening": 2, "breach": 1, "medicine": 3,
    "medicines": 3, "fraud": 1, "science": 2, "client": 2, "diet": 2, "quiet": 2, "unto": 2, "itself": 2,
    "seemingly": 3, "anyone": 3, "rhythm": 2, "everything": 3, "experience": 4, "safeguard": 2,
    "safeguards": 2, "therefore": 2, "insurance": 3, "license": 2, "licence": 2, "services": 3,
    "service": 2, "offices": 3, "agencies": 3, "bureau": 2, "bureaus": 2, "guardian": 3, "guardians": 3,
    "january": 4, "february": 4, "theft": 1, "doing": 2, "going": 2, "police": 2, "file": 1, "files": 1,
    "while": 1, "free": 1, "freeze": 1, "agree": 2, "agreed": 2, "employees": 3, "equifax": 3,
    "experian": 4, "transunion": 4, "massachusetts": 4, "changes": 2, "asked": 1, "purpose": 2, "used": 1,
    "sentence": 2, "passage": 2, "taken": 2, "month": 1, "months": 1,
}  # fmt: skip

_STRONG: Final = "aeoáéó"
_TILDED: Final = "íú"
_SPANISH: Final = "aeiouáéíóúü"


@dataclass(frozen=True, slots=True)
class Measure:
    """What was counted of a text.

    Attributes:
        language: ``en`` or ``es``.
        mark: Flesch-Kincaid grade (lower is easier), or Fernandez-Huerta score (higher is easier).
    """

    language: Language
    sentences: int
    words: int
    syllables: int
    mark: float

    @property
    def reached(self) -> bool:
        """Whether it is as easy as a notice must be."""
        return self.mark <= GRADE if self.language == "en" else self.mark >= SCORE

    @property
    def told(self) -> str:
        """As a person reads it."""
        if self.language == "en":
            return f"Flesch-Kincaid grade {self.mark:.1f} (at most {GRADE:.0f})"
        return f"Fernández-Huerta {self.mark:.1f} (at least {SCORE:.0f})"


def measure(blocks: Iterable[str], language: Language) -> Measure:
    """Measure a text.

    Args:
        blocks: Its paragraphs and list items, without headings.
        language: ``en`` or ``es``.

    Raises:
        Invalid: There is no word in it.
    """
    count = syllables if language == "en" else silabas
    sentences = words = total = 0
    for block in blocks:
        said = _WORD.findall(block)
        if said:
            sentences += max(1, sum(1 for part in _END.split(block) if _WORD.search(part)))
            words += len(said)
            total += sum(len(word) if word.isdigit() else count(word) for word in said)
    if not words:
        raise Invalid("there is no word in the text, so it cannot be measured")
    if language == "en":
        mark = 0.39 * words / sentences + 11.8 * total / words - 15.59
    else:
        mark = 206.84 - 60 * total / words - 1.02 * words / sentences
    return Measure(language, sentences, words, total, mark)


def syllables(word: str) -> int:
    """Count the syllables of an English word, by its spelling; one at least."""
    plain = word.lower().replace("’", "'")
    plain = re.sub(r"'(?:s|ll|re|ve|d|m|t)$", "", plain)
    if plain in _KNOWN:
        return _KNOWN[plain]
    count = len(_GROUP.findall(plain))
    count -= sum(1 for pattern in _SILENT if pattern.search(plain))
    count += sum(len(pattern.findall(plain)) for pattern in _APART)
    return max(1, count)


def silabas(word: str) -> int:
    """Count the syllables of a Spanish word; one at least.

    Two strong vowels (a, e, o) are apart, and so is a weak one with an accent beside a strong one. An h
    between does not part a diphthong. The u of que, qui, gue and gui is silent.
    """
    plain = re.sub(r"qu(?=[eiéí])", "q", word.lower())
    plain = re.sub(r"gu(?=[eiéí])", "g", plain)
    plain = re.sub(r"y$", "i", plain)
    plain = re.sub(r"(?<=[aeiouáéíóúü])h(?=[aeiouáéíóúü])", "", plain)
    count, before = 0, ""
    for letter in plain:
        if letter in _SPANISH:
            strong, after = before in _STRONG + _TILDED, letter in _STRONG + _TILDED
            count += not before or before not in _SPANISH or (strong and after)
        before = letter
    return max(1, count)
