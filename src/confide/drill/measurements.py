"""Vital signs and laboratory results: series that a chart can draw.

Each person has a build and a disposition, drawn once; a reading is that, moved by age, illness and
treatment, and a little noise. So a weight creeps, a treated pressure comes down, and no two
readings are alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from confide.drill.dice import YEAR
from confide.drill.vocabulary import LOINC, Json, Lab, Panel, Term, clinic, hl7, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from confide.drill.dice import Dice
    from confide.drill.people import Person

PRESSURE = Term(LOINC, "85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Term(LOINC, "8480-6", "Systolic Blood Pressure")
DIASTOLIC = Term(LOINC, "8462-4", "Diastolic Blood Pressure")
WEIGHT = Term(LOINC, "29463-7", "Body Weight")
HEIGHT = Term(LOINC, "8302-2", "Body Height")
BMI = Term(LOINC, "39156-5", "Body Mass Index")
PULSE = Term(LOINC, "8867-4", "Heart rate")
TEMPERATURE = Term(LOINC, "8310-5", "Body temperature")
HEAD = Term(LOINC, "9843-4", "Head Occipital-frontal circumference")

VITAL = hl7("observation-category", "vital-signs", "Vital Signs")
LABORATORY = hl7("observation-category", "laboratory", "Laboratory")
REPORT = hl7("v2-0074", "LAB", "Laboratory")
_FLAGS = {
    "H": hl7("v3-ObservationInterpretation", "H", "High"),
    "L": hl7("v3-ObservationInterpretation", "L", "Low"),
    "N": hl7("v3-ObservationInterpretation", "N", "Normal"),
}


class Body:
    """One person's measurements over the years."""

    def __init__(self, person: Person, problems: dict[str, date], dice: Dice, today: date) -> None:
        self.birth = person.birth
        self.problems = problems
        self.dice = dice
        self.today = today
        normal = dice.normal
        self.grown = normal(176, 6.5) if person.sex == "male" else normal(163, 6)
        self.build = normal(33, 2.2) if "obesity" in problems else min(29.6, max(19.5, normal(25.2, 2.6)))
        self.drift = normal(0.12, 0.16)
        self.tone = normal(0, 5)
        self.rate = normal(72, 6)
        self.lean = {test: normal(0, 0.8) for test in ("sugar", "lipids", "metabolic", "blood")}

    def height(self, day: date) -> float:
        years = self.years(day)
        length = 87 + 6.2 * (years - 2)
        if years < 2:
            length = 50 + 25 * years if years < 1 else 63 + 12 * years
        return round(min(self.grown, length * self.grown / 168), 1)

    def weight(self, day: date) -> float:
        years = self.years(day)
        noise = self.dice.normal(0, 0.5)
        if years < 2:
            return round(max(2.3, 3.4 + 6.2 * math.pow(years, 0.62) + noise / 4 + self.tone / 20), 1)
        metres = self.height(day) / 100
        if years < 19:
            index = 16 + (self.build - 20) * 0.25 + max(0.0, years - 6) * 0.42
        else:
            index = self.build + self.drift * (years - self.years(self.today))
        return round(index * metres * metres + noise * min(1.0, years / 20), 1)

    def years(self, day: date) -> float:
        return (day - self.birth).days / YEAR

    def pressure(self, day: date) -> tuple[int, int]:
        years = self.years(day)
        systolic = 92 + 1.5 * years if years < 16 else 112 + 0.24 * (years - 16)
        since = self.problems.get("hypertension")
        if since:
            treated = max(0.0, (day - since).days / YEAR)
            systolic += 30 * max(0.3, 1 - 0.28 * treated) if treated else 18
        systolic += self.tone + self.dice.normal(0, 4)
        diastolic = 0.42 * systolic + 22 + self.dice.normal(0, 2.6)
        return round(max(74, systolic)), round(diastolic)

    def pulse(self, day: date, *, fever: bool) -> int:
        years = self.years(day)
        young = 62 * 0.8**years if years < 16 else 0
        return round(self.rate + young + (12 if fever else 0) + self.dice.normal(0, 3))

    def temperature(self, *, fever: bool) -> float:
        return round(self.dice.normal(38.5, 0.4) if fever else self.dice.normal(36.7, 0.18), 1)

    def vitals(self, day: date, *, check: bool, fever: bool) -> Iterator[tuple[Term, Json]]:
        """The vital signs of one visit: (code, value elements)."""
        years = self.years(day)
        if years >= 3:
            systolic, diastolic = self.pressure(day)
            yield (
                PRESSURE,
                {
                    "component": [
                        {"code": SYSTOLIC.concept(), "valueQuantity": quantity(systolic, "mm[Hg]")},
                        {"code": DIASTOLIC.concept(), "valueQuantity": quantity(diastolic, "mm[Hg]")},
                    ]
                },
            )
        weight = self.weight(day)
        yield WEIGHT, {"valueQuantity": quantity(weight, "kg")}
        if check:
            height = self.height(day)
            if years < 20 or self.dice.chance(0.4):
                yield HEIGHT, {"valueQuantity": quantity(height, "cm")}
            if years >= 2:
                metres = height / 100
                index = round(weight / (metres * metres), 1)
                yield BMI, {"valueQuantity": quantity(index, "kg/m2")}
            else:
                around = round(34.5 + 10 * min(years, 1.5) ** 0.5 + self.dice.normal(0, 0.5), 1)
                yield HEAD, {"valueQuantity": quantity(around, "cm")}
        if not check or self.dice.chance(0.4):
            yield PULSE, {"valueQuantity": quantity(self.pulse(day, fever=fever), "beats/min", "/min")}
        if not check or years < 2:
            yield TEMPERATURE, {"valueQuantity": quantity(self.temperature(fever=fever), "°C", "Cel")}

    def panel(self, key: str, day: date) -> tuple[Panel, list[tuple[Term, Json]]]:
        """The results of one panel: (code, value elements) of each test."""
        panel = clinic().panels[key]
        return panel, [(lab.term, self._result(lab, key, day)) for lab in panel.tests]

    def _result(self, lab: Lab, key: str, day: date) -> Json:
        code = lab.term.code
        moved = self.lean[key] + self.dice.normal(0, 0.5)
        for problem, since in self.problems.items():
            shift = clinic().shifts.get(problem)
            if shift and code in shift:
                # The first year after the finding shows the most; treatment takes off up to half.
                treated = min(1.0, max(0.0, (day - since).days / (2.5 * YEAR)))
                moved += shift[code] * (1 - 0.5 * treated)
        value = max(lab.low * 0.55, lab.middle + moved * lab.spread)
        if code == "33914-3":
            value -= max(0.0, self.years(day) - 40) * 0.5
        result = round(value, lab.digits) if lab.digits else round(value)
        flag = "H" if result > lab.high else ("L" if result < lab.low else "N")
        return {
            "valueQuantity": quantity(result, lab.unit),
            "interpretation": [_FLAGS[flag].concept()],
            "referenceRange": [{"low": quantity(lab.low, lab.unit), "high": quantity(lab.high, lab.unit)}],
        }
