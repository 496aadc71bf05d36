"""What is found and done at visits: encounters, problems, medicines, allergies, procedures.

These functions only shape resources; ``charts`` decides what a person gets.
"""

from __future__ import annotations

from datetime import date

from confide.drill.dice import Dice, age
from confide.drill.people import Person
from confide.drill.practice import Member, Practice
from confide.drill.visits import Finding, Visit
from confide.drill.vocabulary import ICD, RXNORM, SNOMED, Json, Medicine, Problem, Term, clinic, hl7

PROBLEM_LIST = hl7("condition-category", "problem-list-item", "Problem List Item")
DIAGNOSIS = hl7("condition-category", "encounter-diagnosis", "Encounter Diagnosis")

_AMBULATORY = hl7("v3-ActCode", "AMB", "ambulatory")
_CHECK_UP = Term(SNOMED, "185349003", "Encounter for check up (procedure)")
_SYMPTOM = Term(SNOMED, "185345009", "Encounter for symptom")
_EXAMINATION = Term(
    ICD, "Z00.00", "Encounter for general adult medical examination without abnormal findings"
)
_LIVEBORN = Term(ICD, "Z38.00", "Single liveborn infant, delivered vaginally")
_NO_ALLERGY = Term(SNOMED, "716186003", "No Known Allergy (situation)")

_STATES = {key: hl7("condition-clinical", key, key.capitalize()) for key in ("active", "resolved")}
_CONFIRMED = hl7("condition-ver-status", "confirmed", "Confirmed")
_ALLERGY_ACTIVE = hl7("allergyintolerance-clinical", "active", "Active")
_ALLERGY_CONFIRMED = hl7("allergyintolerance-verification", "confirmed", "Confirmed")


class Care:
    """Shapes the resources of one patient."""

    def __init__(self, person: Person, patient: str, practice: Practice, dice: Dice) -> None:
        self.person = person
        self.patient = patient
        self.practice = practice
        self.dice = dice

    def subject(self) -> Json:
        return {"reference": self.patient}

    def named(self) -> Json:
        """The patient with the name as display, as many systems write it."""
        return {"reference": self.patient, "display": self.person.name}

    def encounter(self, visit: Visit) -> Json:
        resource: Json = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": _AMBULATORY.coding(),
            "type": [(_CHECK_UP if visit.check else _SYMPTOM).concept()],
            "subject": self.named(),
            "participant": [{"individual": visit.clinician.link()}],
            "period": {"start": visit.start, "end": visit.end},
            "location": [{"location": self.practice.location.link()}],
            "serviceProvider": self.practice.organization.link(),
        }
        if visit.illness:
            resource["reasonCode"] = [visit.illness.term.concept()]
        elif age(self.person.birth, visit.day) >= 18:
            resource["reasonCode"] = [_EXAMINATION.concept()]
        return resource

    def born(self, visit: Visit) -> Json:
        return self._condition(
            _LIVEBORN, "active", DIAGNOSIS, self.person.birth.isoformat(), visit.clinician, visit
        )

    def illness(self, illness: Problem, visit: Visit, onset: date, over: date | None) -> Json:
        """A short illness that was the reason for a visit; ``over`` if it has passed."""
        state = "resolved" if over else "active"
        resource = self._condition(illness.term, state, DIAGNOSIS, onset.isoformat(), visit.clinician, visit)
        if over:
            resource["abatementDateTime"] = over.isoformat()
        return resource

    def problem(self, finding: Finding, usual: Member, visit: Visit | None) -> Json:
        """A long-lasting problem, sometimes known only to the month or the year."""
        onset = finding.since.isoformat()
        if self.dice.chance(0.3):
            onset = onset[: self.dice.pick((4, 7))]
        clinician = visit.clinician if visit else usual
        term = finding.problem.term
        resource = self._condition(term, "active", PROBLEM_LIST, onset, clinician, visit)
        resource["code"]["coding"].append({"system": ICD, "code": finding.problem.icd})
        if self.dice.chance(0.08):
            resource["note"] = [{"text": f"{self.person.name} also keeps a diary of this at home."}]
        return resource

    def _condition(
        self, term: Term, state: str, category: Term, onset: str, recorder: Member, visit: Visit | None
    ) -> Json:
        resource: Json = {
            "resourceType": "Condition",
            "clinicalStatus": _STATES[state].concept(),
            "verificationStatus": _CONFIRMED.concept(),
            "category": [category.concept()],
            "code": term.concept(),
            "subject": self.subject(),
            "onsetDateTime": onset,
            "recorder": recorder.link(),
        }
        if visit:
            resource["encounter"] = visit.link()
            resource["recordedDate"] = visit.start
        return resource

    def medicine(self, medicine: Medicine, status: str, visit: Visit, reason: str) -> Json:
        dosage: Json = {"text": medicine.dose}
        if medicine.times:
            dosage["timing"] = {"repeat": {"frequency": medicine.times, "period": 1, "periodUnit": "d"}}
        else:
            dosage["asNeededBoolean"] = True
        return {
            "resourceType": "MedicationRequest",
            "status": status,
            "intent": "order",
            "medicationCodeableConcept": medicine.term.concept(),
            "subject": self.subject(),
            "encounter": visit.link(),
            "authoredOn": visit.start,
            "requester": visit.clinician.link(),
            "reasonReference": [{"reference": reason}],
            "dosageInstruction": [dosage],
        }

    def allergies(self, visit: Visit) -> list[Json]:
        """One person in four has allergies; one in four is known to have none."""
        dice, terms = self.dice, clinic()
        luck = dice.fraction()
        if luck > 0.5:
            return []
        if luck > 0.25:
            return [{**self._allergy(visit), "code": _NO_ALLERGY.concept()}]
        found: list[Json] = []
        for allergy in {dice.weighted(terms.allergies): None for _ in range(2 if luck < 0.08 else 1)}:
            severity = dice.pick(("mild", "mild", "moderate", "severe"))
            if allergy.term.system == RXNORM and dice.chance(0.3):
                severity = "severe"
            reaction = {"manifestation": [terms.reactions[severity].concept()], "severity": severity}
            resource = self._allergy(visit)
            resource |= {"type": "allergy", "category": [allergy.category], "code": allergy.term.concept()}
            resource["criticality"] = "high" if severity == "severe" else "low"
            found.append({**resource, "reaction": [reaction]})
        return found

    def _allergy(self, visit: Visit) -> Json:
        return {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": _ALLERGY_ACTIVE.concept(),
            "verificationStatus": _ALLERGY_CONFIRMED.concept(),
            "patient": self.named(),
            "recordedDate": visit.day.isoformat(),
            "recorder": visit.clinician.link(),
        }

    def procedure(self, term: Term, visit: Visit, reason: str = "") -> Json:
        resource: Json = {
            "resourceType": "Procedure",
            "status": "completed",
            "code": term.concept(),
            "subject": self.subject(),
            "encounter": visit.link(),
            "performedPeriod": {"start": visit.start, "end": visit.end},
            "performer": [{"actor": visit.clinician.link()}],
        }
        if reason:
            resource["reasonReference"] = [{"reference": reason}]
        return resource

    def immunization(self, term: Term, day: date, visit: Visit | None) -> Json:
        """A shot, given here at a visit or written down from a booklet."""
        dice = self.dice
        resource: Json = {
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": term.concept(),
            "patient": self.subject(),
            "occurrenceDateTime": visit.start if visit else day.isoformat(),
            "primarySource": visit is not None,
            "lotNumber": f"{dice.pick('ABDFHJKMN')}{dice.digits(5)}",
        }
        if visit:
            resource["encounter"] = visit.link()
            resource["performer"] = [{"actor": self.practice.nurse.link()}]
        return resource

    def observation(self, category: Term, code: Term, value: Json, visit: Visit) -> Json:
        return {
            "resourceType": "Observation",
            "status": "final",
            "category": [category.concept()],
            "code": code.concept(),
            "subject": self.subject(),
            "encounter": visit.link(),
            "effectiveDateTime": visit.start,
            "performer": [visit.clinician.link()],
            **value,
        }
