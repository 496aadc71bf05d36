"""New tokens for persons whose records were reached: the old ones mean nothing from then on.

Whoever took tokens together with something else can no longer join what comes later. A recipient gets a list
of old and new; no value is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from confide.access import pulse
from confide.access.decide import Grant
from confide.access.roles import Action, Form
from confide.audit.journal import Journal, entry_for
from confide.protect.elements import Element
from confide.protect.tokens import Found, Tokens, Wanted
from confide.vault.desk import durable
from confide.vault.door import Clock, Vault
from confide.vault.models import Token
from confide.vault.tokens import DatabaseTokenStore

ACTION: Final = "retokenize"
"""The action of the entry, one for each person."""

RESOURCE: Final = "Token"
_AT_ONCE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Changed:
    """One token and what has taken its place."""

    scope: str
    old: str
    new: str


class Retokens:
    """Reissues tokens.

    Args:
        vault: Whose keys open and seal them.
        journal: Where it is written first.
        clock: Returns now, aware UTC.
    """

    def __init__(self, vault: Vault, journal: Journal, clock: Clock) -> None:
        self._vault = vault
        self._journal = journal
        self._clock = clock

    def reissue(
        self,
        grant: Grant,
        practice: str,
        patients: Collection[str],
        deliver: Callable[[list[Changed]], object],
    ) -> int:
        """Give each token of some patients another one, and hand the list over, or change nothing.

        Args:
            grant: For ``JOURNAL_READ``, of whoever leads; a second person has agreed before.
            practice: Whose tokens; its id.
            patients: Their ids.
            deliver: Takes the list before anything is in force; if it raises, nothing is.

        Returns:
            How many tokens were changed.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: It cannot be written down; nothing was opened.
        """
        now = self._clock()
        grant.require(Action.JOURNAL_READ, None, now)
        pulse.recheck(grant)
        held = list(_held(practice, patients))
        if not held:
            return 0
        with durable():
            entry = entry_for(grant, now, resource_type=RESOURCE)
            self._journal.append(
                [
                    replace(
                        entry, practice=practice, action=ACTION, patient=patient,
                        elements=dict.fromkeys(sorted(elements), Form.STAND_IN.value),
                    )
                    for patient, elements in _by_patient(held).items()
                ]
            )  # fmt: skip
        store = DatabaseTokenStore()
        tokens = Tokens(self._vault.keyring(practice), store)
        with store.transaction():
            changed: list[Changed] = []
            for scope in sorted({scope for scope, *_ in held}):
                old = [token for where, token, *_ in held if where == scope]
                for start in range(0, len(old), _AT_ONCE):
                    changed += _exchange(tokens, store, practice, scope, old[start : start + _AT_ONCE], now)
            deliver(changed)
        return len(changed)


_Held = tuple[str, str, str, str]


def _held(practice: str, patients: Collection[str]) -> list[_Held]:
    """Scope, token, patient and element of each living token of theirs."""
    listed, found = list(patients), []
    for start in range(0, len(listed), _AT_ONCE):
        rows = Token.objects.filter(
            practice=practice, subject__in=listed[start : start + _AT_ONCE], digest__isnull=False
        )
        found += list(rows.values_list("scope", "token", "subject", "element"))
    return found


def _by_patient(held: list[_Held]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, _, patient, element in held:
        found.setdefault(patient, set()).add(element)
    return found


def _exchange(
    tokens: Tokens, store: DatabaseTokenStore, practice: str, scope: str, old: list[str], now: datetime
) -> list[Changed]:
    found = [each for each in tokens.find(scope, old, now) if isinstance(each, Found)]
    values = tokens.open(found)
    store.spend_now(practice, scope, [each.row.digest for each in found])
    changed = []
    # Each keeps its end; those that end together are made together.
    for ends in {each.row.expires for each in found}:
        some = [(each, value) for each, value in zip(found, values, strict=True) if each.row.expires == ends]
        wanted = [Wanted(Element(each.element), value, each.subject) for each, value in some]
        until = None if ends is None else _EPOCH + timedelta(microseconds=ends)
        for (each, _), new in zip(some, tokens.tokenize(scope, wanted, now, until), strict=True):
            if not isinstance(new, str):
                raise new
            changed.append(Changed(scope, each.row.token, new))
    return changed
