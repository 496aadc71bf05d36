"""Imports: bundles and NDJSON from other systems, resumable, one transaction per unit.

A unit is a bundle, or a block of NDJSON lines. Ids become ours; a keyed map from the source's ids lets
references find their targets whatever the order of the files, and lets a second import change nothing.
"""

from __future__ import annotations

import gzip
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.db import IntegrityError

from confide.access.decide import Grant, system_grant
from confide.access.roles import Action
from confide.errors import (
    BrokenJson,
    ConfideError,
    Damaged,
    InvalidResource,
    Issue,
    Unavailable,
    VersionConflict,
)
from confide.fhir import json
from confide.records import checks
from confide.records.charts import Charts
from confide.records.models import ImportedUnit, Resource, SourceId
from confide.records.rows import some
from confide.records.writer import Draft
from confide.vault import bulk
from confide.vault.door import Clock

LINES_PER_UNIT = 250
_ENTRIES_TYPES = frozenset({"transaction", "batch", "collection", "searchset", "history"})
_TRIES = 8
_MOST_AT_ONCE = 900


@dataclass(frozen=True, slots=True)
class Unit:
    """What is imported in one transaction.

    Attributes:
        path: The file, for the operator's report only.
        lines: 0 for a whole file that is one JSON value, else the number of the first NDJSON line.
        data: The bytes.
    """

    path: str
    lines: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not imported, and why. Names the place, never a value."""

    path: str
    place: str
    reason: str


@dataclass(slots=True)
class Report:
    """What an import did."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped_units: int = 0
    to_nothing: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.skipped_units += other.skipped_units
        self.to_nothing += other.to_nothing
        self.refused += other.refused


def files(paths: Iterable[Path]) -> list[Path]:
    """The files to import: those named, and in folders those with a known ending, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.is_file() and _kind(p))
        else:
            found.append(path)
    return found


def _kind(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return "json" if name.endswith(".json") else "ndjson" if name.endswith(".ndjson") else ""


def units(path: Path) -> Iterator[Unit]:
    """Cut a file into units.

    Raises:
        InvalidResource: It cannot be read, or its ending says nothing of its format.
    """
    kind = _kind(path)
    if not kind:
        raise InvalidResource(
            [Issue("file", "not-supported", "the name ends in .json, .ndjson, or one of these and .gz")]
        )
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            if kind == "json":
                yield Unit(str(path), 0, stream.read())
                return
            block: list[bytes] = []
            first = 1
            for number, line in enumerate(stream, 1):
                block.append(line)
                if len(block) == LINES_PER_UNIT:
                    yield Unit(str(path), first, b"".join(block))
                    block, first = [], number + 1
            if block:
                yield Unit(str(path), first, b"".join(block))
    except (OSError, EOFError, zlib.error) as problem:
        text = f"the file cannot be read ({type(problem).__name__})"
        raise InvalidResource([Issue("file", "incomplete", text)]) from None


@dataclass(slots=True)
class _Item:
    """One resource of a unit on its way in."""

    place: str
    resource: dict[str, Any]
    source_id: bytes
    content: bytes
    ours: uuid.UUID = field(default_factory=uuid.uuid4)


_New = tuple[str, bytes, uuid.UUID, bytes]
"""A row of `SourceId`: practice, digest, our id, content. A model's object takes longer than its row."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is there of a `SourceId`."""

    id: uuid.UUID
    content: bytes
    row: int


class _RacedError(Exception):
    """Another process recorded one of the same source ids just now."""


class Importer:
    """Imports into one practice.

    Args:
        source: Names the system that the ids come from; two systems may use the same ids.
    """

    def __init__(self, charts: Charts, practice: str, source: str, clock: Clock) -> None:
        self._charts = charts
        self._practice = practice
        self._source = source
        self._clock = clock

    def unit(self, unit: Unit) -> Report:
        """Import one unit: a bundle whole or not at all, NDJSON line by line.

        Raises:
            Unavailable: Keys or database do not answer; the import can be resumed later.
        """
        mark = self._charts.vault.digest(self._practice, "import unit", self._source, unit.data)
        for attempt in range(_TRIES):
            if ImportedUnit.objects.filter(practice=self._practice, digest=mark).exists():
                return Report(skipped_units=1)
            try:
                return self._once(unit, mark)
            except (_RacedError, Unavailable) as problem:
                if attempt == _TRIES - 1:
                    if isinstance(problem, Unavailable):
                        raise
                    msg = "other imports write the same resources; try again later"
                    raise Unavailable(msg) from None
        return Report()

    def find(self, kind: str, name: str) -> str | None:
        """Return the id here of what the source calls by a name; None if it never came."""
        row = SourceId.objects.filter(practice=self._practice, digest=self._source_id(kind, name)).first()
        return str(row.id) if row is not None and row.content else None

    def _once(self, unit: Unit, mark: bytes) -> Report:
        report = Report()
        try:
            items, aliases = self._read(unit, report)
            self._store(items, aliases, mark if not report.refused else b"", report)
        except (Unavailable, Damaged):
            raise
        except VersionConflict:
            raise _RacedError from None
        except InvalidResource as problem:
            return _refused(unit, problem.issues[0].path, problem.issues[0].text)
        except ConfideError as problem:
            return _refused(unit, "", str(problem))
        return report

    # Reading

    def _read(self, unit: Unit, report: Report) -> tuple[list[_Item], dict[str, str]]:
        """The resources of a unit, and which other names (fullUrl) they go by."""
        if unit.lines:
            return self._lines(unit, report), {}
        value = json.parse(unit.data)
        if (
            isinstance(value, dict)
            and value.get("resourceType") == "Bundle"
            and value.get("type") in _ENTRIES_TYPES
        ):
            return self._entries(value)
        return [self._item("", checks.valid(value))], {}

    def _lines(self, unit: Unit, report: Report) -> list[_Item]:
        items: dict[bytes, _Item] = {}
        for number, line in enumerate(unit.data.split(b"\n"), unit.lines):
            if not line.strip():
                continue
            try:
                item = self._item(f"line {number}", checks.valid(json.parse(line)))
            except InvalidResource as problem:
                issue = problem.issues[0]
                report.refused.append(Refusal(unit.path, f"line {number} {issue.path}", issue.text))
                continue
            except BrokenJson as problem:
                report.refused.append(Refusal(unit.path, f"line {number}", str(problem)))
                continue
            if item.source_id in items:
                text = "another line has the same type and id"
                report.refused.append(Refusal(unit.path, f"line {number}", text))
                continue
            items[item.source_id] = item
        return list(items.values())

    def _entries(self, bundle: dict[str, Any]) -> tuple[list[_Item], dict[str, str]]:
        entries = bundle.get("entry", [])
        if not isinstance(entries, list):
            raise InvalidResource([Issue("Bundle.entry", "structure", "entry is a list")])
        items: dict[bytes, _Item] = {}
        aliases: dict[str, str] = {}
        for i, entry in enumerate(entries):
            place = f"Bundle.entry[{i}]"
            request = entry.get("request", {}) if isinstance(entry, dict) else None
            if not isinstance(request, dict) or request.get("method", "POST") not in {"POST", "PUT"}:
                text = "only entries that create or update are imported"
                raise InvalidResource([Issue(place, "not-supported", text)])
            full_url = entry.get("fullUrl") if isinstance(entry.get("fullUrl"), str) else ""
            item = self._item(place, checks.valid(entry.get("resource"), f"{place}.resource"), full_url)
            if item.source_id in items:
                text = "another entry of this bundle has the same type and id"
                raise InvalidResource([Issue(f"{place}.resource.id", "duplicate", text)])
            items[item.source_id] = item
            if full_url:
                if full_url in aliases:
                    text = "another entry of this bundle has the same fullUrl"
                    raise InvalidResource([Issue(f"{place}.fullUrl", "duplicate", text)])
                kind = item.resource["resourceType"]
                aliases[full_url] = f"{kind}/{item.resource.get('id', full_url)}"
        return list(items.values()), aliases

    def _item(self, place: str, resource: dict[str, Any], full_url: str = "") -> _Item:
        content = self._charts.vault.digest(self._practice, "import content", json.format(resource))
        name = resource.get("id") or full_url
        source_id = self._source_id(resource["resourceType"], name) if name else content
        return _Item(place, resource, source_id, content)

    def _source_id(self, kind: str, name: str) -> bytes:
        return self._charts.vault.digest(self._practice, "source id", self._source, kind, name)

    # Storing

    def _store(self, items: list[_Item], aliases: dict[str, str], mark: bytes, report: Report) -> None:
        wanted = {item.source_id: item for item in items}
        references = self._references(items, aliases, report)
        known = self._known({*wanted, *references})
        drafts, new, old = self._drafts(items, known, report)
        for source_id, holders in references.items():
            row = known.get(source_id)
            if source_id in wanted:
                ours = wanted[source_id].ours
            elif row is not None:
                ours = row.id
            else:
                ours = uuid.uuid4()
                new.append((self._practice, source_id, ours, b""))
            for holder, kind, suffix in holders:
                holder["reference"] = f"{kind}/{ours}{suffix}"
        grant = self._grant()
        self._charts.take_over(grant, drafts, lambda: self._record(new, old, mark))

    def _drafts(
        self, items: list[_Item], known: dict[bytes, _Known], report: Report
    ) -> tuple[list[Draft], list[_New], list[SourceId]]:
        """What is to be written; the source ids that are new, and those that have new content."""
        there = {known[i.source_id].id for i in items if i.source_id in known and known[i.source_id].content}
        before = {row.pk: row for row in some(Resource.objects.filter(practice=self._practice), there)}
        drafts: list[Draft] = []
        new: list[_New] = []
        old: list[SourceId] = []
        for item in items:
            kind = item.resource["resourceType"]
            row = known.get(item.source_id)
            if row is not None:
                item.ours = row.id
                if row.content == item.content:
                    report.unchanged += 1
                    continue
                old.append(SourceId(row=row.row, content=item.content))
            else:
                new.append((self._practice, item.source_id, item.ours, item.content))
            replaces = before.get(item.ours)
            report.updated += replaces is not None
            report.created += replaces is None
            drafts.append(Draft(kind, item.ours, item.resource, replaces))
        return drafts, new, old

    def _references(
        self, items: list[_Item], aliases: dict[str, str], report: Report
    ) -> dict[bytes, list[tuple[dict[str, Any], str, str]]]:
        """Who refers to which source id: (the Reference, type, version suffix)."""
        found: dict[bytes, list[tuple[dict[str, Any], str, str]]] = {}
        # A chart refers to its patient some hundred times.
        known = cache(self._source_id)
        for item in items:
            for holder in checks.holders(item.resource):
                text = holder["reference"]
                kind, _, name = aliases.get(text, "").partition("/")
                suffix = ""
                if not kind:
                    target = checks.local(text)
                    if target is None:
                        report.to_nothing += text.startswith("urn:")
                        continue
                    kind, name = target
                    suffix = text[len(kind) + len(name) + 1 :]
                found.setdefault(known(kind, name), []).append((holder, kind, suffix))
        return found

    def _known(self, source_ids: set[bytes]) -> dict[bytes, _Known]:
        listed = list(source_ids)
        rows: dict[bytes, _Known] = {}
        for start in range(0, len(listed), _MOST_AT_ONCE):
            some_ids = listed[start : start + _MOST_AT_ONCE]
            there = SourceId.objects.filter(practice=self._practice, digest__in=some_ids)
            for digest, id_, content, row in there.values_list("digest", "id", "content", "row"):
                rows[bytes(digest)] = _Known(id_, bytes(content), row)
        return rows

    def _record(self, new: list[_New], old: list[SourceId], mark: bytes) -> None:
        try:
            bulk.insert(SourceId, ("practice", "digest", "id", "content"), new)
            if old:
                SourceId.objects.bulk_update(old, ["content"], batch_size=200)
            if mark:
                ImportedUnit.objects.create(practice=self._practice, digest=mark)
        except IntegrityError:
            raise _RacedError from None

    def _grant(self) -> Grant:
        return system_grant(
            Action.IMPORT, self._practice, "import of another system's records", self._clock()
        )


def to_nothing(practice: str) -> int:
    """How many resources of a practice's imports are referred to but never came."""
    return SourceId.objects.filter(practice=practice, content=b"").count()


def _refused(unit: Unit, place: str, reason: str) -> Report:
    return Report(refused=[Refusal(unit.path, place, reason)])
