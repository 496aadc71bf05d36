"""In which state each patient lives: read from the stored records, where it stands in clear, and kept.

A scope of a million persons must not read a million records. What changed since the last time is read while
the server runs, and when a scope is counted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final

import msgspec
from django.db import DatabaseError, connections, router, transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from confide.errors import Unavailable
from confide.fhir import vocabulary
from confide.incidents import reading
from confide.incidents.models import Progress, Residence
from confide.records.models import ChangeCounter, PatientChange, Resource, Superseded

_AT_ONCE: Final = 1000
_FEW: Final = 900
_HOME: Final = frozenset({"", "us", "usa", "united states", "united states of america", "840"})
_PUERTO_RICO: Final = frozenset({"pr", "pri", "puerto rico"})


class _Address(msgspec.Struct):
    use: str = ""
    state: str = ""
    country: str = ""
    period: dict[str, Any] | None = None


class _Patient(msgspec.Struct):
    address: list[_Address] = []


_decode: Final = msgspec.json.Decoder(_Patient).decode


def refresh() -> int:
    """Read where patients live whose records changed since the last time.

    Returns:
        How many were read.

    Raises:
        Unavailable: The database does not answer.
    """
    done = 0
    before = Progress.objects.filter(pk=OuterRef("practice")).values("number")
    behind = ChangeCounter.objects.annotate(before=Coalesce(Subquery(before), 0)).filter(
        number__gt=F("before")
    )
    try:
        listed = list(behind.values_list("practice", "number", "before"))
        random.shuffle(listed)  # processes that begin at the same moment share the work
        for practice, number, since in listed:
            if Progress.objects.filter(practice=practice, number__gte=number).exists():
                continue
            done += _read(practice, since)
            Progress.objects.update_or_create(practice=practice, defaults={"number": number})
    except DatabaseError as problem:
        raise Unavailable(f"the records cannot be read ({type(problem).__name__})") from None
    return done


def _read(practice: str, since: int) -> int:
    rows = Resource.objects.filter(practice=practice, type="Patient")
    if since:
        changed = PatientChange.objects.filter(practice=practice, number__gt=since)
        ids = list(set(changed.values_list("patient", flat=True)))
        parts: Iterable[Any] = (
            rows.filter(pk__in=ids[start : start + _FEW]) for start in range(0, len(ids), _FEW)
        )
    else:
        parts = [rows]
    done = 0
    for part in parts:
        found = ((str(id_), _state(body)) for id_, body in _bodies(part))
        while some := list(islice(found, _AT_ONCE)):
            _write(practice, some)
            done += len(some)
    return done


def _bodies(rows: Any) -> Iterator[tuple[Any, bytes]]:
    """The bodies; of a deleted patient the last one that there was."""
    for id_, body, deleted in rows.values_list("pk", "body", "deleted").iterator(_AT_ONCE):
        if deleted:
            last = Superseded.objects.filter(~Q(body=b""), id=id_).order_by("-version")
            yield id_, bytes(last.values_list("body", flat=True).first() or b"{}")
        else:
            yield id_, bytes(body)


def _write(practice: str, some: list[tuple[str, str]]) -> None:
    with transaction.atomic():
        Residence.objects.bulk_create(
            # In one order: two who write the same ones wait for each other, and never in a circle.
            [Residence(patient=patient, practice=practice, state=state) for patient, state in sorted(some)],
            update_conflicts=True, unique_fields=["patient"], update_fields=["state"],
        )  # fmt: skip


def _state(body: bytes) -> str:
    try:
        return _choose(_decode(body).address)
    except msgspec.MsgspecError:
        return ""


def state_of(patient: Mapping[str, Any]) -> str:
    """Return the state of a Patient: of the home, or else of the first address that has one."""
    try:
        return _choose(msgspec.convert(patient, _Patient).address)
    except msgspec.MsgspecError:
        return ""


def _choose(addresses: list[_Address]) -> str:
    ended = [each for each in addresses if each.use == "old" or (each.period or {}).get("end")]
    current = [each for each in addresses if each not in ended] or addresses
    ordered = sorted(current, key=lambda each: each.use != "home")
    return next((code for each in ordered if (code := locate(each.state, each.country))), "")


def at_home(country: str) -> bool:
    """Whether an address is in the United States: it says so, or names no other country."""
    return country.strip().replace(".", "").casefold() in _HOME


def locate(state: str, country: str) -> str:
    """Return the two letters of the state that an address is in; empty abroad, or where nobody knows.

    Provinces of other countries have letters that are a state's here: PA is Palermo, too.
    """
    if country.strip().casefold() in _PUERTO_RICO:
        return normalize("PR")
    abroad = vocabulary.known_country(country.strip()) and not at_home(country)
    return "" if abroad else normalize(state)


def normalize(state: str) -> str:
    """Return a state's two letters, however it was written; empty where the law's data know none such."""
    return _codes().get(state.strip().casefold(), "")


@cache
def _codes() -> Mapping[str, str]:
    states = reading.held().states
    names = {row.state.casefold(): code for code, row in states.items()}
    return names | {code.casefold(): code for code in states}


def vendor() -> str:
    """Return which database it is: what is counted there is written for it."""
    return connections[router.db_for_read(Residence)].vendor
