"""Makes a resource valid by taking away what its rules refuse."""

from __future__ import annotations

import re
from typing import Any

from confide.errors import Issue
from confide.fhir.validate import validate

_STEP = re.compile(r"([A-Za-z_]+)(?:\[(\d+)\])?")


def prune(resource: dict[str, Any]) -> dict[str, Any] | None:
    """Take out of *resource* what its rules refuse, until they refuse nothing."""
    for _ in range(400):
        issues = validate(resource)
        if not issues:
            return resource
        steps = _STEP.findall(issues[0].path)[1:]
        if issues[0].kind in {"required", "invariant"} and len(steps) > 1 and not _find(resource, steps):
            steps = steps[:-1]
        while steps and not _remove(resource, steps):
            steps = steps[:-1]
        if not steps and not _drop_any(resource, issues[0]):
            return None
    return None


def _drop_any(resource: dict[str, Any], issue: Issue) -> bool:
    """Take away the first member without which this rule of the whole resource is not broken."""
    for key in [k for k in resource if k not in {"resourceType", "id"}]:
        left = validate({k: v for k, v in resource.items() if k != key})
        if issue not in left and not any(i.kind == "required" for i in left):
            del resource[key]
            return True
    return False


def _key(node: Any, name: str) -> str | None:
    if not isinstance(node, dict):
        return None
    if name in node:
        return name
    return next((k for k in node if k.startswith(name) and k[len(name) : len(name) + 1].isupper()), None)


def _find(resource: Any, steps: list[tuple[str, str]]) -> bool:
    node = resource
    for name, place in steps:
        key = _key(node, name)
        if key is None:
            return False
        node = node[key]
        if place:
            if not isinstance(node, list) or int(place) >= len(node):
                return False
            node = node[int(place)]
    return True


def _remove(resource: Any, steps: list[tuple[str, str]]) -> bool:
    if not _find(resource, steps):
        return False
    node = resource
    for name, place in steps[:-1]:
        node = node[_key(node, name)]
        if place:
            node = node[int(place)]
    name, place = steps[-1]
    key = _key(node, name)
    if place:
        del node[key][int(place)]
        if not node[key]:
            del node[key]
    else:
        del node[key]
    if key:
        node.pop(f"_{key}", None)
    return True
