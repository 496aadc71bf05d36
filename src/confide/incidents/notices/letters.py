"""One person's letter: their own template, their own elements, their state's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.errors import Invalid
from confide.incidents.notices import wording
from confide.incidents.notices.addressing import Addressee
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.readability import Language, Measure
from confide.incidents.notices.templates import PERSONAL, Kind, Notice, Template, fill
from confide.protect.elements import Element

Templates = Mapping[tuple[Kind, Language], Template]

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U


@dataclass(frozen=True, slots=True)
class Reference:
    """By what a letter is spoken of: the mailing, the batch, the place in it. It names nobody.

    Attributes:
        mailing: Six characters of the mailing's id.
    """

    mailing: str
    batch: int
    place: int

    def __str__(self) -> str:
        body = f"{self.mailing}-{self.batch:04d}-{self.place:03d}"
        return f"{body}-{_check(body)}"


def name_mailing(id_: str) -> str:
    """Return the six characters by which references speak of a mailing."""
    number = int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4]) >> 2
    return "".join(_DIGITS[(number >> shift) & 31] for shift in range(25, -1, -5))


def read_reference(text: str) -> Reference:
    """Read a reference as somebody says or types it.

    Raises:
        Invalid: It is none, or a character of it is wrong.
    """
    plain = "".join(text.upper().split()).replace("O", "0").replace("I", "1").replace("L", "1")
    parts = plain.split("-")
    if len(parts) != 4 or len(parts[0]) != 6 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise Invalid("this is not a letter's number (it looks like K7Q2MX-0012-034-5)")
    if _check("-".join(parts[:3])) != parts[3]:
        raise Invalid("a character of the letter's number is wrong (read it again from the letter)")
    return Reference(parts[0], int(parts[1]), int(parts[2]))


def _check(body: str) -> str:
    total = 0
    for place, character in enumerate(body.replace("-", ""), 1):
        if character not in _DIGITS:
            raise Invalid("this is not a letter's number (it looks like K7Q2MX-0012-034-5)")
        total += place * _DIGITS.index(character)
    return _DIGITS[total % 31]


def choose(templates: Templates, kind: Kind, language: Language, facts: Facts) -> Template:
    """Return the template of a kind, in the language if the facts are told in it, else in English."""
    return templates[kind, language if language in facts.languages else "en"]


def compose(
    templates: Templates,
    facts: Facts,
    to: Addressee,
    shown: frozenset[Element],
    reference: str,
    code: str = "",
    *,
    second: bool = False,
) -> Notice:
    """Write one person's letter.

    Args:
        templates: As they were approved.
        facts: What all letters say.
        to: Who gets it.
        shown: What was shown of this person; nothing else is named.
        reference: The letter's own.
        code: Of the protection offer; without one, nothing is offered.
        second: The letter under federal law, beside one that may not say what happened.

    Raises:
        Invalid: The template says what the state forbids, lacks what it fixes, or has an empty field.
    """
    if not shown:
        raise Invalid("a letter needs something that was shown")
    kind = Kind.FEDERAL if second else to.kind
    template = choose(templates, kind, to.language, facts)
    values = facts.values(template.language) | {
        "name": to.name,
        "patient": to.patient,
        "reference": reference,
        "code": code,
    }
    offered = bool(code) and facts.offer is not None
    made = fill(
        template,
        values,
        wording.spoken(shown, template.language),
        wording.marks(shown, to.state, offer=offered),
        wording.closed(kind, to.state),
    )
    wording.require_form(made, kind, to.state)
    return made


SPECIMEN: Final = "Maria Example"


def specimen(
    templates: Templates, facts: Facts, kind: Kind, language: Language, state: str, shown: frozenset[Element]
) -> Notice:
    """Write the letter of a made-up person, to look at and to measure."""
    lines = (SPECIMEN, "12 Example Street", "Springfield")
    to = Addressee(kind, language, SPECIMEN, SPECIMEN, lines, state)
    reference, code = str(Reference("K7Q2MX", 12, 34)), "ABCD-EFGH-JKMN" if facts.offer else ""
    if kind in PERSONAL:
        return compose(templates, facts, to, shown, reference, code, second=kind is Kind.FEDERAL)
    raise Invalid("a notice that goes to nobody in person is written by notices.public")


@dataclass(frozen=True, slots=True)
class Reading:
    """How hard one variant is to read."""

    kind: Kind
    language: Language
    state: str
    measure: Measure


def variants(
    templates: Templates, facts: Facts, states: Iterable[str], shown: Iterable[frozenset[Element]]
) -> Iterator[Reading]:
    """Measure every letter that could go out: each template, in each state, for each set of elements.

    States whose rules are the same are measured once.
    """
    alike = {(wording.rule(s).shut, wording.rule(s).opened, s in wording.letters().headed): s for s in states}
    for kind in sorted(PERSONAL):
        for language in facts.languages:
            for state in alike.values():
                for elements in sorted(set(shown), key=sorted):
                    made = specimen(templates, facts, kind, language, state, elements)
                    yield Reading(kind, language, state, made.measured())


def require_plain(
    templates: Templates, facts: Facts, states: Iterable[str], shown: Iterable[frozenset[Element]]
) -> None:
    """Refuse letters that are too hard to read.

    Raises:
        Invalid: One of them is; the message says which, and how hard.
    """
    for one in variants(templates, facts, list(states), list(shown)):
        if not one.measure.reached:
            where = f" ({one.state})" if one.state else ""
            raise Invalid(
                f"the letter {one.kind}.{one.language}{where} is too hard to read: {one.measure.told}."
                " Shorter sentences and shorter words help"
            )


def lacking(templates: Templates, facts: Facts, states: Iterable[str]) -> set[str]:
    """Say what the laws ask of letters and these have no place for; see ``wording.lacks``."""
    kinds = [(kind, language) for kind in PERSONAL for language in facts.languages]
    return {said for state in states for each in kinds for said in wording.lacks(templates[each], state)}


def printed(to: Addressee, notice: Notice, facts: Facts, reference: str) -> dict[str, Any]:
    """Return what the typesetter needs of one letter."""
    return {
        "to": to.lines,
        "from": [facts.practice, *facts.sender],
        "date": facts.values(notice.language)["date"],
        "reference": reference,
        "language": notice.language,
        "blocks": [[part.value, text] for part, text in notice.blocks],
    }
