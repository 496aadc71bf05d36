"""The privacy officer's second page: who came in, who was turned away, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from confide.access import attempts
from confide.access.factors import Factor
from confide.access.ladder import Rule, Rung
from confide.access.roles import Role
from confide.audit.entrances import Event, read_entrances
from confide.audit.journal import LIMIT, Line
from confide.server.apps import system
from confide.server.pages import dates, svg
from confide.server.pages.journal import actor_names, actors_of, page_number
from confide.server.pages.visitor import ROLE_LABELS, Visitor, show, staff

_SHOWN: Final = 60
_TOGETHER: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)
_NOBODY: Final = "Nobody’s login"
_VERBS: Final = {
    Event.SIGN_IN: "Signed in",
    Event.SIGN_OUT: "Signed out",
    Event.NEW_DEVICE: "First sign-in with this browser",
    Event.OWN_DEVICE: "Said that a new browser is theirs",
    Event.SESSION_END: "Session ended",
    Event.INVITED: "Invited or reset somebody",
    Event.INVITATION_USED: "Used an invitation",
    Event.PASSWORD_SET: "Set a new password",
    Event.FACTOR_ADDED: "Added a second factor",
    Event.FACTOR_REMOVED: "Removed a second factor",
    Event.CODES_MADE: "Made recovery codes",
    Event.LOGIN_CONNECTED: "Connected the login of an identity provider",
    Event.LOGIN_DISCONNECTED: "Disconnected the login of an identity provider",
    Event.STEP_UP: "Proved again who they are",
    Event.ROLE_ASKED: "Was given a role",
    Event.ROLE_FOUNDED: "Was given a role, approved by founding",
    Event.ROLE_APPROVED: "Approved a role",
}
_FACTORS: Final = {
    Factor.PASSKEY: "a passkey",
    Factor.TOTP: "a code app",
    Factor.RECOVERY: "a recovery code",
    Factor.PROVIDER: "the practice’s identity provider",
}
_WITH: Final = {
    Event.SIGN_IN: "Signed in with {}",
    Event.STEP_UP: "Proved again who they are, with {}",
    Event.FACTOR_ADDED: "Added {}",
    Event.FACTOR_REMOVED: "Removed {}",
}
_FAILURES: Final = {
    attempts.Kind.PASSWORD: "Wrong password",
    attempts.Kind.CHANGE: "Wrong old password, to change it",
    attempts.Kind.CODE: "Wrong code",
    attempts.Kind.PASSKEY: "Passkey refused",
    attempts.Kind.INVITATION: "Wrong invitation",
    attempts.Kind.PROVIDER: "An identity provider’s answer refused",
}
_ENDS: Final = {
    "idle": "Session ended after a while without work",
    "long": "Session ended after 12 hours",
    "owner": "Ended another session of theirs",
    "everywhere": "Signed out everywhere",
    "reset": "Session ended by a reset",
    "unproved": "Session without a second factor ended",
}
_RUNGS: Final = {Rung.SLOWED: "slowed", Rung.CHALLENGED: "challenged", Rung.REFUSED: "refused"}
_RULES: Final = {
    Rule.ACCOUNT: "{} wrong passwords for this login",
    Rule.SPREAD: "This login was tried from {} networks",
    Rule.NETWORK: "{} different logins failed from this address",
    Rule.UNASKED: "A program sent {} sign-ins without asking for the page",
    Rule.TOOL: "A program tried to sign in",
    Rule.STORM: "{} different logins failed within the hour, all over the server",
    Rule.DEVICE: "{} wrong passwords in a known browser of this login",
    Rule.CLIENT: "{} refused keys of programs from this address",
    Rule.QUEUE: "{} wait at this address already",
}


@dataclass(frozen=True, slots=True)
class Coming:
    """Neighbouring entries that say the same, as one line.

    Attributes:
        flag: How it was met, where it was not let in.
        times: How many entries.
        alarming: Something tried many logins, or was refused.
    """

    day: str
    time: str
    who: str
    actor: str
    role: str
    what: str
    flag: str
    address: str
    times: int
    alarming: bool


@dataclass(frozen=True, slots=True)
class Today:
    """The headline.

    Attributes:
        whole: All of today was counted; else there may be more.
        turned_away: Tries on this server in 24 hours whose password was not looked at.
        networks: From how many networks.
        columns: For each hour how many passwords were wrong.
    """

    people: int
    failed: int
    whole: bool
    turned_away: int
    networks: int
    picture: str
    columns: Sequence[tuple[str, int]]


@require_GET
@staff
def entrances(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    """Show the newest entries of signing in, of all or of one person."""
    grant = visitor.reader()
    actor, before = request.GET.get("actor", ""), page_number(request.GET.get("before", ""))
    now = system().clock()
    lines = read_entrances(system().journal, grant, now, actor=actor or None, before=before)
    newest = lines if not (actor or before) else read_entrances(system().journal, grant, now)
    comings, more = _comings(lines)
    context = {
        "today": _today(newest, now),
        "comings": comings,
        "more": more,
        "staff": actors_of(visitor.actor.practice),
        "actor": actor,
        "day": dates.write(now.date()),
    }
    return show(request, visitor, "pages/entrances.html", context)


def _comings(lines: Sequence[Line]) -> tuple[list[Coming], int]:
    """The newest lines, and the id from which the next page goes on; 0 if there is nothing older."""
    groups: list[list[Line]] = []
    newest: dict[tuple[str, ...], list[Line]] = {}
    rest = len(lines) == LIMIT
    for line in lines:
        e = line.entry
        same = (e.actor, e.action, e.resource_id.rpartition(":")[0] or e.resource_id, e.address)
        group = newest.get(same)
        if group is None or group[-1].entry.at - e.at > _TOGETHER:
            if len(groups) == _SHOWN:
                rest = True
                break
            group = newest[same] = []
            groups.append(group)
        group.append(line)
    oldest = min((line.id for group in groups for line in group), default=0)
    names = actor_names(group[0].entry.actor for group in groups)
    return [_coming(group, names) for group in groups], oldest if rest else 0


def _coming(group: Sequence[Line], names: dict[str, str]) -> Coming:
    entry = group[0].entry
    what, flag, alarming = _say(entry.action, entry.resource_id)
    at = entry.at.isoformat()
    return Coming(
        day=dates.format(at),
        time=dates.format_time(at),
        who=names.get(entry.actor, _NOBODY),
        actor=entry.actor if entry.actor in names else "",
        role=ROLE_LABELS[Role(entry.role)] if entry.role in set(Role) else "",
        what=what,
        flag=flag,
        address=entry.address,
        times=len(group),
        alarming=alarming,
    )


def _say(action: str, reason: str) -> tuple[str, str, bool]:
    """What happened, how it was met, and whether it is to be looked at."""
    parts = reason.split(":")
    if action == Event.STOPPED and len(parts) == 3:
        said = _RULES[Rule(parts[0])].format(parts[2])
        return said, _RUNGS[Rung(parts[1])], parts[1] != Rung.SLOWED
    if action == Event.SESSION_END and len(parts) == 3:
        return "Session taken back, for other logins failed from its address", "ended", True
    if action == Event.SESSION_END:
        return _ENDS.get(reason, _VERBS[Event.SESSION_END]), "", False
    if action == Event.FAILED:
        return _FAILURES.get(attempts.Kind(reason), reason), "failed", False
    if action in _WITH and reason in set(Factor):
        return _WITH[Event(action)].format(_FACTORS[Factor(reason)]), "", False
    if action in {Event.ROLE_ASKED, Event.ROLE_FOUNDED, Event.ROLE_APPROVED} and parts[0] in set(Role):
        return f"{_VERBS[Event(action)]}: {ROLE_LABELS[Role(parts[0])]}", "", False
    return _VERBS[Event(action)], "", False


def _today(lines: Sequence[Line], now: datetime) -> Today:
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    people: set[str] = set()
    hours = dict.fromkeys(range(24), 0)
    for line in lines:
        e = line.entry
        if e.at >= start and e.action == Event.SIGN_IN:
            people.add(e.actor)
        elif e.at >= start and e.action == Event.FAILED:
            hours[e.at.hour] += 1
    whole = len(lines) < LIMIT or lines[-1].entry.at < start
    columns = [(f"{hour:02d}", number) for hour, number in hours.items()]
    picture = svg.columns("Wrong passwords, by hour (UTC)", "wrong passwords", columns)
    turned_away, networks = attempts.count_turned_away(now - _DAY)
    return Today(len(people), sum(hours.values()), whole, turned_away, networks, picture, columns)
