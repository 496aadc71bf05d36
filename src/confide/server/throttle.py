"""The entrance: every try to come in is counted, judged by the ladder, and told to the journal.

A try is admitted, or answered at once: no thread waits, and what is turned away is not hashed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from confide.access import attempts, ladder, sessions, terminal
from confide.access.attempts import Admission, Entrant, Kind
from confide.access.entrances import Attempt, Session
from confide.access.ladder import Rule, Rung, Verdict
from confide.access.models import Account, Client, Membership
from confide.access.standing import Reason
from confide.audit import standing
from confide.audit.entrances import HOST, Event, entries_of
from confide.audit.journal import Entry
from confide.errors import Unavailable
from confide.server.apps import system

_log = logging.getLogger(__name__)
_STATUS: Final = {Rung.SLOWED: 429, Rung.CHALLENGED: 429, Rung.REFUSED: 403}


_PROOF: Final = "proof"


class TooMany(Exception):
    """A program's try is turned away; it may come back after some seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"wait {wait} seconds")
        self.wait = wait


@dataclass(slots=True)
class Try:
    """A try that was admitted. It counts as a failure until it is said to have come in."""

    attempt: int
    passed: bool = False

    def succeed(self) -> None:
        """Say that what was presented is right."""
        self.passed = True
        if self.attempt:
            attempts.settle(self.attempt)


def places(account: Account | None) -> list[tuple[str, str]]:
    """The practices of an account, each with a role that it has there; the host's, where it has none."""
    wanted = account.pk if account else ""
    rows = Membership.objects.filter(account_id=wanted, active=True).order_by("practice_id", "-pk")
    return list(dict(rows.values_list("practice_id", "role")).items()) or [(HOST, "")]


@contextmanager
def trying(request: HttpRequest, name: str, kind: Kind) -> Iterator[Try]:
    """Admit a person's try, and see to it that its end is recorded.

    What is admitted and does not succeed is a failure, whatever the reason; only where the server itself was
    not able to look (``Unavailable``) does the try not count.

    Args:
        request: The request.
        name: The name that was typed, or that of the account whose session it is.
        kind: What is tried.

    Raises:
        ImmediateHttpResponse: It is turned away; this is the answer.
        Unavailable: The journal or the database cannot be written.
    """
    person = terminal.find(name)
    admission = _admit(request, name, person, kind)
    if admission.verdict.rung is not Rung.OPEN:
        raise ImmediateHttpResponse(_answer(request, admission))
    this = Try(admission.attempt)
    try:
        yield this
    except Unavailable:
        attempts.withdraw(this.attempt)
        raise
    if not this.passed:
        _tell(request, Event.FAILED, person, reason=kind.value)


def _admit(request: HttpRequest, name: str, person: Account | None, kind: Kind) -> Admission:
    device = sessions.know(person, request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))
    where = places(person)
    entrant = Entrant(
        kind,
        attempts.tag_account(name),
        attempts.tag_network(address(request)),
        device.pk if device else "",
        tool=ladder.is_tool(request.headers.get("User-Agent", "")),
        accountable=tuple(practice for practice, _ in where),
    )
    now = system().clock()
    with transaction.atomic(using=router.db_for_write(Attempt)):
        admission = attempts.admit(entrant, _ticket(request), now)
        verdict = admission.verdict
        told: list[Entry] = []
        if admission.alarms:
            told += entries_of(
                Event.STOPPED,
                [(practice, role) for practice, role in where if practice in admission.alarms],
                now,
                account=person.pk if person else "",
                reason=_reason(verdict),
                address=address(request),
            )
            if verdict.rung is Rung.REFUSED and verdict.rule is Rule.NETWORK:
                window = ladder.RULES[Rule.NETWORK].window
                taken = sessions.take_back(entrant.network, now - window)
                told += _took_back(taken, verdict)
                # Whoever came in there has more than the password; a person decides whether it was its owner.
                for account in {row.account_id: row.account for row in taken}.values():
                    standing.degrade(system().journal, account, Reason.STUFFING, now)
            _log.warning("tries to sign in are %s by the rule %s", verdict.rung, verdict.rule)
        system().journal.append(told)
    return admission


def _ticket(request: HttpRequest) -> str:
    """The ticket of an earlier challenge: from the form, or from the session."""
    given = request.POST.get("proof", "") or str(request.session.get(_PROOF, ""))
    return given[:64]


def _took_back(rows: Sequence[Session], verdict: Verdict) -> list[Entry]:
    """Whoever came in on a new device from where so many names failed may have been one of them."""
    now = system().clock()
    return [
        entry
        for row in rows
        for entry in entries_of(
            Event.SESSION_END,
            places(row.account),
            now,
            account=row.account_id,
            credential=f"session:{row.pk[:16]}",
            reason=_reason(verdict),
            address=row.address,
        )
    ]


def _reason(verdict: Verdict) -> str:
    return f"{verdict.rule}:{verdict.rung}:{verdict.number}"


def _tell(request: HttpRequest, event: Event, person: Account | None, reason: str) -> None:
    now = system().clock()
    entries = entries_of(
        event,
        places(person),
        now,
        account=person.pk if person else "",
        reason=reason,
        address=address(request),
    )
    with transaction.atomic(using=router.db_for_write(Attempt)):
        system().journal.append(entries)


def address(request: HttpRequest) -> str:
    """The network address that a request came from; see ``proxies``."""
    return str(request.META.get("REMOTE_ADDR", ""))


def _answer(request: HttpRequest, admission: Admission) -> HttpResponse:
    """Say how long to wait. The page is the same for every name, whether there is such an account or not."""
    verdict = admission.verdict
    context = {
        "rung": verdict.rung.value,
        "wait": verdict.wait,
        "proof": admission.proof,
        "login": request.POST.get("login", ""),
        "next": request.POST.get("next", ""),
        "signing_in": "login" in request.POST,
    }
    if admission.proof and "login" not in request.POST:
        request.session[_PROOF] = admission.proof
    response = render(request, "account/patience.html", context, status=_STATUS[verdict.rung])
    if verdict.rung is not Rung.REFUSED:
        response["Retry-After"] = str(max(1, verdict.wait))
    response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001 - Django's word; a flood fills no log
    return response


def note_unasked(request: HttpRequest) -> None:
    """Count a form that was sent without having been fetched, as programs do that try passwords."""
    attempts.notice(attempts.tag_network(address(request)), system().clock())


def admit_client(request: HttpRequest, client: str) -> Try:
    """Admit a program's assertion. Where a program has come in before, it is never turned away.

    Args:
        request: The request.
        client: The id that the assertion names, before it is checked; empty if it names none.

    Raises:
        TooMany: Too many assertions from this network were refused.
    """
    account, network = attempts.tag_account(f"client {client}"), attempts.tag_network(address(request))
    if attempts.was_client_here(account, network):
        return Try(0)
    practice = Client.objects.filter(pk=client).values_list("practice_id", flat=True).first() or HOST
    entrant = Entrant(Kind.CLIENT, account, network, accountable=(practice,))
    now = system().clock()
    with transaction.atomic(using=router.db_for_write(Attempt)):
        admission = attempts.admit(entrant, "", now)
        entries = entries_of(
            Event.STOPPED,
            [(each, "integrator") for each in admission.alarms],
            now,
            kind="client",
            account=client if practice else "",
            reason=_reason(admission.verdict),
            address=address(request),
        )
        system().journal.append(entries)
    if admission.verdict.rung is not Rung.OPEN:
        raise TooMany(max(1, admission.verdict.wait))
    return Try(admission.attempt)
