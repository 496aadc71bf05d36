"""Who asks: a person in one role, a program, or Confide itself; in one practice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from confide.access.entrances import Session
from confide.access.models import Client, Membership
from confide.access.roles import Role
from confide.protect.elements import Element

Kind = Literal["person", "client", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, in what capacity.

    Attributes:
        id: The account's or client's id.
        credential: What was presented: the session's or the token's public name, never the secret itself.
        practice: The practice in which the actor acts.
        name: What a person reads.
        address: The network address that it came from.
        elements: Elements that may be answered otherwise than by stand-ins; None is no limit of its own.
        session: The id of a person's session (``entrances.Session``); empty at the terminal and for programs.
        proved_at: When the person last proved a second factor in this session, aware UTC; None if never.
        device: The id of the browser that the session is in (``entrances.Device``); empty if there is none.
    """

    kind: Kind
    id: str
    credential: str
    practice: str
    role: Role
    name: str
    address: str = ""
    elements: frozenset[Element] | None = None
    session: str = ""
    proved_at: datetime | None = None
    device: str = ""

    @property
    def owner(self) -> str:
        """Whose exposure it is, whatever the session, token or practice."""
        return f"{self.kind}:{self.id}"


def act_as_member(
    membership: Membership, credential: str, address: str = "", session: Session | None = None
) -> Actor:
    """Return the actor that a signed-in person is in one of their practices."""
    account = membership.account
    return Actor(
        "person",
        account.id,
        credential,
        membership.practice_id,
        Role(membership.role),
        account.display_name,
        address,
        session=session.pk if session else "",
        proved_at=session.proved_at if session else None,
        device=session.device_id if session else "",
    )


def act_as_client(client: Client, credential: str, address: str = "", practice: str = "") -> Actor:
    """Return the actor that an OAuth client is, in one of the practices that it reaches: else in its own."""
    there = practice or client.practice_id
    elements = registered_elements(client.elements)
    return Actor("client", client.id, credential, there, Role.INTEGRATOR, client.name, address, elements)


def registered_elements(codes: Iterable[str]) -> frozenset[Element]:
    """Return the elements that are registered; a code that this release does not know opens nothing."""
    return frozenset(_BY_CODE[code] for code in codes if code in _BY_CODE)


_BY_CODE: Final = {element.value: element for element in Element}
