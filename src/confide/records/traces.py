"""What a leaked piece is compared with in the records: ids, and the stand-ins that lie there."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from confide.fhir import json
from confide.records.cohorts import in_order
from confide.records.models import Resource, Superseded

_AT_ONCE: Final = 900
# The types in which a person's numbers and pseudonym lie at rest.
_KINDS: Final = ("Patient", "Coverage", "Account")


class RecordShelves:
    """The records of all practices, as `vault.tracing` looks at them."""

    def owners(self, practice: str, ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        wanted = [uuid.UUID(i) for i in ids]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            for rows in (Superseded.objects, Resource.objects):
                there = rows.filter(practice=practice, id__in=some).values_list("id", "patients")
                found.update({str(id): tuple(patients.split()) for id, patients in there})
        return found

    def count(self, practice: str) -> int:
        return Resource.objects.filter(practice=practice).count()

    def stand_ins(self, practice: str) -> Iterator[tuple[str, str]]:
        for kind in _KINDS:
            rows = Resource.objects.filter(practice=practice, type=kind, deleted=False).only(
                "patients", "body"
            )
            for row in in_order(rows):
                whose = row.patients.split() or [""]
                for value in _values(json.parse(bytes(row.body))):
                    yield value, whose[0]


def _values(body: Mapping[str, Any]) -> Iterator[str]:
    for holder in (*body.get("identifier", ()), *body.get("telecom", ())):
        if isinstance(holder.get("value"), str):
            yield holder["value"]
    for key in ("subscriberId", "dependent"):
        if isinstance(body.get(key), str):
            yield body[key]
    for name in body.get("name", ()) if body["resourceType"] == "Patient" else ():
        yield from (name.get("family", ""), *name.get("given", ()))
