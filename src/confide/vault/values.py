"""The door for bare values: tokens and stand-ins for what a program holds, and the way back.

The order is that of the door: the grant is asked, the budget pays and the journal writes in one durable
transaction, and only when that is committed is anything opened. A batch is paid for in order. Each item has
an answer of its own; an error never holds a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from confide.access import budget, pulse
from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.access.roles import Action, Form
from confide.audit.journal import Journal
from confide.errors import (
    AccessDenied,
    BudgetSpent,
    ConfideError,
    GrantMismatch,
    Invalid,
    KeyUnavailable,
    Unknown,
)
from confide.protect.elements import Element
from confide.protect.keyring import Keyring, SubjectKey
from confide.protect.masks import mask
from confide.protect.tokens import Found, Tokens, TokenStore, Wanted
from confide.vault.covers import Bare, Covers, Kept
from confide.vault.desk import durable
from confide.vault.door import Clock, Vault
from confide.vault.telling import Telling, answer, charge_in_order, write

KnownPatients = Callable[[str, Collection[str]], Collection[str]]
"""Which of some ids are patients of a practice; the layer above keeps the rows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value, clear or masked."""

    element: Element
    value: str = field(repr=False)
    form: Form


class Values:
    """The door for bare values of all practices of one installation.

    Args:
        vault: The door beside it, whose keys it uses.
        tokens: The token table.
        known: Which ids are patients of a practice.
        journal: Where everything is written first.
        clock: Returns now, aware UTC.
    """

    def __init__(
        self, vault: Vault, tokens: TokenStore, known: KnownPatients, journal: Journal, clock: Clock
    ) -> None:
        self._vault = vault
        self._store = tokens
        self._known = known
        self._journal = journal
        self._clock = clock

    # Tokens

    def tokenize(
        self, grant: Grant, scope: str, wanted: Sequence[Wanted], expires: datetime | None = None
    ) -> list[str | ConfideError]:
        """Return the token of each value for one recipient; equal values of one recipient have one token.

        So whoever holds a token can try values for it, and each try is paid for like the value itself.

        Args:
            grant: For tokenizing.
            scope: The recipient.
            wanted: Element, value, and whose it is (a patient's id, or nothing), in the order in which they
                are paid for.
            expires: Aware; None is never.

        Raises:
            Invalid: The scope is none, or the tokens would end before they begin.
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: The journal cannot be written; nothing was stored.
        """
        now = self._clock()
        _require(grant, Action.TOKENIZE, now)
        if expires is not None and expires <= now:
            raise Invalid("expires is in the past")
        reached = self._reached(grant, (w.subject for w in wanted if w.subject))
        plan = [_plan_token(grant, w, reached) for w in wanted]
        allowed = [w for w, telling in zip(wanted, plan, strict=True) if telling.problem is None]
        tokens = Tokens(self._vault.keyring(grant.practice), self._store)
        tokens.prune(now)
        with durable():
            made = iter(tokens.tokenize(scope, allowed, now, expires))
            answers = [telling.problem or next(made) for telling in plan]
            tellings = [
                self._counted(telling, self._handle(grant, scope, answer))
                if isinstance(answer, str)
                else replace(telling, problem=answer)
                for telling, answer in zip(plan, answers, strict=True)
            ]
            pulse.recheck(grant)
            paid = charge_in_order(grant, Operation.TOKENIZE, now, tellings)
            write(self._journal, grant, now, tellings, paid)
        unpaid = any(t.problem is None and not covered for t, covered in zip(tellings, paid, strict=True))
        spent = BudgetSpent(budget.explain(grant, now)) if unpaid else None
        return [
            spent if spent is not None and telling.problem is None and not covered else answer
            for telling, covered, answer in zip(tellings, paid, answers, strict=True)
        ]

    @staticmethod
    def _counted(telling: Telling, handle: str) -> Telling:
        """A token of nobody counts by itself, here as where it is turned back."""
        return replace(telling, token=handle, counted=telling.patient or f"token:{handle}")

    def detokenize(self, grant: Grant, scope: str, tokens: Sequence[str]) -> list[Shown | ConfideError]:
        """Return the value of each token, in the form that the grant allows.

        Args:
            grant: For revealing, of a client that is registered for *scope*.
            scope: The recipient for whom the tokens were made.
            tokens: In the order in which they are paid for.

        Raises:
            AccessDenied: The client is not registered for that scope.
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: The journal cannot be written; nothing was revealed.
        """
        now = self._clock()
        _require(grant, Action.REVEAL, now)
        if scope not in grant.token_scopes:
            raise AccessDenied("this client is not registered for tokens of that scope")
        held = Tokens(self._vault.keyring(grant.practice), self._store)

        def plan(found: Found | ConfideError) -> Telling:
            if isinstance(found, ConfideError):
                return Telling("", "", None, Form.REFUSED, problem=found)
            form, problem = _form(grant, found.element, found.subject)
            if grant.patients is not None and found.subject not in grant.patients:
                problem = Unknown("there is no such token")
            handle = self._handle(grant, scope, found.row.token)
            counted = found.subject or f"token:{handle}"
            return Telling(counted, found.subject, found.element, form, handle, problem)

        def reveal(found: Found | ConfideError, telling: Telling) -> Shown:
            if isinstance(found, ConfideError):  # such an item is never opened
                raise found
            return _show(telling, found.element, held.open([found])[0])

        return answer(
            self._journal, grant, Operation.DETOKENIZE, now, held.find(scope, tokens, now), plan, reveal
        )

    def _handle(self, grant: Grant, scope: str, token: str) -> str:
        """What budget and journal call a token: no way back to its value, also not when the row is spent."""
        return self._vault.digest(grant.practice, "token", scope, token).hex()

    # Stand-ins and seals

    def protect(self, making: Grant, asking: Grant, items: Sequence[Bare]) -> list[Kept | ConfideError]:
        """Return what may be kept in the place of each value: what stands for it at rest, or a seal.

        A stand-in can be compared with a stored one, and then says whether the value was right. So this is
        asking: it needs what a search by the element needs, is charged, and is journalled as asked by.

        Args:
            making: For tokenizing.
            asking: For searching, of the same caller.
            items: In the order in which they are paid for.

        Raises:
            GrantMismatch, GrantExpired: The grants are not for this.
            JournalUnavailable: The journal cannot be written; nothing was protected.
        """
        now = self._clock()
        _require(making, Action.TOKENIZE, now)
        _require(asking, Action.SEARCH, now)
        if making.actor != asking.actor:
            raise GrantMismatch("the grants are two callers'")
        may = making.clear & asking.clear
        keyring = self._vault.keyring(asking.practice)
        keys = self._keys(keyring, asking, (i.patient for i in items))
        covers = Covers(keyring)

        def plan(item: Bare) -> Telling:
            problem = _lacking(keys, item.patient)
            if item.element not in may or asking.form(item.element, [item.patient]) is not Form.CLEAR:
                problem = AccessDenied("your registration does not allow to ask by this element")
            elif not item.value:
                problem = problem or Invalid("there is nothing to protect")
            return Telling(item.patient, item.patient, item.element, Form.SEARCHED, problem=problem)

        def keep(item: Bare, _: Telling) -> Kept:
            return covers.cover(_key(keys, item.patient), item)

        return answer(self._journal, asking, Operation.PROTECT, now, items, plan, keep)

    def reveal(self, grant: Grant, items: Sequence[Kept]) -> list[Shown | ConfideError]:
        """Return the value of each stand-in or seal, in the form that the grant allows.

        Args:
            grant: For revealing.
            items: In the order in which they are paid for.

        Raises:
            GrantMismatch, GrantExpired: The grant is not for this.
            JournalUnavailable: The journal cannot be written; nothing was revealed.
        """
        now = self._clock()
        _require(grant, Action.REVEAL, now)
        keyring = self._vault.keyring(grant.practice)
        keys = self._keys(keyring, grant, (i.patient for i in items))
        covers = Covers(keyring)

        def plan(item: Kept) -> Telling:
            form, problem = _form(grant, item.element, item.patient)
            problem = problem or _lacking(keys, item.patient)
            if item.sealed is None and problem is None:
                if not covers.could_be(item):
                    problem = Invalid("that is no stand-in of this element and alphabet")
                elif form is Form.MASKED and mask(item.element, item.stand_in) is None:
                    problem = AccessDenied("no part of this value may be shown")
            return Telling(item.patient, item.patient, item.element, form, problem=problem)

        def show(item: Kept, telling: Telling) -> Shown:
            return _show(telling, item.element, covers.uncover(_key(keys, item.patient), item))

        return answer(self._journal, grant, Operation.UNCOVER, now, items, plan, show)

    # Whose

    def _reached(self, grant: Grant, patients: Iterable[str]) -> Collection[str]:
        """The ids that are patients of the grant's practice, and that it is for."""
        asked = set(patients)
        if grant.patients is not None:
            asked &= grant.patients
        return self._known(grant.practice, asked) if asked else ()

    def _keys(
        self, keyring: Keyring, grant: Grant, patients: Iterable[str]
    ) -> Mapping[str, SubjectKey | None]:
        """The keys of the patients whom the grant reaches; None where it was destroyed."""
        reached = self._reached(grant, patients)
        keys = keyring.subjects(reached)
        return {patient: keys.get(patient) for patient in reached}


def _require(grant: Grant, action: Action, now: datetime) -> None:
    """Refuse a grant for something else; whether it reaches an item's patient is that item's answer."""
    grant.require(action, next(iter(grant.patients or ()), None), now)


def _plan_token(grant: Grant, wanted: Wanted, reached: Collection[str]) -> Telling:
    problem: ConfideError | None = None
    if grant.form(wanted.element, [wanted.subject] if wanted.subject else ()) is not Form.CLEAR:
        problem = AccessDenied("your registration does not allow to tokenize this element")
    elif wanted.subject and wanted.subject not in reached:
        problem = _nobody()
    elif not wanted.subject and grant.patients is not None:
        problem = AccessDenied("your grant is for named patients")
    return Telling("", wanted.subject, wanted.element, Form.SEARCHED, problem=problem)


def _form(grant: Grant, element: Element, patient: str) -> tuple[Form, ConfideError | None]:
    form = grant.form(element, [patient] if patient else ())
    if form in {Form.CLEAR, Form.MASKED}:
        return form, None
    return form, AccessDenied("your registration does not allow to reveal this element")


def _nobody() -> Unknown:
    return Unknown("there is no such patient")


def _lacking(keys: Mapping[str, SubjectKey | None], patient: str) -> ConfideError | None:
    if patient not in keys:
        return _nobody()
    return None if keys[patient] else KeyUnavailable("the patient's key was destroyed")


def _key(keys: Mapping[str, SubjectKey | None], patient: str) -> SubjectKey:
    key = keys.get(patient)
    if key is None:
        raise KeyUnavailable("the patient's key was destroyed")
    return key


def _show(telling: Telling, element: Element, clear: str) -> Shown:
    if telling.form is Form.CLEAR:
        return Shown(element, clear, Form.CLEAR)
    masked = mask(element, clear)
    if masked is None:
        raise AccessDenied("no part of this value may be shown")
    return Shown(element, masked, Form.MASKED)
