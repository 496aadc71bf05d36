"""Certificates for tests: authorities and what they issue; a proxy that ends TLS in front of a server."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Paper:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def header(self) -> str:
        """As RFC 9440 writes it."""
        return f":{base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()}:"

    @property
    def escaped(self) -> str:
        """As nginx writes it."""
        return quote(self.pem.decode(), safe="")

    def lay(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write certificate and key into files."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(self.pem)
        paths[1].write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


def name_of(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def issue(
    common: str,
    issuer: Paper | None = None,
    *,
    authority: bool = False,
    names: tuple[x509.GeneralName, ...] = (),
    days: tuple[int, int] = (-1, 30),
    uses: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    curve: ec.EllipticCurve | None = None,
    extension: x509.ExtensionType | None = None,
) -> Paper:
    """Make a key and a certificate for it, issued by *issuer*, or by itself."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    now = datetime.now(UTC)
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(common))
        .issuer_name(issuer.certificate.subject if issuer else name_of(common))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if authority:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "encipher_only", "decipher_only"), False
        )  # fmt: skip
        usage |= {"key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    elif uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return Paper(builder.sign(signer, hashes.SHA256()), key)


def server_paper() -> Paper:
    """What a server on this machine shows."""
    names = (x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost"))
    return issue("localhost", names=names, uses=(ExtendedKeyUsageOID.SERVER_AUTH,))


@contextmanager
def proxy(backend: str, context: ssl.SSLContext) -> Iterator[str]:
    """End TLS in front of *backend*, and tell it the certificate as RFC 9440 says; yield the address."""
    host = backend.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = {
                name: text
                for name, text in self.headers.items()
                if name.lower() not in {"client-cert", "connection"}
            }
            der = self.connection.getpeercert(binary_form=True)
            if der:
                told["Client-Cert"] = f":{base64.b64encode(der).decode()}:"
            told |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https"}
            behind = http.client.HTTPConnection(host, timeout=30)
            behind.request(self.command, self.path, body or None, told)
            answer = behind.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            behind.close()

        do_GET = do_POST = forward  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
