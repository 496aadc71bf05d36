"""A cohort goes to a university: asked for, approved, written, opened by them, leaked, traced."""

from __future__ import annotations

import json
import re
from pathlib import Path

from confide.fhir import json as fhir_json
from confide.fhir.validate import validate
from tests.cli.office import Office
from tests.cli.program import Confide
from tests.cli.templates import copy, riverbend
from tests.leaks.premises import dump
from tests.scale import scale

PEOPLE = scale(25, 8)
FULL_DATE = re.compile(r'"\d{4}-\d\d')
REFERENCE = re.compile(rb'"reference":"(\w+)/([0-9a-f-]{36})"')


def test_from_a_key_to_a_trace(tmp_path: Path, fresh_databases: dict[str, str]) -> None:
    confide = Confide(tmp_path, fresh_databases)
    copy(riverbend(), confide)
    office = Office(confide)
    office.bring(PEOPLE)
    office.prepare()
    research = Path(__file__).parents[2] / "docs/examples/research.toml"
    written = {}
    for policy in ("limited-data-set", "safe-harbor", str(research)):
        asked = office("export", "--to", "University", "--policy", policy, by="mlopez")
        id_ = re.findall(r"request\s+([0-9a-f-]{36})", asked)[0]
        assert f"patients         {PEOPLE}" in asked
        assert office.recipient in asked
        if not written:
            assert "second person" in office("export", "approve", id_[:8], by="mlopez", exits=1)
            assert "not approved" in office("export", "run", id_[:8], by="mlopez", exits=1)
            assert not list(office.outgoing.iterdir())
        said = office("export", "approve", id_[:8], "--run", by="plindgren")
        assert str(office.outgoing / id_) in said
        written[policy] = (id_, office.read(office.outgoing / id_))
    assert "written already" in office("export", "run", id_[:8], by="mlopez", exits=1)

    # What the recipient has
    secrets = office.secrets()
    assert len(secrets) > 4 * PEOPLE
    for id_, got in written.values():
        manifest = json.loads(got["manifest.json"])
        assert (manifest["export"], manifest["resources"]["Patient"]) == (id_, PEOPLE)
        shown = office("export", "show", id_)
        for file in manifest["files"]:
            assert file["sha256"] in shown
            lines = got[file["name"].removesuffix(".age")].splitlines()
            assert len(lines) == file["rows"]
            for line in lines:
                resource = fhir_json.parse(line)
                assert resource["resourceType"] == file["type"]
                assert not validate(resource)
        everything = b"".join(got.values())
        assert not [secret for secret in secrets if secret.encode() in everything]
        ids = {
            json.loads(line)["id"]
            for name in got
            for line in got[name].splitlines()
            if name != "manifest.json"
        }
        leading = {(kind, target.decode()) for kind, target in REFERENCE.findall(everything)}
        assert leading
        assert {target for kind, target in leading if kind == b"Patient"} <= ids
    people = [got["Patient.ndjson"].splitlines() for _, got in written.values()]
    handles = [{json.loads(line)["id"] for line in lines} for lines in people]
    assert not handles[0] & handles[1] & handles[2]
    harbor = b"".join(v for k, v in written["safe-harbor"][1].items() if k != "manifest.json").decode()
    assert not [d for d in FULL_DATE.findall(harbor) if not d.endswith("-01")]

    # What is left here
    files = [path for path in (*confide.data.rglob("*"), *office.outgoing.rglob("*")) if path.is_file()]
    kept = [(str(path), path.read_bytes()) for path in files]
    for place, content in (*kept, *dump(fresh_databases)):
        assert not [secret for secret in secrets if secret.encode() in content], place

    # What turns up later
    id_, got = written["limited-data-set"]
    patients = [json.loads(line) for line in got["Patient.ndjson"].splitlines()]
    leak = tmp_path / "leak.csv"
    leak.write_text("id,sex\n" + "".join(f"{p['id']},{p.get('gender')}\n" for p in patients[2:7]))
    traced = office("trace", leak, by="plindgren")
    assert f"it came from export {id_[:8]} (to University, limited-data-set" in traced
    assert "certain" in traced
    assert "may be chance" not in traced
    assert not [p for p in patients if p["id"] in traced]
    leak.write_text(
        "id,ssn\n" + "".join(f"{n:08x}-0000-4000-8000-000000000000,{n + 10**8}\n" for n in range(50))
    )
    assert "none of ours" in office("trace", leak, by="plindgren")
    assert "may not" in office("trace", leak, by="mlopez", exits=1)
