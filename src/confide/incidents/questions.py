"""What a scope is asked by: credentials, programs, addresses or a stolen copy, and a window."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db.models import Q

from confide.access.models import Account, Client
from confide.access.roles import Form
from confide.audit import scope as journal
from confide.errors import Invalid, Unknown
from confide.incidents import census
from confide.incidents.forms import ALL, pack
from confide.protect.elements import Element
from confide.vault.models import Export

_MOST: Final = 200
_LONGEST_WINDOW: Final = timedelta(days=3660)


class Copy(StrEnum):
    """What of the store was taken."""

    NONE = ""
    DATABASE = "database"
    BACKUP = "backup"


class Keys(StrEnum):
    """Whether whoever has the copy has the keys, too."""

    SAFE = "safe"
    TAKEN = "taken"


READABLE: Final = pack(
    dict.fromkeys(
        (Element.BIRTH_DATE.value, Element.ADDRESS.value, Element.DATE.value, Element.CLINICAL.value),
        Form.MASKED.value,
    )
)
"""A part of these is readable in a copy without its keys: years, the state, codes of what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. Of several kinds all are counted; whoever is in two of them, once.

    Attributes:
        since: Aware UTC.
        until: The first moment that does not count, aware UTC.
        actors: Ids of accounts and programs: all their sessions and tokens.
        credentials: Public names of sessions and tokens, as the journal has them.
        addresses: Network addresses.
        exports: Ids of exports that were taken.
        copy: A copy of the store that was taken in the window.
        keys: Of that copy.
    """

    since: datetime
    until: datetime
    actors: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    copy: Copy = Copy.NONE
    keys: Keys = Keys.TAKEN

    def check(self, now: datetime, practices: Sequence[str] = ()) -> None:
        """Refuse what cannot be asked.

        Args:
            now: Aware UTC.
            practices: The journals of these alone are looked at; none is all of the host's.

        Raises:
            Invalid: The window is reversed, too long or in the future, or nothing is named.
            Unknown: Something that is named is not known here.
        """
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise Invalid("the window's moments have no time zone")
        if self.since >= self.until:
            raise Invalid("the window is reversed: it ends before it begins")
        if self.until - self.since > _LONGEST_WINDOW:
            raise Invalid("the window is longer than ten years")
        if self.since > now:
            raise Invalid("the window begins in the future")
        named = (*self.actors, *self.credentials, *self.addresses, *self.exports)
        if not named and not self.copy:
            raise Invalid("a scope is that of a login, a session, a token, a program, an address or a copy")
        if len(named) > _MOST:
            raise Invalid(f"a scope is asked by {_MOST} names at most")
        self._check_names(practices)

    def _check_names(self, practices: Sequence[str]) -> None:
        for actor in self.actors:
            _require("login or program", practices, "actor", actor, (Account, Client))
        for credential in self.credentials:
            _require("session or token", practices, "credential", credential)
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise Invalid("an address is written as 192.0.2.7 or 2001:db8::7") from None
            _require("address", practices, "address", address)
        for export in self.exports:
            mine = Q(practice__in=list(practices)) if practices else Q()
            if not Export.objects.filter(mine, pk=export).exists():
                raise Unknown("there is no such export here")

    def write(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = asdict(self)
        told["since"], told["until"] = self.since.isoformat(), self.until.isoformat()
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
        return {name: value for name, value in told.items() if value}

    @classmethod
    def read(cls, told: dict[str, Any]) -> Question:
        """Return what `write` wrote."""
        return cls(
            since=datetime.fromisoformat(told["since"]),
            until=datetime.fromisoformat(told["until"]),
            copy=Copy(told.get("copy", "")),
            keys=Keys(told.get("keys", Keys.TAKEN)),
            **{name: tuple(told.get(name, ())) for name in ("actors", "credentials", "addresses", "exports")},
        )


def _require(what: str, practices: Sequence[str], column: str, name: str, models: Sequence[Any] = ()) -> None:
    """Refuse what neither a table nor the journal knows.

    Raises:
        Unknown: It is not known; it is not repeated.
    """
    if any(model.objects.filter(pk=name).exists() for model in models):
        return
    if not journal.knows(practices, column, name):
        raise Unknown(f"there is no such {what} here: the journal has never seen one")


def legs(question: Question, practices: Sequence[str], honey: Sequence[str]) -> list[census.Seen]:
    """Return the queries of who was seen.

    Args:
        question: Checked.
        practices: Only in these; none is all of the host's.
        honey: Ids that are left out.
    """
    made = []
    since, until = question.since.astimezone(UTC), question.until.astimezone(UTC)
    # Each has an index of its own: a journal of years is not read through.
    for name, values in (
        ("actor", question.actors),
        ("credential", question.credentials),
        ("address", question.addresses),
    ):
        if values:
            made.append(census.seen(journal.showing(practices, since, until, name, values), honey))
    if question.exports:
        made.append(census.seen(journal.exporting(practices, question.exports), honey))
    if question.copy:
        shown = ALL if question.keys is Keys.TAKEN else READABLE
        made.append(census.copied(practices, shown, since, until, honey))
    return made
