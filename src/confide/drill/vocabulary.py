"""The words that a synthetic practice is made of: names, places, and clinical terms.

They lie in TOML files in ``terms/``. This module reads them once and offers the few shapes in which
FHIR wants a term. Every shape is made anew at each call: whoever receives a resource may change it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from confide.drill.dice import Weighted

Json = dict[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem/"
US_CORE = "http://hl7.org/fhir/us/core/"


@dataclass(frozen=True, slots=True)
class Term:
    """A code with its public display."""

    system: str
    code: str
    display: str

    def coding(self) -> Json:
        return {"system": self.system, "code": self.code, "display": self.display}

    def concept(self) -> Json:
        """A CodeableConcept whose text is the display, so that it stays readable when protected."""
        return {"coding": [self.coding()], "text": self.display}


def hl7(system: str, code: str, display: str) -> Term:
    """A term of one of HL7's own code systems."""
    return Term(HL7 + system, code, display)


def quantity(value: float, unit: str, code: str = "") -> Json:
    """A Quantity; ``code`` is the UCUM code where it is not what people write."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


@dataclass(frozen=True, slots=True)
class Origin:
    """Names of one language of origin."""

    key: str
    weight: int
    race: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]
    hispanic: bool = False
    language: str = "en"
    accents: bool = False


@dataclass(frozen=True, slots=True)
class Town:
    """A town, its ZIP codes and its telephone area."""

    city: str
    state: str
    zips: tuple[str, ...]
    area: str
    weight: int


@dataclass(frozen=True, slots=True)
class Medicine:
    """A medicine with its direction and the doses a day (0: as needed)."""

    term: Term
    dose: str
    times: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A long-lasting condition (with a key) or a short illness (without)."""

    term: Term
    ages: tuple[int, int]
    medicines: tuple[Medicine, ...]
    key: str = ""
    icd: str = ""
    share: float = 0.0
    sex: str = ""
    panels: tuple[str, ...] = ()
    plan: str = ""
    fever: bool = False
    procedure: Term | None = None

    def suits(self, sex: str, years: int) -> bool:
        return self.ages[0] <= years <= self.ages[1] and self.sex in ("", sex)


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy, its category, and how common it is."""

    term: Term
    category: str
    weight: int


@dataclass(frozen=True, slots=True)
class Lab:
    """A laboratory test: what healthy adults have, and the range on the report."""

    term: Term
    unit: str
    middle: float
    spread: float
    digits: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Tests that are reported together."""

    term: Term
    tests: tuple[Lab, ...]


@dataclass(frozen=True, slots=True)
class Timed:
    """Something done at certain ages: a vaccine (``days`` after birth) or a procedure."""

    term: Term
    ages: tuple[int, int]
    days: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of care with its steps and what it aims at."""

    term: Term
    steps: tuple[Term, ...]
    goal: Term
    unit: str
    target: float


@dataclass(frozen=True, slots=True)
class Names:
    """What ``names.toml`` holds."""

    origins: tuple[Origin, ...]
    single: tuple[Json, ...]
    cast: tuple[Json, ...]
    nicknames: dict[str, str]
    by_key: dict[str, Origin]


def _read(name: str) -> Json:
    return tomllib.loads((files("confide.drill") / "terms" / f"{name}.toml").read_text("utf-8"))


def _tuples(table: Json) -> Json:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


@cache
def names() -> Names:
    """Names of people."""
    table = _read("names")
    origins = tuple(Origin(**_tuples(each)) for each in table["origin"])
    by_key = {each.key: each for each in origins}
    return Names(origins, tuple(table["single"]), tuple(table["cast"]), table["nicknames"], by_key)


@dataclass(frozen=True, slots=True)
class Places:
    """What ``places.toml`` holds."""

    towns: Weighted[Town]
    streets: tuple[str, ...]
    kinds: tuple[str, ...]
    units: tuple[str, ...]
    licence: dict[str, Json]


@cache
def places() -> Places:
    """Towns, streets, and the licences of states."""
    table = _read("places")
    towns = Weighted([Town(**_tuples(each)) for each in table["towns"]], lambda town: town.weight)
    return Places(
        towns, tuple(table["streets"]), tuple(table["kinds"]), tuple(table["units"]), table["licence"]
    )


@dataclass(frozen=True, slots=True)
class Clinic:
    """What ``clinical.toml`` holds."""

    problems: tuple[Problem, ...]
    illnesses: tuple[Problem, ...]
    allergies: Weighted[Allergy]
    reactions: dict[str, Term]
    panels: dict[str, Panel]
    shifts: dict[str, dict[str, float]]
    vaccines: tuple[Timed, ...]
    procedures: tuple[Timed, ...]
    plans: dict[str, Plan]


@cache
def clinic() -> Clinic:
    """Clinical terms."""
    table = _read("clinical")
    medicines = {
        key: Medicine(Term(RXNORM, *each["code"]), each["dose"], each["times"])
        for key, each in table["medicine"].items()
    }

    def problem(each: Json) -> Problem:
        rest = {key: value for key, value in _tuples(each).items() if key != "code"}
        rest["medicines"] = tuple(medicines[key] for key in each["medicines"])
        if "procedure" in each:
            rest["procedure"] = Term(SNOMED, *each["procedure"])
        return Problem(Term(SNOMED, *each["code"]), **rest)

    def timed(each: Json, system: str) -> Timed:
        first, last = each["ages"]
        return Timed(Term(system, *each["code"]), (first, last), each.get("days", 0), each.get("weight", 1))

    def lab(each: Json) -> Lab:
        rest = {key: value for key, value in each.items() if key != "code"}
        return Lab(Term(LOINC, *each["code"]), **rest)

    allergies = [
        Allergy(Term(each["system"], *each["code"]), each["category"], each["weight"])
        for each in table["allergy"]
    ]
    return Clinic(
        problems=tuple(problem(each) for each in table["problem"]),
        illnesses=tuple(problem(each) for each in table["illness"]),
        allergies=Weighted(allergies, lambda each: each.weight),
        reactions={key: Term(SNOMED, *code) for key, code in table["reactions"].items()},
        panels={
            each["key"]: Panel(Term(LOINC, *each["code"]), tuple(lab(test) for test in each["tests"]))
            for each in table["panel"]
        },
        shifts=table["shifts"],
        vaccines=tuple(timed(each, CVX) for each in table["vaccine"]),
        procedures=tuple(timed(each, SNOMED) for each in table["procedure"]),
        plans={
            key: Plan(
                Term(SNOMED, *each["code"]),
                tuple(Term(SNOMED, *step) for step in each["steps"]),
                Term(LOINC, *each["goal"][:2]),
                each["goal"][2],
                each["goal"][3],
            )
            for key, each in table["plan"].items()
        },
    )
