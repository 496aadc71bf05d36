"""The forms of Maine's Attorney General and of HHS, and a sheet for each other regulator, filled with what is
known.

What the facts do not decide is left to a person, and so is every name, address and attestation.

Source:
    10 M.R.S. 1348(5); 45 CFR 164.408; the states' statutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from confide.errors import Invalid
from confide.incidents import reading
from confide.incidents.clocks import Clocks
from confide.incidents.duties import Duty, Standing
from confide.incidents.facts import Incident, Moment, day, everywhere
from confide.incidents.notices import questionnaires
from confide.incidents.notices.facts import Facts
from confide.incidents.notices.questionnaires import Field, Form, FormName
from confide.incidents.statutes import UNKNOWN
from confide.protect.elements import CATALOGUE, Element

NAMES: Final[tuple[FormName, ...]] = ("maine_ag", "hhs_ocr")

UNSOUND: Final = (
    "The journal under this scope does not verify. These numbers may be incomplete: find out why before"
    " anything is filed, and say so to the regulator."
)
Known = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of the letters.

    Attributes:
        dates: The days on which they went.
        channels: How: codes of ``states.Channel``.
        unreachable: Persons whom no letter has reached; None while none went.
        agencies: Whether the consumer reporting agencies were told.
    """

    dates: tuple[date, ...] = ()
    channels: tuple[str, ...] = ()
    unreachable: int | None = None
    agencies: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One field of a form: what is known of it; None is for a person."""

    field: Field
    known: Known | None

    @property
    def told(self) -> str:
        """As it is copied into the form."""
        if isinstance(self.known, bool):
            return "Yes" if self.known else "No"
        if isinstance(self.known, tuple):
            return "; ".join(self.known)
        return "" if self.known is None else str(self.known)


@dataclass(frozen=True, slots=True)
class Filing:
    """A form or a sheet, ready to be copied.

    Attributes:
        warning: What stands above everything, where the journal under the scope does not verify.
        open: How many fields a person must still fill.
    """

    title: str
    source: str
    warning: str
    answers: tuple[Answer, ...]

    @property
    def open(self) -> int:
        return sum(each.known is None and each.field.required is not False for each in self.answers)


def fill(
    name: FormName,
    incident: Incident,
    found: Clocks,
    sound: bool,  # noqa: FBT001 - a fact, not a switch
    facts: Facts | None = None,
    sent: Sent = Sent(),
    own: Mapping[str, str] | None = None,
) -> Filing:
    """Fill a form with what is known.

    Args:
        name: Which.
        incident: As its scope says.
        found: Its clocks.
        sound: Whether the journal under the scope verified.
        facts: What the letters say, where they are written.
        sent: What is known of the letters.
        own: What the officer typed, by field; it goes before what is known.

    Raises:
        Invalid: A typed answer is to no field of the form, or is none of its choices.
    """
    form = questionnaires.held()[name]
    known = _known(form, incident, found, facts, sent)
    typed = _typed(form, own or {})
    answers = tuple(
        Answer(field, typed.get(field.id, known.get(form.facts.get(field.id, "")))) for field in form.fields
    )
    return Filing(form.title, form.source, "" if sound else UNSOUND, answers)


def sheets(incident: Incident, found: Clocks, sound: bool, sent: Sent = Sent()) -> list[Filing]:  # noqa: FBT001
    """Return a sheet for each other regulator that is told, or of which a person must decide."""
    wanted = {Standing.DUE, Standing.DECIDE, Standing.UNCONFIRMED}
    duties = [d for d in found.duties if d.id.endswith(":regulator") and d.standing in wanted]
    return [_sheet(duty, incident, sound, sent) for duty in duties if duty.state != "ME"]


def _sheet(duty: Duty, incident: Incident, sound: bool, sent: Sent) -> Filing:  # noqa: FBT001
    law = reading.held()
    zones = everywhere(incident, law)
    until = "without unreasonable delay" if duty.until is None else duty.until.isoformat()
    sure = law.rules.certainties[duty.certainty] if duty.certainty else ""
    confirmed = duty.standing is Standing.DUE
    told: list[tuple[str, Known | None]] = [
        ("To", duty.to),
        ("Law", f"{duty.cite} (as of {duty.law_as_of}; {sure})"),
        ("May be filed", "yes" if confirmed else "not before a person has confirmed the rule, or decided"),
        ("Last day", until),
        ("Residents of the state", incident.totals.get(duty.state, 0)),
        ("Persons in all", incident.persons),
        ("Days of the breach", None if incident.accessed is None else _window(*incident.accessed)),
        ("Day of discovery", _day(incident.discovered, zones)),
        ("What was shown", _labels(incident.elements)),
        ("Letters sent on", tuple(map(str, sent.dates)) or None),
        ("To be decided", duty.questions or ("nothing",)),
    ]
    fields = [Answer(Field(label, label, "text", required=False), known) for label, known in told]
    state = law.states[duty.state].state
    return Filing(f"Filing sheet: {state}", duty.cite, "" if sound else UNSOUND, tuple(fields))


def _typed(form: Form, own: Mapping[str, str]) -> dict[str, Known]:
    fields = {field.id: field for field in form.fields}
    if not set(own) <= set(fields):
        raise Invalid("an answer is to no field of the form")
    for id, said in own.items():
        chosen = said.split("; ") if fields[id].kind == "multi" else [said]
        if fields[id].choices and not set(chosen) <= set(fields[id].choices):
            raise Invalid("an answer is none of the choices of its field: " + fields[id].label)
    return dict(own)


def _known(
    form: Form, incident: Incident, found: Clocks, facts: Facts | None, sent: Sent
) -> dict[str, Known | None]:
    law = reading.held()
    zones = everywhere(incident, law)
    dates = tuple(map(str, sent.dates))
    if not dates and incident.notified is not None:
        dates = (_day(incident.notified, zones),)
    large = any(d.id == "hipaa-secretary-large" and d.standing is Standing.DUE for d in found.duties)

    def chosen(kind: str, word: str) -> str | None:
        return form.choices.get(kind, {}).get(word)

    def several(kind: str, words: Iterable[str]) -> tuple[str, ...] | None:
        texts = [text for word in words if (text := chosen(kind, word))]
        return tuple(dict.fromkeys(texts)) or None

    multi = {fact for field in form.fields if field.kind == "multi" and (fact := form.facts.get(field.id))}
    way, place = chosen("way", incident.way), chosen("place", incident.way)
    known: dict[str, Known | None] = {
        "persons": incident.persons,
        "accessed": None if incident.accessed is None else _window(*incident.accessed),
        "discovered": _day(incident.discovered, zones),
        "notified": dates or None,
        "letters": " - ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else None,
        "sector": chosen("sector", "hipaa") if incident.hipaa else None,
        "way": (way,) if way and "way" in multi else way,
        "place": (place,) if place and "place" in multi else place,
        "elements": _elements(incident, form),
        "report": chosen("report", "initial"),
        "size": chosen("size", "large" if large else "small") if incident.hipaa else None,
        "substitute": _substitute(incident, found, sent, form),
        "media": _media(found.duties) if incident.hipaa else None,
        "channels": several("channels", _channels(sent)),
        "agencies": sent.agencies,
    }
    if facts is not None:
        known |= _of_letters(facts, chosen("actions", "offer"))
    for code in law.states:
        # nobody of a state is certain only where everybody's state is known
        count = incident.totals.get(code, 0)
        known[f"residents:{code}"] = count if count or not incident.totals.get(UNKNOWN) else None
    return known


def _of_letters(facts: Facts, monitored: str | None) -> dict[str, Known | None]:
    offer = facts.offer
    told: dict[str, Known | None] = {
        "entity": facts.practice,
        "description": facts.en.description,
        "steps": facts.en.steps,
        "notice": "individual.en (attach it: confide notice preview --pdf)",
        "offered": offer is not None,
        "actions": (monitored,) if offer is not None and monitored else None,
    }
    if offer is not None:
        told["duration"] = f"{offer.months} months"
        told["provider"] = offer.provider
        told["service"] = "Identity protection, free of charge; each person has a code of their own."
    return told


def _window(first: date, last: date) -> str:
    return f"{first} - {last}" if last != first else str(first)


def _day(moment: Moment, zones: tuple[object, ...]) -> str:
    return day(moment, zones).isoformat()  # type: ignore[arg-type]  # zones of facts.everywhere


def _labels(elements: Iterable[str] | None) -> tuple[str, ...] | None:
    if elements is None:
        return None
    known = {each.value for each in Element}
    return tuple(CATALOGUE[Element(each)].label if each in known else each for each in sorted(elements))


def _elements(incident: Incident, form: Form) -> tuple[str, ...] | None:
    """The form's words for what was shown, in its own order; None where that is not known."""
    if incident.elements is None:
        return None
    shown = set(incident.elements)
    words = form.choices.get("elements", {})
    return tuple(dict.fromkeys(choice for word, choice in words.items() if word in shown))


def _channels(sent: Sent) -> tuple[str, ...]:
    return (*sent.channels, *(["substitute"] if sent.unreachable else []))


def _substitute(incident: Incident, found: Clocks, sent: Sent, form: Form) -> str | None:
    words = form.choices.get("substitute", {})
    if sent.unreachable is None and not any(entity.unreachable for entity in incident.entities):
        return None
    if not sent.unreachable and not any(entity.unreachable for entity in incident.entities):
        return words.get("none")
    many = any(d.id == "hipaa-substitute-10plus" and d.standing is Standing.DUE for d in found.duties)
    return words.get("many" if many or (sent.unreachable or 0) >= 10 else "some")


def _media(duties: Iterable[Duty]) -> tuple[str, ...] | None:
    """The states in which the media are told; None while a person must decide of one."""
    media = [duty for duty in duties if duty.id.partition(":")[0] == "hipaa-media"]
    if any(duty.standing is Standing.DECIDE for duty in media):
        return None
    due = tuple(sorted(duty.state for duty in media if duty.standing is Standing.DUE))
    return (f"Yes: {', '.join(due)}",) if due else ("No",)
