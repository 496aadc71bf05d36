"""A storm of freezes against the clinicians: somebody makes the watch turn against those who treat.

First links to a synthetic patient are planted for every clinician's browser; then, with all of their browsers
in hand, somebody opens the synthetic patient in each of them within a minute. A practice that stops its own
clinicians would do the attacker's work.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from confide.drill import browser
from confide.drill.outcome import Check, Outcome, least, most
from confide.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confide.access.models import Account
    from confide.drill.venue import Venue

CODE: Final = "storm"
TITLE: Final = "A storm of freezes against the clinicians"
CLINICIANS: Final = 8
COLLEAGUES: Final = 12
_A_DAY: Final = 2
"""Patients of today for each."""

_BAITS: Final = 4
_OK: Final = 200


def run(venue: Venue) -> Outcome:
    """Hire and book, plant links, open baits everywhere, and see who can still treat whom."""
    from confide.access.roles import Role
    from confide.access.standing import most_at_once

    started = time.monotonic()
    practice = browser.largest(venue)
    needed = _A_DAY * CLINICIANS + 1
    people = browser.truth(venue, practice)
    if len(people) < needed:
        raise Misconfigured(f"a storm needs a practice of {needed} patients (give more --persons)")
    for number in range(COLLEAGUES):
        browser.hire(venue, Role.FRONT_DESK, practice, f"colleague-{number}")
    doctors = [browser.hire(venue, Role.CLINICIAN, practice, f"clinician-{n}") for n in range(CLINICIANS)]
    today = people[: _A_DAY * CLINICIANS]
    for each in today:
        _book(venue, practice, each.id)
    bait = _bait(venue, practice)
    browsers = [browser.cookie(each) for each in doctors]
    _catch_up(venue)
    venue.tell("planting links to a bait")
    for cookies in browsers:
        _get(cookies, f"/patients/{bait}", "cross-site")
    _catch_up(venue)
    linked = _found(doctors)
    venue.tell("opening a bait in every clinician's browser")
    for cookies in browsers:
        _get(cookies, f"/patients/{bait}")
        _catch_up(venue)
    states = [_state(each) for each in doctors]
    lost, strangers = 0, 0
    other = people[len(today)]
    for number, cookies in enumerate(browsers):
        for each in today[_A_DAY * number : _A_DAY * (number + 1)]:
            lost += not _shows(cookies, each)
        if states[number] != "trusted":
            strangers += _shows(cookies, other)
    covered = states.count("suspect")
    return Outcome(
        CODE,
        TITLE,
        f"in process, the server's own pages; {CLINICIANS} clinicians of a practice of {len(people):,}",
        time.monotonic() - started,
        figures=(
            ("clinicians whom the watch has found", f"{_found(doctors)} of {CLINICIANS}"),
            ("covered", f"{covered}"),
            ("left as they are, because it is a storm", f"{states.count('trusted')}"),
            ("frozen", f"{states.count('frozen')}"),
            ("incidents that opened themselves", f"{_incidents(doctors)}"),
        ),
        checks=(
            most("clinicians found for a planted link", linked, 0),
            most("today's patients that a clinician has lost", lost, 0),
            most("clinicians frozen", states.count("frozen"), 0),
            most("clinicians covered at once", covered, most_at_once(CLINICIANS + COLLEAGUES)),
            least("clinicians who touched a bait and were found", _found(doctors), CLINICIANS),
            Check("strangers whom a covered login still names", str(strangers), "0", strangers == 0),
        ),
        notes=(
            "Who is covered sees of today's patients what care needs; a colleague's word lifts it.",
            "Whoever keeps logins can freeze colleagues by hand, under their own name (see the limitations).",
        ),
    )


def _book(venue: Venue, practice: str, patient: str) -> None:
    """Book somebody for today, as the practice's own schedule does."""
    from confide.access.decide import act_as_client
    from confide.access.models import Client
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    row, _ = Client.objects.get_or_create(
        practice_id=practice, name="Drill schedule", purpose=Purpose.TREAT.value,
        defaults={"elements": [each.value for each in Element]},
    )  # fmt: skip
    now = venue.system.clock()
    grant = venue.system.decide(act_as_client(row, "drill"), Action.WRITE, Purpose.TREAT, None, Element)
    venue.system.charts.create(
        grant,
        {
            "resourceType": "Appointment",
            "status": "booked",
            "start": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{now + timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}",
            "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
        },
    )


def _bait(venue: Venue, practice: str) -> str:
    from confide.drill.enrolment import SOURCE

    if not venue.system.baits.of(practice):
        venue.system.planter.plant(practice, _BAITS, SOURCE, venue.system.clock())
    return min(venue.system.baits.of(practice))


def _catch_up(venue: Venue) -> None:
    """Let the watch see all that is written until now."""
    now = venue.system.clock()
    venue.system.sequencer.seal(now)
    venue.system.watch.run(now)


def _get(cookies: Mapping[str, str], path: str, site: str = "same-origin") -> Any:
    from django.test import Client

    headers = {"user-agent": browser.AGENT, "sec-fetch-site": site}
    http = Client(headers=headers, REMOTE_ADDR="127.0.0.1", SERVER_NAME="localhost")
    for name, value in cookies.items():
        http.cookies[name] = value
    return http.get(path)


def _shows(cookies: Mapping[str, str], person: Any) -> bool:
    """Whether the chart can be opened and names whose it is."""
    answer = _get(cookies, f"/patients/{person.id}")
    return answer.status_code == _OK and person.family in answer.content.decode()


def _found(doctors: list[Account]) -> int:
    from confide.watch.findings import Code
    from confide.watch.models import Found

    owners = [f"person:{each.pk}" for each in doctors]
    return Found.objects.filter(owner__in=owners, code=Code.HONEY.value).values("owner").distinct().count()


def _incidents(doctors: list[Account]) -> int:
    from confide.incidents.models import Incident

    return Incident.objects.filter(subject__in=[f"person:{each.pk}" for each in doctors]).count()


def _state(account: Account) -> str:
    account.refresh_from_db()
    if account.frozen_at is not None or account.sessions.filter(frozen_at__isnull=False).exists():
        return "frozen"
    suspect = account.suspect_at is not None or account.sessions.filter(suspect_at__isnull=False).exists()
    return "suspect" if suspect else "trusted"
