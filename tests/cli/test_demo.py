"""`confide demo`: up in seconds, filled through its own API, kept, and gone when told to."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

from tests.cli.program import Confide, answers, gone, on_linux, status, stop
from tools.outside import free_port


def sign_ins(said: str) -> list[str]:
    return re.findall(r"(?:front desk|clinician|privacy officer)  +(\w+ +[a-z-]{15,})", said)


@on_linux
def test_it_fills_a_practice_once(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    port = free_port()
    words = ("demo", "--patients", 5, "--fill-only", "--port", port, "--data", "stage")
    first = confide(*words)
    assert f"http://localhost:{port}" in first
    assert "filled: 5 patients" in first
    assert len(sign_ins(first)) == 3
    name = re.search(r"search for  (\w+)", first)
    assert name
    kept = confide(*words)
    assert "filled" not in kept
    assert sign_ins(kept) == sign_ins(first)
    assert "--code USERNAME" in first
    assert re.fullmatch(r"\d{6}\n.*\n", confide("demo", "--data", "stage", "--code", "clinician"))
    assert "nobody of that name" in confide("demo", "--data", "stage", "--code", "nobody", exits=3)
    assert gone(confide.folder)
    stage = confide.folder / "stage"
    assert not (stage / "loader-key.json").exists(), "the program that filled it is dismissed"
    for path in stage.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
        assert path.is_dir() or name[1].encode() not in path.read_bytes()


@on_linux
def test_interrupted_it_goes_on_where_it_was(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    port = free_port()
    words = ("demo", "--patients", 50, "--port", port, "--data", "stage")
    state = confide.folder / "stage" / "demo.json"
    with confide.running(*words) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if state.exists() and json.loads(state.read_text())["filled"] >= 10:
                break
            time.sleep(0.05)
        said = stop(process, terminal=True)
        assert process.returncode == 0, said
    assert "stopped" in said
    assert "Traceback" not in said
    assert gone(confide.folder)
    before = json.loads(state.read_text())
    assert 10 <= before["filled"] < 50
    with confide.running(*words) as process:
        assert answers(f"http://localhost:{port}/", process)
        assert status(f"http://localhost:{port}/fhir/R4/metadata") == 200
        while line := process.stdout.readline():
            if line.startswith("Ctrl-C"):
                break
        said = stop(process, signal.SIGTERM)
        assert process.returncode == 0, said
    assert gone(confide.folder)
    after = json.loads(state.read_text())
    assert after["filled"] == 50
    assert after["done"]
    assert after["ids"] == before["ids"], "the practice itself was not made twice"


@on_linux
def test_killed_it_takes_its_server_along(tmp_path: Path) -> None:
    confide = Confide(tmp_path)
    port = free_port()
    with confide.running("demo", "--patients", 300, "--port", port, "--data", "stage") as process:
        assert answers(f"http://localhost:{port}/", process)
        process.kill()
        process.wait()
    assert gone(confide.folder)


def test_it_keeps_its_hands_off_a_real_installation(apart: Confide) -> None:
    assert "not a demo's folder" in apart("demo", "--data", apart.data, exits=3)
    assert "from 1 to" in apart("demo", "--patients", 0, exits=2)
