"""`confide client` registers programs and gets a token as a program does."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

from tests.cli.office import Office
from tests.cli.program import Confide, answers
from tests.server.papers import issue
from tools.outside import free_port


def add(confide: Confide, *words: object, exits: int = 0) -> str:
    return confide("client", "add", *words, exits=exits)


def test_a_key_pair_is_made_and_a_token_is_got_with_it(installed: Confide) -> None:
    key = installed.folder / "lab.json"
    said = add(installed, "lab", "--key-out", key, "--scopes", "system/Patient.rs", "--elements", "name,mrn")
    assert "lab" in said
    assert key.stat().st_mode & 0o777 == 0o600
    private = json.loads(key.read_text())
    assert private["crv"] == "P-384"
    assert private["d"] not in said
    listed = installed("client", "list")
    assert "system/Patient.rs" in listed
    assert "name, mrn" in listed

    port = free_port()
    url = f"http://localhost:{port}"
    assert "no server answers" in installed("client", "token", "lab", "--key", key, "--url", url, exits=4)
    with installed.running("serve", "--port", port, "--workers", 1) as process:
        assert answers(f"{url}/fhir/R4/metadata", process)
        token = installed("client", "token", "lab", "--key", key, "--url", url)
        assert token == token.strip() + "\n"
        assert status(f"{url}/fhir/R4/Patient", token) == 200
        assert status(f"{url}/fhir/R4/Observation", token) == 403
        assert "is void" in installed("client", "freeze", "lab").replace("are void", "is void")
        assert status(f"{url}/fhir/R4/Patient", token) == 401
        assert "invalid_client" in installed("client", "token", "lab", "--key", key, "--url", url, exits=2)
        thaw(installed)
        assert status(f"{url}/fhir/R4/Patient", token) == 401
        token = installed("client", "token", "lab", "--key", key, "--url", url)
        assert status(f"{url}/fhir/R4/Patient", token) == 200


def test_a_program_for_tokens(installed: Confide) -> None:
    key = installed.folder / "lab.json"
    scopes = "vault/tokenize vault/detokenize"
    said = add(
        installed, "lab", "--key-out", key, "--purpose", "HPAYMT", "--elements", "ssn", "--scopes", scopes,
        "--token-scopes", "lab-partner, billing",
    )  # fmt: skip
    assert "lab-partner, billing" in said
    listed = installed("client", "list")
    assert "vault/detokenize" in listed
    assert "lab-partner, billing" in listed
    port = free_port()
    url = f"http://localhost:{port}"
    with installed.running("serve", "--port", port, "--workers", 1) as process:
        assert answers(f"{url}/fhir/R4/metadata", process)
        token = installed("client", "token", "lab", "--key", key, "--url", url)
        value = {"element": "ssn", "value": "078-05-1120"}
        [made] = post(f"{url}/vault/tokenize", token, {"scope": "billing", "items": [value]})
        [shown] = post(f"{url}/vault/detokenize", token, {"scope": "billing", "items": [made]})
        assert shown == value | {"form": "clear"}


def post(url: str, token: str, body: object) -> list[dict[str, str]]:
    headers = {"Authorization": f"Bearer {token.strip()}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        items: list[dict[str, str]] = json.load(response)["items"]
    return items


def status(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token.strip()}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except HTTPError as refusal:
        with refusal:
            return refusal.code


def test_what_cannot_be_registered(installed: Confide) -> None:
    key = installed.folder / "key.json"
    for words in (
        ("lab", "--key-out", key, "--scopes", "everything"),
        ("lab", "--key-out", key, "--scopes", "system/*.rs user/*.rs"),
        ("lab", "--key-out", key, "--scopes", "system/Observation.rs?category=laboratory"),
        ("lab", "--key-out", key, "--networks", "lab.example"),
        ("lab", "--key-out", key, "--days", "401"),
        ("lab", "--key-out", key, "--elements", "shoe-size"),
        ("lab", "--key-out", key, "--day-patients", "151"),
        ("lab", "--key-out", key, "--purpose", "FUN"),
        ("lab", "--key-out", key, "--scopes", "vault/everything"),
        ("lab", "--key-out", key, "--token-scopes", "Lab Partner"),
        ("lab",),
    ):
        add(installed, *words, exits=2)
        assert not key.exists()
    add(installed, "lab", "--key-out", key)
    add(installed, "lab", "--key-out", installed.folder / "other.json", exits=2)
    kept = key.read_text()
    assert "an existing key is kept" in add(installed, "other", "--key-out", key, exits=3)
    assert key.read_text() == kept
    assert "private" in add(installed, "other", "--jwks", _set(installed, json.loads(kept)), exits=2)
    public = {name: part for name, part in json.loads(kept).items() if name != "d"}
    assert "made" in add(installed, "other", "--jwks", _set(installed, public))
    assert "no such program" in installed("client", "freeze", "nobody", exits=3)


def thaw(confide: Confide) -> None:
    """Let the program in again, as an officer of some standing does."""
    office = Office(confide)
    office.change("UPDATE access_account SET created_at = %s", datetime.now(UTC) - timedelta(days=8))
    office("client", "thaw", "lab", by="plindgren")


def test_keys_and_networks_change_while_it_runs(installed: Confide) -> None:
    old, new = installed.folder / "old.json", installed.folder / "new.json"
    add(installed, "lab", "--key-out", old, "--days", 20, "--networks", "203.0.113.0/28, 2001:db8::/32")
    first, second = json.loads(old.read_text())["kid"], ""
    assert "its last key ends on" in installed("doctor")
    installed("client", "key", "add", "lab", "--key-out", new, "--days", 401, exits=2)
    assert not new.exists()
    said = installed("client", "key", "add", "lab", "--key-out", new)
    second = json.loads(new.read_text())["kid"]
    assert first in said
    assert second in said
    assert json.loads(new.read_text())["d"] not in said
    installed("client", "key", "retire", "lab", first)
    listed = installed("client", "key", "list", "lab")
    assert second in listed
    assert first not in listed
    assert "last key" in installed("client", "key", "retire", "lab", second, exits=2)
    assert "203.0.113.0/28, 2001:db8::/32" in installed("client", "change", "lab", "--elements", "name")
    assert "zeros behind" in installed("client", "change", "lab", "--networks", "10.0.0.1/8", exits=2)
    assert "say what" in installed("client", "change", "lab", exits=2)
    assert "anywhere" in installed("client", "change", "lab", "--networks", "any")
    assert "may come from anywhere" in installed("doctor")


def test_a_program_with_a_certificate(installed: Confide) -> None:
    own, root = issue("lab"), issue("Laboratory root", authority=True)
    certificate, key = own.lay(installed.folder, "lab")
    authority, _ = root.lay(installed.folder, "root")
    assert "cannot be read" in add(installed, "lab", "--certificate", installed.folder / "none", exits=3)
    assert "private key" in add(installed, "lab", "--certificate", key, exits=2)
    assert "belong together" in add(installed, "lab", "--authority", authority, exits=2)
    assert "self_signed_tls_client_auth" in add(installed, "lab", "--certificate", certificate)
    assert "certificate" in installed("client", "key", "list", "lab")
    refused = installed("client", "key", "add", "lab", "--key-out", installed.folder / "x.json", exits=2)
    assert "add a key of that kind" in refused
    assert not (installed.folder / "x.json").exists()
    said = add(installed, "hub", "--authority", authority, "--subject", "san_dns:EMR.lab.example")
    assert "tls_client_auth san_dns:emr.lab.example" in said


def _set(confide: Confide, key: dict[str, str]) -> str:
    path = confide.folder / "set.json"
    path.write_text(json.dumps({"keys": [key]}))
    return str(path)
