"""ID tokens: whether one is genuine, for us, for this sign-in, and what it proves. No HTTP.

The signature is verified, although a token that came straight from its issuer over TLS need not be (OpenID
Connect Core 1.0 section 3.1.3.7): then a mistake with certificates is not a way in.

Source:
    OpenID Connect Core 1.0 sections 2 and 3.1.3.7; RFC 7519 section 4.1; RFC 8725 sections 3.1 and 3.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from confide.access.freshness import is_fresh
from confide.errors import AccessDenied
from confide.server.issuers import Issuer

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "EdDSA")
"""Signatures only: no MAC, which a client secret would make, and never ``none``."""

DRIFT: Final = timedelta(minutes=1)
"""By how much the issuer's clock may be off."""

_LONGEST: Final = 32_768
_REFUSAL: Final = "the identity provider's answer is not good for this sign-in"
_WRONG: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError)


class StrangeKey(Exception):
    """The token is signed with a key that is not among those at hand; newer ones may have it."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says.

    Attributes:
        uid: Who, as it is kept here: the SHA-256 of issuer and subject, 64 hexadecimal digits.
        proved_at: When the person last proved at the issuer who they are, aware UTC; None if not said.
        acr: By which rules; empty if not said.
        amr: By which methods; empty if not said.
    """

    uid: str
    proved_at: datetime | None
    acr: str
    amr: frozenset[str]


def uid_of(issuer: Issuer, subject: str) -> str:
    """Return what is kept of a subject: bound to its issuer, and no e-mail address even where that is one."""
    return hashlib.sha256(f"{issuer.url}\n{subject}".encode()).hexdigest()


def verify(token: object, keys: Mapping[str, Any], issuer: Issuer, nonce: str, now: datetime) -> Claims:
    """Read an ID token, if it is one of *issuer*'s, for us, of the sign-in that *nonce* was made for.

    Args:
        token: In compact form, as it came.
        keys: The issuer's key set, as JSON.
        issuer: Which is asked.
        nonce: As it was sent.
        now: Aware UTC.

    Raises:
        AccessDenied: It is not. The message is always the same.
        StrangeKey: Its key is not in the set.
    """
    if not isinstance(token, str) or len(token) > _LONGEST or not nonce:
        raise AccessDenied(_REFUSAL)
    try:
        ring = KeySet.import_key_set({"keys": [key for key in keys["keys"] if _verifies(key)]})
        kid = jws.extract_compact(token.encode()).headers().get("kid")
        if not ring.keys or (kid is not None and all(key.kid != kid for key in ring.keys)):
            raise StrangeKey
        claims = jwt.decode(token, ring, algorithms=list(ALGORITHMS)).claims
        _check(claims, issuer, nonce, now)
        amr, acr = claims.get("amr", []), claims.get("acr", "")
        return Claims(
            uid_of(issuer, claims["sub"]),
            _moment(claims["auth_time"]) if "auth_time" in claims else None,
            acr if isinstance(acr, str) else "",
            frozenset(each for each in amr if isinstance(each, str))
            if isinstance(amr, list)
            else frozenset(),
        )
    except _WRONG:
        raise AccessDenied(_REFUSAL) from None


def _verifies(key: Any) -> bool:
    """Tell whether a key is for signatures, and can be anybody's: secret ones are none of ours."""
    return (
        isinstance(key, dict)
        and key.get("kty") in {"RSA", "EC", "OKP"}
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") in ALGORITHMS
    )


def _check(claims: Mapping[str, Any], issuer: Issuer, nonce: str, now: datetime) -> None:
    """Raise ValueError at the first claim that does not hold."""
    audience = claims["aud"]
    subject = claims["sub"]
    held = (
        claims["iss"] == issuer.url,
        # One who else the token is for could have passed it on (Core, 3.1.3.7, point 3).
        audience in (issuer.client_id, [issuer.client_id]),
        claims.get("azp", issuer.client_id) == issuer.client_id,
        now < _moment(claims["exp"]) + DRIFT,
        _moment(claims["iat"]) <= now + DRIFT,
        _moment(claims.get("nbf", claims["iat"])) <= now + DRIFT,
        isinstance(claims["nonce"], str) and compare_digest(claims["nonce"].encode(), nonce.encode()),
        isinstance(subject, str) and 0 < len(subject) <= 255,
    )
    if not all(held):
        raise ValueError


def _moment(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError  # noqa: TRY004 - one family for verify()
    return datetime.fromtimestamp(seconds, UTC)


def proves_factor(claims: Claims, issuer: Issuer, now: datetime) -> bool:
    """Tell whether the issuer says that a second factor was proved, and lately. Silence proves nothing.

    Args:
        claims: Of a genuine token.
        issuer: With the values that count.
        now: Aware UTC.
    """
    said = claims.acr in issuer.acr or not claims.amr.isdisjoint(issuer.amr)
    when = claims.proved_at
    return said and when is not None and is_fresh(min(when, now) if when <= now + DRIFT else when, now)
