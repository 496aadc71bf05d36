"""The commands of docs/incidents.md run as they stand there, one after the other."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta

from pyrage import x25519

from tests.cli.office import Office
from tools.outside import ROOT

NOT_HERE = ("retokenise",)
"""Needs tokens and a destination of the laboratory: tests/incidents/test_remedies.py."""


def test_the_page_of_incidents_runs_as_it_stands(office: Office) -> None:
    office.bring(2)
    said = office("staff", "add", "dokafor", "--role", "privacy_officer")
    office.passwords["dokafor"] = re.findall(r"password\s+(\S+)", said)[0]
    office("staff", "approve", "dokafor", by="plindgren")
    office.change("UPDATE access_account SET created_at = %s", datetime.now(UTC) - timedelta(days=8))
    office.register("Lab")
    office("destination", "approve", "Lab", by="plindgren")
    office.wait()
    page = (ROOT / "docs" / "incidents.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    confide ")]
    assert len(commands) > 10
    recipient, today = str(x25519.Identity.generate().to_public()), datetime.now(UTC).date()
    known: dict[str, str] = {}
    for command in commands:
        if any(word in command for word in NOT_HERE):
            continue
        words = shlex.split(command)[1:]
        by = words[words.index("--by") + 1] if "--by" in words else "plindgren"
        if "--by" in words:
            del words[words.index("--by") :]
        # What the page makes up is what was made here; the day of the page is today.
        words = [
            {"3f2a91c0": known.get("incident", ""), "age1...": recipient, "jreyes": "desk"}.get(each, each)
            for each in words
        ]
        words = [re.sub(r"^2026-1\d-\d\d(T\S+)?$", str(today), each) for each in words]
        if words[:2] == ["incident", "scope"]:
            words[words.index("--from") + 1] = str(today - timedelta(days=1))
            words[words.index("--to") + 1] = str(today + timedelta(days=1))
            words += ["--copy", "backup", "--keys", "safe"]
        if words[:2] == ["incident", "facts"]:
            words[words.index("--delay") + 1] = f"{today}..{today + timedelta(days=30)}"
        if words[:2] in (["incident", "approve"], ["incident", "renew"]):
            words[2] = known["request"]
        if words[:3] == ["journal", "prove", "inclusion"]:
            words[3:5] = ["1", "2"]
        told = office(*words, by=by)
        for name in ("incident", "request"):
            found = re.findall(rf"{name}\s+([0-9a-f-]{{36}})", told)
            if found:
                known[name] = found[0] if name == "request" else found[0][:8]
    shown = office("incident", "show", known["incident"], by="plindgren")
    assert "frozen" in shown
    assert "evidence" in shown
    heads = {
        kind: read for name, read in office.read(office.outgoing).items() if (kind := name.split("-")[1])
    }
    assert heads["rekey"].startswith(b"patient,resource,element,old,new")
    assert heads["renumber"].startswith(b"patient,system,old,new")
    assert (office.confide.folder / "evidence.zip.age").is_file()
