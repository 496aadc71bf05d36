"""`confide journal` and `confide witness` on an installation, from the first entry to a proof elsewhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from confide.cli import main
from tests.cli.office import Office


def test_a_journal_is_checked_exported_and_proved(office: Office) -> None:
    folder = office.confide.folder
    log = office("journal", "key").strip()
    assert log.startswith("confide.local/journal+")
    office("witness", "init", "--state", folder / "w", "--name", "w.example/1")
    witness = office("witness", "key", "--state", folder / "w").strip()
    watch = ("witness", "run", "--once", "--state", folder / "w", "--log-key", log,
             "--log", office.confide.data / "journal")  # fmt: skip
    assert "cosigned" in office(*watch)
    kept = ("--witness-checkpoint", folder / "w" / "history", "--witness-key", witness)
    assert "agree with what it kept" in office("journal", "verify", *kept[:2])

    # An export, checked by the one file, and by the command, without database or keyring.
    office("journal", "export", folder / "j", by="desk", exits=1)
    office("journal", "export", folder / "j", by="plindgren")
    office(*watch)
    assert "as they were sealed" in office("journal", "verify", folder / "j", "--log-key", log, *kept)
    assert "another name" in office("journal", "export", folder / "j", by="plindgren", exits=2)
    (folder / "j").write_text((folder / "j").read_text().replace('"person"', '"client"', 1))
    assert "entry" in office("journal", "verify", folder / "j", "--log-key", log, *kept, exits=1)

    # Proofs, each of which is an entry itself.
    patient = "0b0f7ad8-5a5e-4a3a-9b2c-111111111111"
    office(
        "journal", "prove", "absence", "--patient", patient, "--element", "ssn", "--out", folder / "p",
        by="plindgren",
    )  # fmt: skip
    lines = [json.loads(line) for line in (folder / "p").read_text().splitlines()]
    assert [line["entry"]["action"] for line in lines[1:]] == ["journal-read"]
    office("journal", "prove", "inclusion", lines[1]["id"], "--out", folder / "q", by="plindgren")
    assert json.loads((folder / "q").read_text().splitlines()[1])["entry"] == lines[1]["entry"]
    assert "one of" in office(
        "journal", "prove", "absence", "--patient", patient, "--element", "shoes", "--out", folder / "r",
        by="plindgren", exits=2,
    )  # fmt: skip

    # Checkpoints from before what they cover: a clock was set, and it is told as a note.
    unsealed = "DROP TRIGGER checkpoint_refuses_update"
    if "DATABASE_URL" in office.confide.databases:
        unsealed = "DROP TRIGGER checkpoint_refuses_change ON audit_checkpoint"
    assert "a clock was set back" not in told(office, *kept[:2])
    office.change(unsealed)
    office.change("UPDATE audit_checkpoint SET at = %s", datetime(2020, 1, 1, tzinfo=UTC))
    assert "a clock was set back" in told(office, *kept[:2])

    # Somebody with the database, its triggers dropped, changes who it was; and cuts off the end.
    drop = "DROP TRIGGER journal_refuses_update"
    if "DATABASE_URL" in office.confide.databases:
        drop = "DROP TRIGGER journal_refuses_change ON audit_journalentry"
    office.change(drop)
    office.change("UPDATE audit_journalentry SET actor = 'x' WHERE id = 2")
    assert "(id 2)" in office("journal", "verify", *kept[:2], exits=1)


def told(office: Office, *kept: object) -> str:
    """What a check that finds no fault says, in one line."""
    return " ".join(office("journal", "verify", *kept).split())


@pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-02-30", "soon"])
def test_a_moment_that_there_is_not_is_refused(moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["journal", "verify", "--since", moment])
    assert left.value.code == 2
    assert "a date or time is written" in capsys.readouterr().err
