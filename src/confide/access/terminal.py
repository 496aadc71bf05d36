"""A person at the operator's terminal: who they are, by their password, and in which role they may act."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from django.contrib.auth.hashers import make_password
from django.db import DatabaseError
from django.db.models import Q

from confide.access.decide import Grant, act_as_member, decide
from confide.access.models import Account, Membership
from confide.access.roles import Action, Purpose
from confide.errors import AccessDenied, Frozen, Unavailable
from confide.protect.elements import Element

CREDENTIAL: Final = "terminal"
"""What the journal says was presented: a password, to a command."""


def find(name: str) -> Account | None:
    """Return the account that goes by a name, in any case: its username, or an e-mail address of nobody else.

    Raises:
        Unavailable: Accounts cannot be read now.
    """
    given = name.strip().lower()
    try:
        listed = list(Account.objects.filter(Q(username=given) | (Q(email=given) & ~Q(email="")))[:2])
    except DatabaseError as error:
        raise Unavailable(f"accounts cannot be read now ({type(error).__name__})") from None
    return next((each for each in listed if each.username == given), listed[0] if len(listed) == 1 else None)


def prove(person: Account | None, password: str) -> bool:
    """Tell whether it is the person's password, in the same time whether there is such a person or not."""
    if person is None or not person.has_usable_password():
        make_password(password)
        return False
    return person.check_password(password)


def identify(name: str, password: str) -> Account:
    """Return the account of a person who proves to be its owner.

    Args:
        name: Username or e-mail address, in any case.
        password: As they type it.

    Raises:
        AccessDenied: No such account, or not its password; the two are not told apart.
        Frozen: It was stopped.
        Unavailable: Accounts cannot be read now.
    """
    person = find(name)
    if prove(person, password) and person is not None:
        if person.frozen_at is not None or not person.is_active:
            raise Frozen("this login is frozen (a second person lets it in again)")
        return person
    raise AccessDenied("this is not the name and password of an account")


def grant(
    account: str,
    practice: str,
    action: Action,
    purpose: Purpose,
    now: datetime,
    *,
    elements: Iterable[Element] = Element,
    patients: Collection[str] | None = None,
) -> Grant:
    """Decide for a person in whichever of their roles allows the action.

    Args:
        account: The account's id.
        practice: The practice's id.
        action: What is to be done.
        purpose: Why.
        now: Aware UTC.
        elements: The elements that are asked for.
        patients: Whose; None is any patient of the practice.

    Raises:
        AccessDenied: None of their roles in this practice allows it, or the account is frozen or inactive.
        Unavailable: The facts cannot be read now.
    """
    asked = tuple(elements)
    try:
        members = list(
            Membership.objects.filter(account_id=account, practice_id=practice, active=True)
            .select_related("account")
            .order_by("role")
        )
    except DatabaseError as error:
        raise Unavailable(f"access cannot be decided now ({type(error).__name__})") from None
    refusal = AccessDenied("the account is not an active member of this practice")
    for member in members:
        try:
            return decide(act_as_member(member, CREDENTIAL), action, purpose, patients, asked, now)
        except AccessDenied as problem:
            refusal = problem
    raise refusal
