"""Letters by commands alone: from a stolen copy to the print house's files, and what comes back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.office import Office

PEOPLE = 6
PAGE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")


def test_from_a_stolen_copy_to_letters(tmp_path: Path, office: Office) -> None:
    office.bring(PEOPLE)
    printers = ("destination", "add", "Printers", "--recipient", office.recipient, "--to", office.outgoing)
    office(*printers, "--for", "mailing", by="mlopez")
    office("destination", "approve", "Printers", by="plindgren")
    office.wait()
    [facts] = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "notice.toml").write_text(facts.replace("2023-10-31", "2099-12-31"))
    now = datetime.now(UTC)
    opened = office("incident", "open", "A stolen disk", "--discovered", f"{now:%Y-%m-%d}", "--way", "medium",
                    by="plindgren")  # fmt: skip
    incident = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", opened)[0][:8]
    since, until = f"{now - timedelta(days=1):%Y-%m-%d}", f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    office(
        "incident", "scope", incident, "--copy", "database", "--from", since, "--to", until, by="plindgren"
    )
    asking = (
        "notice",
        "mail",
        incident,
        "--facts",
        tmp_path / "notice.toml",
        "--as",
        "records",
        "--to",
        "Printers",
    )
    assert "frozen scope" in office(*asking, by="plindgren", exits=2)
    office("incident", "freeze", incident, by="plindgren")
    said = office(*asking, by="plindgren")
    mailing = re.findall(r"mailing\s+([0-9a-f-]{36})", said)[0]
    assert "not approved" in office("notice", "letters", mailing[:8], by="plindgren", exits=1)
    assert "second person" in office("notice", "approve", mailing[:8], by="plindgren", exits=1)
    office("notice", "approve", mailing[:8], by="mlopez")
    assert "not enough enrolment codes" in office("notice", "letters", mailing[:8], by="plindgren", exits=4)
    assert "given to persons: 0" in office(
        "notice", "codes", incident, "--make", 20, "--until", "2099-12-31", by="plindgren"
    )
    written = office("notice", "letters", mailing[:8], by="plindgren")
    assert str(office.outgoing / mailing) in written
    got = office.read(office.outgoing / mailing)
    records = [
        json.loads(line) for name, c in got.items() if name.endswith("ndjson") for line in c.splitlines()
    ]
    assert json.loads(got["manifest.json"])["people"] == PEOPLE
    assert len({record["code"] for record in records}) == len(records) > 0
    assert "finished" in office("notice", "list", by="mlopez")
    (tmp_path / "back.txt").write_text(records[0]["reference"] + "\nrubbish\n")
    said = office("notice", "returned", tmp_path / "back.txt", by="plindgren", exits=1)
    assert "1 letter" in said
    assert "line 2" in said
    asked = ("incident", "scope", incident, "--copy", "database", "--from", since, "--to", until)
    office(*asked, by="plindgren")
    office("incident", "freeze", incident, by="plindgren")
    said = office(*asking, "--more", by="plindgren", exits=2)
    assert "nobody is left" in said, "the later scope shows no more than their letters say"
    assert "more is known" not in office(*asking, by="plindgren"), "the one who was missed, and nobody again"
    (tmp_path / "owners").mkdir()
    owners = ("notice", "owners", incident, "--facts", tmp_path / "notice.toml", "--out", tmp_path / "owners")
    assert "1 covered entity" in office(*owners, by="plindgren")
    [notice] = (tmp_path / "owners").iterdir()
    assert f"It concerns {PEOPLE} of your patients" in notice.read_text()
    assert "To Riverbend:" in notice.read_text()
