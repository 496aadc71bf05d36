"""What a letter may and must say: words for what was shown, and what a state forbids and demands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from confide.errors import Damaged, Invalid
from confide.incidents import reading
from confide.incidents.notices.readability import Language
from confide.incidents.notices.templates import PERSONAL, Kind, Notice, Template
from confide.protect.elements import Element

_SPOKEN: Final[Mapping[Element, tuple[str, str]]] = {
    Element.NAME: ("The name.", "El nombre."),
    Element.BIRTH_DATE: ("The date of birth.", "La fecha de nacimiento."),
    Element.PHONE: ("A phone number.", "Un número de teléfono."),
    Element.EMAIL: ("An e-mail address.", "Un correo electrónico."),
    Element.ADDRESS: ("The home address.", "La dirección de la casa."),
    Element.SSN: ("The Social Security number.", "El número de Seguro Social."),
    Element.MRN: ("The number of the chart.", "El número de la historia."),
    Element.LICENCE: ("The driver's license number.", "El número de la licencia de manejar."),
    Element.PASSPORT: ("The passport number.", "El número de pasaporte."),
    Element.MEMBER_ID: ("The member number of the health plan.", "El número del plan de salud."),
    Element.ACCOUNT: ("A bank account number.", "Un número de cuenta de banco."),
    Element.CARD: ("A credit or debit card number.", "Un número de tarjeta de crédito o débito."),
    Element.IDENTIFIER: ("Some other number that we use.", "Otro número que usamos."),
    Element.CONTACT: ("A contact person.", "Una persona de contacto."),
    Element.PHOTO: ("A photo.", "Una foto."),
    Element.DATE: ("Dates of visits and of care.", "Fechas de visitas y de atención."),
    Element.CLINICAL: ("Facts about health and care.", "Datos de salud y de atención."),
    Element.DOCUMENT: ("Notes and papers of the chart.", "Notas y papeles de la historia."),
}

_NUMBERS: Final = frozenset({"residents", "persons"})
MEDICAL: Final = frozenset({Element.CLINICAL, Element.DOCUMENT, Element.DATE})
FINANCIAL: Final = frozenset({Element.ACCOUNT, Element.CARD})


class Forbidden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thing that a letter must not say: the mark that falls, and the fields that close."""

    mark: str
    fields: tuple[str, ...]


class Demanded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thing that a letter must say: the text of the data, and the mark that it opens."""

    text: str
    mark: str


class Headed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A title and headings that a state fixes."""

    text: str
    title: str
    headings: tuple[str, ...]
    source: str


class Conflict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two laws that ask for the contrary."""

    text: str
    cite: str
    told: str


class Letters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``letters.json``."""

    about: str
    individual: tuple[str, str]
    forbidden: dict[str, Forbidden]
    demanded: dict[str, tuple[Demanded, ...]]
    headed: dict[str, Headed]
    conflicts: dict[str, Conflict]
    credit: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one state asks of a letter.

    Attributes:
        state: Two letters; empty where nobody knows it.
        shut: Marks that fall.
        closed: Fields that must not be filled in.
        opened: Marks that hold, whatever was shown.
        told: What an officer should know: a conflict, an unconfirmed rule.
    """

    state: str
    shut: frozenset[str]
    closed: frozenset[str]
    opened: frozenset[str]
    told: tuple[str, ...]


@cache
def letters() -> Letters:
    """Read ``letters.json``, and hold it against the states' rows.

    Raises:
        Damaged: It names what does not stand in them.
    """
    file = resources.files("confide.incidents") / "law" / "letters.json"
    found = msgspec.json.decode(file.read_bytes(), type=Letters)
    states = reading.held().states
    rows = {code: f"{row.must_not_say}; {row.notes}" for code, row in states.items()}
    texts = [(code, each.text) for code, some in found.demanded.items() for each in some]
    texts += [(code, each.text) for code, each in found.headed.items()]
    texts += [(code, each.text) for code, each in found.conflicts.items()]
    if any(text not in rows[code] for code, text in texts):
        raise Damaged("the law's letters.json says what does not stand in states.csv")
    said = {part.strip() for row in states.values() for part in row.must_not_say.split(";") if part.strip()}
    if said != set(found.forbidden):
        raise Damaged("the law's letters.json does not have what states.csv forbids a letter to say")
    return found


def spoken(elements: Collection[Element], language: Language) -> list[str]:
    """Return what was shown as a letter says it, in the order of the catalogue; each once."""
    which = 0 if language == "en" else 1
    return [words[which] for element, words in _SPOKEN.items() if element in elements]


@cache
def rule(state: str) -> Rule:
    """Return what the law of a state asks of a letter to its residents."""
    found = letters()
    row = reading.held().states.get(state)
    if row is None:
        return Rule("", frozenset(), frozenset(), frozenset(), ())
    forbidden = [found.forbidden[part.strip()] for part in row.must_not_say.split(";") if part.strip()]
    told = [f"{row.state} forbids a letter to say: {row.must_not_say} ({row.statute})"] if forbidden else []
    if state in found.conflicts:
        conflict = found.conflicts[state]
        told.append(f"Conflict with {conflict.cite}: {conflict.told}")
    return Rule(
        state,
        frozenset(each.mark for each in forbidden),
        frozenset(field for each in forbidden for field in each.fields),
        frozenset(each.mark for each in found.demanded.get(state, ())),
        tuple(told),
    )


def marks(elements: Collection[Element], state: str, *, offer: bool) -> frozenset[str]:
    """Return the marks that hold for a letter.

    Args:
        elements: What was shown.
        state: Where the person lives.
        offer: Whether a protection is offered to the person.
    """
    shown, asked = frozenset(elements), rule(state)
    held = {"nature", "count"} | asked.opened - {"offer"}
    held |= {"offer"} if offer else set()
    held |= {"credit"} if shown & set(letters().credit) else set()
    held |= {"medical"} if shown & MEDICAL else set()
    held |= {"insurance"} if Element.MEMBER_ID in shown else set()
    held |= {"financial"} if shown & FINANCIAL else set()
    return frozenset(held - asked.shut)


def closed(kind: Kind, state: str) -> frozenset[str]:
    """Return the fields that a state closes in this kind of notice.

    What a state forbids is about letters to its residents, and about numbers. The second letter, under
    federal law, is what may say more; a notice that names nobody goes to more than one state's residents.
    """
    if kind in PERSONAL - {Kind.FEDERAL}:
        return rule(state).closed
    return rule(state).closed & _NUMBERS if kind is Kind.MEDIA else frozenset()


def require_form(notice: Notice, kind: Kind, state: str) -> None:
    """Refuse a letter without the title and headings that its state fixes.

    Raises:
        Invalid: It has others, or in another order.
    """
    fixed = letters().headed.get(state)
    if fixed is None or kind not in PERSONAL - {Kind.FEDERAL}:
        return
    right = fixed.title in notice.title and len(notice.headings) == len(fixed.headings)
    right = right and all(want in have for want, have in zip(fixed.headings, notice.headings, strict=False))
    if not right:
        raise Invalid(
            f"a letter to {state} must have the title and headings that its law fixes: {fixed.source}"
        )


def shortfalls(elements: Collection[Element], state: str, months: int) -> list[str]:
    """Say where a state asks for more than the protection that is offered.

    Args:
        elements: What was shown.
        state: Two letters.
        months: How long it is offered; 0 is not at all.
    """
    law = reading.held()
    row = law.states.get(state)
    if row is None:
        return []
    told = []
    shown = set().union(*(law.rules.elements.get(each, ()) for each in elements)) if elements else set()
    words = {"ssn": "SSN", "dl": "DL", "tax": "TIN", "fin": "bank account"}
    hit = any(words.get(each, "?") in row.monitoring_trigger for each in shown)
    if row.monitoring_months is not None and hit and months < row.monitoring_months:
        sure = "" if law.confirmed(row.monitoring_cert) else "; unconfirmed"
        told.append(
            f"{row.state} asks for {row.monitoring_months} months of protection where"
            f" {row.monitoring_trigger} was shown, and {months} are offered ({row.statute}{sure})"
        )
    demanded = {each.mark for each in letters().demanded.get(state, ())}
    if "offer" in demanded and not months and hit:
        told.append(f"{row.state}: the letter must tell of the protection, and none is offered")
    return told


_ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "(A)": ("description", "happened", "discovered"),
    "(B)": ("elements",),
    "(D)": ("steps",),
    "(E)": ("phone",),
}
_ALSO: Final = frozenset({"email", "web", "address"})


def lacks(template: Template, state: str) -> list[str]:
    """Say what the law asks of a letter and a template has no place for: counsel may have written it out.

    Args:
        template: Of a letter to one person.
        state: Two letters; empty where nobody knows it.

    Source:
        45 CFR 164.404(c)(1)(A), (B), (D) and (E); ``letters.json``.
    """
    if template.kind not in PERSONAL:
        return []
    there = {field for block in template.blocks for field in block.fields}
    cite = letters().individual[0].partition("(A)")[0]
    told = [
        f"the template {template.kind}.{template.language} has no {{{field}}} ({cite}{which})"
        for which, names in _ASKED.items()
        for field in names
        if field not in there
    ]
    if not there & _ALSO:
        told.append(
            f"the template {template.kind}.{template.language} has no e-mail or postal address or web site"
            f" ({cite}(E))"
        )
    if template.kind is not Kind.FEDERAL:
        marked = {mark for block in template.blocks for mark, holds in block.marks if holds}
        told += [
            f"the template {template.kind}.{template.language} has no paragraph for what {state} demands:"
            f" {each.text} ([{each.mark}])"
            for each in letters().demanded.get(state, ())
            if each.mark not in marked
        ]
    return told
