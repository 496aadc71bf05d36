"""What the journal's codes are in plain words, for a patient who has never seen this program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confide.access.relationships import Kind
from confide.access.roles import Action, Form, Purpose, Role
from confide.audit.accesses import GLASS, Access
from confide.protect.elements import CATALOGUE, Element
from confide.server.naming import Names
from confide.server.pages import dates
from confide.server.pages.visitor import ROLE_LABELS

_VERBS: Final[Mapping[str, str]] = {
    Action.READ: "opened it",
    Action.REVEAL: "uncovered something",
    Action.SEARCH: "found you by a search",
    Action.WRITE: "wrote in it",
    Action.IMPORT: "brought it over from another system",
    Action.EXPORT: "sent it, or a part of it, away",
    Action.MAIL: "wrote a letter to you about it",
    Action.JOURNAL_READ: "read who had opened it",
    GLASS: "broke the glass: opened it in an emergency",
}
_BECAUSE: Final[Mapping[str, str]] = {
    Kind.APPOINTMENT: "you have, or had, an appointment",
    Kind.ENCOUNTER: "you were here for a visit",
    Kind.CARE_TEAM: "they are on your care team",
    Kind.CLAIM: "they work on a claim of yours",
    Kind.BREAK_GLASS: "it was an emergency; the privacy officer reviews each",
}
_PURPOSES: Final[Mapping[str, str]] = {
    Purpose.TREAT: "For your treatment",
    Purpose.HPAYMT: "For payment",
    Purpose.HOPERAT: "To run the practice",
    Purpose.BTG: "In an emergency",
    Purpose.PATRQT: "Because you asked",
    Purpose.SYSADMIN: "To keep the system running",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the access report, in words.

    Attributes:
        when: Day and times.
        who: The person or program, as the practice wants it written.
        role: In which capacity; empty where ``who`` says so.
        did: What was done.
        what: What was seen, the labels of elements.
        why: The purpose, and why it was this person's business.
        glass: The glass was broken for it.
        refused: It was refused.
    """

    day: str
    when: str
    who: str
    role: str
    did: str
    what: str
    why: str
    glass: bool
    refused: bool


def tell(access: Access, names: Mapping[str, str], style: Names) -> Told:
    """Put one line of the access report into words.

    Args:
        access: What was done.
        names: What people read for accounts and programs, by id.
        style: How the practice names its staff to patients.
    """
    day, at = dates.format(access.first.isoformat()), f"{access.first:%H:%M}"
    if access.last.date() == access.first.date() and f"{access.last:%H:%M}" != at:
        at = f"{at} to {access.last:%H:%M}"
    who, role = _who(access, names, style)
    actions = sorted(access.actions, key=list(_VERBS).index)
    did = "Tried, and was refused" if access.refused else "; ".join(_VERBS[each] for each in actions)
    why = [_PURPOSES.get(access.purpose, access.purpose)]
    why += [_BECAUSE[each] for each in sorted(access.relationships) if each in _BECAUSE]
    if "own" in access.relationships:
        why.append("they themselves made that appointment or entry")
    return Told(
        day,
        at,
        who,
        role,
        did[:1].upper() + did[1:],
        "" if access.refused else _what(access.elements.items()),
        "; ".join(why),
        access.glass,
        access.refused,
    )


def _who(access: Access, names: Mapping[str, str], style: Names) -> tuple[str, str]:
    known = access.role in set(Role)
    role = ROLE_LABELS[Role(access.role)] if known else "Staff"
    if access.actor_kind == "system":
        return "Confide, this program itself", ""
    if access.actor_kind == "client":
        return names.get(access.actor, "A program that is no longer here"), "Program"
    if style is Names.ROLE:
        return f"A member of staff: {role.lower()}", ""
    return names.get(access.actor, "Somebody who no longer works here"), role


def _what(elements: Iterable[tuple[str, str]]) -> str:
    """The labels of elements, each with its form where that is not clear."""
    shown = dict(elements)
    return ", ".join(
        CATALOGUE[element].label + _FORMS.get(shown[element.value], "")
        for element in Element
        if element.value in shown and shown[element.value] not in {Form.STAND_IN, Form.REFUSED}
    )


_FORMS: Final[Mapping[str, str]] = {
    Form.MASKED: " (in part)",
    Form.SEARCHED: " (searched for)",
}
