"""Plants canaries in FHIR resources, wherever a person or a careless program may write a word.

It goes by FHIR's own definitions of types and by the design pages. It shares no code with the policy, and
does not ask it anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from confide.fhir import tables
from tests.leaks.canaries import Garden
from tests.leaks.pruning import prune

#: Outside every patient's compartment and kept by design, except for the people in them: what a practice is
#: made of, what it prescribes, and FHIR's definitional resources (design page "protection", "keep").
KEPT = frozenset(
    {
        "ActivityDefinition",
        "CapabilityStatement",
        "CatalogEntry",
        "ChargeItemDefinition",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "DeviceDefinition",
        "EffectEvidenceSynthesis",
        "Endpoint",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "GraphDefinition",
        "HealthcareService",
        "ImplementationGuide",
        "InsurancePlan",
        "Library",
        "Location",
        "Measure",
        "Medication",
        "MedicationKnowledge",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "MessageDefinition",
        "NamingSystem",
        "ObservationDefinition",
        "OperationDefinition",
        "Organization",
        "OrganizationAffiliation",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "RiskEvidenceSynthesis",
        "SearchParameter",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "Substance",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
        "TerminologyCapabilities",
        "TestReport",
        "TestScript",
        "ValueSet",
    }
)
#: What is a person's wherever it stands in a kept type: datatypes, and paths.
PERSONAL_TYPES = frozenset(
    {"ContactDetail", "Annotation", "Attachment", "Signature", "Narrative", "Extension", "Meta", "HumanName"}
)
PERSONAL_PATHS = frozenset(
    {
        "Practitioner.address",
        "Practitioner.telecom",
        "Practitioner.birthDate",
        "Practitioner.photo",
        "Practitioner.identifier",
        "Organization.contact",
        "InsurancePlan.contact",
    }
)
NOT_PERSONAL = frozenset({"Practitioner.name"})
KNOWN_CODINGS = (
    {"system": "http://loinc.org", "code": "8302-2"},
    {"system": "http://snomed.info/sct", "code": "38341003"},
    {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"},
    {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "197361"},
    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"},
)
KNOWN_EXTENSIONS = (
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
    "http://synthetichealth.github.io/synthea/quality-adjusted-life-years",
)
_DEEPEST = 7
_XHTML = '<div xmlns="http://www.w3.org/1999/xhtml"><p title="{0}">{0}</p><!-- {0} --></div>'


class Planter:
    """Writes resources that hold everything their type may hold.

    Args:
        variant: Another number chooses other members of choices, other codes, other systems.
        patients: The source ids of the patients that references name.
    """

    def __init__(self, garden: Garden, variant: int, patients: list[str]) -> None:
        self.garden = garden
        self.variant = variant
        self.patients = patients
        self._turn = variant

    # Whole resources

    def resource(self, kind: str, id_: str = "") -> dict[str, Any] | None:
        """Return a valid resource, as full as its rules let it be; None if nothing valid is left."""
        made: dict[str, Any] = {"resourceType": kind, "id": id_ or self.garden.word(f"{kind}.id")}
        made |= self._object(kind, kind, (), planting=kind not in KEPT)
        if "contained" in tables.TYPES[kind].elements:
            self._contain(made, kind)
        return prune(made)

    def _contain(self, made: dict[str, Any], kind: str) -> None:
        """A person inside the resource, whom it refers to."""
        inside = f"{kind}.contained"
        name = self.garden.word(f"{inside}.id")
        person = {"resourceType": "RelatedPerson", "id": name, "patient": self._to_patient(inside)}
        person["name"] = [{"family": self.garden.word(inside), "given": [self.garden.word(inside)]}]
        person["telecom"] = [{"system": "phone", "value": self.garden.number(inside)}]
        made["contained"] = [person]
        url = f"http://{self.garden.word(inside)}.example"
        made.setdefault("extension", []).append({"url": url, "valueReference": {"reference": f"#{name}"}})

    def _to_patient(self, path: str) -> dict[str, Any]:
        self._turn += 1
        to = self.patients[self._turn % len(self.patients)] if self.patients else "nobody"
        return {"reference": f"Patient/{to}", "display": self.garden.word(f"{path}.display")}

    def _object(self, name: str, path: str, outer: tuple[str, ...], *, planting: bool) -> dict[str, Any]:
        out: dict[str, Any] = {}
        chosen = self._choices(name)
        for key, d in tables.TYPES[name].elements.items():
            if key == "contained" or (d.choice and chosen[d.name] != key):
                continue
            if d.type == "Extension" and (key == "modifierExtension" or len(outer) > 3):
                continue
            here = f"{path}.{key}"
            value = self._element(d, here, (*outer, name), planting=planting)
            if value is None:
                continue
            out[key] = [value, self._element(d, here, (*outer, name), planting=planting)] if d.many else value
            if d.many and (d.type == "Extension" or out[key][1] is None):
                out[key] = [value]
            if d.primitive and d.type != "xhtml" and planting and len(outer) < 4 and key != "id":
                self._beside(out, key, here, many=d.many)
        return out

    def _choices(self, name: str) -> dict[str, str]:
        groups: dict[str, list[str]] = {}
        for key, d in tables.TYPES[name].elements.items():
            if d.choice:
                groups.setdefault(d.name, []).append(key)
        self._turn += 1
        turn = self._turn if name == "Extension" else self.variant
        return {name: keys[turn % len(keys)] for name, keys in groups.items()}

    def _beside(self, out: dict[str, Any], key: str, path: str, *, many: bool) -> None:
        """``_x`` beside ``x``: an id and an extension that nobody sees."""
        self._turn += 1
        if self._turn % 3:
            return
        beside = {"id": self.garden.word(f"{path}.id"), "extension": [self._extension(path, 3)]}
        out[f"_{key}"] = [beside] * len(out[key]) if many else beside

    def _element(self, d: tables.ElementDef, path: str, outer: tuple[str, ...], *, planting: bool) -> Any:
        at_home = d.type in {"ContactPoint", "Address"}
        personal = (
            path in PERSONAL_PATHS or (d.type in PERSONAL_TYPES and path not in NOT_PERSONAL) or at_home
        )
        planting = planting or personal
        if d.primitive:
            if path == "Practitioner.birthDate":
                return "1961-04-27"
            return self.primitive(d, path) if planting else self._ordinary(d)
        if d.type == "Resource":
            return None
        if d.type == "Extension":
            return self._extension(path, len(outer))
        if d.type == "Reference":
            return self._reference(d, path, planting=planting)
        if (
            outer.count(d.type)
            or len(outer) >= _DEEPEST
            or (len(outer) >= 3 and "." not in d.type and d.min == 0)
        ):
            return None
        if d.type == "Narrative":
            return {"status": "generated", "div": _XHTML.format(self.garden.word(f"{path}.div"))}
        made = self._object(d.type, path, outer, planting=planting)
        if d.type in {"Coding", "CodeableConcept"}:
            self._known(made, path, d, planting=planting)
        if at_home:
            made["use"] = "home"
        if d.type == "ContactPoint":
            self._turn += 1
            phone = self._turn % 2 and planting
            made["system"] = "phone" if phone else "email"
            made["value"] = self.garden.number(f"{path}.value") if phone else made.get("value", "x")
        return made or None

    def _known(self, made: dict[str, Any], path: str, d: tables.ElementDef, *, planting: bool) -> None:
        """Half the codings are of known systems, with a canary for a display; bound ones have their code."""
        self._turn += 1
        coding: dict[str, Any] = dict(KNOWN_CODINGS[self._turn % len(KNOWN_CODINGS)])
        if d.codes:
            system = min(d.codes)
            coding = {"system": system, "code": min(d.codes[system])}
        if planting:
            coding["display"] = self.garden.word(f"{path}.display")
        if d.type == "Coding" and (d.codes or self._turn % 2):
            made.update(coding)
        elif d.type == "CodeableConcept":
            made["coding"] = [coding, *made.get("coding", [])[: self._turn % 3]]

    def _extension(self, path: str, depth: int) -> dict[str, Any]:
        self._turn += 1
        place = f"{path}.extension"
        url = f"http://{self.garden.word(place)}.example/{self.garden.word(place)}"
        if self._turn % 4 == 0:
            url = KNOWN_EXTENSIONS[self._turn // 4 % len(KNOWN_EXTENSIONS)]
        made: dict[str, Any] = {"url": url, "id": self.garden.word(f"{place}.id")}
        if self._turn % 5 == 0 and depth < 4:
            made["extension"] = [
                {
                    "url": self.garden.word(f"{place}.url"),
                    "valueString": self.garden.word(f"{place}.valueString"),
                },
                {"url": "text", "valueString": self.garden.word(f"{place}.valueString")},
                {"url": "ombCategory", "valueString": self.garden.word(f"{place}.ombCategory")},
                self._extension(place, depth + 1),
            ]
            return made
        definition = tables.TYPES["Extension"].elements
        keys = [k for k, d in definition.items() if d.choice]
        d = definition[keys[self._turn % len(keys)]]
        value = (
            self._element(d, f"{place}.{d.key}", ("",) * (depth + 2), planting=True) if depth < 3 else None
        )
        made |= {d.key: value} if value is not None else {"valueString": self.garden.word(place)}
        return made

    def _reference(self, d: tables.ElementDef, path: str, *, planting: bool) -> dict[str, Any]:
        self._turn += 1
        if self.patients and (not d.targets or "Patient" in d.targets):
            to = f"Patient/{self.patients[self._turn % len(self.patients)]}"
        else:
            kind = sorted(d.targets or {"Basic"})[self._turn % len(d.targets or "1")]
            to = f"{kind}/{self.garden.word(f'{path}.reference')}" if planting else f"{kind}/a-{kind}"
        made: dict[str, Any] = {"reference": to, "display": self.garden.word(f"{path}.display")}
        if planting and self._turn % 4 == 1:
            made["identifier"] = {
                "system": f"http://{self.garden.word(f'{path}.identifier')}.example",
                "value": self.garden.word(f"{path}.identifier.value"),
                "assigner": {"display": self.garden.word(f"{path}.identifier.assigner")},
            }
        if planting and self._turn % 7 == 3 and "Patient" not in to:
            made["reference"] = f"http://{self.garden.word(path)}.example/{to}"
        if planting and self._turn % 7 == 5 and "Patient" not in to:
            made["reference"] = f"urn:uuid:{self.garden.uuid(path)}"
        return made

    # Primitives

    def primitive(self, d: tables.ElementDef, path: str) -> Any:
        garden = self.garden
        if d.type == "code" and d.codes:
            return sorted(d.allowed or ())[self.variant % len(d.allowed or "1")]
        match d.type:
            case "string" | "markdown" | "code" | "id":
                return garden.word(path)
            case "uri" | "url" | "canonical":
                return f"http://{garden.word(path)}.example/{garden.word(path)}"
            case "oid":
                return f"urn:oid:2.16.{garden.number(path)}"
            case "uuid":
                return f"urn:uuid:{garden.uuid(path)}"
            case "base64Binary":
                text = f"{'=' * (self.variant % 3)} he said {garden.word(path)} and left"
                return base64.b64encode(text.encode()).decode()
            case "dateTime" | "instant":
                return f"1987-03-14T05:31:17.{garden.number(path)}Z"
            case "date":
                return "1987-03-14"
            case "time":
                return f"05:31:17.{garden.number(path)}"
            case "xhtml":
                return _XHTML.format(garden.word(path))
            case _:
                return self._ordinary(d)

    def _ordinary(self, d: tables.ElementDef) -> Any:
        if d.type == "code" and d.codes:
            return sorted(d.allowed or ())[self.variant % len(d.allowed or "1")]
        match d.type:
            case "boolean":
                return True
            case "integer" | "unsignedInt" | "positiveInt" | "decimal":
                return 3
            case "uri" | "url" | "canonical":
                return "http://hl7.org/fhir"
            case "dateTime" | "date":
                return "2011"
            case "instant":
                return "2011-01-01T00:00:00Z"
            case "time":
                return "09:00:00"
            case "oid":
                return "urn:oid:2.16.840.1.113883"
            case "uuid":
                return "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
            case "base64Binary":
                return "UHVibGlj"
            case "xhtml":
                return _XHTML.format("public")
            case _:
                return "public"

    # Canaries in place of what is there

    def replant(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of a real resource in which every free text is a canary; codes and systems stay."""
        kind = resource["resourceType"]
        planted = self._replant(resource, kind, kind, planting=kind not in KEPT)
        return {"resourceType": kind, "id": resource.get("id", "x")} | planted

    def _replant(self, value: Mapping[str, Any], name: str, path: str, *, planting: bool) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, member in value.items():
            d = tables.TYPES[name].elements.get(key)
            here = f"{path}.{key}"
            if d is None or key == "url" or (path.count(".") == 0 and key == "id"):
                out[key] = member
                continue
            personal = here in PERSONAL_PATHS or (d.type in PERSONAL_TYPES and here not in NOT_PERSONAL)
            for_it = planting or personal
            if isinstance(member, list):
                out[key] = [self._replant_one(m, d, here, name, planting=for_it) for m in member]
            else:
                out[key] = self._replant_one(member, d, here, name, planting=for_it)
        return out

    def _replant_one(self, value: Any, d: tables.ElementDef, path: str, owner: str, *, planting: bool) -> Any:
        if value is None or d.type == "Resource":
            return value
        if isinstance(value, dict):
            if path.startswith(("Practitioner.address", "Practitioner.telecom")):
                planting = value.get("use") != "work"  # what a practitioner has for work is public
            return self._replant(value, d.type, path, planting=planting)
        if planting and d.type in {
            "string",
            "markdown",
            "xhtml",
            "base64Binary",
            "dateTime",
            "instant",
            "time",
        }:
            keep = (owner == "Reference" and d.key in {"reference", "type"}) or d.key in {
                "expression",
                "path",
            }
            return value if keep else self.primitive(d, path)
        return value
