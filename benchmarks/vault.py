"""The vault over HTTP: tokens for values, and the values back, decided, paid and journalled durably."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from benchmarks import Figure, LeftOut, Peer, benchmark, percentiles

PUBLISHED = "published by a vendor, 8 vCPU, June 2026"
SCOPE = "bench"
VALUES = 20_000
SERVE = """
import django
django.setup()
from confide.server import config, serving
serving.serve(config.read(), workers={}, threads=4)
"""


@contextmanager
def _served(workers: int = 1) -> Iterator[int]:
    """A server on this run's empty databases; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    more = {"CONFIDE_PORT": str(port), "CONFIDE_PLAIN_HTTP": "true", "CONFIDE_LOG_LEVEL": "ERROR"}
    more["CONFIDE_CLIENT_CEILING_PATIENTS"] = str(10**6)
    more |= {"CONFIDE_PRACTICE_DAY_PATIENTS": str(10**8), "CONFIDE_HOST_DAY_PATIENTS": str(10**8)}
    process = subprocess.Popen([sys.executable, "-c", SERVE.format(workers)], env=os.environ | more)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise LeftOut("the server does not start")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _register() -> str:
    """A program that may do everything at the vault, and its access token."""
    import hashlib
    import secrets
    from datetime import timedelta

    from django.conf import settings
    from django.core.management import call_command

    from confide import wiring
    from confide.access.models import AccessToken, Client
    from confide.protect.elements import Element
    from confide.server.apps import log_of

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    client = Client.objects.create(
        practice=system.found_practice("Bench"), name="bench vault", purpose="PATRQT",
        elements=[str(e) for e in Element], token_scopes=[SCOPE], scopes="vault/tokenize vault/detokenize",
        day_patients=10**6, day_units=10**8, jwks={"keys": [{"kid": "bench"}]},
    )  # fmt: skip
    issued = secrets.token_urlsafe(32)
    AccessToken.objects.create(
        client=client,
        practice=client.practice,
        key="bench",
        digest=hashlib.sha256(issued.encode()).hexdigest(),
        scopes=client.scopes,
        expires_at=wiring.utc_now() + timedelta(hours=1),
    )
    return issued


class _Counter:
    """One connection to the vault, kept open."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, operation: str, items: list[Any]) -> tuple[float, list[Any]]:
        """Milliseconds from the request to the whole answer; the answers."""
        body = json.dumps({"scope": SCOPE, "items": items}).encode()
        started = time.perf_counter()
        self._connection.request("POST", f"/vault/{operation}", body, self._headers)
        raw = self._connection.getresponse().read()
        took = (time.perf_counter() - started) * 1e3
        answers = json.loads(raw)["items"]
        if any("error" in answer for answer in answers):
            raise LeftOut(f"{operation} refused an item")
        return took, answers


@benchmark
def vault() -> Iterator[Figure]:
    """Tokens for new values in batches of 1,000; each token back once, so that every one is paid for."""
    import django

    django.setup()
    token = _register()
    peer = "Databunker Pro, detokenise"
    with _served() as port:
        counter = _Counter(port, token)
        values = [{"element": "ssn", "value": f"{i:09d}"} for i in range(78_000_000, 78_000_000 + VALUES)]
        tokens, took = [], 0.0
        for start in range(0, VALUES, 1000):
            ms, made = counter.ask("tokenize", values[start : start + 1000])
            took += ms
            tokens += made
        yield Figure(
            "vault over HTTP, tokenize, batches of 1,000", VALUES / took * 1e3, "values/s",
            Peer("Databunker Pro, records written, 8 vCPU", 5_800, PUBLISHED),
        )  # fmt: skip
        single = [counter.ask("detokenize", [each])[0] for each in tokens[:500]]
        cut = percentiles(single)
        yield Figure(
            "vault over HTTP, detokenize one, p50", cut[50], "ms", Peer(f"{peer} p50", 14, PUBLISHED)
        )
        yield Figure(
            "vault over HTTP, detokenize one, p99", cut[99], "ms", Peer(f"{peer} p99", 16, PUBLISHED)
        )
        hundreds = [counter.ask("detokenize", tokens[i : i + 100])[0] for i in range(500, 10_500, 100)]
        cut = percentiles(hundreds)
        yield Figure("vault over HTTP, detokenize 100, p50", cut[50], "ms")
        yield Figure("vault over HTTP, detokenize 100, p99", cut[99], "ms")
