"""``AuditEvent``: the journal, for the privacy officer and the auditor, in a session of theirs; read only.

A program has no role in which the journal may be read, so a token is refused, and the refusal is an entry. A
reading is an entry as well.

Source:
    FHIR R4 4.0.1, AuditEvent, Search (http://hl7.org/fhir/R4/search.html); IHE ITI BALP 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse

from confide.access.models import Account
from confide.access.roles import Action
from confide.audit.events import Scene, event
from confide.audit.journal import Line, Outcome, refusal_for
from confide.audit.questions import LETTERS, RESOURCE, Question, find
from confide.errors import AccessDenied, ConfideError, InvalidResource, Issue, Unavailable, Unknown
from confide.records.outcomes import note
from confide.records.rows import current
from confide.server import bodies
from confide.server.apps import system
from confide.server.fhir import exchange as programs
from confide.server.fhir.answers import Declined, base_url, negotiate, send, send_declined, send_problem
from confide.server.fhir.exchange import own_id
from confide.server.pace import pace
from confide.server.pages.visitor import Visitor, visit
from confide.vault.disclosures import Disclosure
from confide.vault.grounds import ALSO, LEFT, Left
from confide.vault.models import Export

COUNT: Final = 50
MOST: Final = 200
"""Entries on a page: where nothing is said, and at most."""

PARAMETERS: Final = (
    ("_id", "token"), ("action", "token"), ("agent", "reference"), ("date", "date"), ("entity", "reference"),
    ("outcome", "token"), ("patient", "reference"),
)  # fmt: skip
"""What may be searched by, each with its kind."""

_PRESENTATION: Final = frozenset({"_format", "_pretty", "_total"})
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII).fullmatch
_TIME: Final = r"T\d{2}:\d{2}(?P<seconds>:\d{2}(?:\.(?P<fraction>\d{1,9}))?)?(?:Z|[+-]\d{2}:\d{2})"
_DATE: Final = re.compile(
    rf"(eq|ge|gt|le|lt|sa|eb)?(\d{{4}}(?:-\d{{2}}(?:-\d{{2}}(?:{_TIME})?)?)?)", re.ASCII
)
_REFERENCE: Final = re.compile(
    r"(?:https?://[\x21-\x7e]+/)?(?:([A-Za-z]{1,64})/)?([A-Za-z0-9.\-]{1,64})"
).fullmatch
_MICROSECONDS: Final = 6
_YEAR, _MONTH, _DAY = 4, 7, 10
_DECEMBER: Final = 12


def search(request: HttpRequest) -> HttpResponse:
    """Answer ``GET AuditEvent?...``."""
    return _answer(request, lambda visitor: _search(request, visitor))


def read(request: HttpRequest, id_: str) -> HttpResponse:
    """Answer ``GET AuditEvent/id``."""
    return _answer(request, lambda visitor: _read(request, visitor, id_))


def disclosures(request: HttpRequest) -> HttpResponse:
    """Answer ``GET AuditEvent/$disclosures?patient=id``: the accounting of disclosures, as a Bundle.

    Source:
        45 CFR 164.528.
    """
    return _answer(request, lambda visitor: _disclosures(request, visitor))


def _answer(request: HttpRequest, work: Any) -> HttpResponse:
    try:
        negotiate(request)
        if request.method != "GET":
            raise Declined(405, "not-supported", "the journal is only read", {"Allow": "GET"})
        response: HttpResponse = work(_visitor(request))
    except Declined as declined:
        return send_declined(declined)
    except ConfideError as problem:
        return send_problem(problem, searching=True)
    except DatabaseError:
        return send_problem(Unavailable("the database does not answer now"))
    response["Cache-Control"] = "no-store"
    return response


def _visitor(request: HttpRequest) -> Visitor:
    """Return who is there, in a role that reads the journal.

    Raises:
        Declined: Nobody is signed in.
        AccessDenied: It is a program, or the role does not read the journal; the refusal is written down.
    """
    if "Authorization" in request.headers:
        exchange = programs.authenticate(request)
        exchange.action, exchange.kind = Action.JOURNAL_READ, RESOURCE
        raise exchange.journal(AccessDenied("the journal is read by people, not by programs"))
    person = request.user
    visitor = None
    if isinstance(person, Account) and person.password_found_at is None:
        visitor = visit(request)
    if visitor is None:
        text = "the journal is read in a session of a person, who has chosen a practice"
        raise Declined(401, "login", text)
    if not visitor.reads_journal:
        now = system().clock()
        refused = refusal_for(
            visitor.actor, Action.JOURNAL_READ, visitor.purpose, now, resource_type=RESOURCE,
            outcome=Outcome.MINOR_FAILURE,
        )  # fmt: skip
        with transaction.atomic(durable=True):
            system().journal.append([refused])
        raise AccessDenied("the journal is for the privacy officer and the auditor")
    pace.keep(visitor.actor)
    return visitor


def _read(request: HttpRequest, visitor: Visitor, id_: str) -> HttpResponse:
    if not _DIGITS(id_):
        raise Unknown("there is no such entry")
    lines = find(system().journal, visitor.reader(), Question(ids=[int(id_)], limit=1), system().clock())
    if not lines:
        raise Unknown("there is no such entry")
    return send(event(lines[0], _scene(request, lines)))


def _search(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    asked = bodies.parse_fields(str(request.META.get("QUERY_STRING", "")).encode("latin-1"))
    asked = [(name, value) for name, value in asked if name not in _PRESENTATION]
    question, count = read_question(asked)
    lines = find(system().journal, visitor.reader(), question, system().clock())
    more, lines = len(lines) > count, lines[:count]
    scene = _scene(request, lines)
    address = f"{scene.base}/{RESOURCE}"
    kept = [(name, value) for name, value in asked if name != "_cursor"]
    links = [{"relation": "self", "url": f"{address}?{urlencode(kept)}" if kept else address}]
    if more and lines:
        rest = urlencode([*kept, ("_cursor", str(lines[-1].id))])
        links.append({"relation": "next", "url": f"{address}?{rest}"})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if lines:
        bundle["entry"] = [
            {
                "fullUrl": f"{address}/{line.id}",
                "resource": event(line, scene),
                "search": {"mode": "match"},
            }
            for line in lines
        ]
    return send(bundle)


def _disclosures(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    asked = bodies.parse_fields(str(request.META.get("QUERY_STRING", "")).encode("latin-1"))
    named = [value for name, value in asked if name not in _PRESENTATION]
    if len(named) != 1 or {name for name, _ in asked} - _PRESENTATION != {"patient"}:
        raise _refuse("patient", "required", "$disclosures takes one patient")
    patient = _named("patient", named[0])
    current(visitor.actor.practice, "Patient", patient)
    grant = system().decide(visitor.actor, Action.JOURNAL_READ, visitor.purpose, None, ())
    accounting = system().disclosures.account(grant, patient)
    lines = [one.line for one in accounting.disclosures]
    scene = _scene(request, lines)
    told = {one.line.entry.resource_id: one.recipient for one in accounting.disclosures}
    scene = replace(scene, recipients={**scene.recipients, **told})
    entries: list[dict[str, Any]] = [
        {"fullUrl": f"{scene.base}/{RESOURCE}/{one.line.id}", "resource": _accounted(one, scene)}
        for one in accounting.disclosures
    ]
    left = [f"{LEFT[each][0]} ({LEFT[each][1]}): {accounting.left.get(each, 0)}" for each in Left]
    said = "Left out, by law: " + "; ".join(left) + ". " + ALSO
    entries.append({"resource": note("informational", said)})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return send({**bundle, "timestamp": f"{accounting.until}T00:00:00Z"})


def _accounted(one: Disclosure, scene: Scene) -> dict[str, Any]:
    """One line of an accounting: the event, with what was told, what for, how often, and until when."""
    made = event(one.line, scene)
    period = {"start": one.first.isoformat(), "end": one.last.isoformat()}
    detail = [
        {"type": "what", "valueString": one.what},
        {"type": "purpose", "valueString": one.purpose},
        {"type": "rule", "valueString": one.rule},
        {"type": "times", "valueString": str(one.times)},
    ]
    if one.address:
        detail.append({"type": "address", "valueString": one.address})
    made["period"] = period
    made["entity"][-1]["detail"] += detail
    return made


def _scene(request: HttpRequest, lines: Iterable[Line]) -> Scene:
    from confide.server.pages.journal import actor_names

    listed = list(lines)
    exports = {line.entry.resource_id for line in listed if line.entry.action == Action.EXPORT}
    to = Export.objects.filter(pk__in=exports).values_list("pk", "destination__name") if exports else ()
    return Scene(base_url(request), actor_names(line.entry.actor for line in listed), dict(to))


# What was asked


def read_question(asked: Iterable[tuple[str, str]]) -> tuple[Question, int]:
    """Read a search of AuditEvents.

    Args:
        asked: Names and values of its parameters.

    Returns:
        What to ask the journal, with one entry more than a page has; and how many a page has.

    Raises:
        InvalidResource: A parameter is not supported or not to be read; the message names known ones only.
    """
    said: dict[str, Any] = {}
    count = COUNT
    for name, value in asked:
        if name == "_count":
            count = min(int(_number(name, value)), MOST)
        elif name == "date":
            _narrow(said, value)
        elif name in _READERS and _READERS[name][0] not in said:
            field, reader = _READERS[name]
            said[field] = reader(name, value)
        else:
            raise _refuse("search", "not-supported", "a search parameter is not supported for AuditEvent")
    return Question(**said, limit=count + 1 if count else 0), count


def _number(name: str, value: str) -> int:
    if not _DIGITS(value):
        raise _refuse(name, "value", f"{name} is a whole number")
    return int(value)


def _numbers(name: str, value: str) -> list[int]:
    return [_number(name, each) for each in value.split(",")]


def _named(name: str, value: str) -> str:
    """The id in a reference, or after the system of an identifier; what is none of ours finds nothing."""
    id_ = value.rpartition("|")[2].rpartition("/")[2]
    if not id_ or "," in id_ or len(id_) > 64:
        raise _refuse(name, "value", f"{name} is one reference")
    return own_id(id_) or (id_ if name == "agent" and id_ == "confide" else "-")


def _thing(name: str, value: str) -> tuple[str, str]:
    reference = _REFERENCE(value)
    if reference is None:
        raise _refuse(name, "value", f"{name} is one reference, such as Observation/id, without a version")
    return reference[1] or "", own_id(reference[2]) or "-"


def _letters(name: str, value: str) -> list[str]:
    codes = [each.rpartition("|")[2] for each in value.split(",")]
    if not set(codes) <= set(LETTERS):
        raise _refuse(name, "value", f"{name} is of {', '.join(LETTERS)}")
    return codes


def _outcomes(name: str, value: str) -> list[str]:
    codes = [each.rpartition("|")[2] for each in value.split(",")]
    if not set(codes) <= {outcome.value for outcome in Outcome}:
        raise _refuse(name, "value", f"{name} is of {', '.join(Outcome)}")
    return codes


_READERS: Final[dict[str, tuple[str, Any]]] = {
    "_id": ("ids", _numbers),
    "_cursor": ("before", _number),
    "patient": ("patient", _named),
    "agent": ("actor", _named),
    "entity": ("resource", _thing),
    "action": ("letters", _letters),
    "outcome": ("outcomes", _outcomes),
}


def _narrow(said: dict[str, Any], value: str) -> None:
    """Take one more date: all of them must hold."""
    match = _DATE.fullmatch(value)
    try:
        low, high = _span(match) if match else (None, None)
    except (ValueError, OverflowError):
        low = high = None
    if match is None or low is None or high is None:
        raise _refuse("date", "value", "date is such as 2026-05-04, perhaps after ge or lt")
    prefix = match[1] or "eq"
    since = {"eq": low, "ge": low, "gt": high, "sa": high}.get(prefix)
    until = {"eq": high, "le": high, "lt": low, "eb": low}.get(prefix)
    if since is not None:
        said["since"] = max(since, said.get("since", since))
    if until is not None:
        said["until"] = min(until, said.get("until", until))


def _span(written: re.Match[str]) -> tuple[datetime, datetime]:
    """The first moment of a date as it was written, and the first after it: a minute is all of the minute."""
    text = written[2]
    if len(text) > _DAY:
        at, digits = datetime.fromisoformat(text).astimezone(UTC), written["fraction"] or ""
        step = timedelta(microseconds=10 ** max(0, _MICROSECONDS - len(digits)))
        return at, at + (step if written["seconds"] else timedelta(minutes=1))
    year, month, day = int(text[:4]), int(text[5:7] or 1), int(text[8:10] or 1)
    low = datetime(year, month, day, tzinfo=UTC)
    if len(text) == _YEAR:
        return low, low.replace(year=year + 1)
    if len(text) == _MONTH:
        return low, low.replace(year=year + month // _DECEMBER, month=month % _DECEMBER + 1)
    return low, low + timedelta(days=1)


def _refuse(name: str, kind: str, text: str) -> InvalidResource:
    return InvalidResource([Issue(name, kind, text)])
