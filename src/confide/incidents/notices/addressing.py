"""To whom a letter goes, from an opened Patient: the person, the parent of a child, or the next of kin.

Source:
    45 CFR 164.404(d)(1): by first-class mail to the last known address; where the person has died, to the
    next of kin or personal representative whose address is known. 45 CFR 164.502(g)(3): the parent speaks for
    a child.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from confide.incidents import residences
from confide.incidents.notices.readability import Language
from confide.incidents.notices.templates import Kind

ADULT: Final = 18

_PARENTS: Final = frozenset(
    {"PRN", "MTH", "FTH", "NPRN", "NMTH", "NFTH", "STPPRN", "PRNFOST", "GUARD", "parent", "guardian"}
)
_KIN: Final = (
    frozenset({"N", "NOK", "SPS", "HUSB", "WIFE", "CHILD", "SIB", "EXCEST", "HPOWATT", "RESPRSN"}) | _PARENTS
)
_STATE_AND_ZIP: Final = re.compile(r"\b([A-Z]{2})[ ,]+\d{5}(?:-\d{4})?$")


class Why(StrEnum):
    """Why somebody was not reached."""

    GONE = "gone"
    NO_ADDRESS = "no-address"
    NO_KIN = "no-kin"
    RETURNED = "returned"
    REFUSED = "refused"
    DOUBTFUL = "doubtful"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def counts(self) -> bool:
        """Whether it counts towards substitute notice (45 CFR 164.404(d)(2): not for next of kin)."""
        return self is not Why.NO_KIN


_LABELS: Final = {
    Why.GONE: "the record is not there any more",
    Why.NO_ADDRESS: "no name or address that a letter can be sent to",
    Why.NO_KIN: "died, and no address of the next of kin is known",
    Why.RETURNED: "the letter came back",
    Why.REFUSED: "the mail server refused the e-mail",
    Why.DOUBTFUL: "whether the e-mail went is not known",
}


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who gets a letter. Clear values: they stay in memory.

    Attributes:
        kind: Which letter.
        name: As the letter greets.
        patient: Whose data it is about.
        lines: The address as it stands on the envelope, the name first; empty for e-mail.
        state: Two letters; empty where it is not known.
        email: For e-mail alone.
    """

    kind: Kind
    language: Language
    name: str = field(repr=False)
    patient: str = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    state: str
    email: str = field(repr=False, default="")


def by_post(patient: Mapping[str, Any], today: date) -> Addressee | Why:
    """Say to whom and where a letter on paper goes, or why it cannot.

    Args:
        patient: A Patient with name, birth date, address and contacts in clear.
        today: Whose age counts.
    """
    name, language = _name(patient.get("name")), _language(patient)
    own = _address(patient.get("address"), today)
    if not name:
        return Why.NO_ADDRESS
    if _is_dead(patient):
        for contact in _contacts(patient, _KIN, today):
            theirs = _address([contact.get("address")], today)
            kin = _name([contact.get("name")])
            if theirs and kin:
                return Addressee(
                    Kind.FAMILY, language, kin, name, (kin, *theirs[0]), own[1] if own else theirs[1]
                )
        return Why.NO_KIN
    if _is_child(patient, today):
        contact = next(_contacts(patient, _PARENTS, today), {})
        theirs = _address([contact.get("address")], today) or own
        if not theirs:
            return Why.NO_ADDRESS
        parent = _name([contact.get("name")])
        to = parent or (
            f"Madre, padre o tutor de {name}" if language == "es" else f"Parent or guardian of {name}"
        )
        return Addressee(Kind.PARENT, language, to, name, (to, *theirs[0]), own[1] if own else theirs[1])
    if not own:
        return Why.NO_ADDRESS
    return Addressee(Kind.INDIVIDUAL, language, name, name, (name, *own[0]), own[1])


def by_email(patient: Mapping[str, Any], today: date, state: str) -> Addressee | Why:
    """Say to whom an e-mail goes. Children and the dead are written to on paper.

    Args:
        patient: A Patient with name, birth date and e-mail address in clear.
        today: Whose age counts.
        state: Where the person lives.
    """
    name = _name(patient.get("name"))
    mails = [
        str(each["value"]).strip()
        for each in _dicts(patient.get("telecom"))
        if each.get("system") == "email" and each.get("use") != "old" and "@" in str(each.get("value", ""))
    ]
    if not name or not mails or _is_dead(patient) or _is_child(patient, today):
        return Why.NO_ADDRESS
    return Addressee(Kind.INDIVIDUAL, _language(patient), name, name, (), state, mails[0])


def _dicts(found: object) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _name(found: object) -> str:
    named = _dicts(found)
    order = {"official": 0, "usual": 1, None: 2}
    for each in sorted(named, key=lambda one: order.get(one.get("use"), 3)):
        if each.get("use") == "old":
            continue
        given = " ".join(str(part) for part in each.get("given") or ())
        whole = f"{given} {each.get('family') or ''}".strip() or str(each.get("text") or "").strip()
        if whole:
            return " ".join(whole.split())
    return ""


def _address(found: object, today: date) -> tuple[tuple[str, ...], str] | None:
    """Return the lines of the best address that is complete, and its state."""
    best: tuple[int, tuple[str, ...], str] | None = None
    for each in _dicts(found):
        if each.get("use") == "old" or _is_over(each, today):
            continue
        lines = [" ".join(str(line).split()) for line in each.get("line") or () if str(line).strip()]
        city, state, code = (str(each.get(part) or "").strip() for part in ("city", "state", "postalCode"))
        country = str(each.get("country") or "").strip()
        home = residences.at_home(country)
        where = residences.locate(state, country)
        if lines and city and (code or not home) and (state or not home):
            place = f"{city}, {where or state} {code}".strip(", ")
            lines += [place] if home else [place, country]
        elif each.get("text") and len(str(each["text"]).splitlines()) > 1:
            lines = [" ".join(line.split()) for line in str(each["text"]).splitlines() if line.strip()]
            written = [match[1] for line in lines if (match := _STATE_AND_ZIP.search(line))]
            where = where or residences.locate(written[-1] if written else "", country)
        else:
            continue
        rank = 2 * (each.get("type") == "physical") + (each.get("use") not in {"home", "billing", None})
        if best is None or rank < best[0]:
            best = rank, tuple(lines), where
    return None if best is None else best[1:]


def _language(patient: Mapping[str, Any]) -> Language:
    spoken = _dicts(patient.get("communication"))
    chosen = [each for each in spoken if each.get("preferred")] or (spoken if len(spoken) == 1 else [])
    for each in chosen:
        for coding in _dicts((each.get("language") or {}).get("coding")):
            if str(coding.get("code", "")).lower().partition("-")[0] == "es":
                return "es"
    return "en"


def _is_dead(patient: Mapping[str, Any]) -> bool:
    said = {"deceasedDateTime", "_deceasedDateTime"} & patient.keys()
    return patient.get("deceasedBoolean") is True or bool(said)


def _is_child(patient: Mapping[str, Any], today: date) -> bool:
    born = str(patient.get("birthDate") or "")
    try:
        day = date.fromisoformat(born + "-01-01"[len(born) - 4 :] if len(born) in {4, 7} else born)
    except ValueError:
        return False
    return (today.year - day.year - ((today.month, today.day) < (day.month, day.day))) < ADULT


def _is_over(dated: Mapping[str, Any], today: date) -> bool:
    ended = str((dated.get("period") or {}).get("end") or "9999")
    return ended < today.isoformat()[: len(ended)]


def _contacts(patient: Mapping[str, Any], codes: frozenset[str], today: date) -> Iterator[Mapping[str, Any]]:
    """Return who may be written to now: a guardian who was one before is a stranger."""
    for contact in _dicts(patient.get("contact")):
        if _is_over(contact, today):
            continue
        for relation in _dicts(contact.get("relationship")):
            if any(str(coding.get("code", "")) in codes for coding in _dicts(relation.get("coding"))):
                yield contact
                break
