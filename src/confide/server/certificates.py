"""The certificate that a caller has proved to own in its TLS handshake, and whose it is.

Where gunicorn itself ends TLS, the certificate comes from the connection. Where a proxy does, it comes from
the header ``Client-Cert``: ``proxies.Origin`` removes that unless a named proxy has sent it. Whether it was
issued by an authority of the client is checked here, whatever the proxy has checked.

Source:
    RFC 8705 (mutual TLS for OAuth 2.0), sections 2 and 3; RFC 9440 (Client-Cert header); nginx's
    ``$ssl_client_escaped_cert``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from django.conf import settings
from django.http import HttpRequest

from confide.access.keys import Key
from confide.errors import Invalid
from confide.server.config import Ends
from confide.server.proxies import CERTIFICATES

NAMES: Final = ("san_dns", "san_uri", "dn")
"""By what a certificate of an authority says whose it is, as in RFC 8705 section 2.1.2."""

_LONGEST: Final = 32 * 1024
_MOST_LINKS: Final = 8
_PEM: Final = "-----BEGIN CERTIFICATE-----"
_SMALLEST_RSA: Final = 2048
_UNREADABLE: Final = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the package raises for a certificate whose parts it reads late, when they are asked for."""


def presented(request: HttpRequest) -> x509.Certificate | None:
    """Return the certificate of the caller's connection; None if there is none, or none that can be read."""
    if settings.CONFIG.client_certificates is Ends.HERE:
        return _of_connection(request)
    if settings.CONFIG.client_certificates is Ends.PROXY:
        return _read(request.META.get(CERTIFICATES[0], ""))
    return None


def _of_connection(request: HttpRequest) -> x509.Certificate | None:
    look = getattr(request.META.get("gunicorn.socket"), "getpeercert", None)
    try:
        der = look(binary_form=True) if look is not None else None
        return x509.load_der_x509_certificate(der) if der else None
    except (ValueError, OSError):
        return None


def _read(text: str) -> x509.Certificate | None:
    """Read what stands in the header: RFC 9440's bytes between colons, or nginx's PEM."""
    if not 2 < len(text) <= _LONGEST or not text.isascii():
        return None
    try:
        if text[0] == text[-1] == ":":
            return x509.load_der_x509_certificate(base64.b64decode(text[1:-1], validate=True))
        pem = unquote(text).strip()
        if pem.startswith(_PEM) and pem.count(_PEM) == 1:
            return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, binascii.Error):
        return None
    return None


def thumbprint(certificate: x509.Certificate) -> str:
    """Return ``x5t#S256``: the SHA-256 of the certificate in base64url, 43 characters."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_proved(request: HttpRequest, wanted: str) -> bool:
    """Tell whether the caller's connection proves the certificate that a token is bound to."""
    certificate = presented(request)
    return certificate is not None and thumbprint(certificate) == wanted


# Registered certificates: members of the client's key set


def to_jwk(certificate: x509.Certificate) -> dict[str, Any]:
    """Return how a certificate is kept: a key with ``x5c``, named by its thumbprint.

    Raises:
        Invalid: Its key is weak, or of a kind that is not used here.
    """
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        strong, kind = key.key_size >= _SMALLEST_RSA, "RSA"
    else:
        strong, kind = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= 256, "EC"
    if not strong:
        raise Invalid(f"a certificate's key is RSA of at least {_SMALLEST_RSA} bits, or P-256 and better")
    name = thumbprint(certificate)
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return {"kid": name, "kty": kind, "x5c": [der], "x5t#S256": name}


def _public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def read_certificates(pem: bytes, now: datetime) -> dict[str, Any]:
    """Check certificates before they are registered: the program's own, or its authorities'.

    Args:
        pem: One or more certificates.
        now: Aware UTC.

    Returns:
        A key set.

    Raises:
        Invalid: There is none, one has ended or is weak, or a private key lies beside it.
    """
    if b"PRIVATE KEY" in pem:
        raise Invalid("the file holds a private key: register the certificate alone")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Invalid("the file holds no certificate in PEM") from None
    if any(not each.not_valid_before_utc <= now < each.not_valid_after_utc for each in found):
        raise Invalid("a certificate in the file does not hold now (it has ended, or not begun)")
    return {"keys": [to_jwk(each) for each in found]}


def read_subject(text: str) -> str:
    """Check the name that a certificate of an authority must bear.

    Args:
        text: ``san_dns:lab.example``, ``san_uri:urn:lab`` or ``dn:CN=lab,O=Laboratory``.

    Raises:
        Invalid: It is none of these.
    """
    kind, colon, name = text.strip().partition(":")
    if kind not in NAMES or not colon or not 0 < len(name) <= 300 or not name.isprintable():
        raise Invalid("the subject is san_dns:NAME, san_uri:URI or dn:NAME (as in RFC 4514)")
    if kind == "dn":
        try:
            return f"dn:{x509.Name.from_rfc4514_string(name).rfc4514_string()}"
        except ValueError:
            raise Invalid("the subject's name is not written as in RFC 4514") from None
    return f"{kind}:{name.lower() if kind == 'san_dns' else name}"


# Whose certificate is it?


def find_own(certificate: x509.Certificate, keys: Iterable[Key], now: datetime) -> str:
    """Return the key id of the registered certificate that this one is; empty if it is none of them.

    Source:
        RFC 8705 section 2.2: the certificate itself is registered, and no chain is looked at.
    """
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return ""
    name = thumbprint(certificate)
    return next((key.id for key in keys if key.id == name == key.jwk.get("x5t#S256")), "")


def find_authority(
    certificate: x509.Certificate,
    chain: Iterable[x509.Certificate],
    keys: Iterable[Key],
    subject: str,
    now: datetime,
) -> str:
    """Return the key id of the authority that has issued a certificate for *subject*; empty if none has.

    Source:
        RFC 8705 section 2.1; RFC 5280 section 6 (path validation, by the package cryptography).
    """
    if subject not in _subjects(certificate):
        return ""
    anchors = [_anchor(key.jwk) for key in keys if key.jwk.get("x5c")]
    if not anchors:
        return ""
    # RFC 8705 lets the subject's name say whose it is, so no alternative name is asked for.
    leaf = ExtensionPolicy.permit_all().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    builder = PolicyBuilder().store(Store(anchors)).time(now.replace(microsecond=0))
    policies = builder.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf)
    try:
        verified = policies.build_client_verifier().verify(certificate, list(chain))
    except (VerificationError, *_UNREADABLE):
        return ""
    if not _may_sign_in(certificate):
        return ""
    return thumbprint(verified.chain[-1])


def chain_of(request: HttpRequest) -> list[x509.Certificate]:
    """Return the certificates between the caller's and its authority, if the proxy tells them."""
    if settings.CONFIG.client_certificates is not Ends.PROXY:
        return []
    listed = request.META.get(CERTIFICATES[1], "").split(",")[:_MOST_LINKS]
    return [found for each in listed if (found := _read(each.strip())) is not None]


def _anchor(jwk: Mapping[str, Any]) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(jwk["x5c"][0]))


def _subjects(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        names = x509.SubjectAlternativeName([])
    found = {f"dn:{certificate.subject.rfc4514_string()}"}
    found |= {f"san_dns:{each.lower()}" for each in names.get_values_for_type(x509.DNSName)}
    found |= {f"san_uri:{each}" for each in names.get_values_for_type(x509.UniformResourceIdentifier)}
    return frozenset(found)


def _may_sign_in(certificate: x509.Certificate) -> bool:
    """Whether the authority has issued it for signing in to servers, or for no purpose in particular."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except _UNREADABLE:
        return False
    return x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH in uses
