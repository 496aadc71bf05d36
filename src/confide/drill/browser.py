"""Sessions and passwords as thieves have them: people who work in a venue, and what their browsers hold."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, Final

from confide.drill import outcome
from confide.drill.notebook import Roll
from confide.drill.outcome import Check, Outcome
from confide.drill.thief import Person, Thief, measure

if TYPE_CHECKING:
    from confide.access.models import Account
    from confide.access.roles import Role
    from confide.drill.venue import Venue

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_COLLEAGUES: Final = 12
_LISTED: Final = 20
"""People of whom the thief has name and birth date from elsewhere."""


def hire(venue: Venue, role: Role, practice: str, name: str, password: str | None = None) -> Account:
    """Make somebody who works in a practice."""
    from confide.access.models import Account, Membership

    now = venue.system.clock()
    account: Account = Account.objects.create_user(
        f"{name}-{now:%H%M%S%f}", display_name=name, password=password
    )
    Membership.objects.create(account=account, practice_id=practice, role=role.value, approved_at=now)
    return account


def largest(venue: Venue) -> str:
    """The practice with most people."""
    sizes = [after - first for first, after in venue.people.ends()]
    return venue.practices[sizes.index(max(sizes))]


def truth(venue: Venue, practice: str) -> list[Person]:
    """Everybody in a practice, as the thief's loot is judged by."""
    known = Roll(venue.people, venue.practices, venue.system).of(practice)
    return [
        Person(id_, " ".join(one.given), one.family, date.fromisoformat(one.born))
        for id_, one in sorted(known.items())
    ]


def cookie(account: Account) -> dict[str, str]:
    """The session cookie of somebody who has signed in just now, with a second factor."""
    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from confide.access.entrances import Session
    from confide.server import keeper

    http = Client(headers={"user-agent": AGENT}, REMOTE_ADDR="127.0.0.1", SERVER_NAME="localhost")
    http.force_login(account, settings.AUTHENTICATION_BACKENDS[0])
    Session.objects.filter(pk=http.session[keeper.KEY]).update(factor="totp", proved_at=timezone.now())
    return {settings.SESSION_COOKIE_NAME: http.cookies[settings.SESSION_COOKIE_NAME].value}


def rob(venue: Venue, code: str, title: str, *, patience: int, charts: int) -> Outcome:
    """Drive a front desk's session as fast as it goes: finder, charts, uncovering, dates, numbers.

    Args:
        venue: Where.
        code: The scenario's.
        title: The scenario's.
        patience: Questions with which names are spelled, and numbers tried.
        charts: Charts that are opened before asking goes on, and afterwards.
    """
    from confide.access.limits import LIMITS
    from confide.access.roles import Role

    started = time.monotonic()
    practice = largest(venue)
    everyone = truth(venue, practice)
    for number in range(_COLLEAGUES):  # where few work, stopping one of them is a storm already
        hire(venue, Role.NURSE, practice, f"colleague-{number}")
    account = hire(venue, Role.FRONT_DESK, practice, code)
    stolen = cookie(account)
    strangers = [Person("", f"{each.given}qz", f"{each.family}qx", each.birth) for each in everyone[:_LISTED]]
    with venue.served() as address:
        venue.tell(f"asking about {len(everyone):,} people")
        loot = Thief(address, stolen, AGENT).run(
            everyone[:_LISTED], strangers, patience=patience, charts=charts
        )
    booked = _booked(account)
    learned = measure(loot, everyone)
    limits = LIMITS[Role.FRONT_DESK]
    return Outcome(
        code,
        title,
        "over HTTP, against confide serve with two processes",
        time.monotonic() - started,
        learned,
        figures=(
            ("patients of the practice", f"{len(everyone):,}"),
            ("requests", f"{loot.tried:,}"),
            ("persons shown", f"{len(loot.shown):,}"),
            ("persons that the budget has booked", f"{len(booked):,}"),
            ("session", _standing(account)),
        ),
        checks=(
            outcome.most("persons of whom anything is known", learned, limits.hour_patients),
            Check(
                "everybody who was shown is booked",
                f"{len(loot.shown - booked):,} are not",
                "0 are not",
                loot.shown <= booked,
            ),
            Check(
                "patients told from strangers",
                f"{len(loot.doubles):,}",
                "0",
                not loot.doubles,
            ),
        ),
        notes=("A front desk's default budget is 60 patients an hour and 150 a day.",),
    )


def _booked(account: Account) -> set[str]:
    from confide.access.models import Exposure

    return set(Exposure.objects.filter(owner=f"person:{account.pk}").values_list("patient", flat=True))


def _standing(account: Account) -> str:
    from confide.access.containment import Standing

    rows = Standing.objects.filter(owner=f"person:{account.pk}").order_by("since")
    return ", ".join(f"{row.state} ({row.reason})" for row in rows) or "as before"
