"""What the watch sees of journal entries: batches, each of one login at one moment doing one thing."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Final

from confide.access.roles import Action, Form
from confide.audit.journal import Entry, Outcome

_SEEN: Final = frozenset({Action.READ.value, Action.REVEAL.value, Action.SEARCH.value})
_SHOWN: Final = frozenset({Form.CLEAR.value, Form.MASKED.value})
_UNSEEN: Final = frozenset({Form.STAND_IN.value, Form.REFUSED.value})
_SUCCESS: Final = Outcome.SUCCESS.value
_SEARCH: Final = Action.SEARCH.value
_OWN: Final = "own"


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry in a batch.

    Attributes:
        id: Of the entry.
        patient: The patient's id.
        elements: Codes of elements that were shown or asked by.
        related: The journal names a relationship.
        own: It names only what the person made.
    """

    id: int
    patient: str
    elements: tuple[str, ...]
    related: bool
    own: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What one login did at one moment.

    Attributes:
        owner: ``person:...`` or ``client:...``.
        opening: Charts were opened; else people were only found.
        network: A short hash of the network; empty if it is not known.
        device: The public name of the browser or machine.
    """

    at: datetime
    practice: str
    owner: str
    role: str
    credential: str
    opening: bool
    network: str
    device: str
    seen: tuple[Seen, ...]

    @property
    def program(self) -> bool:
        """Whether no person sits there."""
        return self.owner.startswith("client:")


def batch(lines: Iterable[tuple[int, Entry]]) -> Iterator[Batch]:
    """Put entries of one request together; what shows no patient to anybody is left out.

    Exports and what the system does are left out, too: two people have approved of those.

    Args:
        lines: Ids and entries, in the order of the journal.
    """
    chosen = (line for line in lines if _counts(line[1]))
    for _, group in groupby(chosen, key=lambda line: _request(line[1])):
        rows = list(group)
        first = rows[0][1]
        program = first.actor_kind == "client"
        seen = tuple(_see(id_, entry) for id_, entry in rows)
        yield Batch(
            first.at,
            first.practice,
            f"{first.actor_kind}:{first.actor}",
            first.role,
            first.credential,
            first.action != _SEARCH or (program and any(_shows(entry) for _, entry in rows)),
            name_network(first.address),
            first.device,
            seen,
        )


def _counts(entry: Entry) -> bool:
    return (
        entry.action in _SEEN
        and bool(entry.patient)
        and entry.outcome == _SUCCESS
        and entry.actor_kind != "system"
    )


def _request(entry: Entry) -> tuple[object, ...]:
    return entry.at, entry.practice, entry.actor, entry.credential, entry.action


def _shows(entry: Entry) -> bool:
    return any(form in _SHOWN for form in entry.elements.values())


def _see(id_: int, entry: Entry) -> Seen:
    elements = tuple([code for code, form in entry.elements.items() if form not in _UNSEEN])
    own = _OWN in entry.relationship and _OWN in entry.relationship.split()
    return Seen(id_, entry.patient, elements, bool(entry.relationship), own)


@lru_cache(10_000)
def name_network(address: str) -> str:
    """Return a short hash of the network: the first 24 bits of IPv4, 48 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    network = ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False)
    return hashlib.blake2b(network.network_address.packed, digest_size=6).hexdigest()
