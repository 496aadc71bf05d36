"""Second factors of an account: allauth's rows, whose secrets are sealed; each code is good once.

A code that was used is refused in every process of the server, because what was used is in the database.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from django.db import DatabaseError, DataError, router, transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from fido2.webauthn import AuthenticationResponse

from confide.access.factors import Factor, hash_code, make_codes, tidy
from confide.access.models import Account
from confide.errors import ConfideError
from confide.server.apps import system

STEP: Final = 30
"""Seconds for which an app shows one code (RFC 6238)."""

DRIFT: Final = 1
"""Steps by which its clock may be off, either way."""

_LONGEST: Final = 20_000
_KINDS: Final = {Authenticator.Type.WEBAUTHN: Factor.PASSKEY, Authenticator.Type.TOTP: Factor.TOTP}


def enrolled(account: Account) -> frozenset[Factor]:
    """Return the factors that the account signs in with. Recovery codes alone are none."""
    types = Authenticator.objects.filter(user_id=account.pk, type__in=_KINDS).values_list("type", flat=True)
    return frozenset(_KINDS[Authenticator.Type(each)] for each in types)


def rows_of(account: Account) -> list[Authenticator]:
    """The factors that a person sees in their list, the oldest first."""
    return list(
        Authenticator.objects.filter(user_id=account.pk, type__in=_KINDS).order_by("created_at", "pk")
    )


# In this sign-in


def record(request: HttpRequest, account: Account, factor: Factor) -> None:
    """Note in the browser's session that *account* proved *factor*; ``keeper.begin`` asks for it."""
    record_authentication(request, account, "mfa", type=factor.value)


def proven(request: HttpRequest, account: Account) -> Factor | None:
    """Return the factor that *account* has proved in this sign-in; None if none."""
    found = [each for each in get_authentication_records(request, account) if each.get("method") == "mfa"]
    return Factor(found[-1]["type"]) if found else None


# Proving


def check_code(account: Account, typed: str, now: datetime) -> Factor | None:
    """Look at a code of the account's app, or a recovery code, and use it up.

    Returns:
        Which it was; None if it is neither, or was used before.

    Raises:
        KeyUnavailable: The secrets cannot be opened now, so nothing is proved.
    """
    code = tidy(typed)
    with transaction.atomic(using=router.db_for_write(Authenticator)):
        rows = Authenticator.objects.select_for_update().filter(user_id=account.pk)
        for row in rows.filter(type__in=[Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]):
            check = _check_totp if row.type == Authenticator.Type.TOTP else _check_recovery
            if check(row, code, now):
                row.last_used_at = now
                row.save(update_fields=["data", "last_used_at"])
                return Factor.TOTP if row.type == Authenticator.Type.TOTP else Factor.RECOVERY
    return None


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the step in which an app with this secret shows *code*, if it is about now.

    Source:
        RFC 6238 sections 4.2 and 5.2; one step of drift either way.
    """
    here = int(now.timestamp()) // STEP
    for step in range(here - DRIFT, here + DRIFT + 1):
        if constant_time_compare(code, totp.format_hotp_value(totp.hotp_value(secret, step))):
            return step
    return None


def _check_totp(row: Authenticator, code: str, now: datetime) -> bool:
    step = step_of(system().factors.open(row.user_id, Factor.TOTP, row.data["secret"]), code, now)
    # RFC 6238 section 5.2: a code is accepted once. Nor is an older one than that.
    if step is None or step <= row.data["step"]:
        return False
    row.data["step"] = step
    return True


def _check_recovery(row: Authenticator, code: str, now: datetime) -> bool:  # noqa: ARG001 - as for the app
    seals = system().factors
    left: list[str] = json.loads(seals.open(row.user_id, Factor.RECOVERY, row.data["codes"]))
    found = hash_code(code)
    if found not in left:
        return False
    row.data["codes"] = seals.seal(row.user_id, Factor.RECOVERY, json.dumps([e for e in left if e != found]))
    return True


def ask_passkey(account: Account | None) -> str:
    """Return what the browser is asked: JSON for ``navigator.credentials.get``; None asks any passkey."""
    return json.dumps(webauthn.begin_authentication(account))


def owner_of(credential: str) -> Account | None:
    """Return whose passkey a browser says it is, by its user handle; nothing is proved by that."""
    try:
        found: Account = webauthn.extract_user_from_response(_parse(credential))
    except DataError:  # PostgreSQL takes no NUL
        return None
    except (ConfideError, DatabaseError):
        raise
    except Exception:  # noqa: BLE001 - whatever the libraries stumble over in it, it is none
        return None
    return found


def check_passkey(account: Account, credential: str, now: datetime) -> bool:
    """Verify a passkey's answer to the challenge of this session; the challenge is good once.

    The authenticator has verified its person (PIN or biometrics), or it is refused. A counter that does not
    grow belongs to a copy (WebAuthn Level 2 section 6.1.1).
    """
    try:
        answer = _parse(credential)
        count = AuthenticationResponse.from_dict(answer).response.authenticator_data.counter
        row = webauthn.complete_authentication(account, answer)
    except (ConfideError, DatabaseError):
        raise
    except Exception:  # noqa: BLE001 - as above: it proves nothing
        return False
    finally:
        webauthn.clear_state()
    with transaction.atomic(using=router.db_for_write(Authenticator)):
        kept = Authenticator.objects.select_for_update().filter(pk=row.pk).first()
        if kept is None or (count and count <= kept.data.get("count", 0)):
            return False
        kept.data["count"], kept.last_used_at = count, now
        kept.save(update_fields=["data", "last_used_at"])
    return True


def _parse(credential: str) -> dict[str, Any]:
    if len(credential) > _LONGEST:
        raise ValueError
    parsed = json.loads(credential)
    if not isinstance(parsed, dict):
        raise TypeError
    webauthn.parse_authentication_response(parsed)
    return parsed


# Adding; the caller has asked whether they may, and journals it in the same transaction


def offer_passkey(account: Account) -> str:
    """Return what the browser is asked: JSON for ``navigator.credentials.create``."""
    return json.dumps(webauthn.begin_registration(account, passwordless=True))


def read_passkey(credential: str) -> dict[str, Any] | None:
    """Verify a new passkey against the challenge of this session; None if it is none, or verified nobody."""
    try:
        if len(credential) > _LONGEST:
            return None
        parsed = json.loads(credential)
        webauthn.parse_registration_response(parsed)
        made = webauthn.complete_registration(parsed)
    except (ConfideError, DatabaseError):
        raise
    except Exception:  # noqa: BLE001 - as above
        return None
    finally:
        webauthn.clear_state()
    return parsed if made.is_user_verified() else None


def add_passkey(account: Account, credential: dict[str, Any], name: str) -> Authenticator:
    """Store a passkey that ``read_passkey`` has verified. It is a public key: nothing of it is secret."""
    row: Authenticator = webauthn.WebAuthn.add(account, name[:60], credential).instance
    return row


def new_secret() -> str:
    """Make the secret of an app: 160 bits in Base32."""
    return str(totp.generate_totp_secret())


def add_totp(account: Account, secret: str, step: int, now: datetime) -> Authenticator:
    """Store an app's secret, sealed, in place of an earlier one; *step* is that of the code it showed."""
    Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.TOTP).delete()
    data = {"secret": system().factors.seal(account.pk, Factor.TOTP, secret), "step": step}
    row: Authenticator = Authenticator.objects.create(
        user_id=account.pk, type=Authenticator.Type.TOTP, data=data, created_at=now
    )
    return row


def renew_codes(account: Account, now: datetime) -> list[str]:
    """Make recovery codes in place of earlier ones; they can be shown this once."""
    codes = make_codes()
    kept = json.dumps([hash_code(code) for code in codes])
    data = {"codes": system().factors.seal(account.pk, Factor.RECOVERY, kept)}
    Authenticator.objects.update_or_create(
        user_id=account.pk,
        type=Authenticator.Type.RECOVERY_CODES,
        defaults={"data": data, "created_at": now},
    )
    return codes


def remove(account: Account, row: int) -> Factor | None:
    """Remove one factor, but never the last; recovery codes go with the app that they stand in for.

    Returns:
        What it was; None if there is none such, or it is the last.
    """
    # Locks all of them: two removals at the same time must not leave none.
    rows = list(
        Authenticator.objects.select_for_update().filter(user_id=account.pk, type__in=_KINDS).order_by("pk")
    )
    found = next((each for each in rows if each.pk == row), None)
    if found is None or len(rows) == 1:
        return None
    if found.type == Authenticator.Type.TOTP:
        remaining = Authenticator.objects.filter(user_id=account.pk)
        remaining.filter(type=Authenticator.Type.RECOVERY_CODES).delete()
    found.delete()
    return _KINDS[Authenticator.Type(found.type)]


def remove_all(account: Account) -> list[Factor]:
    """Remove every factor of an account, for a reset; return what there was."""
    gone = [_KINDS[Authenticator.Type(each.type)] for each in rows_of(account)]
    Authenticator.objects.filter(user_id=account.pk).delete()
    return gone
