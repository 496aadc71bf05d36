"""`confide clocks`: which duties a breach makes, and until when."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confide.cli import columns, incident, show
from confide.errors import Invalid, Misconfigured

if TYPE_CHECKING:
    from confide.incidents.clocks import Clocks
    from confide.incidents.duties import Duty
    from confide.incidents.statutes import Law

EXAMPLE: Final = """\
examples:
  confide clocks --discovered 2023-03-30 --residents ME=3913,TX=131815 --elements ssn,name --way login
  confide clocks --discovered 2026-11-02T16:40-05:00 --residents practices.csv --vendor --why --ics clocks.ics

elements: Confide's own (ssn name birth-date address phone email mrn licence passport member-id account card
  clinical document date photo identifier contact), or the law's (dl fin med hins bio cred gov tax gen ...)

It needs no installation and changes nothing. What is not known is read most strictly. A rule that is not
confirmed by its sources is shown as such; nothing may be filed on it without a person's confirmation.
Facts compiled from public sources, not legal advice.
"""
_HEADINGS: Final = {
    "due": "due",
    "decide": "to be decided by a person first",
    "unconfirmed": "unconfirmed rules: nothing may be filed on them without a person's confirmation",
    "met": "met by HIPAA's notices, while these go in time",
    "none": "does not apply",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("clocks", help="a breach: whom the law says to tell, and until when")
    columns.describe(parser, "Say which duties a breach makes, and until when.", EXAMPLE)
    incident.describe(parser)
    out = parser.add_argument_group("output")
    out.add_argument("--why", action="store_true", help="with whom to tell, the reasons, and what is open")
    out.add_argument("--all", action="store_true", help="also what does not apply, and why not")
    out.add_argument("--json", action="store_true", help="everything, as JSON")
    out.add_argument("--ics", metavar="FILE", type=Path, help="write the clocks as an iCalendar file")
    out.add_argument("--name", metavar="NAME", default="incident", help="the incident's name in the calendar")
    out.add_argument("--now", metavar="MOMENT", help="as if it were then (default: now)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Count the clocks of an incident."""
    _need_server()
    from confide.incidents import calendar, clocks, reading

    now = _now(args.now)
    law = reading.held()
    found = clocks.reckon(incident.read(args), law, now)
    if args.ics is not None:
        _write(args.ics, calendar.feed(found.duties, law, args.name, now))
    if args.json:
        print(json.dumps(_everything(found, now), indent=1, default=str))  # noqa: T201 - it is the result
        return show.DONE
    tell(found, law, now, why=args.why, every=args.all)
    _tell_unknown(args)
    _tell_age(found)
    _tell_end(found, law, now)
    if args.ics is not None:
        running = sum(duty.runs for duty in found.duties)
        show.line()
        show.step("made", "calendar", f"{args.ics}   {show.many(running, 'clock')}")
    return show.DONE


def _need_server() -> None:
    try:
        import holidays  # noqa: F401 - only whether it is there
        import icalendar  # noqa: F401
    except ModuleNotFoundError:
        msg = "the calendars of holidays are not installed (pip install 'confide[server]')"
        raise Misconfigured(msg) from None


def _now(said: str | None) -> datetime:
    if said is None:
        return datetime.now(UTC)
    found = incident.moment("--now", said)
    return (
        found if isinstance(found, datetime) else datetime(found.year, found.month, found.day, 12, tzinfo=UTC)
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError:
        raise Invalid(f"{path} cannot be written") from None


def tell(found: Clocks, law: Law, now: datetime, *, why: bool, every: bool) -> None:
    """Show the duties of an incident by what holds of them."""
    from confide.incidents.duties import Standing

    for standing in Standing:
        chosen = [duty for duty in found.duties if duty.standing is standing]
        if not chosen or (standing is Standing.NONE and not every):
            continue
        show.line(f"{_HEADINGS[standing]} ({len(chosen)})", style="bold")
        if why:
            _explain(chosen, law, now)
        else:
            headings = ("until", "left", "what", "persons", "law", "")
            show.table(headings, [_row(duty, now) for duty in chosen], figures=[3])
        show.line()
    hidden = sum(duty.standing is Standing.NONE for duty in found.duties)
    if hidden and not every:
        show.line(f"{hidden} more do not apply (--all says why not)", style="dim")


def _tell_unknown(args: argparse.Namespace) -> None:
    """What was not said counts most strictly, so one should know what that was."""
    asked = ["determined", "scoped", "notified", "elements", *(["aware"] if args.gdpr else [])]
    unknown = [f"--{name}" for name in asked if getattr(args, name) is None]
    if unknown:
        show.line(f"not said, so read most strictly (--why says how): {' '.join(unknown)}", style="dim")


def _tell_end(found: Clocks, law: Law, now: datetime) -> None:
    from confide.incidents.duties import warn

    near = warn(found.duties, law, now)
    over = sum(duty.ends is not None and duty.ends <= now for duty in near)
    days = max(law.rules.warnings.calendar_days)
    show.line(
        f"{show.many(over, 'clock')} ran out; {len(near) - over} more run out within {days} days",
        style="bold" if near else "",
    )


def _tell_age(found: Clocks) -> None:
    newer: dict[date, set[str]] = {}
    for duty in found.newer:
        newer.setdefault(duty.law_as_of, set()).add(duty.state or duty.id)
    if newer:
        listed = ", ".join(
            f"{name} ({since})" for since, names in sorted(newer.items()) for name in sorted(names)
        )
        show.line(
            f"counted by the law held today, which is newer than {found.first} for: {listed}", style="dim"
        )


def _row(duty: Duty, now: datetime) -> tuple[str, ...]:
    persons = f"{duty.persons:,}" if duty.persons else ""
    sure = str(duty.certainty) if duty.certainty else ""
    return (_until(duty), _left(duty, now), duty.what, persons, duty.cite, sure)


def _until(duty: Duty) -> str:
    from confide.incidents.calendar import shown

    if duty.until is not None:
        return shown(duty.until)
    return "without delay" if duty.prompt else ""


def _left(duty: Duty, now: datetime) -> str:
    left = duty.left(now)
    if left is None or not duty.runs:
        return ""
    if left < 0:
        return "over"
    if isinstance(duty.until, datetime):
        return show.many(int((duty.until - now).total_seconds() // 3600), "hour")
    return show.many(left, "day") if left else "today"


def _explain(duties: list[Duty], law: Law, now: datetime) -> None:
    from confide.incidents.calendar import shown

    for duty in duties:
        left = _left(duty, now)
        show.line(f"  {_until(duty)}{f' ({left})' if left else ''}  {duty.what}".rstrip())
        sure = f"; {law.rules.certainties[duty.certainty]}" if duty.certainty else ""
        said = [f"to: {duty.to}", f"law: {duty.cite}{sure}", f"why: {duty.why}"]
        if duty.start:
            said.append(f"counted from: {duty.start}" + (f", {shown(duty.started)}" if duty.started else ""))
        if duty.strict is not None and duty.strict != duty.until:
            said.append(f"read most strictly: {shown(duty.strict)}")
        if len(duty.entities) > 1:
            said.append(f"covered entities: {len(duty.entities):,}")
        said += [f"to be decided: {each}" for each in duty.questions]
        said += [f"note: {each}" for each in duty.notes]
        for each in said:
            show.line(f"      {each}", style="dim")


def _everything(found: Clocks, now: datetime) -> dict[str, Any]:
    newer = {duty.id for duty in found.newer}
    return {
        "now": now.isoformat(),
        "first_day": found.first.isoformat(),
        "law": "as held today; where law_is_newer it is newer than the incident",
        "duties": [
            {
                "id": duty.id,
                "what": duty.what,
                "to": duty.to,
                "standing": str(duty.standing),
                "until": _iso(duty.until),
                "until_most_strictly": _iso(duty.strict),
                "ends": _iso(duty.ends),
                "days_left": duty.left(now),
                "without_delay": duty.prompt,
                "counted_from": duty.start,
                "started": _iso(duty.started),
                "projected": duty.projected,
                "state": duty.state,
                "persons": duty.persons,
                "entities": list(duty.entities),
                "cite": duty.cite,
                "certainty": duty.certainty and str(duty.certainty),
                "law_as_of": None if duty.law_as_of == date.min else duty.law_as_of.isoformat(),
                "law_is_newer": duty.id in newer,
                "why": duty.why,
                "questions": list(duty.questions),
                "notes": list(duty.notes),
            }
            for duty in found.duties
        ],
    }


def _iso(moment: date | datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
