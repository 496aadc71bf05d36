"""People to export: real charts and official examples, with ids as the vault gives them."""

from __future__ import annotations

import copy
import gzip
import hashlib
import uuid
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from confide.fhir import json
from confide.fhir.tables import RESOURCES
from confide.fhir.validate import validate
from confide.protect.exports.exporter import Exported, Exporter
from confide.protect.exports.keys import ExportKeys
from confide.protect.exports.policy import ExportPolicy, load, parse
from confide.protect.owners import owners
from confide.protect.plan import plan

TODAY = date(2026, 3, 2)
RESEARCH = str(Path(__file__).parents[3] / "docs/examples/research.toml")
POLICIES = ("limited-data-set", "safe-harbor", RESEARCH)
CHARTS = 10


@cache
def ours(name: str) -> str:
    """One of our random ids for another system's id; always the same one."""
    return str(uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4))


def adopt(resource: dict[str, Any], aliases: dict[str, str]) -> dict[str, Any]:
    """A copy with ids and references of ours, as an import makes it."""
    resource = copy.deepcopy(resource)
    resource["id"] = ours(f"{resource['resourceType']}/{resource.get('id')}")
    for node in objects(resource):
        text = node.get("reference")
        if isinstance(text, str):
            kind, _, id = aliases.get(text, text).partition("/")
            if kind in RESOURCES and id:
                node["reference"] = f"{kind}/{ours(f'{kind}/{id}')}"
    return resource


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every string with the names that lead to it."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)


@cache
def charts(shared: Path) -> list[list[dict[str, Any]]]:
    """Some synthetic people's charts, the Patient first."""
    found = []
    for path in sorted((shared / "fhir/synthea").glob("*.gz"))[:: 60 // CHARTS][:CHARTS]:
        entries = json.parse(gzip.decompress(path.read_bytes()))["entry"]
        aliases = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries}
        found.append([adopt(e["resource"], aliases) for e in entries])
    return found


@cache
def examples(shared: Path) -> list[dict[str, Any]]:
    """Official examples of every type, a few of each, with ids of ours."""
    found = []
    for path in sorted((shared / "fhir/r4-examples").glob("*.ndjson.gz")):
        lines = [line for line in gzip.decompress(path.read_bytes()).splitlines() if len(line) < 20_000]
        found += [json.parse(line) for line in lines[:: 1 + len(lines) // 12]]
    return [adopt(resource, {}) for resource in found if not validate(resource)]


def patient_of(resource: dict[str, Any]) -> str:
    whose = owners(plan().policy, resource)
    return whose[0] if len(whose) == 1 else ""


def open_to_all(policy: ExportPolicy) -> ExportPolicy:
    """The same policy, under which every type goes out."""
    listed = ", ".join(f'"{kind}"' for kind in sorted(RESOURCES))
    lines = [line for line in policy.text.splitlines() if not line.startswith("shared_types")]
    if "]" in lines:  # a list of several lines
        end = lines.index("]")
        start = next(n for n in range(end, 0, -1) if not lines[n - 1].startswith("  "))
        lines[start : end + 1] = []
    return parse("\n".join([f"shared_types = [{listed}]", *lines]))


def exporter(policy: str, root: int = 1, **options: Any) -> Exporter:
    return Exporter(load(policy), keys(root), **options)


def keys(root: int = 1) -> ExportKeys:
    return ExportKeys(root.to_bytes(32, "big"))


def export(exporter: Exporter, chart: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Exported]]:
    """What goes out of a chart, each with what it was."""
    pairs = [(r, exporter.export(r, patient_of(r), TODAY)) for r in chart]
    return [(r, e) for r, e in pairs if e is not None]
