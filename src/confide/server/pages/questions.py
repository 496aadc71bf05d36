"""Search in the journal: by person, patient, element, time, purpose and outcome; with a line through time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from confide.access.roles import Purpose
from confide.audit.journal import LIMIT, Outcome
from confide.audit.patterns import count_days
from confide.audit.questions import Question, find
from confide.errors import Invalid
from confide.protect.elements import CATALOGUE, Element
from confide.records.rows import parse_id
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import ALL, actors_of, acts_of, page_number, stand_ins
from confide.server.pages.visitor import Visitor, show, staff

DAYS: Final = 30
"""Days that are looked at where nothing is said."""

_MOST_DAYS: Final = 6 * 366
_FEW: Final = 45
"""Up to so many days each is a column; else a column is a week, or four."""

OUTCOMES: Final = {
    "done": (Outcome.SUCCESS.value,),
    "refused": (Outcome.MINOR_FAILURE.value,),
    "stopped": (Outcome.SERIOUS_FAILURE.value, Outcome.MAJOR_FAILURE.value),
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """Entries over time.

    Attributes:
        unit: What a column stands for: ``day``, ``week`` or ``four weeks``.
        columns: Its first day and how many.
    """

    picture: SafeString
    unit: str
    columns: Sequence[tuple[str, int]]
    whole: int

    @property
    def said(self) -> str:
        """The number of all, as people write it."""
        return f"{self.whole:,}"


@require_GET
@staff
def search(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Answer a question to the journal; each is an entry itself."""
    grant = visitor.reader()
    now = system().clock()
    asked = {name: request.GET.get(name, "") for name in _FIELDS}
    question, since, until = read_question(asked, now)
    before = page_number(request.GET.get("before", ""))
    journal = system().journal
    page = replace(question, since=since, until=until, actions=ALL, before=before, limit=LIMIT)
    lines = find(journal, grant, page, now)
    acts, more = acts_of(visitor, lines)
    counted = replace(question, actions=ALL)
    context = {
        "asked": {**asked, "since": since.date().isoformat(), "until": _last(until).isoformat()},
        "timeline": timeline(count_days(journal, grant, counted, since, until, now)),
        "acts": acts,
        "more": more,
        "staff": actors_of(visitor.actor.practice),
        "elements": [(element.value, CATALOGUE[element].label) for element in Element],
        "purposes": [(purpose.value, purpose.label) for purpose in Purpose],
        "outcomes": list(OUTCOMES),
        "stand_in": stand_ins(visitor, [asked["patient"]]).get(asked["patient"], "")
        if asked["patient"]
        else "",
        "said": f"{dates.write(since.date())} to {dates.write(_last(until))}",
    }
    return show(request, visitor, "pages/search.html", context)


_FIELDS: Final = ("actor", "patient", "element", "purpose", "outcome", "since", "until")


def read_question(asked: Mapping[str, str], now: datetime) -> tuple[Question, datetime, datetime]:
    """Read the form.

    Args:
        asked: Its fields; empty is any.
        now: Aware UTC.

    Returns:
        What is asked for; from when; before when.

    Raises:
        Invalid: A field is not from its list, or no day.
        Unknown: The patient's id is none.
    """
    last = dates.read(asked["until"][:10]) if asked["until"] else now.date()
    first = dates.read(asked["since"][:10]) if asked["since"] else last - timedelta(days=DAYS - 1)
    if first > last or (last - first).days > _MOST_DAYS:
        raise Invalid("the first day comes before the last, and six years lie between them at most")
    if asked["patient"]:
        parse_id(asked["patient"])
    if asked["element"] and asked["element"] not in set(Element):
        raise Invalid("the element is chosen from its list")
    if asked["purpose"] and asked["purpose"] not in set(Purpose):
        raise Invalid("the purpose is chosen from its list")
    if asked["outcome"] and asked["outcome"] not in OUTCOMES:
        raise Invalid("the outcome is chosen from its list")
    question = Question(
        actor=asked["actor"][:64] or None,
        patient=asked["patient"] or None,
        element=asked["element"] or None,
        purpose=asked["purpose"] or None,
        outcomes=OUTCOMES.get(asked["outcome"]),
    )
    return question, _start(first), _start(last + timedelta(days=1))


def timeline(days: Sequence[tuple[date, int]]) -> Timeline:
    """Draw entries over time: by days, or where they are many, by weeks or four weeks."""
    step, unit = (1, "day") if len(days) <= _FEW else (7, "week")
    if len(days) > _FEW * 7:
        step, unit = 28, "four weeks"
    groups = [days[i : i + step] for i in range(0, len(days), step)]
    columns = [(_short(group[0][0]), sum(number for _, number in group)) for group in groups]
    picture = svg.columns(f"Entries by {unit}", "entries", columns)
    return Timeline(picture, unit, columns, sum(number for _, number in columns))


def _short(day: date) -> str:
    return dates.write(day).rsplit(" ", 1)[0]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _last(until: datetime) -> date:
    return (until - timedelta(days=1)).date()
