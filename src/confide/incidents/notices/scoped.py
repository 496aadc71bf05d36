"""A frozen scope of an incident as the letters of one practice go by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from confide.errors import Damaged, Invalid, Unknown
from confide.incidents import scopes
from confide.incidents.models import Scope
from confide.incidents.notices.mailings import Frozen
from confide.incidents.statutes import UNKNOWN
from confide.protect.elements import Element

Told = tuple[str, frozenset[Element], str]


def of(scope: Scope, practice: str) -> Frozen:
    """Return what a mailing needs of a scope.

    Args:
        scope: A scope.
        practice: Whose letters they are.

    Raises:
        Invalid: The scope is not frozen.
        Damaged: Its rows are not what was frozen.
        Unknown: It holds nobody of the practice.
    """
    require_frozen(scope)
    if practice not in scopes.practices(scope):
        raise Unknown("the scope holds nobody of this practice")
    return frozen(scope, practice, lambda: people(scope, practice))


def require_frozen(scope: Scope) -> None:
    """Refuse a scope that notices do not go by.

    Raises:
        Invalid: It is not frozen.
        Damaged: Its rows are not what was frozen.
    """
    if scope.frozen_at is None:
        raise Invalid("notices go by a frozen scope (confide incident freeze)")
    if scopes.digest(scope) != bytes(scope.digest):
        raise Damaged("the frozen scope is not as it was frozen (treat it as an incident)")


def people(scope: Scope, practice: str) -> Iterator[Told]:
    """Return the persons of a practice in a scope, what was shown of each, and where they live."""
    for record in scopes.records(scope, practice):
        state = "" if record.state == UNKNOWN else record.state
        yield record.patient, frozenset(record.elements), state


def frozen(scope: Scope, practice: str, who: Callable[[], Iterable[Told]]) -> Frozen:
    """Return what a mailing to some persons of a practice needs of a scope."""
    return Frozen(scope.incident_id, str(scope.pk), bytes(scope.digest), scope.sound, practice, who)
