"""A frozen scope of an incident as the letters of one practice go by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from confide.errors import Damaged, Invalid, Unknown
from confide.incidents import scopes
from confide.incidents.models import Scope
from confide.incidents.notices import reached
from confide.incidents.notices.mailings import Frozen
from confide.incidents.notices.models import Mailing
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


def grown(scope: Scope, practice: str, round_: str, now: datetime) -> int:
    """Return how many persons of a practice were written to, and have more shown of them in a frozen scope.

    Args:
        scope: Frozen.
        practice: The practice's id.
        round_: Of which letter.
        now: Aware UTC.
    """
    if not is_later(scope, practice, round_):
        return 0
    return count_grown(scope.incident_id, practice, round_, people(scope, practice), now)


def is_later(scope: Scope, practice: str, round_: str) -> bool:
    """Tell whether a practice (an empty one: any) wrote by another scope: only then it can show more."""
    rows = Mailing.objects.filter(incident=scope.incident_id, round=round_).exclude(scope=str(scope.pk))
    return rows.filter(practice=practice).exists() if practice else rows.exists()


def count_grown(incident: str, practice: str, round_: str, who: Iterable[Told], now: datetime) -> int:
    """Count those of *who* whose letters say less than was shown of them."""
    written = reached.told(incident, practice, round_, now)
    return sum(reached.owed(written, patient, shown, more=True) for patient, shown, _ in who)


def frozen(scope: Scope, practice: str, who: Callable[[], Iterable[Told]]) -> Frozen:
    """Return what a mailing to some persons of a practice needs of a scope."""
    return Frozen(scope.incident_id, str(scope.pk), bytes(scope.digest), scope.sound, practice, who)
