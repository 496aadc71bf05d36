"""The operator: sets Confide up, brings charts over, lets people and programs in, and sleeps well."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

from tests.cli.program import Confide, answers, gone, status, stop
from tools.outside import free_port


def test_from_nothing_to_a_working_day(tmp_path: Path, fresh_databases: dict[str, str], shared: Path) -> None:
    confide = Confide(tmp_path, fresh_databases)
    confide("init", "--practice", "Riverbend Family Medicine", "--plain-http")
    confide("staff", "add", "rbanerjee", "--role", "clinician", "--name", "Rahul Banerjee")
    confide("staff", "add", "plindgren", "--role", "privacy_officer")
    assert "nothing is wrong" in confide("doctor")

    bundle = min((shared / "fhir" / "synthea").glob("*.json.gz"), key=lambda path: path.stat().st_size)
    imported = confide("import", bundle, "--source", "old-ehr")
    assert re.search(r"created +[1-9]", imported)

    key = tmp_path / "lab-key.json"
    confide("client", "add", "lab", "--scopes", "system/*.rs", "--elements", "name", "--key-out", key)
    port = free_port()
    url = f"http://localhost:{port}"
    with confide.running("serve", "--port", port, "--workers", 1) as server:
        assert answers(f"{url}/fhir/R4/metadata", server)
        assert status(f"{url}/") == 200
        assert status(f"{url}/fhir/R4/Patient") == 401
        token = confide("client", "token", "lab", "--key", key, "--url", url).strip()
        asked = urllib.request.Request(
            f"{url}/fhir/R4/Patient?_count=5", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=20) as response:
            found = json.load(response)
        assert [entry["resource"]["resourceType"] for entry in found["entry"]] == ["Patient"]
        confide("client", "freeze", "lab")
        assert status_with(asked) == 401
        assert "the server gave no token" in confide(
            "client", "token", "lab", "--key", key, "--url", url, exits=2
        )
        stop(server, terminal=True)
        assert server.returncode == 0
    assert gone(tmp_path)
    assert "last entry" in confide("doctor")


def status_with(asked: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(asked, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
