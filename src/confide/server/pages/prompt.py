"""The prompt for a second factor: which there are, the challenge, and the form that goes on afterwards."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from confide.access.factors import Factor
from confide.access.models import Account
from confide.server import factors, proving


def context(request: HttpRequest, account: Account) -> dict[str, Any]:
    """Return what the part ``parts/prompt.html`` shows: a passkey's challenge, a field for codes, or both."""
    there = factors.enrolled(account)
    return {
        "passkey": factors.ask_passkey(account) if Factor.PASSKEY in there else "",
        "codes": Factor.TOTP in there,
        "kept": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in proving.FIELDS and name not in {"csrfmiddlewaretoken", "proof"}
        ],
    }
