"""Compile the official FHIR R4 definitions into the small tables of ``confide.fhir``.

    python tools/compile_fhir.py SOURCE tables      r4-tables.json.gz, r4-search.json.gz
    python tools/compile_fhir.py SOURCE vocabulary  r4-vocabulary, r4-displays, r4-triples
    python tools/compile_fhir.py SOURCE examples    docs/fhir-examples.md

SOURCE is a folder with ``r4-definitions``, ``r4-examples``, ``us-core-examples`` and ``synthea`` as
published (gzip NDJSON; CC0-1.0 and, Synthea, Apache-2.0). Output is the same, byte for byte, for
the same source.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
from confide.fhir import shapes  # noqa: E402 - found only once src is on the path

PACKAGE = ROOT / "src" / "confide" / "fhir"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
REGEX = "http://hl7.org/fhir/StructureDefinition/regex"

Json = dict[str, Any]


def read(folder: Path, name: str) -> list[Json]:
    """Read one NDJSON file of *folder*."""
    with gzip.open(folder / f"{name}.ndjson.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(name: str, value: object) -> None:
    """Write *value* as gzip JSON (or bytes as they are) into the package."""
    text = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    packed = gzip.compress(text, 9, mtime=0)
    (PACKAGE / name).write_bytes(packed)
    sys.stdout.write(f"{name}: {len(packed):,} bytes\n")


def upper(name: str) -> str:
    """Return *name* with its first letter in upper case, as choice elements spell their type."""
    return name[0].upper() + name[1:]


# Code systems and value sets


class Terminology:
    """The code systems and value sets of the definitions."""

    def __init__(self, source: Path) -> None:
        self.systems = {s["url"]: s for s in read(source, "CodeSystem") if "url" in s}
        self.sets = {s["url"]: s for s in read(source, "ValueSet") if "url" in s}

    def concepts(self, url: str) -> dict[str, str | None]:
        """Return every code of a system with its display."""
        found: dict[str, str | None] = {}

        def walk(concepts: list[Json]) -> None:
            for concept in concepts:
                found[concept["code"]] = concept.get("display")
                walk(concept.get("concept", []))

        walk(self.systems.get(url, {}).get("concept", []))
        return found

    def expand(self, url: str) -> dict[str, list[str]] | None:
        """Return the codes of a value set by system; None if the definitions do not list them."""
        compose = self.sets.get(url, {}).get("compose")
        if compose is None:
            return None
        codes: dict[str, set[str]] = defaultdict(set)
        for part in compose.get("include", []):
            if "filter" in part or "valueSet" in part:
                return None
            listed = self._codes(part)
            if not listed:
                return None
            codes[part["system"]] |= listed
        for part in compose.get("exclude", []):
            codes[part["system"]] -= self._codes(part)
        return {system: sorted(listed) for system, listed in sorted(codes.items())}

    def _codes(self, part: Json) -> set[str]:
        if "concept" in part:
            return {concept["code"] for concept in part["concept"]}
        if self.systems.get(part["system"], {}).get("content") != "complete":
            return set()
        return set(self.concepts(part["system"]))


# Types


class Types:
    """Every resource, datatype and backbone with its elements."""

    def __init__(self, source: Path, terms: Terminology) -> None:
        self.terms = terms
        self.resources: list[str] = []
        self.primitives: dict[str, str | None] = {}
        self.elements: dict[str, dict[str, list[Any]]] = {}
        self.sets: dict[str, dict[str, list[str]] | None] = {}
        definitions = read(source, "StructureDefinition")
        kinds = ("resource", "complex-type", "primitive-type")
        chosen = [d for d in definitions if d["kind"] in kinds and d.get("derivation") != "constraint"]
        chosen = [d for d in chosen if d["id"] == d["type"]]
        for definition in sorted(chosen, key=lambda d: str(d["id"])):
            self._add(definition)

    def _add(self, definition: Json) -> None:
        name = definition["id"]
        rows = definition["snapshot"]["element"]
        if definition["kind"] == "primitive-type":
            value = next(row for row in rows if row["path"] == f"{name}.value")
            found = [e["valueString"] for e in value["type"][0].get("extension", ()) if e["url"] == REGEX]
            self.primitives[name] = found[0] if found else None
            return
        if definition["kind"] == "resource" and not definition["abstract"]:
            self.resources.append(name)
        self.elements[name] = {}
        for row in rows[1:]:
            if row["max"] != "0":
                self._element(definition, row)

    def _element(self, definition: Json, row: Json) -> None:
        owner, _, key = row["path"].rpartition(".")
        table = self.elements.setdefault(owner, {})
        many = row["max"] != "1"
        least = row["min"]
        if "contentReference" in row:
            table[key] = [row["contentReference"].lstrip("#"), many, least, "", "", []]
            return
        binding = row.get("binding", {})
        required = binding.get("valueSet", "") if binding.get("strength") == "required" else ""
        required = required.split("|")[0]
        if required and required not in self.sets:
            self.sets[required] = self.terms.expand(required)
        if not key.endswith("[x]"):
            code, targets = self._type(definition, row)
            table[key] = [code, many, least, "", required, targets]
            return
        group = key.removesuffix("[x]")
        for kind in row["type"]:
            code = kind["code"]
            bound = required if code in ("code", "Coding", "CodeableConcept") else ""
            table[group + upper(code)] = [code, many, least, group, bound, targets_of(kind)]

    def _type(self, definition: Json, row: Json) -> tuple[str, list[str]]:
        kind = row["type"][0]
        code = kind["code"]
        if code in ("BackboneElement", "Element"):
            return row["path"], []
        if code.startswith("http://hl7.org/fhirpath/"):
            if row["path"] == f"{definition['id']}.id" and definition["kind"] == "resource":
                return "id", []
            return next(e["valueUrl"] for e in kind["extension"] if e["url"] == FHIR_TYPE), []
        return code, targets_of(kind)


def targets_of(kind: Json) -> list[str]:
    """Return the resource types that a reference may name; empty for any."""
    if kind["code"] != "Reference":
        return []
    names = sorted({profile.rsplit("/", 1)[-1] for profile in kind.get("targetProfile", ())})
    return [] if "Resource" in names else names


# Search parameters

_PLAIN = re.compile(r"^([\w.]+)$")
_CAST = re.compile(r"^\(?([\w.]+?)(?: as (\w+)\)|\.as\((\w+)\))(?:\.(\w+))?$")
_TARGET = re.compile(r"^([\w.]+)\.where\(resolve\(\) is (\w+)\)$")
_EQUALS = re.compile(r"^([\w.]+)\.where\((\w+)='([\w-]+)'\)(\.\w+)?$")


class Search:
    """Search parameters whose expression is a set of simple paths."""

    def __init__(self, source: Path, types: Types) -> None:
        self.types = types
        self.parameters: dict[str, dict[str, list[Any]]] = defaultdict(dict)
        self.unsupported: list[str] = []
        base = {"Resource", "DomainResource"}
        for entry in sorted(read(source, "SearchParameter"), key=lambda p: str(p["id"])):
            # The definitions' search parameters on extensions are examples, not part of the base.
            if "-extensions-" in entry["id"] or entry["id"].startswith("example-"):
                continue
            for kind in entry["base"]:
                named = self._paths(entry, kind)
                for name in types.resources if kind in base else [kind]:
                    if named is None:
                        self.unsupported.append(f"{name}.{entry['code']}")
                    elif named:
                        row = [entry["type"], named, sorted(entry.get("target", ()))]
                        self.parameters[name].setdefault(entry["code"], row)

    def _paths(self, entry: Json, kind: str) -> list[str] | None:
        if entry["type"] in ("composite", "special") or not entry.get("expression"):
            return None
        found: list[str] = []
        for part in map(str.strip, entry["expression"].split("|")):
            if not part.lstrip("(").startswith(f"{kind}."):
                continue
            paths = self._part(part)
            if paths is None:
                return None
            found += paths
        return found

    def _part(self, part: str) -> list[str] | None:
        if match := _TARGET.match(part):
            return [f"{path}:{match[2]}" for path in self._expand(match[1], None)]
        if match := _EQUALS.match(part):
            return [f"{path}[{match[2]}={match[3]}]{match[4] or ''}" for path in self._expand(match[1], None)]
        if match := _PLAIN.match(part):
            return self._expand(match[1], None)
        if match := _CAST.match(part):
            tail = f".{match[4]}" if match[4] else ""
            return [path + tail for path in self._expand(match[1], match[2] or match[3])]
        return None

    def _expand(self, path: str, cast: str | None) -> list[str]:
        """Turn FHIRPath names into JSON keys; an uncast choice becomes all its keys."""
        here, *steps = path.split(".")
        ways = [("", here)]
        for number, step in enumerate(steps):
            ahead = []
            for prefix, owner in ways:
                table = self.types.elements.get(owner, {})
                keys = [step] if step in table else [k for k, row in table.items() if row[3] == step]
                if cast and number == len(steps) - 1:
                    keys = [key for key in keys if table[key][0] == cast]
                ahead += [(f"{prefix}.{key}".lstrip("."), table[key][0]) for key in keys]
            ways = ahead
        return [prefix for prefix, _ in ways]


def compartment(source: Path, search: Search) -> dict[str, list[str]]:
    """Return the paths at which a resource names the patients that it belongs to."""
    patient = next(c for c in read(source, "CompartmentDefinition") if c["id"] == "patient")
    found: dict[str, list[str]] = {}
    for entry in patient["resource"]:
        paths: list[str] = []
        for code in entry.get("param", ()):
            paths += [p.partition(":")[0] for p in search.parameters[entry["code"]][code][1]]
        if paths:
            found[entry["code"]] = sorted(set(paths))
    return found


def compile_tables(source: Path) -> None:
    """Write the tables of types, compartments and search parameters."""
    definitions = source / "r4-definitions"
    types = Types(definitions, Terminology(definitions))
    search = Search(definitions, types)
    tables = {
        "resources": types.resources,
        "primitives": types.primitives,
        "elements": types.elements,
        "sets": types.sets,
        "patient": compartment(definitions, search),
    }
    write("r4-tables.json.gz", tables)
    write("r4-search.json.gz", {"parameters": search.parameters, "unsupported": search.unsupported})


# Vocabulary

STATES = (
    "AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|"
    "DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|"
    "KS Kansas|KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|"
    "MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|"
    "NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|"
    "OR Oregon|PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|"
    "TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming|"
    "AS American Samoa|GU Guam|MP Northern Mariana Islands|PR Puerto Rico|VI Virgin Islands|"
    "AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|"
    "NS Nova Scotia|NT Northwest Territories|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec|"
    "SK Saskatchewan|YT Yukon|NSW New South Wales|QLD Queensland|TAS Tasmania|VIC Victoria|"
    "ACT Australian Capital Territory|AA Armed Forces Americas|AE Armed Forces Europe|"
    "AP Armed Forces Pacific"
)
COUNTRIES = (
    "usa|u.s.a.|u.s.|united states|can|mex|gbr|uk|united kingdom|great britain|england|scotland|wales|"
    "irl|deu|fra|nld|the netherlands|bel|lux|che|aut|ita|esp|prt|dnk|swe|nor|fin|isl|pol|cze|svk|hun|"
    "rou|bgr|grc|tur|ukr|rus|aus|nzl|jpn|chn|kor|ind|bra|arg|chl|col|per|zaf|egy|nga|ken|eth|isr|sau|"
    "are|pak|bgd|phl|vnm|tha|idn|mys|sgp|vietnam|russia|south korea|taiwan|dom|hti|cub|jam|gtm|slv|"
    "hnd|nic|cri|pan|ecu|ven|bol|pry|ury|pri|twn|hkg"
)
SOP_CLASS = "1.2.840.10008."
ADDRESS = re.compile(r"https?://|urn:|[A-Za-z][A-Za-z-]*$")


def walk(value: Any) -> Iterator[Json]:
    """Yield every object inside *value*."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from walk(child)


def examples(source: Path) -> Iterator[tuple[str, Json]]:
    """Yield every example resource with the name of its collection."""
    for folder in ("us-core-examples", "r4-examples"):
        for path in sorted((source / folder).glob("*.ndjson.gz")):
            for document in read(path.parent, path.name.removesuffix(".ndjson.gz")):
                yield folder, document
    for path in sorted((source / "synthea").glob("*.json.gz")):
        yield "synthea", json.loads(gzip.decompress(path.read_bytes()))


class Vocabulary:
    """Public codes, terms, units and addresses, as they are found."""

    def __init__(self, source: Path) -> None:
        self.codes: dict[str, set[str]] = defaultdict(set)
        self.terms: set[tuple[str, str, str]] = set()
        self.units: set[str] = set()
        self.canonicals: set[str] = set()
        self.displays: dict[str, dict[str, str]] = {}
        self._definitions(source / "r4-definitions")
        for folder, document in examples(source):
            for entry in walk(document):
                self._example(folder, entry)

    def _definitions(self, source: Path) -> None:
        terms = Terminology(source)
        for url, system in terms.systems.items():
            if system["content"] == "supplement" or not shapes.public(url):
                continue
            concepts = terms.concepts(url)
            self.codes[url].update(concepts)
            shown = {code: text for code, text in sorted(concepts.items()) if text}
            self.terms |= {(url, code, text) for code, text in shown.items()}
            if shown:
                self.displays[url] = shown
        for value_set in terms.sets.values():
            for part in value_set.get("compose", {}).get("include", ()):
                for concept in part.get("concept", ()):
                    self._concept(part.get("system", ""), concept)
        for path in source.glob("*.ndjson.gz"):
            for entry in read(source, path.name.removesuffix(".ndjson.gz")):
                self.canonicals |= {e["url"] for e in walk(entry) if isinstance(e.get("url"), str)}

    def _concept(self, url: str, concept: Json) -> None:
        self._code(url, concept["code"])
        texts = [concept.get("display"), *(d.get("value") for d in concept.get("designation", ()))]
        self.terms |= {(url, concept["code"], text) for text in texts if text}

    def _code(self, url: str, code: str) -> None:
        # Under urn:ietf:rfc:3986 any address is a code; only DICOM's own classes are public.
        if url == "urn:ietf:rfc:3986" and not code.removeprefix("urn:oid:").startswith(SOP_CLASS):
            return
        if url.startswith(shapes.LISTED) and url not in shapes.SHAPES and shapes.public(url):
            self.codes[url].add(code)

    def _example(self, folder: str, entry: Json) -> None:
        url, code = entry.get("system"), entry.get("code")
        if isinstance(url, str) and isinstance(code, str):
            # The official examples show wrong codes too: of theirs only the units are taken.
            if folder != "r4-examples" or url in (shapes.UCUM, "http://hl7.org/fhir/sid/srt"):
                self._code(url, code)
            if isinstance(entry.get("display"), str):
                self.terms.add((url, code, entry["display"]))
            if url == shapes.UCUM and isinstance(entry.get("unit"), str):
                self.units.add(entry["unit"])
        if folder == "r4-examples":
            return
        if isinstance(profiles := entry.get("profile"), list):
            self.canonicals |= {p.partition("|")[0] for p in profiles if isinstance(p, str)}
        if isinstance(entry.get("url"), str) and any(key.startswith(("value", "extension")) for key in entry):
            self.canonicals.add(entry["url"])

    def write(self) -> None:
        """Write the package files."""
        systems = {url: sorted(codes) for url, codes in sorted(self.codes.items())}
        countries = {code.casefold() for code in systems["urn:iso:std:iso:3166"] if len(code) == 2}
        countries |= {t.casefold() for url, _, t in self.terms if url == "urn:iso:std:iso:3166"}
        states = {word.casefold() for row in STATES.split("|") for word in row.split(" ", 1)}
        ucum = set(systems[shapes.UCUM]) | {t for url, _, t in self.terms if url == shapes.UCUM}
        lists = {
            "systems": systems,
            "units": sorted(self.units | ucum),
            "canonicals": sorted(url for url in self.canonicals if ADDRESS.match(url) and shapes.public(url)),
            "states": sorted(states),
            "countries": sorted(countries | set(COUNTRIES.split("|"))),
        }
        write("r4-vocabulary.json.gz", lists)
        write("r4-displays.json.gz", self.displays)
        # The shapes and the list decide which terms are public; import needs the tables.
        from confide.fhir import vocabulary

        vocabulary.load(systems)
        known = sorted({vocabulary.digest(*t) for t in self.terms if vocabulary.known_code(*t[:2])})
        write("r4-triples.bin.gz", struct.pack(f"<{len(known)}Q", *known))


# Examples

REASONS = {
    "SearchParameter.base": "`base` has 1..* in the definition, and none here",
    "SearchParameter.id": "the id is longer than 64 characters",
    "ImplementationGuide.name": "`name` and `status` (1..1) are missing",
    "ImplementationGuide.manifest": "a reference has an id over 64 characters; `name` (1..1) is missing",
    "Questionnaire.item": "`item.linkId` (1..1) is missing",
    "CodeSystem.concept": "codes with two spaces in a row",
}


def report_examples(source: Path) -> None:
    """Write docs/fhir-examples.md: which official examples the validator rejects, and why."""
    from confide.fhir import json as fhir_json
    from confide.fhir.validate import validate

    rows = []
    total: Counter[str] = Counter()
    for folder in ("r4-examples", "us-core-examples"):
        for path in sorted((source / folder).glob("*.ndjson.gz")):
            for line in gzip.decompress(path.read_bytes()).splitlines():
                resource = fhir_json.parse(line)
                total[folder] += 1
                if issues := validate(resource):
                    total[f"{folder} rejected"] += 1
                    place = issues[0].path
                    known = [text for start, text in REASONS.items() if place.startswith(start)]
                    why = known[0] if known else issues[0].text
                    rows.append(f"| {resource['resourceType']} | {resource.get('id', '')} | {why} |")
    accepted = total["r4-examples"] - total["r4-examples rejected"]
    core = total["us-core-examples"] - total["us-core-examples rejected"]
    text = f"""# The official FHIR R4 examples and the validator

Of the {total["r4-examples"]:,} official R4 4.0.1 examples the validator accepts {accepted:,}; of the
{total["us-core-examples"]:,} US Core examples it accepts {core:,}.
Made by `python tools/compile_fhir.py SOURCE examples`.

## Rejected, because they break the definitions

| type | id | what breaks a rule |
|---|---|---|
{chr(10).join(rows)}

## Accepted, although they break the definitions

These lapses of published examples harm nobody, so the validator lets them pass.

| what | where it occurs |
|---|---|
| a narrative whose `div` has neither text nor image (txt-2) | 4 official examples |
| a narrative without a `div` | US Core DiagnosticReport `cbc` |
| `DeviceMetric.parent` names a DeviceDefinition | DeviceMetric `example` |
| `DeviceUseStatement.reasonReference` names a Procedure | DeviceUseStatement `example` |
| `MedicationRequest.dispenseRequest.performer` names a Practitioner | MedicationRequest `medrx0301` |
| `Observation.performer` names an Encounter | Observation `clinical-gender` |
"""
    (ROOT / "docs" / "fhir-examples.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Compile what the command line names."""
    source, what = Path(sys.argv[1]), sys.argv[2]
    if what == "tables":
        compile_tables(source)
    elif what == "vocabulary":
        Vocabulary(source).write()
    elif what == "examples":
        report_examples(source)


if __name__ == "__main__":
    main()
