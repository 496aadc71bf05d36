"""Tries to sign in, counted in the database: all server processes count together, by account and by network.

A try is written down before its password is looked at, as a failure, and corrected when it comes in: tries at
the same moment cannot slip past each other. What was typed is never kept, only a hash under a key of this
installation; a network is a whole IPv4 address or the first 64 bits of an IPv6 address.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Final

from django.db import router, transaction
from django.db.models import Count as Number
from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils.crypto import salted_hmac

from confide.access import ladder
from confide.access.entrances import Alarm, Attempt, Device, Proof
from confide.access.ladder import RULES, Count, Facts, Rule, Rung, Verdict
from confide.access.models import Account

_TOGETHER: Final = timedelta(minutes=10)
_SILENCE: Final = timedelta(hours=1)
_LOCKS: Final = 0x51611  # keeps these advisory locks apart from others
_LONGEST_NAME: Final = 1000


class Kind(StrEnum):
    """What is tried."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    CHANGE = "change"
    CODE = "code"
    PASSKEY = "passkey"
    INVITATION = "invitation"
    PROVIDER = "provider"
    CLIENT = "client"


_PEOPLES: Final = (Kind.PASSWORD, Kind.CHANGE, Kind.CODE, Kind.PASSKEY, Kind.INVITATION, Kind.PROVIDER)


class Outcome(StrEnum):
    """How a try ended."""

    FAILED = "failed"
    PASSED = "passed"
    WITHDRAWN = "withdrawn"
    UNASKED = "unasked"
    SLOWED = "slowed"
    CHALLENGED = "challenged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who tries, from where.

    Attributes:
        kind: What is tried.
        account: The tag of the name that was typed.
        network: The tag of the network.
        device: The id of the known device; empty if it is none.
        tool: The browser names itself as a program, or not at all.
        accountable: The ids of the practices that are told; one of them empty stands for the host.
    """

    kind: Kind
    account: str
    network: str
    device: str = ""
    tool: bool = False
    accountable: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a try.

    Attributes:
        attempt: The id of its row, to be told how it ended; 0 if it is turned away.
        proof: A ticket for the next try, where the verdict is a challenge.
        alarms: Ids of the practices whose journals are to be told of the verdict now.
    """

    verdict: Verdict
    attempt: int = 0
    proof: str = ""
    alarms: tuple[str, ...] = ()


def tag_account(name: str) -> str:
    """Return what is kept of a typed name: 32 hexadecimal digits, the same for every writing in capitals."""
    return _tag("account", name.strip().lower()[:_LONGEST_NAME])


def tag_network(address: str) -> str:
    """Return what is kept of a network address: of all of IPv4, of the first 64 bits of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return _tag("network", "")
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return _tag("network", str(IPv6Address(int(parsed) >> 64 << 64)))
        return _tag("network", str(parsed.ipv4_mapped))
    return _tag("network", str(parsed))


def _tag(kind: str, text: str) -> str:
    return salted_hmac(f"confide.access.attempts.{kind}", text, algorithm="sha256").hexdigest()[:32]


def admit(entrant: Entrant, proof: str, now: datetime) -> Admission:
    """Decide on a try in the caller's transaction, and write it down.

    Args:
        entrant: Who tries.
        proof: The ticket that came with it, or anything.
        now: Aware UTC.
    """
    _lock(entrant)
    ticket = _ticket(proof, entrant.network, now)
    facts = _count(entrant, now, proved=ticket is not None)
    verdict = ladder.judge(facts, now)
    if verdict.rung is Rung.OPEN:
        if ticket is not None:
            ticket.delete()
        device = entrant.device if _trusted(facts) else ""
        row = Attempt.objects.create(
            at=now,
            kind=entrant.kind,
            account=entrant.account,
            network=entrant.network,
            device=device,
            outcome=Outcome.FAILED,
        )
        return Admission(verdict, row.pk)
    issued = ""
    if verdict.rung is Rung.CHALLENGED:
        issued, verdict = _challenge(entrant, proof, verdict, now)
    _turn_away(entrant, Outcome(verdict.rung.value), now)
    return Admission(verdict, 0, issued, _alarms(entrant, verdict, now))


def settle(attempt: int) -> None:
    """Write that a try came in: earlier ones like it, on that account from that network, count no more.

    A right password settles wrong passwords, not wrong codes: whoever has the one must not guess the other.
    """
    row = Attempt.objects.get(pk=attempt)
    Attempt.objects.filter(
        account=row.account,
        network=row.network,
        device=row.device,
        kind=row.kind,
        outcome=Outcome.FAILED,
    ).update(settled=True)
    Attempt.objects.filter(pk=attempt).update(outcome=Outcome.PASSED)


def withdraw(attempt: int) -> None:
    """Write that a try was never looked at."""
    Attempt.objects.filter(pk=attempt).update(outcome=Outcome.WITHDRAWN)


def forgive(names: tuple[str, ...]) -> None:
    """Let failures on an account count no more, by all its names: it has a new password."""
    tags = [tag_account(name) for name in names if name]
    Attempt.objects.filter(account__in=tags, outcome=Outcome.FAILED).update(settled=True)


def notice(network: str, now: datetime) -> None:
    """Write that a form came from *network* that had not been fetched."""
    with transaction.atomic(using=router.db_for_write(Attempt)):
        _turn_away(Entrant(Kind.PASSWORD, "", network), Outcome.UNASKED, now)


def prune(now: datetime) -> None:
    """Remove what no rule looks at any more."""
    Attempt.objects.filter(at__lt=now - ladder.KEPT).delete()
    Proof.objects.filter(expires_at__lt=now).delete()
    Alarm.objects.filter(at__lt=now - ladder.KEPT).delete()


def count_turned_away(since: datetime) -> tuple[int, int]:
    """Count the tries on this server that were not looked at, and the networks that they came from."""
    outcomes = (Outcome.SLOWED, Outcome.CHALLENGED, Outcome.REFUSED, Outcome.UNASKED)
    found = Attempt.objects.filter(at__gt=since, outcome__in=outcomes).aggregate(
        tries=Sum("tries"), networks=Number("network", distinct=True)
    )
    return found["tries"] or 0, found["networks"]


def was_client_here(account: str, network: str) -> bool:
    """Tell whether a program has come in from this network lately."""
    here = Attempt.objects.filter(account=account, network=network, kind=Kind.CLIENT)
    return here.filter(outcome=Outcome.PASSED).exists()


# Counting


def _lock(entrant: Entrant) -> None:
    """Judge tries on one account, or from one network, one after the other; SQLite has one writer anyway."""
    connection = transaction.get_connection(router.db_for_write(Attempt))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for subject in sorted({entrant.account, entrant.network}):
                cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, subject])


def _trusted(facts: Facts) -> bool:
    stranger = RULES[Rule.DEVICE].stranger
    own = facts.counts.get(Rule.DEVICE, Count()).number
    return facts.known and (stranger is None or own < stranger)


def _count(entrant: Entrant, now: datetime, *, proved: bool) -> Facts:
    if entrant.kind is Kind.CLIENT:
        return Facts({Rule.CLIENT: _of_clients(entrant, now)})
    counts: dict[Rule, Count] = {}
    if entrant.device:
        mine = _failures(Rule.DEVICE, now, account=entrant.account, device=entrant.device)
        counts[Rule.DEVICE] = _total(mine)
        facts = Facts(counts, known=True)
        if _trusted(facts):
            return facts
    here = _failures(Rule.NETWORK, now, network=entrant.network, device="")
    counts[Rule.NETWORK] = _distinct(here, "account")
    home = _is_home(entrant.network, now)
    refused = Facts(counts, known=bool(entrant.device), home=home)
    if ladder.judge(refused, now).rung is Rung.REFUSED:
        return refused  # nothing else can change it, and a flood is turned away at little cost
    counts[Rule.ACCOUNT] = _total(_failures(Rule.ACCOUNT, now, account=entrant.account, device=""))
    spread = _failures(Rule.SPREAD, now, account=entrant.account, device="")
    counts[Rule.SPREAD] = _distinct(spread, "network")
    counts[Rule.STORM] = _distinct(_failures(Rule.STORM, now, device=""), "account")
    since = now - RULES[Rule.UNASKED].window
    unasked = Attempt.objects.filter(network=entrant.network, at__gt=since, outcome=Outcome.UNASKED)
    counts[Rule.UNASKED] = Count(unasked.aggregate(n=Sum("tries"))["n"] or 0)
    counts[Rule.TOOL] = Count(int(entrant.tool))
    return Facts(
        counts,
        known=bool(entrant.device),
        home=home,
        accounts=Account.objects.count(),
        proved=proved,
    )


def _failures(rule: Rule, now: datetime, **where: str) -> QuerySet[Attempt]:
    return Attempt.objects.filter(
        at__gt=now - RULES[rule].window, outcome=Outcome.FAILED, settled=False, kind__in=_PEOPLES, **where
    )


def _of_clients(entrant: Entrant, now: datetime) -> Count:
    failed = Q(at__gt=now - RULES[Rule.CLIENT].window, outcome=Outcome.FAILED, kind=Kind.CLIENT)
    return _total(Attempt.objects.filter(failed, network=entrant.network))


def _total(rows: QuerySet[Attempt]) -> Count:
    found = rows.aggregate(n=Number("pk"), last=Max("at"))
    return Count(found["n"], found["last"])


def _distinct(rows: QuerySet[Attempt], column: str) -> Count:
    found = rows.aggregate(n=Number(column, distinct=True), last=Max("at"))
    return Count(found["n"], found["last"])


def _is_home(network: str, now: datetime) -> bool:
    return Device.objects.filter(
        network=network, first_at__lt=now - ladder.HOME_AFTER, last_at__gt=now - ladder.HOME_WITHIN
    ).exists()


# Turning away


def _ticket(proof: str, network: str, now: datetime) -> Proof | None:
    """The ticket, if it is good now, and for this network."""
    if not proof:
        return None
    found = Proof.objects.filter(digest=_digest(proof), network=network).first()
    return found if found is not None and found.ready_at <= now < found.expires_at else None


def _challenge(entrant: Entrant, proof: str, verdict: Verdict, now: datetime) -> tuple[str, Verdict]:
    """Give a ticket, or the same again if it only came too early; refuse where the queue is too long."""
    early = Proof.objects.filter(digest=_digest(proof), network=entrant.network, expires_at__gt=now).first()
    if early is not None:
        return proof, _await(verdict, early.ready_at, now)
    waiting = Proof.objects.filter(network=entrant.network, expires_at__gt=now)
    last = waiting.aggregate(last=Max("ready_at"))["last"]
    ready = max(now, last or now) + ladder.PACE
    if ready - now > ladder.LONGEST_QUEUE:
        return "", Verdict(Rung.REFUSED, Rule.QUEUE, 0, waiting.count())
    issued = secrets.token_urlsafe(24)
    Proof.objects.create(
        digest=_digest(issued), network=entrant.network, ready_at=ready, expires_at=ready + ladder.GOOD_FOR
    )
    return issued, _await(verdict, ready, now)


def _await(verdict: Verdict, ready: datetime, now: datetime) -> Verdict:
    wait = max(0, -(-(ready - now) // timedelta(seconds=1)))
    return Verdict(verdict.rung, verdict.rule, wait, verdict.number)


def _digest(proof: str) -> str:
    return hashlib.sha256(f"proof {proof}".encode()).hexdigest()


def _turn_away(entrant: Entrant, outcome: Outcome, now: datetime) -> None:
    """Count it in the row of its network, so that a flood fills no disk."""
    rows = Attempt.objects.filter(
        network=entrant.network, outcome=outcome, kind=entrant.kind, at__gt=now - _TOGETHER
    )
    if not rows.update(tries=F("tries") + 1):
        Attempt.objects.create(
            at=now, kind=entrant.kind, account="", network=entrant.network, device="", outcome=outcome
        )


_OF_NETWORK: Final = frozenset({Rule.NETWORK, Rule.UNASKED, Rule.TOOL, Rule.QUEUE, Rule.CLIENT})


def _alarms(entrant: Entrant, verdict: Verdict, now: datetime) -> tuple[str, ...]:
    """The practices that have not been told of this within the hour; they are told now."""
    if verdict.rule is None:
        return ()
    subject = entrant.network if verdict.rule in _OF_NETWORK else entrant.account
    if verdict.rule is Rule.STORM:
        subject = ""
    told = []
    for practice in entrant.accountable:
        alarm, new = Alarm.objects.get_or_create(
            practice=practice, rule=verdict.rule, rung=verdict.rung, subject=subject, defaults={"at": now}
        )
        if not new and alarm.at > now - _SILENCE:
            continue
        Alarm.objects.filter(pk=alarm.pk).update(at=now)
        told.append(practice)
    return tuple(told)
