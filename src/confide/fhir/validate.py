"""Is this FHIR R4? Each rule that a resource breaks, with its place, and never with its value.

Every type is compiled, at its first use, into one closure that walks an object once. A rule returns
None for a good value, so a good resource costs no path; findings get their paths on the way out.

Source:
    FHIR R4 4.0.1: JSON representation (2.6.2), resource and datatype definitions, bindings
    (4.1.5, strength ``required``), references (2.3.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.errors import Issue
from confide.fhir import bindings
from confide.fhir.bindings import Found, Local, Walk
from confide.fhir.invariants import RULES, Finding, check_domain
from confide.fhir.primitives import Check
from confide.fhir.references import check_local, target
from confide.fhir.tables import RESOURCES, TYPES, ElementDef

_compiled: dict[str, Walk] = {}

# What published examples do against the definitions, and harms nobody: a narrative without a div
# (US Core), and references to types that are not listed (R4; the list is in docs/fhir-examples.md).
_OPTIONAL = frozenset({("Narrative", "div")})
_NONE: frozenset[str] = frozenset()
_ALSO: Mapping[tuple[str, str], frozenset[str]] = {
    ("DeviceMetric", "parent"): frozenset({"DeviceDefinition"}),
    ("DeviceUseStatement", "reasonReference"): frozenset({"Procedure"}),
    ("MedicationRequest.dispenseRequest", "performer"): frozenset({"Practitioner"}),
    ("Observation", "performer"): frozenset({"Encounter"}),
}

# A resource that is wrong in more places than this is not looked at further: the time that it takes to list
# what is wrong would grow with the square of its length.
_MOST = 100
_NOT_ONE = "has an element that this type does not have"
_EMPTY_OBJECT = [("", "structure", "must not be empty")]
_NO_OBJECT = [("", "structure", "must be an object")]


def validate(resource: Any) -> list[Issue]:
    """Return every rule of FHIR R4 that *resource* breaks; an empty list means that it is valid.

    Args:
        resource: A value as `confide.fhir.json.parse` returns it; any other value is not valid.

    Returns:
        Issues in document order, the first hundred or so of any one object or array, with FHIRPaths
        such as ``Patient.name[0].given[1]``; neither path
        nor text holds a value or an unknown name.
    """
    kind = resource.get("resourceType") if type(resource) is dict else None
    try:
        found = _resource(resource, [])
    except RecursionError:
        found = [("", "structure", "is nested too deeply")]
    if found is None:
        return []
    root = kind if type(kind) is str and kind in RESOURCES else "Resource"
    return [Issue(root + path, category, text) for path, category, text in found]


def _resource(value: Any, _outer: Local) -> Found:
    local: Local = []
    found = _any_resource(value, local)
    if local and found is None:
        found = check_local(value, local)
    return found


def _any_resource(value: Any, local: Local) -> Found:
    if type(value) is not dict:
        return _NO_OBJECT
    kind = value.get("resourceType")
    if type(kind) is not str:
        return [("", "structure", "must have a resourceType")]
    walk = _compiled.get(kind)
    if walk is None:
        if kind not in RESOURCES:
            return [("", "not-supported", "must have a resourceType that FHIR R4 knows")]
        walk = _compile(kind)
    elif kind not in RESOURCES:
        return [("", "not-supported", "must have a resourceType that FHIR R4 knows")]
    return walk(value, local)


def _compile(name: str) -> Walk:
    """Return the walk of a type; rules of types that contain themselves find it in `_compiled`."""
    made = _compiled.get(name)
    if made is not None:
        return made
    definition = TYPES[name]
    rules: dict[str, Walk] = {}
    walk = _compiled[name] = _object(name, rules)
    if definition.resource:
        rules["resourceType"] = lambda _value, _local: None
    for key, element in definition.elements.items():
        rules[key] = _rule(name, element)
        if element.primitive and element.type != "xhtml":
            rules[f"_{key}"] = _beside(element)
    return walk


def _object(name: str, rules: Mapping[str, Walk]) -> Walk:  # noqa: C901 - see walk
    definition = TYPES[name]
    required, choices, groups, arrays = _summary(name, definition.elements)
    extra = [rule for rule in (RULES.get(name),) if rule is not None]
    if definition.resource and "contained" in definition.elements:
        extra.append(check_domain)
    find = rules.get
    # What stands beside a primitive may have only an id: the value itself is its content.
    alone = not definition.resource and name != "Element"

    # One long function: each call that it does not make is saved for every object of an import.
    def walk(value: Any, local: Local) -> Found:  # noqa: C901, PLR0912
        if type(value) is not dict:
            return _NO_OBJECT
        if not value:
            return _EMPTY_OBJECT
        found: Found = None
        for key, item in value.items():
            rule = find(key)
            bad = rule(item, local) if rule is not None else _stranger(value, key)
            if bad is not None:
                found = bad if found is None else found + bad
                if len(found) >= _MOST:
                    return found
        for key, beside, title in required:
            if key not in value and not _extended(value.get(beside)):
                found = [*(found or ()), (f".{title}", "required", "must be present")]
        for keys, title in choices:
            if keys.isdisjoint(value):
                found = [*(found or ()), (f".{title}", "required", "must be present")]
        for group, title in groups:
            if _members(value, group) > 1:
                found = [*(found or ()), (f".{title}", "structure", "must have only one type of value")]
        for key in arrays:
            if key in value and (bad := _aligned(value, key)) is not None:
                found = [*(found or ()), *bad]
        if alone and len(value) == 1 and "id" in value:
            found = [*(found or ()), ("", "invariant", "must have more than an id (ele-1)")]
        if found is None:
            for check in extra:
                bad = check(value)
                if bad is not None:
                    found = bad if found is None else found + bad
        return found

    return walk


_Summary = tuple[
    tuple[tuple[str, str, str], ...],
    tuple[tuple[frozenset[str], str], ...],
    tuple[tuple[dict[str, str], str], ...],
    tuple[str, ...],
]


def _summary(name: str, elements: Mapping[str, ElementDef]) -> _Summary:
    """Return a type's required elements, required choices, choices, and arrays of primitives."""
    required = []
    needed: dict[str, set[str]] = {}
    groups: dict[str, dict[str, str]] = {}
    arrays = []
    for key, element in elements.items():
        beside = f"_{key}" if element.primitive else key
        if element.min and element.choice:
            needed.setdefault(element.name, set()).update((key, beside))
        elif element.min and (name, key) not in _OPTIONAL:
            required.append((key, beside, key))
        if element.choice:
            groups.setdefault(element.name, {}).update({key: key, beside: key})
        if element.many and element.primitive:
            arrays.append(key)
    # An extension's values are counted by its own invariant, as it is met so often.
    several = [(group, title) for title, group in groups.items() if name != "Extension"]
    choices = tuple((frozenset(keys), title) for title, keys in needed.items())
    return tuple(required), choices, tuple(several), tuple(arrays)


def _members(value: dict[str, Any], group: dict[str, str]) -> int:
    first = None
    for key in value:
        member = group.get(key)
        if member is not None:
            if first is None:
                first = member
            elif member != first:
                return 2
    return 0 if first is None else 1


def _stranger(value: dict[str, Any], key: str) -> Found:
    # The name of an unknown element is the caller's text, so only its place is told.
    place = list(value).index(key) + 1
    return [("", "structure", f"{_NOT_ONE} (number {place} of its elements)")]


def _aligned(value: dict[str, Any], key: str) -> Found:
    """Check an array of primitives against the array beside it: a null needs an object there."""
    items, beside = value[key], value.get(f"_{key}")
    if type(items) is not list:
        return None
    if type(beside) is list and len(beside) != len(items):
        return [(f".{key}", "structure", "must be as long as the array of its extensions")]
    if None not in items:
        return None
    found = []
    for place, item in enumerate(items):
        if item is None and not (type(beside) is list and _extended(beside[place])):
            found.append((f".{key}[{place}]", "structure", "must not be null without an extension"))
    return found or None


def _extended(beside: Any) -> bool:
    """Whether what stands beside a primitive has an extension, and so may stand for its value."""
    if type(beside) is list:
        return any(type(item) is dict and "extension" in item for item in beside)
    return type(beside) is dict and "extension" in beside


def _rule(owner: str, element: ElementDef) -> Walk:
    """Return the rule of one JSON key, which adds the key to the paths of what it finds."""
    if element.primitive:
        check = bindings.binding(element)
        return _texts(check, element) if element.many else _text(check, element)
    one: Walk
    if element.type == "Resource":
        one = _any_resource if element.key == "contained" else _resource
    elif element.type == "Reference" and not element.targets:
        one = _reference(_compile("Reference"), _NONE)
    elif element.type == "Reference":
        one = _reference(_compile("Reference"), element.targets | _ALSO.get((owner, element.key), _NONE))
    else:
        one = _compile(element.type)
        if element.codes is not None:
            one = bindings.bound(one, element)
    return _array(one, element) if element.many else _single(one, element)


def _single(one: Walk, element: ElementDef) -> Walk:
    prefix = f".{element.name}"

    def rule(value: Any, local: Local) -> Found:
        bad = one(value, local)
        if bad is None:
            return None
        return [(prefix + path, kind, text) for path, kind, text in bad]

    return rule


def _array(one: Walk, element: ElementDef) -> Walk:
    prefix = f".{element.name}"

    def rule(value: Any, local: Local) -> Found:
        if type(value) is not list:
            return [(prefix, "structure", "must be an array")]
        if not value:
            return [(prefix, "structure", "must not be empty")]
        found: Found = None
        place = 0
        for item in value:
            bad = one(item, local)
            if bad is not None:
                here = f"{prefix}[{place}]"
                bad = [(here + path, kind, text) for path, kind, text in bad]
                found = bad if found is None else found + bad
                if len(found) >= _MOST:
                    return found
            place += 1  # noqa: SIM113 - enumerate would make a tuple for each good value
        return found

    return rule


def _text(check: Check, element: ElementDef) -> Walk:
    """Return the rule of one primitive."""
    prefix = f".{element.name}"
    category = bindings.category(element)
    if element.type == "string":
        # Most values are short printable text: told without a further call.
        def rule(value: Any, _local: Local) -> Found:
            if type(value) is str and value and len(value) < 1000 and value.isprintable():
                return None
            wrong = check(value)
            return None if wrong is None else [(prefix, category, wrong)]

    else:

        def rule(value: Any, _local: Local) -> Found:
            wrong = check(value)
            return None if wrong is None else [(prefix, category, wrong)]

    return rule


def _texts(check: Check, element: ElementDef) -> Walk:
    """Return the rule of an array of primitives; nulls in it are checked by `_aligned`."""
    prefix = f".{element.name}"
    category = bindings.category(element)

    def rule(value: Any, _local: Local) -> Found:
        if type(value) is not list:
            return [(prefix, "structure", "must be an array")]
        if not value:
            return [(prefix, "structure", "must not be empty")]
        found: Found = None
        for place, item in enumerate(value):
            if item is not None and (wrong := check(item)) is not None:
                found = [*(found or ()), (f"{prefix}[{place}]", category, wrong)]
                if len(found) >= _MOST:
                    return found
        return found

    return rule


def _beside(element: ElementDef) -> Walk:
    """Return the rule of ``_key``, which holds the id and extensions of a primitive."""
    one = _compile("Element")
    if not element.many:
        return _single(one, element)
    prefix = f".{element.name}"

    def rule(value: Any, local: Local) -> Found:
        if type(value) is not list:
            return [(prefix, "structure", "must have its extensions in an array")]
        if not any(value):
            return [(prefix, "structure", "must not be empty")]
        found: list[Finding] = []
        for place, item in enumerate(value):
            bad = None if item is None else one(item, local)
            if bad is not None:
                found += [(f"{prefix}[{place}]{path}", kind, text) for path, kind, text in bad]
        return found or None

    return rule


def _reference(one: Walk, targets: frozenset[str]) -> Walk:
    wrong: list[Finding] = [("", "value", "must refer to a type that is allowed here")]

    def walk(value: Any, local: Local) -> Found:
        found = one(value, local)
        if found is not None:
            return found
        text = value.get("reference")
        if text is None:
            kind = value.get("type")
        elif text[0] == "#":
            local.append(text)
            return None
        else:
            kind, _, rest = text.partition("/")
            if kind in targets and rest.isalnum():
                return None
            kind = target(text)
            if kind == "":
                return [(".reference", "value", "must be an address, 'Type/id', 'urn:...' or '#id'")]
        if targets and kind is not None and kind in RESOURCES and kind not in targets:
            return wrong
        return None

    return walk
