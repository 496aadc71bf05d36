"""How far the watch goes by itself, and whom it tells. No Django here: the configuration reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum
from urllib.parse import urlsplit

from confide.audit.alarms import parse_syslog
from confide.errors import Invalid
from confide.watch.rungs import Rung


class Way(StrEnum):
    """How something is told."""

    WEBHOOK = "webhook"
    MAIL = "mail"
    SYSLOG = "syslog"


@dataclass(frozen=True, slots=True)
class Ways:
    """Where notices go; empty is nowhere.

    Attributes:
        webhook: An address that takes JSON by POST.
        relay: HOST:PORT of a mail server that takes mail of this machine.
        sender: The address that mail comes from.
        mail: The addresses that it goes to.
        syslog: A socket's path, or HOST:PORT for UDP.
    """

    webhook: str = ""
    relay: str = ""
    sender: str = ""
    mail: tuple[str, ...] = ()
    syslog: str = ""

    def __post_init__(self) -> None:
        if self.webhook and not _is_web(self.webhook):
            raise Invalid("a webhook begins with https:// or http:// and names a host, and no user")
        if self.syslog:
            parse_syslog(self.syslog)
        if not all(map(_is_mail, (*self.mail, *([self.sender] if self.sender else [])))):
            raise Invalid("a mail address is NAME@HOST")
        if self.mail and not (self.relay and self.sender):
            raise Invalid("mail needs a relay (HOST:PORT) and a sender")
        if self.relay and not self.relay.rpartition(":")[2].isdecimal():
            raise Invalid("a mail relay is HOST:PORT")

    def named(self) -> list[Way]:
        """Return the ways that lead somewhere."""
        there = {Way.WEBHOOK: self.webhook, Way.MAIL: self.mail, Way.SYSLOG: self.syslog}
        return [way for way, place in there.items() if place]


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and parts.username is None and not re.search(r"\s", address)


def _is_mail(address: str) -> bool:
    """Tell whether a message can be addressed so; the library says it in several ways if it cannot."""
    message = EmailMessage()
    try:
        message["To"] = address
        named = message["To"].addresses
    except (ValueError, IndexError, AttributeError):
        return False
    return bool(named) and all(each.username and each.domain for each in named) and address.isprintable()


@dataclass(frozen=True, slots=True)
class Policy:
    """How far Confide goes by itself.

    Attributes:
        automatic: The highest rung that is taken without a person.
        ways: Where notices go.
    """

    automatic: Rung = Rung.MASKED
    ways: Ways = field(default_factory=Ways)
