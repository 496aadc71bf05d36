"""Mutual TLS: a program proves itself by its certificate, and its token is no good without it."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from django.test import Client as Http

from confide.access import keys
from confide.access.models import AccessToken
from confide.audit.models import JournalEntry
from confide.drill.wire import Wire
from confide.errors import Invalid, Misconfigured
from confide.server import certificates, config
from confide.server.config import Ends
from confide.wiring import utc_now
from tests.server import laboratory, papers, processes
from tests.server.laboratory import assertion
from tests.server.papers import Paper, issue

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
FORM = "application/x-www-form-urlencoded"
STRANGER = {"error": "invalid_client", "error_description": "the client assertion was not accepted"}
OWN = issue("lab")
OTHER = issue("lab")
ROOT = issue("Laboratory root", authority=True)
MIDDLE = issue("Laboratory issuing", ROOT, authority=True)
DNS = (x509.DNSName("emr.lab.example"),)


def register(practice: Any, *listed: Paper, subject: str = "", **changes: Any) -> Any:
    method = keys.Method.AUTHORITY if subject else keys.Method.CERTIFICATE
    jwks = certificates.read_certificates(b"".join(each.pem for each in listed), utc_now())
    return laboratory.register(practice, jwks=jwks, method=method, subject=subject, **changes)


@pytest.fixture
def behind_proxy(settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, proxies=("127.0.0.1",), client_certificates=Ends.PROXY)


def ask(client: str, header: str = "", chain: str = "", peer: str = "127.0.0.1", **more: str) -> Any:
    form = {"grant_type": "client_credentials", "scope": "system/*.cruds", "client_id": client} | more
    form = {name: text for name, text in form.items() if text}
    headers = {"Client-Cert": header} if header else {}
    headers |= {"Client-Cert-Chain": chain} if chain else {}
    return Http(REMOTE_ADDR=peer).post("/oauth/token", urlencode(form), content_type=FORM, headers=headers)


def get(token: str, header: str = "", peer: str = "127.0.0.1") -> Any:
    headers = {"Authorization": f"Bearer {token}"} | ({"Client-Cert": header} if header else {})
    return Http(REMOTE_ADDR=peer).get("/fhir/R4/Patient", headers=headers)


def test_a_token_is_bound_to_the_certificate(practice: Any, behind_proxy: None) -> None:
    lab = register(practice, OWN)
    issued = ask(lab.pk, OWN.header).json()
    assert issued["token_type"] == "bearer"
    row = AccessToken.objects.get()
    assert row.thumbprint == certificates.thumbprint(OWN.certificate) == row.key
    token = issued["access_token"]
    assert get(token, OWN.header).status_code == get(token, OWN.escaped).status_code == 200
    before = JournalEntry.objects.count()
    for stolen in (get(token), get(token, OTHER.header), get(token, "nonsense")):
        assert stolen.status_code == 401
        assert 'error="invalid_token"' in stolen["WWW-Authenticate"]
    assert JournalEntry.objects.count() == before + 3
    # A header that no named proxy has sent says nothing.
    assert get(token, OWN.header, peer="203.0.113.9").status_code == 401
    assert ask(lab.pk, OWN.header, peer="203.0.113.9").json() == STRANGER


def test_who_is_refused(practice: Any, behind_proxy: None) -> None:
    lab = register(practice, OWN)
    signing = laboratory.register(practice, name="signs")
    ended = issue("lab", days=(-30, -1))
    late = register(practice, OWN, name="late")
    late.jwks = {"keys": [certificates.to_jwk(ended.certificate)]}
    late.save()
    elsewhere = register(practice, OWN, name="elsewhere", networks=["203.0.113.0/28"])
    frozen = register(practice, OWN, name="frozen", frozen_at=utc_now())
    signed = {"client_assertion_type": laboratory.ASSERTION_TYPE, "client_assertion": assertion(lab.pk)}
    for answer in (
        ask(lab.pk),
        ask("", OWN.header),
        ask("somebody", OWN.header),
        ask("11111111-2222-4333-8444-555555555555", OWN.header),
        ask(lab.pk, OTHER.header),
        ask(lab.pk, f"{OWN.header}, {OTHER.header}"),
        ask(lab.pk, OWN.header[:-9] + ":"),
        ask(lab.pk, ":AAAA:"),
        ask(lab.pk, "::"),
        ask(lab.pk, OWN.escaped + OTHER.escaped),
        ask(lab.pk, ":" + "A" * 40_000 + ":"),
        ask(signing.pk, OWN.header),
        ask(late.pk, ended.header),
        ask(elsewhere.pk, OWN.header),
        ask(frozen.pk, OWN.header),
        ask("", OWN.header, client_assertion=assertion(lab.pk)),
        ask(lab.pk, OWN.header, **signed),
    ):
        assert (answer.status_code, answer.json()) == (401, STRANGER)
    assert not AccessToken.objects.exists()
    assert ask(lab.pk, OWN.header, scope="system/Nothing.rs").json()["error"] == "invalid_scope"


def test_without_a_proxy_that_is_named_for_it_no_header_counts(practice: Any, settings: Any) -> None:
    lab = register(practice, OWN)
    settings.CONFIG = replace(settings.CONFIG, proxies=("127.0.0.1",))
    assert ask(lab.pk, OWN.header).json() == STRANGER
    settings.CONFIG = replace(settings.CONFIG, client_certificates=Ends.HERE)
    assert ask(lab.pk, OWN.header).json() == STRANGER


def test_an_authority_says_whose_certificate_it_is(practice: Any, behind_proxy: None) -> None:
    lab = register(practice, ROOT, subject="san_dns:emr.lab.example")
    good = issue("anything", ROOT, names=DNS)
    assert ask(lab.pk, good.header).status_code == 200
    assert AccessToken.objects.get().key == certificates.thumbprint(ROOT.certificate)
    renewed = issue("renewed", ROOT, names=DNS)
    token = ask(lab.pk, renewed.header).json()["access_token"]
    assert get(token, renewed.header).status_code == 200
    assert get(token, good.header).status_code == 401
    far = issue("far", MIDDLE, names=DNS)
    assert ask(lab.pk, far.header).status_code == 401
    assert ask(lab.pk, far.header, MIDDLE.header).status_code == 200
    stranger = issue("Laboratory root", authority=True)
    for wrong in (
        issue("self-signed", names=DNS),
        issue("of a stranger", stranger, names=DNS),
        issue("another's", ROOT, names=(x509.DNSName("other.lab.example"),)),
        issue("below", ROOT, names=(x509.DNSName("x.emr.lab.example"),)),
        issue("emr.lab.example", ROOT),
        issue("ended", ROOT, names=DNS, days=(-30, -1)),
        issue("not begun", ROOT, names=DNS, days=(1, 30)),
        issue("of a server", ROOT, names=DNS, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        issue("by no authority", issue("leaf", ROOT, names=DNS), names=DNS),
    ):
        assert ask(lab.pk, wrong.header).json() == STRANGER, wrong.certificate.subject


def test_a_certificate_whose_extensions_cannot_be_read(practice: Any, behind_proxy: None) -> None:
    lab = register(practice, ROOT, subject="dn:CN=lab")
    good = issue("lab", ROOT).certificate.public_bytes(Encoding.DER)
    twice = good.replace(b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x23")  # the authority's key, again
    names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3005a303020101"))
    for der in (twice, issue("lab", ROOT, extension=names).certificate.public_bytes(Encoding.DER)):
        header = f":{b64encode(der).decode()}:"
        assert ask(lab.pk, header).json() == STRANGER
        assert ask(lab.pk, issue("lab", MIDDLE).header, header).json() == STRANGER
    assert ask(lab.pk, f":{b64encode(good).decode()}:").status_code == 200


def test_a_name_of_another_kind(practice: Any, behind_proxy: None) -> None:
    by_name = register(practice, ROOT, name="n", subject=certificates.read_subject("dn:CN=emr 7"))
    by_uri = register(practice, ROOT, name="u", subject="san_uri:urn:lab:7")
    plain, uri = issue("emr 7", ROOT), issue("x", ROOT, names=(x509.UniformResourceIdentifier("urn:lab:7"),))
    assert ask(by_name.pk, plain.header).status_code == ask(by_uri.pk, uri.header).status_code == 200
    assert ask(by_name.pk, uri.header).status_code == ask(by_uri.pk, plain.header).status_code == 401


def test_certificates_take_over_from_one_another(practice: Any, behind_proxy: None) -> None:
    lab = register(practice, OWN)
    first = ask(lab.pk, OWN.header).json()["access_token"]
    keys.add(lab, certificates.read_certificates(OTHER.pem, utc_now()), 30, utc_now())
    second = ask(lab.pk, OTHER.header).json()["access_token"]
    keys.retire(lab, certificates.thumbprint(OWN.certificate), utc_now())
    assert ask(lab.pk, OWN.header).status_code == get(first, OWN.header).status_code == 401
    assert ask(lab.pk, OTHER.header).status_code == get(second, OTHER.header).status_code == 200


def test_a_signing_programs_token_may_be_bound_too(practice: Any, behind_proxy: None) -> None:
    bound = laboratory.register(practice, name="bound", bound=True)
    free = laboratory.register(practice, name="free")

    def sign(client: Any, header: str = "") -> Any:
        signed = assertion(client.pk)
        more = {"client_assertion_type": laboratory.ASSERTION_TYPE, "client_assertion": signed}
        return ask(client.pk, header, **more)

    assert sign(bound).json() == STRANGER
    token = sign(bound, OWN.header).json()["access_token"]
    assert get(token, OWN.header).status_code == 200
    assert get(token, OTHER.header).status_code == get(token).status_code == 401
    token = sign(free, OWN.header).json()["access_token"]
    assert get(token).status_code == 200


def test_what_is_registered() -> None:
    now = utc_now()
    [made] = certificates.read_certificates(OWN.pem, now)["keys"]
    assert made["kid"] == made["x5t#S256"] == certificates.thumbprint(OWN.certificate)
    assert len(made["kid"]) == 43
    for wrong in (
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        issue("ended", days=(-9, -1)).pem,
        issue("not begun", days=(1, 9)).pem,
        issue("weak", curve=ec.SECP224R1()).pem,
        OWN.pem + b"-----BEGIN PRIVATE KEY-----\n",
    ):
        with pytest.raises(Invalid):
            certificates.read_certificates(wrong, now)
    assert certificates.read_subject(" san_dns:EMR.lab.example") == "san_dns:emr.lab.example"
    for text in ("", "emr.lab.example", "san_dns:", "san_ip:10.0.0.1", "dn:nonsense", "san_uri:a\nb"):
        with pytest.raises(Invalid):
            certificates.read_subject(text)


def test_the_configuration_says_who_sees_certificates(tmp_path: Path, client: Any, settings: Any) -> None:
    data = {"CONFIDE_DATA": str(tmp_path)}
    for more, words in (
        ({"CONFIDE_CLIENT_CERTIFICATES": "here"}, "TLS is not"),
        ({"CONFIDE_CLIENT_CERTIFICATES": "proxy"}, "no proxy is named"),
        ({"CONFIDE_TLS_CERTIFICATE": "a.pem"}, "belong together"),
        ({"CONFIDE_TLS_CERTIFICATE": "a", "CONFIDE_TLS_KEY": "b", "CONFIDE_PLAIN_HTTP": "1"}, "exclude"),
    ):
        with pytest.raises(Misconfigured, match=words):
            config.read(data | more).check()
    with pytest.raises(Misconfigured, match="CONFIDE_CLIENT_CERTIFICATES"):
        config.read(data | {"CONFIDE_CLIENT_CERTIFICATES": "everybody"})
    address = "/fhir/R4/.well-known/smart-configuration"
    told = client.get(address).json()
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert told["tls_client_certificate_bound_access_tokens"] is False
    settings.CONFIG = replace(settings.CONFIG, client_certificates=Ends.PROXY)
    told = client.get(address).json()
    assert "self_signed_tls_client_auth" in told["token_endpoint_auth_methods_supported"]
    assert told["tls_client_certificate_bound_access_tokens"] is True


# Real handshakes


def connect(address: str, folder: Path, paper: Paper | None) -> Wire:
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    if paper is not None:
        context.load_cert_chain(*paper.lay(folder, "client"))
    return Wire(address, context)


def steal(address: str, folder: Path, lab: Any, rooted: Any, good: Paper) -> None:
    """Get tokens with certificates, and try them without, on real connections."""

    def token(wire: Wire, client: Any) -> str:
        form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": client.pk}
        status, answer = wire.send("POST", "/oauth/token", urlencode(form).encode(), {"Content-Type": FORM})
        return json.loads(answer)["access_token"] if status == 200 else ""

    def read(wire: Wire, presented: str) -> int:
        return wire.send("GET", "/fhir/R4/Patient", headers={"Authorization": f"Bearer {presented}"})[0]

    own, nobody, issued = (connect(address, folder, each) for each in (OWN, None, good))
    try:
        first, second = token(own, lab), token(issued, rooted)
        assert first
        assert second
        assert not token(nobody, lab)
        assert not token(issued, lab)
        assert not token(own, rooted)
        assert (read(own, first), read(issued, second)) == (200, 200)
        assert {read(nobody, first), read(issued, first), read(own, second), read(nobody, second)} == {401}
        forged = {"Authorization": f"Bearer {first}", "Client-Cert": OWN.header}
        assert nobody.send("GET", "/fhir/R4/Patient", headers=forged)[0] == 401
    finally:
        for wire in (own, nobody, issued):
            wire.close()


@pytest.mark.parametrize("ends", [Ends.HERE, Ends.PROXY])
def test_a_real_handshake(practice: Any, tmp_path: Path, ends: Ends) -> None:
    lab = register(practice, OWN)
    rooted = register(practice, ROOT, name="rooted", subject="san_dns:emr.lab.example")
    certificate, key = papers.server_paper().lay(tmp_path, "server")
    known = tmp_path / "known.pem"
    known.write_bytes(OWN.pem + ROOT.pem)
    good = issue("good", ROOT, names=DNS)
    if ends is Ends.HERE:
        setting = {
            "CONFIDE_CLIENT_CERTIFICATES": "here", "CONFIDE_PLAIN_HTTP": "false",
            "CONFIDE_TLS_CERTIFICATE": str(certificate), "CONFIDE_TLS_KEY": str(key),
            "CONFIDE_TLS_AUTHORITIES": str(known),
        }  # fmt: skip
        with processes.server(**setting) as (address, _):
            steal(address.replace("http:", "https:"), tmp_path, lab, rooted, good)
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(known))
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    setting = {"CONFIDE_CLIENT_CERTIFICATES": "proxy", "CONFIDE_PROXIES": "127.0.0.1"}
    with processes.server(**setting) as (address, _), papers.proxy(address, context) as front:
        steal(front, tmp_path, lab, rooted, good)
