"""Attacks on a real server, by programs that others wrote: ``python -m tools.attack FOLDER``.

*schemathesis* sends what the API description allows, and what it does not; *wapiti* crawls and attacks the
pages, signed in as people of three roles. Both run in an environment of their own (`make attack`), against a
new installation that serves TLS on loopback. The exit code is 1 where either found anything: a 500, an answer
that is not as described, or a finding above informational.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools import installation
from tools.outside import free_port

SERVE = """
import os
import django
django.setup()
from confide.server import config, serving

class Server(serving.Server):
    def load_config(self):
        super().load_config()
        self.cfg.set("certfile", os.environ["ATTACK_CERTIFICATE"])
        self.cfg.set("keyfile", os.environ["ATTACK_KEY"])

serving.Server = Server
serving.serve(config.read(), workers=2, threads=4)
"""
PEOPLE = ("clinician", "front_desk", "privacy_officer")
PATIENTS = 5
# Each is asked of a real server whose data changes as it is asked, so these say nothing: a random id is not
# there, a random resource is not valid, and what is valid for the description need not be for FHIR.
UNASKED = "positive_data_acceptance,use_after_free,ensure_resource_availability,missing_required_header"
# What needs no host elsewhere. Of the others some bring lists of their own from outside at run time.
MODULES = (
    "backup,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,ldap,methods,permanentxss,redirect,"
    "shellshock,sql,timesql,upload,xss"
)
INFORMATIONAL = 0


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.exit("usage: python -m tools.attack FOLDER (of the attackers' environments)")
    programs = Path(arguments[0]).resolve()
    report = Path("build/attack")
    report.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="confide-attack-") as name:
        folder = Path(name)
        os.environ |= _lay(folder)
        targets = _furnish()
        with _server(folder) as address:
            bad = _schemathesis(programs, address, targets["token"])
            for role in PEOPLE:
                bad += _wapiti(programs, address, role, targets["cookies"][role], folder, report)
        log = (folder / "server.log").read_text()
        (report / "server.log").write_text(log)
    failures = log.count("a request failed")
    print(
        f"attack: {failures} failures in the server's log, {bad} of {1 + len(PEOPLE)} attacks found something"
    )
    return 1 if bad or failures else 0


# A new installation


def _lay(folder: Path) -> dict[str, str]:
    environment = installation.lay(folder)
    del environment["CONFIDE_PLAIN_HTTP"]
    os.environ.pop("CONFIDE_PLAIN_HTTP", None)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    _certify(key, certificate)
    return environment | {
        "ATTACK_KEY": str(key),
        "ATTACK_CERTIFICATE": str(certificate),
        "CONFIDE_PORT": str(free_port()),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _certify(key_path: Path, certificate_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_path.write_bytes(certificate.public_bytes(pem))


def _furnish() -> dict[str, Any]:
    """Make a practice with people, patients, a program's token and signed-in sessions."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client as Http
    from django.test.utils import setup_test_environment

    from confide.access import memberships
    from confide.access.decide import act_as_client, decide
    from confide.access.models import AccessToken, Account
    from confide.access.roles import Action, Purpose, Role
    from confide.protect.elements import Element
    from confide.server import apps
    from tests import practice as patients
    from tests.server import factored, laboratory

    setup_test_environment()
    for alias in ("default", "keys"):
        call_command("migrate", database=alias, verbosity=0)
    system, now = apps.system(), datetime.now(UTC)
    practice = system.found_practice("Riverbend")
    scopes = "system/*.cruds vault/tokenize vault/detokenize vault/protect vault/reveal"
    program = laboratory.register(practice, scopes=scopes)
    token = secrets.token_urlsafe(32)
    AccessToken.objects.create(
        client=program,
        practice=practice,
        key="k1",
        digest=hashlib.sha256(token.encode()).hexdigest(),
        scopes=scopes,
        expires_at=now + timedelta(days=1),
    )
    grant = decide(act_as_client(program, "attack"), Action.WRITE, Purpose.TREAT, None, Element, now)
    for _ in range(PATIENTS):
        system.charts.create(grant, patients.PATIENT)
    cookies = {}
    for role in PEOPLE:
        account = Account.objects.create_user(role, None, display_name=role)
        memberships.found(account, practice, Role(role), now)
        http = factored.sign_in(Http(), account)
        cookies[role] = {name: morsel.value for name, morsel in http.cookies.items()}
    return {"token": token, "cookies": cookies}


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    port = os.environ["CONFIDE_PORT"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=log, stderr=log)
        address = f"https://localhost:{port}"
        try:
            _wait(address, process)
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("attack: the server did not start")
        try:
            urllib.request.urlopen(f"{address}/openapi.json", context=_trusting(), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("attack: the server does not answer")


def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ["ATTACK_CERTIFICATE"])


# The attacks


def _schemathesis(programs: Path, address: str, token: str) -> int:
    command = [
        programs / "schemathesis/bin/schemathesis", "run", f"{address}/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--tls-verify", os.environ["ATTACK_CERTIFICATE"],
        "--checks", "all", "--exclude-checks", UNASKED,
        "--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--seed", "1",
        "--max-examples", os.environ.get("ATTACK_EXAMPLES", "50"), "--suppress-health-check", "all",
        "--warnings", "off", "--generation-database", "none",
    ]  # fmt: skip
    return int(subprocess.run(command, check=False, env=_their_own()).returncode != 0)


def _their_own() -> dict[str, str]:
    """An environment in which they find their packages, not ours."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _wapiti(
    programs: Path, address: str, role: str, cookies: dict[str, str], folder: Path, report: Path
) -> int:
    written = report / f"wapiti-{role}.json"
    written.unlink(missing_ok=True)
    command = [
        programs / "wapiti/bin/wapiti", "--url", f"{address}/", "--scope", "domain", "--module", MODULES,
        "--header", "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()),
        # Ending one's own session ends the attack.
        "--exclude", f"{address}/sign-out", "--exclude", f"{address}/static/",
        "--store-session", folder / f"wapiti-{role}", "--store-config", folder / "wapiti-config",
        "--max-scan-time", os.environ.get("ATTACK_SECONDS", "60"), "--max-attack-time", "20",
        "--format", "json", "--output", written, "--flush-session", "--verbose", "1", "--no-bugreport",
    ]  # fmt: skip
    listed = [str(part) for part in command]
    subprocess.run(listed, check=False, stdout=subprocess.DEVNULL, env=_their_own())
    if not written.exists():
        print(f"attack: wapiti as {role} wrote no report")
        return 1
    found = json.loads(written.read_text())
    serious = [
        f"{kind}: {each['method']} {each['path']}: {each['info']}"
        for group in ("vulnerabilities", "anomalies")
        for kind, several in found[group].items()
        for each in several
        if each["level"] > INFORMATIONAL
    ]
    pages = found["infos"].get("crawled_pages_nbr", 0)
    print(f"attack: wapiti as {role}: {pages} pages, {len(serious)} findings above informational")
    for line in serious[:20]:
        print("  " + line)
    return int(bool(serious) or pages < 5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
