"""The clocks as an iCalendar feed (RFC 5545), with warnings before they run out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from confide.incidents.duties import Duty, Standing
from confide.incidents.statutes import Law

_OPEN = {Standing.DECIDE: "To be decided: ", Standing.UNCONFIRMED: "Unconfirmed: "}


def feed(duties: Iterable[Duty], law: Law, incident: str, now: datetime) -> bytes:
    """Return an iCalendar file with one event for each clock that runs.

    A day is an event of that whole day, an hour an event at that moment. Whoever subscribes gets the same
    event again, moved, when its clock is counted anew: its UID is the duty's. It holds numbers of persons and
    the law's words, and no person.

    Args:
        duties: Of one incident.
        law: Says how long before the end one is warned.
        incident: Its name, public to whoever sees the calendar.
        now: Aware; the moment of writing.

    Returns:
        UTF-8, with lines folded at 75 bytes and ended by CRLF.

    Source:
        RFC 5545 sections 3.6.1 (VEVENT) and 3.6.6 (VALARM).
    """
    from icalendar import Calendar

    made = Calendar()
    made.add("prodid", "-//Confide//clocks of an incident//EN")
    made.add("version", "2.0")
    made.add("name", f"Clocks: {incident}")
    made.add("x-wr-calname", f"Clocks: {incident}")
    for duty in duties:
        if duty.runs:
            made.add_component(_event(duty, law, incident, now))
    return bytes(made.to_ical())


def _event(duty: Duty, law: Law, incident: str, now: datetime):  # type: ignore[no-untyped-def] # noqa: ANN202
    from icalendar import Alarm, Event

    event = Event()
    event.add("uid", f"{duty.id}@{_slug(incident)}.confide")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("summary", f"{_OPEN.get(duty.standing, '')}{duty.what}")
    event.add("description", "\n".join(_lines(duty)))
    event.add("categories", [duty.standing.value])
    event.add("transp", "TRANSPARENT")
    if isinstance(duty.until, datetime):
        event.add("dtstart", duty.until.astimezone(UTC))
        before = [timedelta(hours=each) for each in law.rules.warnings.hours]
    else:
        assert duty.until is not None  # noqa: S101 - it runs
        event.add("dtstart", duty.until)
        event.add("dtend", duty.until + timedelta(days=1))
        before = [timedelta(days=each) for each in law.rules.warnings.calendar_days]
    for span in before:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", f"{duty.what}: {_span(span)} left")
        alarm.add("trigger", -span)
        event.add_component(alarm)
    return event


def _lines(duty: Duty) -> list[str]:
    said = [
        f"To: {duty.to}",
        f"Law: {duty.cite}" + (f" ({duty.certainty})" if duty.certainty else ""),
        duty.why,
    ]
    if duty.start:
        said.append(f"Counted from: {duty.start}" + (f", {shown(duty.started)}" if duty.started else ""))
    if duty.strict is not None and duty.strict != duty.until:
        said.append(f"Read most strictly: {shown(duty.strict)}")
    if duty.standing is Standing.UNCONFIRMED:
        said.append("This rule is unconfirmed: nothing may be filed on it without a person's confirmation.")
    return [*said, *(f"To be decided: {each}" for each in duty.questions)]


def shown(moment: date | datetime) -> str:
    """Return a day, or a moment with its zone, as a person reads it."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return moment.isoformat()


def _span(span: timedelta) -> str:
    hours = int(span / timedelta(hours=1))
    return f"{hours} hours" if hours <= 48 else f"{span.days} days"


def _slug(name: str) -> str:
    return "".join(each if each.isalnum() and each.isascii() else "-" for each in name.lower())
