"""`confide serve` looks before it serves, and stops when it is told to."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.cli.program import Confide, answers, gone, on_linux, stop
from tools.outside import free_port


@on_linux
@pytest.mark.parametrize(
    ("number", "terminal"), [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["ctrl-c", "sigterm"]
)
def test_it_serves_until_it_is_told_to_stop(installed: Confide, number: int, terminal: bool) -> None:
    port = free_port()
    with installed.running("serve", "--port", port, "--workers", 1) as process:
        assert process.stdout.readline().startswith(f"serving http://localhost:{port}")
        assert answers(f"http://localhost:{port}/fhir/R4/metadata", process)
        rest = stop(process, number, terminal=terminal)
        assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert gone(installed.folder)


def test_it_refuses_what_gives_itself_away(apart: Confide) -> None:
    assert "plain_http is for loopback" in apart("serve", "--host", "0.0.0.0", exits=3)
    inside = apart.data / "keyring.json"
    inside.write_bytes(apart.keyring.read_bytes())
    assert "lies in the data folder" in apart("serve", exits=3, CONFIDE_KEYRING=str(inside))
    apart.keyring.chmod(0o640)
    assert "chmod 600" in apart("serve", exits=3)


def test_it_says_what_is_missing(apart: Confide) -> None:
    assert "run confide init" in apart("serve", "--data", apart.folder / "none", exits=3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "choose another with --port" in apart("serve", "--port", taken.getsockname()[1], exits=4)
    assert "whole number" in apart("serve", "--port", "http", exits=3)
