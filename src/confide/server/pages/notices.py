"""Letters about a breach: how far they are, how they read, a second person's word, regulators' forms."""

from __future__ import annotations

import tomllib
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods

from confide.access.decide import Grant
from confide.access.freshness import require_fresh
from confide.access.models import Destination
from confide.access.roles import Action, Purpose
from confide.errors import AccessDenied, Invalid, Unknown
from confide.incidents import reading
from confide.incidents.course import Breadth
from confide.incidents.deadlines import describe
from confide.incidents.facts import day, everywhere
from confide.incidents.models import Incident, Scope
from confide.incidents.notices import (
    facts,
    filings,
    letters,
    mailings,
    offers,
    progress,
    reached,
    scoped,
    templates,
    wording,
)
from confide.incidents.notices.mailings import Wanted
from confide.incidents.notices.models import Mailing
from confide.incidents.notices.states import Channel, Round, State
from confide.incidents.notices.templates import PERSONAL, Kind
from confide.protect.elements import CATALOGUE, Element
from confide.server import filed, keeper
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor, show, staff
from confide.server.paper import MEDIA

_CHANNELS: Final = {
    Channel.LETTERS: "letters (PDF files)",
    Channel.RECORDS: "records for the print house",
    Channel.EMAIL: "e-mails",
}
_STATES: Final = {
    State.REQUESTED: "waits for a second person",
    State.APPROVED: "approved, not begun",
    State.RUNNING: "under way",
    State.FINISHED: "finished",
    State.WITHDRAWN: "taken back",
    State.LAPSED: "lapsed",
}
_KINDS: Final = {
    Kind.INDIVIDUAL: "to a grown person",
    Kind.PARENT: "to a parent",
    Kind.FAMILY: "to the next of kin",
    Kind.FEDERAL: "the second letter, under federal law",
}
_FORMS: Final = {"maine_ag": "Maine, Attorney General", "hhs_ocr": "HHS, Office for Civil Rights"}


@require_http_methods(["GET", "POST"])
@staff
def notices(request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """Tell how far the letters of an incident are; ask for a mailing, approve one, or take one back."""
    grant = _grant(visitor)
    row = _incident(visitor, incident)
    if request.method == "POST":
        keeper.require_trusted(request)
        require_fresh(visitor.actor.proved_at, system().clock())
        try:
            _act(request, grant, row)
        except (Invalid, AccessDenied, Unknown) as problem:
            context = _story(visitor, row) | {"problem": str(problem)}
            return show(request, visitor, "pages/notices.html", context, 422)
        return redirect("pages:notices", row.pk)
    return show(request, visitor, "pages/notices.html", _story(visitor, row))


@require_GET
@staff
def mailed(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """List a practice's mailings."""
    _grant(visitor)
    rows = _rows(progress.of(visitor.actor.practice, system().clock()))
    return show(request, visitor, "pages/mailed.html", {"mailings": rows})


@require_GET
@staff
def letter(request: HttpRequest, visitor: Visitor, mailing: str) -> HttpResponse:
    """Show a letter of a mailing as it would be to a made-up person."""
    _grant(visitor)
    row = mailings.find(visitor.actor.practice, mailing)
    asked = request.GET
    try:
        kind = Kind(asked.get("kind") or (Kind.FEDERAL if row.round == Round.FEDERAL else Kind.INDIVIDUAL))
        shown = frozenset(Element(each) for each in asked.getlist("element")) or frozenset({Element.NAME})
    except ValueError:
        raise Invalid("choose the letter and what was shown from the lists") from None
    if kind not in PERSONAL:
        raise Invalid("choose the letter and what was shown from the lists")
    told = mailings.facts_of(row)
    language = "es" if asked.get("language") == "es" and told.es is not None else "en"
    state = asked.get("state", "") if asked.get("state", "") in reading.held().states else ""
    texts = mailings.templates_of(row)
    made = letters.specimen(texts, told, kind, language, state, shown)  # type: ignore[arg-type]  # one of two
    lacking = wording.lacks(letters.choose(texts, kind, made.language, told), state)
    measured = made.measured()
    context = {
        "id": row.pk,
        "incident": row.incident,
        "blocks": [(part.value, text) for part, text in made.blocks],
        "language": language,
        "measured": measured.told,
        "reached": measured.reached,
        "told": [*wording.rule(state).told, *wording.shortfalls(shown, state, told.months), *lacking],
        "kinds": [(each.value, words, each is kind) for each, words in _KINDS.items()],
        "states": [(code, one.state, code == state) for code, one in sorted(reading.held().states.items())],
        "elements": [(e.value, CATALOGUE[e].label, e in shown) for e in Element],
        "spanish": told.es is not None,
    }
    return show(request, visitor, "pages/letter.html", context)


@require_GET
@staff
def filing(request: HttpRequest, visitor: Visitor, incident: str, name: str) -> HttpResponse:
    """Show a regulator's form or sheet to be copied; as a PDF where ``paper`` is asked for."""
    _grant(visitor)
    row = _incident(visitor, incident)
    made = dict(_filings(visitor, row)).get(name)
    if made is None:
        raise Unknown("there is no such form (or nobody has counted who was reached)")
    if "paper" in request.GET:
        response = HttpResponse(filed.filing(made, visitor.practice, system().clock()), content_type=MEDIA)
        response["Content-Disposition"] = f'attachment; filename="{name}-{row.pk[:8]}.pdf"'
        return response
    fields = [
        (each.field.id if each.field.id != each.field.label else "", each.field.label, each.told,
         each.field.required is not False, "; ".join(each.field.choices) if each.known is None else "")
        for each in made.answers
    ]  # fmt: skip
    context = {"made": made, "fields": fields, "id": row.pk, "name": name}
    return show(request, visitor, "pages/filing.html", context)


def _grant(visitor: Visitor) -> Grant:
    if not visitor.mails:
        raise AccessDenied("letters about a breach are for the privacy officer and the practice manager")
    return system().decide(visitor.actor, Action.MAIL, Purpose.HOPERAT, None, ())


def _incident(visitor: Visitor, id_: str) -> Incident:
    """An incident of the visitor's practice, or one of the whole host."""
    row = Incident.objects.filter(pk=id_).first()
    mine = row is not None and (row.practice == visitor.actor.practice or row.breadth == Breadth.HOST)
    if row is None or not mine:
        raise Unknown("there is no such incident")
    return row


def _act(request: HttpRequest, grant: Grant, row: Incident) -> None:
    said = request.POST
    if said.get("act") == "request":
        _request(request, grant, row)
        return
    mailing = mailings.find(grant.practice, said.get("mailing", "")[:36])
    if said.get("act") == "approve":
        system().mailings.approve(grant, mailing)
    elif said.get("act") == "withdraw":
        system().mailings.withdraw(grant, mailing)
    else:
        raise Invalid("there is nothing to do")


def _request(request: HttpRequest, grant: Grant, row: Incident) -> None:
    said = request.POST
    counted = row.latest_scope()
    if counted is None:
        raise Invalid("nobody has counted who was reached")
    if said.get("channel") not in {Channel.LETTERS, Channel.RECORDS}:
        raise Invalid("choose from the list how the letters leave")
    place = Destination.objects.filter(pk=said.get("place", ""), practice_id=grant.practice).first()
    if place is None:
        raise Invalid("choose from the list where the letters go")
    upload = request.FILES.get("facts")
    try:
        told = facts.read(tomllib.loads(upload.read(100_000).decode() if upload is not None else ""))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Invalid("what the letters say is a TOML file") from None
    round_ = Round.FEDERAL if said.get("round") == Round.FEDERAL else Round.NOTICE
    more = said.get("who") == "more"
    wanted = Wanted(told, templates.built_in(), Channel(said["channel"]), round_, place, more=more)
    system().mailings.request(grant, scoped.of(counted, grant.practice), wanted)


def _story(visitor: Visitor, row: Incident) -> dict[str, Any]:
    practice, now = visitor.actor.practice, system().clock()
    standing = progress.of(practice, now, row.pk)
    counted = row.latest_scope()
    missed = reached.unreachable(row.pk, practice)
    there, given, used = offers.counts(practice, row.pk)
    gone = {State.WITHDRAWN, State.LAPSED}
    first = [each for each in standing if each.round == Round.NOTICE and each.state not in gone]
    states = [] if counted is None else sorted(state for state in counted.states if state)
    places = Destination.objects.filter(practice_id=practice, use="mailing", retired_at__isnull=True)
    return {
        "id": row.pk,
        "title": system().cases.title(row) if visitor.reads_journal else f"Incident {row.pk[:8]}",
        "reads": visitor.reads_journal,
        "mailings": _rows(standing, visitor.actor.id),
        "letters": sum(each.letters for each in first),
        "people": sum(each.people for each in first),
        "missed": missed,
        "many": missed >= reached.MANY,
        "more": 0
        if counted is None or counted.frozen_at is None
        else scoped.grown(counted, practice, Round.NOTICE, now),
        "codes": (there, given, used),
        "told": [said for state in states for said in wording.rule(state).told],
        "unsound": counted is not None and counted.frozen_at is not None and not counted.sound,
        "frozen": counted is not None and counted.frozen_at is not None,
        "filings": [(name, made.title, made.open) for name, made in _filings(visitor, row)],
        "places": [(place.pk, place.name) for place in places.order_by("name")],
    }


def _rows(standing: list[progress.Standing], own: str = "") -> list[dict[str, Any]]:
    names = actor_names({each.requested_by for each in standing} | {each.approved_by for each in standing})
    return [
        {
            "id": each.id,
            "short": each.id[:8],
            "incident": each.incident,
            "day": dates.write(each.requested_at.date()),
            "what": _CHANNELS[Channel(each.channel)],
            "second": each.round == Round.FEDERAL,
            "to": each.to,
            "state": _STATES[each.state],
            "waits": each.state is State.REQUESTED,
            "open": each.state in {State.REQUESTED, State.APPROVED, State.RUNNING},
            "mine": each.requested_by == own,
            "people": each.people,
            "done": each.done,
            "missed": each.missed,
            "unsound": not each.sound,
            "by": names.get(each.requested_by, "Unknown login"),
            "agreed": names.get(each.approved_by, "") if each.approved_by else "",
            "picture": svg.bar(each.done / max(1, each.people), f"{each.percent} of 100 are done"),
            "percent": each.percent,
        }
        for each in standing
    ]


def _filings(visitor: Visitor, row: Incident) -> list[tuple[str, filings.Filing]]:
    """Forms and sheets of an incident, each by a name; none while nobody was counted."""
    counted = row.latest_scope()
    if counted is None or not counted.records:
        return []
    return list(_filled(visitor, row, counted))


def _filled(visitor: Visitor, row: Incident, counted: Scope) -> list[tuple[str, filings.Filing]]:
    incident = describe(row, counted)
    found = system().deadlines.reckon(row, counted)
    if found is None:
        return []
    practice = visitor.actor.practice
    rows = Mailing.objects.filter(incident=row.pk, practice=practice).exclude(state=State.WITHDRAWN)
    newest = rows.order_by("-requested_at").first()
    told = mailings.facts_of(newest) if newest is not None else None
    zones = everywhere(incident, reading.held())
    went = rows.filter(finished_at__isnull=False).order_by("finished_at")
    sent = filings.Sent(
        dates=tuple(dict.fromkeys(day(at, zones) for at in went.values_list("finished_at", flat=True) if at)),
        channels=tuple(sorted(set(went.values_list("channel", flat=True)))),
        unreachable=reached.unreachable(row.pk, practice) if went else None,
    )
    forms = [(name, filings.fill(name, incident, found, counted.sound, told, sent)) for name in filings.NAMES]
    sheets = filings.sheets(incident, found, counted.sound, sent)
    return [*forms, *((f"sheet-{n}", each) for n, each in enumerate(sheets, 1))]
