"""A practice to steal from, somebody at its front desk whose session is stolen, and a server as a process.

The server of these runs has no limits on the pace of questions: what holds is the budget alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from confide.drill.families import households
from confide.drill.thief import Person, Thief
from tests.server import factored, processes

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SERVE = """
import django
django.setup()
from confide.server import config, pace, serving
pace.PERSON = pace.PROGRAM = pace.ADDRESS = pace.Limit(10**9, 1e9)
serving.serve(config.read(), workers=1, threads=8)
"""
_TODAY = date(2026, 3, 2)


def settle(system: Any, practice: Any, count: int) -> tuple[list[Person], Any]:
    """Make *count* patients and somebody at the front desk; return the truth about them, and the account."""
    from django.utils import timezone

    from confide.access.decide import act_as_client, decide
    from confide.access.models import Account, Client, Membership
    from confide.access.roles import Action, Purpose
    from confide.protect.elements import Element

    account = Account.objects.create_user("desk@steal.example", display_name="Jonas Weber")
    factored.enrol(account)
    Membership.objects.create(
        account=account, practice=practice, role="front_desk", approved_at=timezone.now()
    )
    # Whoever writes them is somebody else: what the thief knows by writing does not count.
    writer = act_as_client(
        Client.objects.create(
            practice=practice, name="Intake", purpose="TREAT", elements=[e.value for e in Element]
        ),
        "token",
    )
    truth = []
    for number, person in enumerate(p for home in households(count, 11, _TODAY) for p in home.people):
        if number % 50 == 0:  # a grant lasts five minutes
            grant = decide(writer, Action.WRITE, Purpose.TREAT, None, Element, system.clock())
        given, family = " ".join(person.given), person.family
        view = system.charts.create(grant, _resource(number, given, family, person.birth))
        truth.append(Person(view.id, given, family, person.birth))
    return truth, account


def _resource(number: int, given: str, family: str, birth: date) -> dict[str, Any]:
    name: dict[str, Any] = {"text": f"{given} {family}".strip()}
    name |= {"given": given.split()} if given else {}
    name |= {"family": family} if family else {}
    return {
        "resourceType": "Patient",
        "name": [name],
        "birthDate": birth.isoformat(),
        "telecom": [{"system": "phone", "value": f"(555) 01{number // 100:02}-{number * 37 % 10_000:04}"}],
        "address": [{"line": [f"{number} Elm Street"], "city": "Springfield", "postalCode": "01103"}],
        "identifier": [
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"{910_000_000 + number}"},
            {"system": "http://plan.example/members", "value": f"W-8800-{number:04}"},
        ],
    }


def strangers(count: int) -> list[Person]:
    """People who are patients nowhere."""
    made = [p for home in households(count, 99, _TODAY) for p in home.people]
    return [Person("", f"{' '.join(p.given)}qz", f"{p.family}qx", p.birth) for p in made]


@contextmanager
def stolen(account: Any) -> Iterator[Thief]:
    """A thief with the open session of *account*."""
    from django.conf import settings
    from django.test import Client as Http

    http = factored.sign_in(Http(headers={"user-agent": AGENT}, REMOTE_ADDR="127.0.0.1"), account)
    session = http.cookies[settings.SESSION_COOKIE_NAME].value
    with processes.server(SERVE, CONFIDE_LOG_LEVEL="ERROR") as (address, _):
        yield Thief(address, {settings.SESSION_COOKIE_NAME: session}, AGENT)


def seen(account: Any) -> set[str]:
    """Whom the server's own books say that the person has seen anything of."""
    from confide.access.models import Exposure

    return set(Exposure.objects.filter(owner=f"person:{account.pk}").values_list("patient", flat=True))
