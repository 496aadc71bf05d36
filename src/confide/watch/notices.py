"""Notices: what was found is told outside, by webhook, e-mail and syslog, and again until somebody takes it.

They stand in a queue of rows, written in the transaction of what they tell. There is no value in one: a
practice's id, a detector, a weight, a sentence of figures. A webhook's body is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import smtplib
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, Protocol
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.db.models import F

from confide.audit.alarms import parse_syslog, tell_syslog
from confide.watch.findings import Finding
from confide.watch.models import Notice
from confide.watch.policy import Way, Ways

FIRST: Final = timedelta(seconds=30)
"""After the first failure; doubles with each."""

LONGEST: Final = timedelta(hours=1)
PATIENCE: Final = timedelta(days=3)
"""After so long nobody tries any more; the finding itself stays on its page."""

CLOCK: Final = "clock"
"""The code of a notice about a clock of an incident."""

SIGNATURE: Final = "Confide-Signature"
_SECONDS: Final = 15
_CLAIMED: Final = timedelta(minutes=5)
_AT_ONCE: Final = 20


OF_NO_FINDING: Final[Mapping[str, Any]] = {
    "finding": "", "practice": "", "weight": 0, "entries": 0, "taken": "", "withheld": False,
}  # fmt: skip
"""What a notice says of a finding, where it is about none."""


class Rise(Protocol):
    """What was done about a finding, as ``containment.Done`` tells it."""

    @property
    def rung(self) -> str: ...

    @property
    def withheld(self) -> bool: ...


def put(ways: Ways, finding: Finding, id_: str, done: Rise, now: datetime, incident: str = "") -> None:
    """Queue a notice for each way; in the caller's transaction.

    Args:
        ways: Where to.
        finding: What was found.
        id_: Of its row.
        done: What was done about it.
        now: Aware UTC.
        incident: Of the incident that it belongs to; empty where there is none.
    """
    body = {
        "finding": id_,
        "practice": finding.practice,
        "code": finding.code.value,
        "label": finding.code.label,
        "weight": finding.weight,
        "sentence": finding.sentence,
        "entries": len(finding.evidence),
        "taken": str(done.rung),
        "withheld": done.withheld,
        "incident": incident,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
    }
    Notice.objects.bulk_create(
        [Notice(way=way.value, body=body, made_at=now, next_at=now) for way in ways.named()]
    )


def warn(ways: Ways, topic: str, body: Mapping[str, Any], now: datetime) -> int:
    """Queue a notice that each way has once, however often it is asked for.

    Args:
        ways: Where to.
        topic: What it is about; up to 120 characters.
        body: What is told; the keys of `put`, and others.
        now: Aware UTC.

    Returns:
        How many that adds.
    """
    there = set(Notice.objects.filter(topic=topic).values_list("way", flat=True))
    body = {**body, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    rows = [
        Notice(way=way.value, topic=topic, body=body, made_at=now, next_at=now)
        for way in ways.named()
        if way.value not in there
    ]
    if rows:
        Notice.objects.bulk_create(rows, ignore_conflicts=True)  # another process may do the same just now
    return len(rows)


def deliver(ways: Ways, secret: Callable[[], bytes], now: datetime) -> list[str]:
    """Try what is due, each once; another process does not try the same.

    Args:
        ways: Where to.
        secret: Returns the secret that webhooks are signed with.
        now: Aware UTC.

    Returns:
        The ways by which something was not taken.
    """
    return [way.value for way in Way if not _deliver(way, ways, secret, now)]


def _deliver(way: Way, ways: Ways, secret: Callable[[], bytes], now: datetime) -> bool:
    """Try one way's until one is not taken: who does not answer keeps none of the other ways waiting."""
    waiting = Notice.objects.filter(way=way, sent_at__isnull=True, given_up_at__isnull=True, next_at__lte=now)
    for row in waiting.order_by("next_at")[:_AT_ONCE]:
        mine = Notice.objects.filter(pk=row.pk, next_at=row.next_at, sent_at__isnull=True)
        if not mine.update(next_at=now + _CLAIMED, tries=F("tries") + 1):
            continue
        if _send(way, ways, row.pk, row.body, secret):
            Notice.objects.filter(pk=row.pk).update(sent_at=now)
            continue
        if now - row.made_at > PATIENCE:
            Notice.objects.filter(pk=row.pk).update(given_up_at=now)
        else:
            wait = min(FIRST * 2 ** min(row.tries, 16), LONGEST)
            Notice.objects.filter(pk=row.pk).update(next_at=now + wait)
        return False
    return True


def try_out(ways: Ways, secret: Callable[[], bytes], now: datetime) -> dict[str, bool]:
    """Send a test by each way that is named; nothing is queued.

    Returns:
        Whether each way took it.
    """
    body = {
        **OF_NO_FINDING,
        "finding": "test",
        "code": "test",
        "label": "A test",
        "sentence": "This is a test: notices of the watch arrive here.",
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {way.value: _send(way, ways, "test", body, secret) for way in ways.named()}


def prune(before: datetime) -> int:
    """Remove what was told, or given up, before a moment; but for what is told once and never again."""
    rows = Notice.objects.filter(topic__isnull=True)
    done, _ = rows.filter(sent_at__lt=before).delete()
    over, _ = rows.filter(given_up_at__lt=before).delete()
    return done + over


def sign(secret: bytes, body: bytes) -> str:
    """Return what stands in the header: HMAC-SHA-256 of the body, hexadecimal."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def _send(way: Way, ways: Ways, id_: str, body: Mapping[str, Any], secret: Callable[[], bytes]) -> bool:
    match way:
        case Way.WEBHOOK:
            return bool(ways.webhook) and _post(ways.webhook, {"id": id_, **body}, secret())
        case Way.MAIL:
            return bool(ways.mail) and _mail(ways, body)
        case Way.SYSLOG:
            line = f"watch: {_line(body)}"
            return bool(ways.syslog) and tell_syslog(parse_syslog(ways.syslog), line, logging.WARNING)


class _Straight(HTTPRedirectHandler):
    """Follows nobody: a notice goes where it was sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, told: Mapping[str, Any], secret: bytes) -> bool:
    body = json.dumps(told, sort_keys=True).encode()
    headers = {"Content-Type": "application/json", SIGNATURE: sign(secret, body)}
    request = Request(address, body, headers)  # noqa: S310 - checked in Ways
    try:
        answer: HTTPResponse
        with build_opener(_Straight).open(request, timeout=_SECONDS) as answer:
            return 200 <= answer.status < 300
    except (OSError, ValueError, HTTPException):
        return False


def _mail(ways: Ways, body: Mapping[str, Any]) -> bool:
    host, _, port = ways.relay.rpartition(":")
    try:
        message = EmailMessage()
        message["Subject"] = f"Confide: {body['label']}"
        message["From"], message["To"] = ways.sender, ", ".join(ways.mail)
        page = "Incidents" if body["code"] == CLOCK else "Watch"
        message.set_content(
            f"{body['sentence']}\n\n{_line(body)}\n\nWho it is about, and the entries that show it, are on"
            f" the page “{page}” after signing in. This message names nobody.\n"
        )
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_SECONDS) as relay:
            relay.ehlo()
            if relay.has_extn("starttls"):
                relay.starttls(context=ssl.create_default_context())
                relay.ehlo()
            relay.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError):
        return False
    return True


def _line(body: Mapping[str, Any]) -> str:
    if body["code"] == CLOCK:
        return f"incident {body['incident']} practice {body['practice']} clock until {body['until']}"
    taken = "withheld for a storm" if body["withheld"] else body["taken"] or "nothing"
    return (
        f"finding {body['finding']} practice {body['practice']} {body['code']} weight {body['weight']}"
        f" taken: {taken}"
    )
