"""What is public language: codes, displays, units and addresses that say nothing of a person.

A value is known only if it stands in a public list, or has the exact shape of a code in a
terminology whose list is too long or not free. Everything else may be private and is not known.

Source:
    CodeSystems and ValueSets of hl7.fhir.core 4.0.1; codes and displays of public terminologies as
    they occur in the official R4 and US Core examples (CC0-1.0) and in Synthea's sample bundles.
"""

from __future__ import annotations

import gzip
import sys
from array import array
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from confide.fhir.shapes import SHAPES, UCUM, language, mime
from confide.fhir.tables import read_table

_codes: dict[str, frozenset[str]] = {}
_displays: frozenset[int] = frozenset()
# What passed a shape: codes of public terminologies only, so nothing private stays in memory.
_passed: set[tuple[str, str]] = set()
# Terms that were found in the list: never more than the list has.
_shown: set[tuple[str, str, str]] = set()
_PASSED_LIMIT = 100_000


def known_system(url: Any) -> bool:
    """Whether *url* is the address of a public code system."""
    return type(url) is str and (url in SHAPES or url in (_codes or _load()))


def known_code(system: Any, code: Any) -> bool:
    """Whether *code* is a code of the public *system*: by its list, or else by its shape."""
    if type(system) is not str or type(code) is not str:
        return False
    listed = (_codes or _load()).get(system)
    if listed is not None and code in listed:
        return True
    if (system, code) in _passed:
        return True
    shape = SHAPES.get(system)
    if shape is None or not shape(code):
        return False
    if len(_passed) >= _PASSED_LIMIT:
        _passed.clear()
    _passed.add((system, code))
    return True


def known_display(system: Any, code: Any, display: Any) -> bool:
    """Whether *display* is, to the letter, a public term of this code."""
    if type(system) is not str or type(code) is not str or type(display) is not str:
        return False
    term = (system, code, display)
    if term in _shown:
        return True
    if digest(system, code, display) not in (_displays or _load_displays()):
        return False
    _shown.add(term)
    return True


def display(system: str, code: str) -> str | None:
    """Return the standard's own display of a code of an HL7 system, if it has one."""
    found: str | None = _terms().get(system, {}).get(code)
    return found


def known_ucum(code: Any) -> bool:
    """Whether *code* is a common UCUM unit."""
    return known_code(UCUM, code)


def known_unit(text: Any) -> bool:
    """Whether *text* is the usual printed form of a unit of measure."""
    return type(text) is str and text in _list("units")


def known_canonical(url: Any) -> bool:
    """Whether *url* (or what stands before its ``|version``) is a published definition."""
    if type(url) is not str:
        return False
    base, _, version = url.partition("|")
    return base in _list("canonicals") and (not version or _is_version(version))


def known_state(text: Any) -> bool:
    """Whether *text* is a state or province: a postal code or its name."""
    return type(text) is str and text.casefold() in _list("states")


def known_country(text: Any) -> bool:
    """Whether *text* is a country: an ISO 3166 code or its usual name."""
    return type(text) is str and text.casefold() in _list("countries")


def known_mime(text: Any) -> bool:
    """Whether *text* is a registered media type, perhaps with its character set."""
    return type(text) is str and mime(text)


def known_language(text: Any) -> bool:
    """Whether *text* is a language tag of an ISO 639-1 language, perhaps with a country."""
    return type(text) is str and language(text)


def digest(system: str, code: str, display: str) -> int:
    """Return what the list of displays holds for a term: 64 bits of BLAKE2b."""
    text = f"{system}\x1f{code}\x1f{display}".encode("utf-8", "replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def load(systems: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    """Take *systems* as the listed codes."""
    _codes.update({url: frozenset(codes) for url, codes in systems.items()})
    return _codes


def _load() -> dict[str, frozenset[str]]:
    return load(_vocabulary()["systems"])


def _load_displays() -> frozenset[int]:
    global _displays  # noqa: PLW0603 - read on every coding of an import; a cache call costs more
    packed = files("confide.fhir").joinpath("r4-triples.bin.gz").read_bytes()
    found = array("Q", gzip.decompress(packed))
    if sys.byteorder == "big":
        found.byteswap()
    _displays = frozenset(found)
    return _displays


@cache
def _vocabulary() -> Any:
    return read_table("r4-vocabulary.json.gz")


@cache
def _terms() -> Any:
    return read_table("r4-displays.json.gz")


@cache
def _list(name: str) -> frozenset[str]:
    return frozenset(_vocabulary()[name])


def _is_version(text: str) -> bool:
    return len(text) <= 12 and text.replace(".", "").isdigit() and text.isascii()
