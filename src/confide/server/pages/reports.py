"""Two reports for a patient, as pages and as PDF: who looked at the record, and to whom it was disclosed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from confide.access.decide import Grant
from confide.access.roles import Action, Purpose, Role
from confide.audit.accesses import Report, report_accesses
from confide.errors import AccessDenied, ConfideError, Invalid
from confide.protect.elements import CATALOGUE, Element
from confide.server import keeper
from confide.server.apps import system
from confide.server.naming import Names
from confide.server.pages import compartment, dates, words
from confide.server.pages.journal import actor_names, stand_ins
from confide.server.pages.reveal import Asked, uncover
from confide.server.pages.visitor import Visitor, show, staff
from confide.server.paper import MEDIA, Paper, Section, typeset
from confide.vault.disclosures import YEARS, Accounting, Disclosure, Told
from confide.vault.grounds import ALSO, BASES, LEFT, Basis, Left

_SHOWN: Final = 400
"""Lines on a page; the PDF has all of them."""

# What is told in words; the rest of the catalogue is told with it.
_CHOICES: Final = [(element.value, CATALOGUE[element].label) for element in Element]


@require_GET
@staff
def accesses(request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Show who looked at a patient's record, when and why."""
    report, told = _accesses(visitor, patient)
    context = {
        "patient": patient,
        "stand_in": stand_ins(visitor, [patient]).get(patient, "One patient"),
        "told": told[:_SHOWN],
        "more": max(0, len(told) - _SHOWN),
        "people": report.people,
        "glass": sum(each.glass for each in told),
        "years": YEARS,
        "day": dates.write(system().clock().date()),
    }
    return show(request, visitor, "pages/accesses.html", context)


@require_POST
@staff
def accesses_paper(_request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Set the access report as a PDF, with the patient's name: that is uncovered for it."""
    report, told = _accesses(visitor, patient)
    now = system().clock()
    rows = [
        (
            f"{each.day}\n{each.when}",
            "\n".join(filter(None, (each.who, each.role))),
            "\n".join(filter(None, ("EMERGENCY" if each.glass else "", each.did, each.what))),
            each.why,
        )
        for each in told
    ]
    paper = Paper(
        title="Who looked at your record",
        practice=visitor.practice,
        day=dates.write(now.date()),
        about=_about(visitor, patient, now),
        lead=[_LEAD.format(YEARS, _count(report.people, "person or program", "people and programs"))],
        sections=[
            Section(
                "The newest first",
                ("When (UTC)", "Who", "What", "Why"),
                (3, 4, 7, 5),
                rows,
                "Nobody has opened your record.",
            )
        ],
        end=[_ASK],
    )
    return _pdf(paper, now, "who-looked.pdf")


@require_http_methods(["GET", "POST"])
@staff
def disclosures(request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Account for a patient's disclosures; write one down that was made outside of the system."""
    _require_reader(visitor, patient)
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            _record(request, visitor, patient)
        except Invalid as problem:
            # What was typed stays on the page that it was typed on, and goes nowhere else.
            context = {"problem": str(problem), "typed": request.POST, "open": True}
        else:
            return redirect("pages:disclosures", patient)
    accounting = _account(visitor, patient)
    context |= {
        "patient": patient,
        "stand_in": stand_ins(visitor, [patient]).get(patient, "One patient"),
        "lines": [_line(each) for each in accounting.disclosures],
        "left": _left(accounting),
        "also": ALSO,
        "since": dates.write(accounting.since),
        "years": YEARS,
        "day": dates.write(accounting.until),
        "writes": visitor.role is Role.PRIVACY_OFFICER,
        "bases": [(basis.value, text, rule) for basis, (text, rule) in BASES.items()],
        "elements": _CHOICES,
        "chosen": request.POST.getlist("element"),
        "today": accounting.until.isoformat(),
    }
    return show(
        request, visitor, "pages/disclosures.html", context, status=422 if "problem" in context else 200
    )


@require_POST
@staff
def disclosures_paper(_request: HttpRequest, visitor: Visitor, patient: str) -> HttpResponse:
    """Set the accounting as a PDF, with the patient's name: that is uncovered for it."""
    accounting = _account(visitor, patient)
    now = system().clock()
    rows = [
        (
            each["when"] + (f"\n{each['times']}" if each["times"] else ""),
            "\n".join(filter(None, (each["recipient"], each["address"]))),
            each["what"],
            f"{each['purpose']} ({each['rule']})",
        )
        for each in map(_line, accounting.disclosures)
    ]
    paper = Paper(
        title="Accounting of disclosures",
        practice=visitor.practice,
        day=dates.write(accounting.until),
        about=_about(visitor, patient, now),
        lead=[_ACCOUNT.format(dates.write(accounting.since), dates.write(accounting.until))],
        sections=[
            Section(
                "Disclosures",
                ("Date", "To whom", "What", "What for"),
                (3, 4, 4, 6),
                rows,
                "Nothing that must be accounted for was disclosed.",
            )
        ],
        notes_title="What is left out, by law",
        notes=[*(f"{text} ({rule}): {count}" for text, rule, count in _left(accounting)), ALSO],
        end=[_FREE, _ASK],
    )
    return _pdf(paper, now, "accounting-of-disclosures.pdf")


_LEAD: Final = (
    "Seen by, in the last {} years: {}. This list comes from the journal. This program writes each opening of"
    " a record down there before it shows anything, and nobody can take it out again."
)
_ACCOUNT: Final = "To whom your health information was disclosed from {} to {} (45 CFR 164.528)."
_ASK: Final = (
    "If something here surprises you, ask the privacy officer of the practice. You may also complain to the"
    " Office for Civil Rights, U.S. Department of Health and Human Services."
)
_FREE: Final = "The first accounting within twelve months is free of charge (45 CFR 164.528(c)(2))."


def _require_reader(visitor: Visitor, patient: str) -> None:
    if not visitor.reads_journal:
        raise AccessDenied("reports from the journal are the privacy officer’s")
    compartment.patient_row(visitor.actor.practice, patient)


def _grant(visitor: Visitor, patient: str) -> Grant:
    return system().decide(visitor.actor, Action.JOURNAL_READ, visitor.purpose, {patient}, ())


def _accesses(visitor: Visitor, patient: str) -> tuple[Report, list[words.Told]]:
    _require_reader(visitor, patient)
    now = system().clock()
    since = now.replace(year=now.year - YEARS, day=min(now.day, 28))
    report = report_accesses(system().journal, _grant(visitor, patient), patient, since, now)
    names = actor_names({each.actor for each in report.accesses})
    style: Names = settings.CONFIG.staff_names
    return report, [words.tell(each, names, style) for each in report.accesses]


def _account(visitor: Visitor, patient: str) -> Accounting:
    _require_reader(visitor, patient)
    return system().disclosures.account(_grant(visitor, patient), patient)


def _line(one: Disclosure) -> dict[str, str]:
    often = f"{one.times} times, last on {dates.write(one.last)}" if one.times > 1 else ""
    return {
        "when": dates.write(one.first),
        "times": often,
        "recipient": one.recipient,
        "address": one.address,
        "what": one.what,
        "purpose": one.purpose,
        "rule": one.rule,
    }


def _left(accounting: Accounting) -> list[tuple[str, str, str]]:
    return [(*LEFT[each], _count(accounting.left.get(each, 0), "entry", "entries")) for each in Left]


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _record(request: HttpRequest, visitor: Visitor, patient: str) -> None:
    keeper.require_trusted(request)
    said = request.POST
    chosen = said.getlist("element")
    known = {element.value: element for element in Element}
    if not chosen or not set(chosen) <= set(known):
        raise Invalid("choose from the list what was told")
    if said.get("basis", "") not in set(Basis):
        raise Invalid("choose from the list why it was told")
    told = Told(
        day=said.get("day", "")[:10],
        recipient=said.get("recipient", "").strip(),
        address=said.get("address", "").strip(),
        what=said.get("what", "").strip(),
        basis=Basis(said["basis"]),
        purpose=said.get("purpose", "").strip(),
        silent_until=said.get("silent_until", "")[:10],
    )
    system().disclosures.record(_grant(visitor, patient), patient, told, [known[each] for each in chosen])


def _about(visitor: Visitor, patient: str, now: datetime) -> Sequence[tuple[str, str]]:
    """Whom a paper is about: the name is uncovered for it, paid and recorded; else there is a line for it."""
    try:
        shown = uncover(visitor, patient, Asked(Element.NAME, Purpose.PATRQT, "Patient", patient))
        name = shown.items[0].text if shown.items else ""
    except ConfideError:
        name = ""
    return [
        ("For", name or "_" * 40),
        ("Record", patient),
        ("Made", f"{dates.write(now.date())}, {now:%H:%M} UTC"),
    ]


def _pdf(paper: Paper, now: datetime, name: str) -> HttpResponse:
    response = HttpResponse(typeset(paper, now), content_type=MEDIA)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
