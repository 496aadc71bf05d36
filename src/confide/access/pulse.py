"""Whether a credential may still act, as its request goes on: a grant does not outlive the trust in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, connections, router

from confide.access.containment import Standing
from confide.access.statements import Column, Query, ask
from confide.errors import AccessDenied, Frozen, Unavailable

if TYPE_CHECKING:
    from confide.access.actors import Actor
    from confide.access.decide import Grant


SUSPECT: Final = "suspect"
"""What `column` says of a session that is suspect."""


def column(actor: Actor) -> Column:
    """Return a column for a query of facts: how far the actor's session is trusted; empty if it is over."""
    return _SESSION, (actor.session, actor.id)


_SESSION: Final = (
    "(SELECT CASE WHEN suspect_at IS NULL THEN 'trusted' ELSE 'suspect' END FROM access_session"
    " WHERE id = %s AND account_id = %s AND frozen_at IS NULL)"
)


def asking(actor: Actor) -> Query:
    """Ask whether a credential may still act, and is suspect; `require_unchanged` reads the answer."""
    if actor.kind == "client":
        return _CLIENT, [actor.id]
    return _PERSON, [actor.session, actor.session, actor.id]


_CLIENT: Final = (
    "SELECT suspect_at IS NOT NULL FROM access_client WHERE id = %s AND active AND frozen_at IS NULL"
)
_PERSON: Final = (
    "SELECT a.suspect_at IS NOT NULL OR s.suspect_at IS NOT NULL FROM access_account a"
    " LEFT JOIN access_session s ON s.id = %s AND s.account_id = a.id AND s.frozen_at IS NULL"
    " WHERE (%s = '' OR s.id IS NOT NULL) AND a.id = %s AND a.is_active AND a.frozen_at IS NULL"
)


def require_unchanged(rows: Sequence[tuple[Any, ...]], grant: Grant) -> None:
    """Refuse to go on with a grant whose credential was frozen or degraded after it was made.

    Args:
        rows: The answer to `asking`.
        grant: What was decided then.

    Raises:
        Frozen: The credential was stopped, or its session has ended.
        AccessDenied: It has become suspect; asking again is answered by less.
    """
    if not rows:
        raise Frozen("the login, program or session was stopped")
    if rows[0][0] and not grant.suspect:
        raise AccessDenied("the login or program became suspect meanwhile (ask again)")


def recheck(grant: Grant) -> None:
    """Ask anew, as a request goes on, whether its credential may still act.

    Raises:
        Frozen, AccessDenied: See `require_unchanged`.
        Unavailable: It cannot be read now.
    """
    if grant.actor.kind == "system":
        return
    try:
        [rows] = ask(connections[router.db_for_read(Standing)], [asking(grant.actor)])
    except DatabaseError as problem:
        raise Unavailable(f"the standing cannot be read ({type(problem).__name__})") from None
    require_unchanged(rows, grant)
