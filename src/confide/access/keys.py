"""The public keys of a program: several at a time, so that one takes over from another; each has an end.

For a program that proves itself by mutual TLS a key is a certificate: its own, or its authority's.

A key stands in the client's JSON Web Key Set, with two members that say from when and until when it holds. A
token is good only as long as the key that it was got with.

Source:
    RFC 7517 (JSON Web Key Set); the members ``iat`` and ``exp`` of a key from OpenID Federation 1.0,
    section 8.7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import transaction

from confide.access.models import AccessToken, Client
from confide.errors import Invalid, Unknown

MOST_DAYS: Final = 400
"""How long a key holds at most: a year, and some weeks to replace it."""

DAYS: Final = 366
NOTICE: Final = timedelta(days=30)
"""How long before its end a key is said to be old."""

MOST_KEYS: Final = 8


class Method(StrEnum):
    """How a program proves who it is.

    Source:
        OAuth token endpoint authentication methods (IANA): OpenID Connect Core section 9; RFC 8705 section 2.
    """

    SIGNATURE = "private_key_jwt"
    AUTHORITY = "tls_client_auth"
    CERTIFICATE = "self_signed_tls_client_auth"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a program.

    Attributes:
        id: Its ``kid``.
        kind: What people read: its algorithm's family.
        since: From when it is registered, aware UTC.
        until: When it ends, aware UTC.
        jwk: The key itself.
    """

    id: str
    kind: str
    since: datetime
    until: datetime
    jwk: Mapping[str, Any]

    def holds(self, now: datetime) -> bool:
        return now < self.until


def keys_of(client: Client) -> list[Key]:
    """Return a program's keys, the oldest first. One without an end has that of the first year."""
    found = []
    for jwk in client.jwks.get("keys", ()):
        since = _moment(jwk.get("iat")) or client.created_at
        until = _moment(jwk.get("exp")) or since + timedelta(days=DAYS)
        found.append(Key(str(jwk.get("kid", "")), _kind(jwk), since, until, jwk))
    return sorted(found, key=lambda key: int(key.since.timestamp()))  # a set's own order within a second


def live(client: Client, now: datetime) -> list[Key]:
    """Return the keys that hold now."""
    return [key for key in keys_of(client) if key.holds(now)]


def stamp(jwks: Mapping[str, Any], days: int, now: datetime) -> dict[str, Any]:
    """Say of each key of a set that it holds from now on, for so many days.

    Raises:
        Invalid: For no time, or for too long.
    """
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"a key holds for 1 to {MOST_DAYS} days")
    term = {"iat": int(now.timestamp()), "exp": int((now + timedelta(days=days)).timestamp())}
    return {"keys": [{**jwk, **term} for jwk in jwks["keys"]]}


def add(client: Client, jwks: Mapping[str, Any], days: int, now: datetime) -> list[Key]:
    """Register more keys beside those that a program has; they hold at once.

    Args:
        client: The program.
        jwks: Public keys, looked at, each with a ``kid``.
        days: For how long they hold.
        now: Aware UTC.

    Returns:
        The keys that it has now.

    Raises:
        Invalid: A key is there already, there are too many, or the time is wrong.
    """
    stamped = stamp(jwks, days, now)["keys"]
    with transaction.atomic():
        row = _locked(client)
        listed = [*row.jwks.get("keys", ()), *stamped]
        if len({jwk["kid"] for jwk in listed}) < len(listed):
            raise Invalid("the program has a key of that id already")
        if len(listed) > MOST_KEYS:
            raise Invalid(f"a program has {MOST_KEYS} keys at most (retire one)")
        _keep(row, listed)
    return keys_of(row)


def retire(client: Client, kid: str, now: datetime) -> list[Key]:
    """Take a key out of use at once, with the tokens that were got with it.

    Returns:
        The keys that are left.

    Raises:
        Unknown: There is no such key.
        Invalid: Nothing would be left that holds: the program would stand before a closed door.
    """
    with transaction.atomic():
        row = _locked(client)
        listed = row.jwks.get("keys", ())
        left = [jwk for jwk in listed if jwk.get("kid") != kid]
        if len(left) == len(listed):
            raise Unknown("the program has no key of that id")
        was_good = any(key.id == kid for key in live(row, now))
        _keep(row, left)
        if was_good and not live(row, now):
            raise Invalid("it is the program's last key (add another first, or freeze the program)")
        AccessToken.objects.filter(client=row, key=kid).delete()
    return keys_of(row)


def _locked(client: Client) -> Client:
    return Client.objects.select_for_update().get(pk=client.pk)


def _keep(row: Client, listed: Iterable[Mapping[str, Any]]) -> None:
    row.jwks = {"keys": list(listed)}
    row.save(update_fields=["jwks"])


def _kind(jwk: Mapping[str, Any]) -> str:
    if jwk.get("x5c"):
        return "certificate"
    return {"EC": "P-384 (ES384)", "RSA": "RSA (RS384)"}.get(str(jwk.get("kty")), "unknown")


def _moment(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
