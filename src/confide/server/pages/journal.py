"""The privacy officer's page: who saw what. One figure, one picture, then the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from confide.access import reach
from confide.access.decide import Grant
from confide.access.models import Account, Client, Membership
from confide.access.roles import Action, Form, Purpose, Role
from confide.audit import reach as admissions
from confide.audit import standing
from confide.audit.accesses import clearest
from confide.audit.journal import LIMIT, Line, Outcome
from confide.errors import ConfideError, Invalid, Unknown
from confide.protect.elements import CATALOGUE, Element
from confide.records.models import Resource
from confide.records.rows import parse_id, some
from confide.server.apps import system
from confide.server.pages import compartment, dates, svg
from confide.server.pages.visitor import ROLE_LABELS, Visitor, show, staff
from confide.vault import emergencies, exports, mailings, till, tracing

_SHOWN: Final = 60
_PAGES: Final = 5
"""Readings of the journal that the figures of a busy day take at most; each is an entry itself."""

_TOGETHER: Final = timedelta(minutes=5)
_SEEING: Final = frozenset({Action.READ.value, Action.SEARCH.value, Action.REVEAL.value, Action.EXPORT.value})
# An import or an export is about a thousand people in a minute, and is one act.
_OF_MANY: Final = frozenset({Action.WRITE.value, Action.IMPORT.value, Action.EXPORT.value, Action.MAIL.value})
_GLASS: Final = {
    emergencies.BREAK: "Broke the glass",
    emergencies.ASK: "Asked a second person for an emergency",
    emergencies.ALLOW: "Allowed a colleague’s emergency",
    emergencies.REVIEW: "Reviewed an emergency",
    till.ABOVE: "Opened for care above the ceiling",
}
_REACH: Final = {
    admissions.Event.ADMIT.value: "Let a program in",
    admissions.Event.DISMISS.value: "Sent a program away",
}
ALL: Final = (
    *(action.value for action in Action),
    *(event.value for event in standing.Event),
    *_GLASS,
    *_REACH,
)
"""Who came and went is told on a page of its own: ``entrances``."""

_VERBS: Final[dict[str, str]] = {
    Action.READ: "Opened",
    Action.SEARCH: "Found",
    Action.REVEAL: "Uncovered",
    Action.WRITE: "Wrote",
    Action.IMPORT: "Imported",
    Action.INDEX: "Indexed names",
    Action.TOKENIZE: "Made tokens",
    Action.JOURNAL_READ: "Read the journal",
    Action.EXPORT: "Exported",
    Action.MAIL: "Addressed letters",
    standing.Event.FREEZE: "Froze a login",
    standing.Event.DEGRADE: "Made a login suspect",
    standing.Event.STORM: "Would have stopped one more login, and calls a person",
    standing.Event.LIFT: "Trusted a login again",
    standing.Event.OUTSIDER: "Named somebody outside",
    **_GLASS,
    **_REACH,
}
# What is told apart by what the entry is about.
_STEPS: Final = {
    exports.Act.REGISTRATION.value: "Registered a destination",
    exports.Act.AGREEMENT.value: "Approved a destination",
    exports.Act.RETIREMENT.value: "Retired a destination",
    exports.Act.REQUEST.value: "Asked for an export",
    exports.Act.APPROVAL.value: "Approved an export",
    exports.Act.WITHDRAWAL.value: "Withdrew an export",
    exports.Act.MANIFEST.value: "Finished an export",
    mailings.Act.REQUEST.value: "Asked for a mailing",
    mailings.Act.APPROVAL.value: "Approved a mailing",
    mailings.Act.WITHDRAWAL.value: "Withdrew a mailing",
    mailings.Act.MANIFEST.value: "Finished a mailing",
    tracing.RESOURCE: "Traced a leak",
}


@dataclass(frozen=True, slots=True)
class Act:
    """Neighbouring entries of one person about one patient, as one line.

    Attributes:
        elements: Labels with their form, such as ``Phone`` or ``SSN (masked)``.
        patient: The id; empty if it is about nobody, or about many.
        people: About how many.
        stand_in: The name under which the patient can be spoken of.
    """

    day: str
    time: str
    who: str
    actor: str
    role: str
    verb: str
    purpose: str
    patient: str
    people: int
    stand_in: str
    elements: Sequence[str]
    records: int
    refused: bool
    uncovered: bool


@dataclass(frozen=True, slots=True)
class Today:
    """The headline.

    Attributes:
        whole: All of today was counted; else there may be more.
        columns: For each hour the number of people whose records were opened in it.
    """

    people: int
    staff: int
    whole: bool
    picture: str
    columns: Sequence[tuple[str, int]]


@require_GET
@staff
def journal(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Show the newest entries, of all, of one person, or about one patient."""
    grant = visitor.reader()
    patient, actor = request.GET.get("patient", ""), request.GET.get("actor", "")
    if patient:
        parse_id(patient)
    now = system().clock()
    before = page_number(request.GET.get("before", ""))
    about, by = patient or None, actor or None
    lines = system().journal.read(
        grant, now, patient=about, actor=by, before=before, actions=ALL, limit=LIMIT
    )
    acts, more = acts_of(visitor, lines)
    context = {
        "today": _today(grant, now, lines if not (patient or actor or before) else []),
        "acts": acts,
        "more": more,
        "staff": actors_of(visitor.actor.practice),
        "patient": patient,
        "stand_in": stand_ins(visitor, [patient]).get(patient, "") if patient else "",
        "actor": actor,
        "day": dates.write(now.date()),
    }
    return show(request, visitor, "pages/journal.html", context)


def page_number(text: str) -> int | None:
    """Read the id of the entry before which a page begins; None where the newest are asked for."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid("a page of the journal is named by a number")
    return int(text)


def acts_of(visitor: Visitor, lines: Sequence[Line]) -> tuple[list[Act], int]:
    """The newest acts, and the id from which the next page goes on; 0 if there is nothing older."""
    groups: list[list[Line]] = []
    newest: dict[tuple[object, ...], list[Line]] = {}
    rest = LIMIT if len(lines) == LIMIT else 0
    for line in lines:
        e = line.entry
        whose = "" if e.action in _OF_MANY else e.patient
        same = (e.actor, whose, e.action, e.purpose, e.outcome, _STEPS.get(e.resource_type, ""))
        group = newest.get(same)
        if group is None or group[-1].entry.at - e.at > _TOGETHER:
            if len(groups) == _SHOWN:
                rest = LIMIT
                break
            group = newest[same] = []
            groups.append(group)
        group.append(line)
    oldest = min((line.id for group in groups for line in group), default=0)
    names = actor_names(group[0].entry.actor for group in groups)
    about = [{line.entry.patient for line in group if line.entry.patient} for group in groups]
    labels = stand_ins(visitor, {min(people) for people in about if len(people) == 1})
    return [_act(group, names, labels) for group in groups], oldest if rest else 0


def _act(group: Sequence[Line], names: dict[str, str], stand_ins: dict[str, str]) -> Act:
    entry = group[0].entry
    people = {line.entry.patient for line in group if line.entry.patient}
    patient = min(people) if len(people) == 1 else ""
    shown: dict[str, str] = {}
    for line in group:
        for element, form in line.entry.elements.items():
            shown[element] = clearest(shown.get(element, form), form)
    at = entry.at.isoformat()
    return Act(
        day=dates.format(at),
        time=dates.format_time(at),
        who=names.get(entry.actor, "Confide" if entry.actor_kind == "system" else "Unknown login"),
        actor=entry.actor,
        role=ROLE_LABELS[Role(entry.role)] if entry.role in set(Role) else entry.role,
        verb=_STEPS.get(entry.resource_type) or _VERBS.get(entry.action, entry.action),
        purpose=Purpose(entry.purpose).label,
        patient=patient,
        people=len(people),
        stand_in=stand_ins.get(patient, "No longer here"),
        elements=[_element(e, shown[e], entry.action) for e in Element if e in shown],
        records=len(
            {(line.entry.resource_type, line.entry.resource_id) for line in group if line.entry.resource_id}
        ),
        refused=entry.outcome != Outcome.SUCCESS,
        uncovered=entry.action == Action.REVEAL,
    )


def _element(element: Element, form: str, action: str) -> str:
    label = CATALOGUE[element].label
    if form in {Form.MASKED, Form.STAND_IN}:
        return f"{label} ({form})"
    return f"{label} (asked by)" if form == Form.SEARCHED and action == Action.SEARCH else label


def actor_names(ids: Iterable[str]) -> dict[str, str]:
    """What people read for accounts and clients, by id."""
    wanted = set(ids)
    people = dict(Account.objects.filter(pk__in=wanted).values_list("pk", "display_name"))
    return people | dict(Client.objects.filter(pk__in=wanted).values_list("pk", "name"))


def actors_of(practice: str) -> list[tuple[str, str]]:
    """Ids and names of those who may act in a practice, by name."""
    rows = Membership.objects.filter(practice=practice).values_list("account", "account__display_name")
    clients = Client.objects.filter(reach.inside(practice)).values_list("pk", "name")
    return sorted({*rows, *clients}, key=lambda pair: pair[1])


def stand_ins(visitor: Visitor, patients: Iterable[str]) -> dict[str, str]:
    """The pseudonyms by which patients can be spoken of; nothing is opened for them."""
    ids = []
    for patient in patients:
        try:
            ids.append(parse_id(patient))
        except Unknown:
            continue
    try:
        grant = system().decide(visitor.actor, Action.READ, visitor.purpose, None, {Element.NAME})
        rows = Resource.objects.filter(practice=visitor.actor.practice, type="Patient", deleted=False)
        views = system().charts.views(grant, list(some(rows, ids)), frozenset())
    except ConfideError:
        return {}
    return {v.id: compartment.person((v.body or {}).get("name")) for v in views}


def _today(grant: Grant, now: datetime, newest: Sequence[Line]) -> Today:
    """Count whose records were opened today, from the newest lines and as many more as it takes."""
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    people: set[str] = set()
    logins: set[str] = set()
    hours: dict[int, set[str]] = {hour: set() for hour in range(24)}
    whole = True
    lines = newest or system().journal.read(grant, now, actions=ALL, limit=LIMIT)
    for page in range(1, _PAGES + 1):
        for line in lines:
            e = line.entry
            if e.at >= start and e.actor_kind != "system" and e.action in _SEEING and e.patient:
                people.add(e.patient)
                logins.add(e.actor)
                hours[e.at.hour].add(e.patient)
        whole = len(lines) < LIMIT or lines[-1].entry.at < start
        if whole or page == _PAGES:
            break
        lines = system().journal.read(grant, now, before=lines[-1].id, actions=ALL, limit=LIMIT)
    columns = [(f"{hour:02d}", len(seen)) for hour, seen in hours.items()]
    picture = svg.columns("People whose records were opened, by hour (UTC)", "people", columns)
    return Today(len(people), len(logins), whole, picture, columns)
