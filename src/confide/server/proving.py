"""Proving a second factor: each try is counted and slowed as a password is, whatever it is made of."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest

from confide.access.attempts import Kind
from confide.access.factors import Factor
from confide.access.models import Account
from confide.server import factors, throttle
from confide.server.apps import system

CODE: Final = "prove-code"
CREDENTIAL: Final = "prove-credential"
FIELDS: Final = frozenset({CODE, CREDENTIAL})
"""The fields of a form in which a factor comes."""


def prove(request: HttpRequest, account: Account) -> Factor | None:
    """Look at the factor that a form brings; None if it proves nothing.

    Raises:
        ImmediateHttpResponse: Too many tries; this is the answer.
        Unavailable: It cannot be looked at now, so nothing is proved.
    """
    credential = request.POST.get(CREDENTIAL, "")
    with throttle.trying(request, account.username, Kind.PASSKEY if credential else Kind.CODE) as this:
        now = system().clock()
        found: Factor | None
        if credential:
            found = Factor.PASSKEY if factors.check_passkey(account, credential, now) else None
        else:
            found = factors.check_code(account, request.POST.get(CODE, ""), now)
        if found is not None:
            this.succeed()
    return found


def prove_alone(request: HttpRequest) -> Account | None:
    """Look at a passkey that says whose it is; return its owner, or None if it proves nothing."""
    credential = request.POST.get(CREDENTIAL, "")
    owner = factors.owner_of(credential)
    with throttle.trying(request, owner.username if owner else "", Kind.PASSKEY) as this:
        if owner is not None and factors.check_passkey(owner, credential, system().clock()):
            this.succeed()
            return owner
    return None
