"""The real server: bodies of any size and writing, and a stop that finishes what is under way."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.server import laboratory, processes

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
MIB = 1024 * 1024
FHIR = "application/fhir+json"


def token(address: str, lab: Any) -> str:
    from confide.cli import client

    return client.exchange(address, lab.pk, laboratory.KEY.as_dict(private=True), "system/*.cruds")


def post(address: str, bearer: str, body: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        sent = {"Authorization": f"Bearer {bearer}", "Content-Type": FHIR} | headers
        connection.request(
            "POST", "/fhir/R4/Patient", body, sent, encode_chunked="Transfer-Encoding" in headers
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def stream(size: int) -> Iterator[bytes]:
    yield b'{"resourceType": "Patient", "name": [{"family": "'
    for _ in range(size // MIB):
        yield b"x" * MIB
    yield b'"}]}'


def peak(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a worker has had, in bytes."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    status = Path(f"/proc/{children[0]}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.asvs("5.2.1")
@pytest.mark.skipif(sys.platform != "linux", reason="not for this system: it reads /proc")
def test_a_body_of_200_mb_is_refused_and_not_held(lab: Any) -> None:
    size = 200 * MIB
    with processes.server() as (address, process):
        bearer = token(address, lab)
        before = peak(process)
        for headers in ({"Content-Length": str(size + 53)}, {"Transfer-Encoding": "chunked"}):
            status, outcome = post(address, bearer, stream(size), **headers)
            assert status == 413
            assert outcome["issue"][0]["code"] == "too-long"
        assert peak(process) - before < 100 * MIB


@pytest.mark.asvs("4.2.1")
def test_a_body_in_chunks_is_read(live: str, lab: Any) -> None:
    bearer = token(live, lab)
    whole = json.dumps(laboratory.PATIENT).encode()
    parts = iter([whole[:20], whole[20:21], whole[21:]])
    status, made = post(live, bearer, parts, **{"Transfer-Encoding": "chunked"})
    assert (status, made["name"]) == (201, laboratory.PATIENT["name"])


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_finishes_what_is_under_way(lab: Any, by: signal.Signals) -> None:
    answers: list[tuple[int, Any]] = []
    with processes.server() as (address, process):
        bearer = token(address, lab)

        def slowly() -> Iterator[bytes]:
            whole = json.dumps(laboratory.PATIENT).encode()
            yield whole[:10]
            time.sleep(0.5)  # a connection that nobody has taken yet is not under way
            process.send_signal(by)
            time.sleep(0.7)
            yield whole[10:]

        sending = threading.Thread(
            target=lambda: answers.append(post(address, bearer, slowly(), **{"Transfer-Encoding": "chunked"}))
        )
        sending.start()
        sending.join(20)
        assert process.wait(20) == 0
    assert answers[0][0] == 201


@pytest.mark.asvs("13.3.1")
def test_keys_beside_the_records_are_not_served(tmp_path: Path) -> None:
    from dataclasses import replace

    from django.conf import settings

    from confide.errors import Misconfigured
    from confide.server import serving

    beside = replace(settings.CONFIG, keyring=settings.CONFIG.data / "keyring.json")
    with pytest.raises(Misconfigured, match="keyring lies in the data folder"):
        serving.serve(beside)


@pytest.mark.asvs("16.2.3")
def test_the_log_says_nothing_of_what_was_asked(lab: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            with processes.server(CONFIDE_LOG_LEVEL="DEBUG") as (address, _):
                bearer = token(address, lab)
                connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
                headers = {"Authorization": f"Bearer {bearer}"}
                for path in ("/fhir/R4/Patient?name=Quernheim", "/fhir/R4/Quernheim", "/Quernheim"):
                    connection.request("GET", path, headers=headers)
                    connection.getresponse().read()
                connection.close()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    written = log.read_text()
    assert written
    assert "Quernheim" not in written
    assert bearer not in written


def test_behind_a_proxy_that_does_tls(lab: Any) -> None:
    with processes.server(CONFIDE_PLAIN_HTTP="false") as (address, _):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        for headers, status in (({"X-Forwarded-Proto": "https"}, 200), ({}, 403)):
            connection.request("GET", "/fhir/R4/.well-known/smart-configuration", headers=headers)
            response = connection.getresponse()
            assert (response.status, response.read()[:2]) == (status, b'{"')
            assert ("Strict-Transport-Security" in response.headers) == (status == 200)
        connection.close()


def ask(address: str, raw: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Send bytes as they are; return the first line, the headers and the rest."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 20) as line:
        line.sendall(raw)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    pairs = (each.partition(b": ") for each in rest)
    return first, {name.lower(): value for name, _, value in pairs}, body


@pytest.mark.asvs("13.4.4")
def test_the_web_server_itself_is_discreet(live: str) -> None:
    """Whoever answers, a view, Django or the web server: the same headers, no name, no directory, no echo."""
    close = b"\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Secret: Quernheim\r\n\r\n"
    for line, status in (
        (b"GET /sign-in HTTP/1.1", b"200"),
        (b"GET /static/confide/confide.css HTTP/1.1", b"200"),
        (b"GET /static/confide/ HTTP/1.1", b"404"),
        (b"GET /static/../settings.py HTTP/1.1", b"404"),
        (b"GET /.git/config HTTP/1.1", b"404"),
        (b"TRACE / HTTP/1.1", b"405"),
        (b"GET /fhir/R4/metadata HTTP/1.1", b"200"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1", b"414"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", b"400"),
        (b"Quernheim HTTP/1.1", b"400"),
    ):
        first, headers, body = ask(live, line + close)
        assert first.split()[1] == status, (line[:40], first)
        assert b"server" not in headers, line[:40]
        assert b"default-src 'none'" in headers[b"content-security-policy"]
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"referrer-policy"] == b"same-origin"
        assert line.startswith(b"GET /static/confide/confide.css") or headers[b"cache-control"] == b"no-store"
        assert b"Quernheim" not in body
        assert b"gunicorn" not in body + b"".join(headers.values())


@pytest.mark.asvs("3.3.1", "3.3.3")
def test_over_tls_cookies_stay_with_this_host(lab: Any) -> None:
    with processes.server(CONFIDE_PLAIN_HTTP="0", CONFIDE_PROXIES="127.0.0.1") as (address, _):
        plain = b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        through = plain + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
        first, headers, _ = ask(address, b"GET /sign-in HTTP/1.1" + through)
        assert first.split()[1] == b"200"
        assert headers[b"strict-transport-security"] == b"max-age=31536000; includeSubDomains"
        cookie = headers[b"set-cookie"].decode().split("; ")
        assert cookie[0].startswith("__Host-csrf=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie)
        assert not any(part.startswith("Domain") for part in cookie)
        assert ask(address, b"GET /sign-in HTTP/1.1" + plain + b"\r\n")[0].split()[1] == b"301"
        assert ask(address, b"GET /fhir/R4/metadata HTTP/1.1" + plain + b"\r\n")[0].split()[1] == b"403"
        assert ask(address, b"GET /fhir/R4/metadata HTTP/1.1" + through)[0].split()[1] == b"200"
