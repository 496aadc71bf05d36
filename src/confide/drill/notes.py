"""What people wrote: visit notes, care plans, goals. Free text that names the person, as real text does."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from confide.drill.vocabulary import LOINC, US_CORE, Json, Plan, Term, quantity

if TYPE_CHECKING:
    from datetime import date

    from confide.drill.dice import Dice
    from confide.drill.people import Household, Person
    from confide.drill.practice import Member
    from confide.drill.visits import Visit

_NOTE = Term(LOINC, "34133-9", "Summary of episode note")
_CATEGORY = Term(f"{US_CORE}CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")

_OPENINGS = (
    "{name}, born {birth}, came in today{reason}.",
    "I saw {name} ({birth}) this morning{reason}.",
    "{title} {family} attended for review{reason}. Date of birth confirmed as {birth}.",
)
_MIDDLES = (
    "Lives at {street}, {city}. Can be reached on {phone}.",
    "Sleeping well, no chest pain, no shortness of breath. Appetite is good.",
    "{contact} came along and helped with the history.",
    "Takes the medicines as prescribed; no side effects reported.",
    "Works from home now and walks most days along the river.",
    "Examination unremarkable; lungs clear, heart sounds normal.",
    "We talked about diet, movement and the next blood test.",
)
_CHILD = (
    "Lives at {street}, {city}; the home number is {phone}.",
    "Eating and sleeping well, growing along the curve.",
    "{contact} came along and answered most questions.",
    "Examination unremarkable; ears, throat and chest clear.",
    "We talked about school, sleep and the next shots.",
)
_ENDINGS = (
    "Plan: continue as before, see {given} again in six months.",
    "Plan: bloods in three months; {given} will call if anything changes.",
    "Safety net given. Follow up as needed.\nSigned, {clinician}",
)


class Writer:
    """Writes about one person."""

    def __init__(self, person: Person, home: Household, dice: Dice, years: int) -> None:
        self.person = person
        self.years = years
        self.dice = dice
        contact = person.contact
        self.words = {
            "name": person.name,
            "family": person.family or person.name,
            "given": person.called,
            "title": "Ms." if person.sex == "female" else "Mr.",
            "birth": f"{person.birth:%m/%d/%Y}",
            "street": home.line[0],
            "city": home.city,
            "phone": home.phone,
            "contact": f"{contact.given} {contact.family}" if contact else "A neighbour",
        }

    def note(self, clinician: Member, reason: str) -> str:
        dice = self.dice
        words = {**self.words, "clinician": clinician.display, "reason": f" for {reason}" if reason else ""}
        middles = {dice.pick(_MIDDLES if self.years > 17 else _CHILD): None for _ in range(3)}
        lines = [dice.pick(_OPENINGS), *middles, dice.pick(_ENDINGS)]
        return "\n".join(line.format(**words) for line in lines) + "\n"

    def document(self, patient: str, visit: Visit, practice: Member) -> Json:
        """A DocumentReference with the note of a visit inside."""
        reason = visit.illness.term.display if visit.illness else ""
        text = self.note(visit.clinician, reason).encode()
        return {
            "resourceType": "DocumentReference",
            "status": "current",
            "docStatus": "final",
            "type": _NOTE.concept(),
            "category": [_CATEGORY.concept()],
            "subject": {"reference": patient, "display": self.person.name},
            "date": visit.end,
            "author": [visit.clinician.link()],
            "custodian": practice.link(),
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain",
                        "data": b64encode(text).decode("ascii"),
                        "size": len(text),
                        "title": f"Visit note, {self.person.name}",
                        "creation": visit.end,
                    }
                }
            ],
            "context": {"encounter": [visit.link()]},
        }

    def goal(self, plan: Plan, patient: str, clinician: Member, start: date, due: date) -> Json:
        unit = "beats/min" if plan.unit == "/min" else plan.unit
        words = f"{self.words['given']} would like to reach {plan.target:g} {unit} or less"
        return {
            "resourceType": "Goal",
            "lifecycleStatus": "active",
            "description": {"text": words},
            "subject": {"reference": patient},
            "startDate": start.isoformat(),
            "target": [
                {
                    "measure": plan.goal.concept(),
                    "detailQuantity": quantity(plan.target, unit, plan.unit),
                    "dueDate": due.isoformat(),
                }
            ],
            "expressedBy": clinician.link(),
        }

    def plan(self, plan: Plan, patient: str, condition: str, goal: str, start: date) -> Json:
        """A CarePlan; one of the few resources that bring a narrative of their own."""
        steps = "".join(f"<li>{escape(step.display)}</li>" for step in plan.steps)
        title = f"{escape(plan.term.display)} for {escape(self.person.name)}"
        return {
            "resourceType": "CarePlan",
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{title}</p><ul>{steps}</ul></div>',
            },
            "status": "active",
            "intent": "order",
            "category": [plan.term.concept()],
            "subject": {"reference": patient, "display": self.person.name},
            "period": {"start": start.isoformat()},
            "addresses": [{"reference": condition}],
            "goal": [{"reference": goal}],
            "activity": [{"detail": {"code": s.concept(), "status": "in-progress"}} for s in plan.steps],
        }
