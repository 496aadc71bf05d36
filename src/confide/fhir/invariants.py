"""Rules of FHIR R4 that go beyond one element: hand-compiled from the definitions' invariants.

Each rule gets an object whose structure is already known to be right, and returns findings with
paths relative to it, or None.

Source:
    FHIR R4 4.0.1, ``constraint`` of the StructureDefinitions; the keys are in the docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Finding = tuple[str, str, str]
"""Path below the object, issue kind, sentence."""

Rule = Callable[[dict[str, Any]], list[Finding] | None]


def _broken(text: str, path: str = "") -> list[Finding]:
    return [(path, "invariant", text)]


def check_extension(value: dict[str, Any]) -> list[Finding] | None:
    """Check ext-1: an extension has a value or extensions, not both."""
    valued = ""
    for key in value:
        if key.startswith(("value", "_value")):
            if valued and valued != key.lstrip("_"):
                return [(".value", "structure", "must have only one type of value")]
            valued = key.lstrip("_")
    if (valued != "") == ("extension" in value):
        return _broken("must have either a value or extensions (ext-1)")
    return None


def check_period(value: dict[str, Any]) -> list[Finding] | None:
    """Check per-1: a period does not end before it starts."""
    start, end = value.get("start"), value.get("end")
    if start is None or end is None or start <= end or not _later(start, end):
        return None
    return _broken("must not end before it starts (per-1)")


def _later(start: str, end: str) -> bool:
    """Whether *start* is certainly after *end*; a shorter date stands for all of its days."""
    if len(start) > 10 and len(end) > 10:
        try:
            return datetime.fromisoformat(start) > datetime.fromisoformat(end)
        except ValueError:  # a leap second
            return start[:10] > end[:10]
    shorter = min(len(start), len(end), 10)
    return start[:shorter] > end[:shorter]


def check_quantity(value: dict[str, Any]) -> list[Finding] | None:
    """Check qty-3: a coded unit has a system."""
    if "code" in value and "system" not in value and "_system" not in value:
        return _broken("must have a system if it has a code for the unit (qty-3)")
    return None


def check_contact_point(value: dict[str, Any]) -> list[Finding] | None:
    """Check cpt-2: a contact point with a value has a system."""
    if "value" in value and "system" not in value and "_system" not in value:
        return _broken("must have a system if it has a value (cpt-2)")
    return None


def check_attachment(value: dict[str, Any]) -> list[Finding] | None:
    """Check att-1: data has a content type."""
    if "data" in value and "contentType" not in value and "_contentType" not in value:
        return _broken("must have a contentType if it has data (att-1)")
    return None


def check_ratio(value: dict[str, Any]) -> list[Finding] | None:
    """Check rat-1: numerator and denominator are both there, or neither and an extension."""
    both = ("numerator" in value) + ("denominator" in value)
    if both == 1 or (both == 0 and "extension" not in value):
        return _broken("must have both a numerator and a denominator, or an extension (rat-1)")
    return None


def check_reference(value: dict[str, Any]) -> list[Finding] | None:
    """Check that a reference has something by which to find its target."""
    if "reference" in value or "identifier" in value or "display" in value:
        return None
    if "extension" in value or "_reference" in value or "_display" in value:
        return None
    return _broken("must have a reference, an identifier or a display")


def check_patient_contact(value: dict[str, Any]) -> list[Finding] | None:
    """Check pat-1: a contact has a name, telecom, address or organization."""
    if not value.keys() & {"name", "telecom", "address", "organization"}:
        return _broken("must have a name, telecom, address or organization (pat-1)")
    return None


def check_observation(value: dict[str, Any]) -> list[Finding] | None:
    """Check obs-6 and obs-7: no absent reason beside a value; no value beside a component of its code."""
    valued = [key for key in value if key.startswith("value")]
    if not valued:
        return None
    if "dataAbsentReason" in value:
        return _broken("must not have a dataAbsentReason beside a value (obs-6)")
    if "component" in value:
        code = value["code"].get("coding")
        if code and any(part["code"].get("coding") == code for part in value["component"]):
            return _broken("must not have a value if a component has the same code (obs-7)")
    return None


def check_condition(value: dict[str, Any]) -> list[Finding] | None:
    """Check con-5: a condition that was entered in error has no clinical status."""
    if "clinicalStatus" in value and "verificationStatus" in value:
        codings = value["verificationStatus"].get("coding", ())
        if any(coding.get("code") == "entered-in-error" for coding in codings):
            return _broken("must not have a clinicalStatus if it was entered in error (con-5)")
    return None


def check_domain(value: dict[str, Any]) -> list[Finding] | None:
    """Check dom-2, dom-4, dom-5 and the ids of contained resources."""
    contained = value.get("contained")
    if contained is None:
        return None
    found: list[Finding] = []
    seen: set[str] = set()
    for place, inner in enumerate(contained):
        path = f".contained[{place}]"
        if "contained" in inner:
            found += _broken("must not contain resources itself (dom-2)", path)
        meta = inner.get("meta", {})
        if "versionId" in meta or "lastUpdated" in meta:
            found += _broken("must not have a version or a time of update (dom-4)", path)
        if "security" in meta:
            found += _broken("must not have security labels (dom-5)", path)
        name = inner.get("id")
        if name is None:
            found += [(path, "required", "must have an id, because it is contained")]
        elif name in seen:
            found += [(f"{path}.id", "duplicate", "must not have the id of another contained resource")]
        else:
            seen.add(name)
    return found or None


def check_bundle(value: dict[str, Any]) -> list[Finding] | None:
    """Check bdl-1 to bdl-5, bdl-7 to bdl-9, bdl-11 and bdl-12."""
    kind = value.get("type")
    entries = value.get("entry", ())
    found: list[Finding] = []
    if "total" in value and kind not in {"searchset", "history"}:
        found += _broken("must have a total only if it is a searchset or history (bdl-1)", ".total")
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if kind == "document":
        if "identifier" not in value or not value["identifier"].keys() >= {"system", "value"}:
            found += _broken("must have an identifier with a system and a value, as a document (bdl-9)")
        if first != "Composition":
            found += _broken("must have a Composition first, as a document (bdl-11)")
    if kind == "message" and first != "MessageHeader":
        found += _broken("must have a MessageHeader first, as a message (bdl-12)")
    seen: set[tuple[str, str | None]] = set()
    for place, entry in enumerate(entries):
        path = f".entry[{place}]"
        found += _check_entry(kind, entry, path)
        full = entry.get("fullUrl")
        if full is not None:
            named = (full, entry.get("resource", {}).get("meta", {}).get("versionId"))
            if named in seen and kind != "history":
                found += [(f"{path}.fullUrl", "duplicate", "must not repeat another entry's fullUrl (bdl-7)")]
            seen.add(named)
    return found or None


_ASKING = frozenset({"transaction", "batch", "history"})
_ANSWERING = frozenset({"transaction-response", "batch-response", "history"})


def _check_entry(kind: str | None, entry: dict[str, Any], path: str) -> list[Finding]:
    found: list[Finding] = []
    if "search" in entry and kind != "searchset":
        found += _broken("must have search only in a searchset (bdl-2)", path)
    for key, kinds, rule in (("request", _ASKING, "bdl-3"), ("response", _ANSWERING, "bdl-4")):
        if (key in entry) != (kind in kinds):
            word = "must" if kind in kinds else "must not"
            found += _broken(f"{word} have a {key} in a bundle of this type ({rule})", path)
    if not entry.keys() & {"resource", "request", "response"}:
        found += _broken("must have a resource, a request or a response (bdl-5)", path)
    if "/_history/" in entry.get("fullUrl", ""):
        found += _broken("must not name a version in fullUrl (bdl-8)", path)
    return found


RULES: Mapping[str, Rule] = {
    "Extension": check_extension,
    "Period": check_period,
    "Quantity": check_quantity,
    "ContactPoint": check_contact_point,
    "Attachment": check_attachment,
    "Ratio": check_ratio,
    "Reference": check_reference,
    "Patient.contact": check_patient_contact,
    "Observation": check_observation,
    "Condition": check_condition,
    "Bundle": check_bundle,
}
"""The rule of a type, besides those of every domain resource."""
