"""What the page of an incident tells: how many, where, what; until when; what happened; what is to do."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any, Final

from django.conf import settings
from django.utils.safestring import SafeString

from confide.access import reach
from confide.access.decide import Grant
from confide.access.models import Account, Client, Membership
from confide.access.roles import Form, Role
from confide.audit import verdict
from confide.audit.notes import PublicKey
from confide.audit.walk import Verdict
from confide.errors import Invalid
from confide.incidents import assessments, reading
from confide.incidents.assessments import Factor, Finding, Opened, Outcome
from confide.incidents.cases import BY_ITSELF, Said
from confide.incidents.course import MOVES, Act, Breadth, State
from confide.incidents.duties import Duty, Standing
from confide.incidents.facts import Encryption, Way
from confide.incidents.models import Incident, Scope
from confide.protect.elements import CATALOGUE, Element
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor

WAYS: Final = {
    Way.LOGIN.value: "a valid login, session or key in wrong hands",
    Way.MEDIUM.value: "a stolen or lost medium: disk, laptop, backup",
    Way.OTHER.value: "something else",
}
_STATES: Final = {
    State.OPEN: "open",
    State.CONTAINED: "contained",
    State.ASSESSED: "assessed",
    State.NOTIFYING: "being notified",
    State.CLOSED: "closed",
}
_ACTS: Final = {
    Act.OPEN: "Opened",
    Act.MOVE: "State",
    Act.NOTE: "Note",
    Act.FINDING: "Found by the watch",
    Act.FACTS: "Facts",
    Act.MEMBER: "Joined",
    Act.TASK: "Task",
    Act.HOLD: "Counsel’s hold",
    Act.EXHIBIT: "Evidence",
    Act.SCOPE: "Scope",
    Act.FREEZE: "Frozen",
    Act.MATCH: "Persons matched",
    Act.ASSESS: "Assessment",
    Act.REMEDY: "Remedy",
    Act.BUNDLE: "Evidence bundle",
    Act.NOTICE: "Notice",
}
_ENCRYPTION: Final = (
    (Encryption.NONE.value, "not encrypted, or not known"),
    (Encryption.KEY_SAFE.value, "encrypted, its key elsewhere"),
    (Encryption.KEY_TAKEN.value, "encrypted, its key taken too"),
)
_SHOWN: Final = 60
"""Lines of the timeline on the page; all of them are in the journal and in a bundle."""


def head(row: Incident) -> dict[str, Any]:
    """Return what the list says of an incident."""
    counted = row.latest_scope()
    return {
        "id": row.pk,
        "short": row.pk[:8],
        "title": system().cases.title(row),
        "state": row.state,
        "state_words": _STATES[State(row.state)],
        "discovered": dates.write(row.discovered.date()),
        "records": None if counted is None else f"{counted.records:,}",
        "wide": row.breadth == Breadth.HOST,
        "held": row.hold_at is not None,
    }


def tell(row: Incident, practice: str) -> dict[str, Any]:
    """Return what the page of an incident tells."""
    now = system().clock()
    counted = row.latest_scope()
    newest = row.scopes.order_by("version").last()
    signed = system().assessments.signed(row)
    lines = list(system().cases.timeline(row))
    names = actor_names({each.by for each in lines} | {each.account for each in row.members.all()})
    names[BY_ITSELF] = "Confide, by itself"
    duties, trouble = _duties(row)
    tasks = {each.pk: _task(each, now.date()) for each in row.tasks.order_by("done_at", "due", "made_at")}
    return {
        **head(row),
        "opened_by": names.get(row.opened_by, "Unknown login"),
        "scope": None if counted is None else _scope(counted),
        "draft": None if newest is None or newest.frozen_at or newest == counted else _scope(newest),
        "unfrozen": newest is not None and newest.frozen_at is None,
        "clocks": [clock(duty, now) for duty in duties if duty.runs],
        "promptly": [clock(duty, now) for duty in duties if not duty.runs and _matters(duty)],
        "strip": _strip(duties, row, now),
        "trouble_clocks": trouble,
        "timeline": [_line(each, names, tasks) for each in lines[-_SHOWN:]],
        "earlier": max(0, len(lines) - _SHOWN),
        "tasks": list(tasks.values()),
        "members": [(names.get(m.account, "Unknown login"), m.part) for m in row.members.order_by("since")],
        "exhibits": [(e.pk, e.name, e.kind, bytes(e.sha256).hex()) for e in row.exhibits.defer("content")],
        "assessment": None if signed is None else _assessment(signed, names),
        "form": None if counted is None else _form(row, counted),
        "actors": actors(practice),
        "subject": row.subject,
        "finding": row.source.removeprefix("finding:") if row.subject else "",
        "today": now.date().isoformat(),
        "hold_since": dates.write(row.hold_at.date()) if row.hold_at else "",
    }


def grant(visitor: Visitor) -> Grant:
    """Return what lets a visitor read and lead incidents.

    Raises:
        AccessDenied: Incidents are not theirs.
    """
    return visitor.reader("incidents are for the privacy officer")


def whole(visitor: Visitor, row: Incident) -> dict[str, Any]:
    """Return what the page tells, and what the visitor may do on it."""
    return tell(row, visitor.actor.practice) | {
        "leads": visitor.role is Role.PRIVACY_OFFICER,
        "moves": [state.value for state in MOVES[State(row.state)]],
    }


def actors(practice: str) -> list[tuple[str, str]]:
    """Return the logins and programs of a practice, as a form sends them back, with their names."""
    members = Membership.objects.filter(practice_id=practice).values_list("account_id", flat=True)
    people = Account.objects.filter(pk__in=members).order_by("display_name")
    programs = Client.objects.filter(reach.inside(practice)).order_by("name")
    return [
        *((f"person:{each.pk}", each.display_name) for each in people),
        *((f"client:{each.pk}", f"{each.name} (program)") for each in programs),
    ]


def verify(since: datetime) -> Verdict:
    """Verify this installation's journal since a moment."""
    sequencer, now = system().sequencer, system().clock()
    sequencer.seal(now)
    witnesses = [PublicKey.parse(each) for each in settings.CONFIG.journal_witnesses]
    return verdict.verify(sequencer.key, witnesses, sequencer.tiles, [], now, since=since, patience=0.5)


# Parts


def _scope(counted: Scope) -> dict[str, Any]:
    most = max(counted.states.values(), default=1)
    states = sorted(counted.states.items(), key=lambda each: (each[0] == "", -each[1], each[0]))
    return {
        "version": counted.version,
        "records": f"{counted.records:,}",
        "persons": None if counted.persons is None else f"{counted.persons:,}",
        "practices": f"{counted.practices:,}",
        "several": counted.practices > 1,
        "frozen": dates.write(counted.frozen_at.date()) if counted.frozen_at else "",
        "digest": bytes(counted.digest).hex(),
        "sound": counted.sound,
        "unsound": unsound(counted),
        "first": _when(counted.first),
        "last": _when(counted.last),
        "states": [
            (_state(code), f"{number:,}", svg.bar(number / most, f"{_state(code)}: {number:,}"))
            for code, number in states
        ],
        "elements": [_element(code, forms, counted.records) for code, forms in counted.elements.items()],
        "honey": counted.honey,
        "difference": counted.difference,
        "checkpoint": f"{counted.checkpoint:,}",
    }


def unsound(counted: Scope) -> str:
    """Say in one sentence that the journal does not prove a count; empty where it does."""
    if counted.sound:
        return ""
    wrong = counted.proof.get("wrong")
    if wrong:
        return f"The journal does not verify ({wrong[0][0]}: {wrong[0][1]}). This count may be short."
    return "The journal is not verified yet. This count is not proved."


def _element(code: str, forms: dict[str, int], records: int) -> tuple[str, str, int, SafeString]:
    label = CATALOGUE[Element(code)].label
    words = [
        f"{forms[form]:,} {said}"
        for form, said in ((Form.CLEAR, "in clear"), (Form.MASKED, "in part"), (Form.SEARCHED, "asked by"))
        if forms.get(form)
    ]
    number = max(forms.values())
    return label, ", ".join(words), number, svg.bar(number / max(records, 1), f"{label}: {', '.join(words)}")


def _state(code: str) -> str:
    states = reading.held().states
    return states[code].state if code in states else "State not known"


def _duties(row: Incident) -> tuple[list[Duty], str]:
    try:
        found = system().deadlines.reckon(row)
    except Invalid as problem:
        return [], str(problem)
    return (list(found.duties) if found else []), ""


def _matters(duty: Duty) -> bool:
    return duty.standing in {Standing.DUE, Standing.DECIDE, Standing.UNCONFIRMED}


def clock(duty: Duty, now: datetime) -> dict[str, Any]:
    """Return one clock as the page shows it."""
    left = duty.left(now)
    until = duty.until
    return {
        "what": duty.what[:1].upper() + duty.what[1:],
        "to": duty.to,
        "until": "" if until is None else _until(until),
        "left": "" if left is None else dates.left(left),
        "over": left is not None and left < 0,
        "near": left is not None and 0 <= left <= 14,
        "persons": f"{duty.persons:,}" if duty.persons else "",
        "entities": f"{len(duty.entities):,}" if len(duty.entities) > 1 else "",
        "cite": duty.cite,
        "certainty": str(duty.certainty or ""),
        "standing": duty.standing.value,
        "why": duty.why,
        "questions": duty.questions,
        "strict": _until(duty.strict) if duty.strict and duty.strict != duty.until else "",
    }


def _until(until: date) -> str:
    if isinstance(until, datetime):
        return f"{dates.write(until.date())}, {until:%H:%M} UTC"
    return dates.write(until)


def _strip(duties: list[Duty], row: Incident, now: datetime) -> SafeString | None:
    """The clocks on one line, from the discovery to the last day of them."""
    ends = Counter(_last(duty.until) for duty in duties if duty.runs and duty.until is not None)
    if not ends:
        return None
    return svg.strip("When the clocks run out", row.discovered.date(), now.date(), sorted(ends.items()))


def _last(until: date) -> date:
    return until.date() if isinstance(until, datetime) else until


def _line(said: Said, names: dict[str, str], tasks: dict[str, dict[str, Any]]) -> dict[str, str]:
    about, what = "" if said.kind is Act.MEMBER else said.about, _ACTS[said.kind]
    if said.kind is Act.TASK:
        step, _, task = about.partition(" ")
        what, about = "Task done" if step == "done" else "Task", tasks[task]["text"] if task in tasks else ""
    if said.kind is Act.NOTE and said.about == "discovered":
        about = "Discovered"
    if said.kind is Act.OPEN:
        about = WAYS.get(about, about)
    if said.kind is Act.FACTS:
        about = ", ".join(each.replace("_", " ") for each in about.split())
    return {
        "when": dates.write(said.at.date()),
        "time": f"{said.at:%H:%M}",
        "iso": said.at.isoformat(),
        "what": what,
        "about": about.replace(" ", " → ") if said.kind is Act.MOVE else about,
        "text": said.text,
        "by": names.get(said.by, "Unknown login"),
        "entry": str(said.entry),
    }


def _task(task: Any, today: date) -> dict[str, Any]:
    return {
        "id": task.pk,
        "text": system().cases.task_text(task),
        "due": dates.write(task.due) if task.due else "",
        "late": task.done_at is None and task.due is not None and task.due < today,
        "done": task.done_at is not None,
    }


def _assessment(signed: Opened, names: dict[str, str]) -> dict[str, Any]:
    row = signed.row
    return {
        "outcome": signed.outcome.label,
        "by": names.get(row.signed_by) or actor_names({row.signed_by}).get(row.signed_by, "Unknown login"),
        "when": dates.write(row.signed_at.date()),
        "kept": dates.write(row.kept_until),
        "factors": [(f.label, row.factors[f.value], signed.reasons.get(f.value, "")) for f in Factor],
    }


def _form(row: Incident, counted: Scope) -> dict[str, Any]:
    prepared = assessments.draft(row, counted)
    return {
        "factors": [(f.value, f.label, prepared.findings[f].value, prepared.words[f]) for f in Factor],
        "weights": [each.value for each in Finding],
        "harbour": prepared.harbour,
        "outcomes": [(o.value, o.label) for o in Outcome if o is not Outcome.SECURED or prepared.open],
        "encryption": _ENCRYPTION if prepared.open else _ENCRYPTION[:1],
    }


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{dates.write(moment.date())}, {moment:%H:%M} UTC"
