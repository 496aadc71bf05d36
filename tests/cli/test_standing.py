"""`confide staff|client freeze|thaw`: stopped at once, let in again by a second person, and journalled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cli.office import Office


def told(office: Office) -> list[tuple[object, ...]]:
    return office.ask(
        "SELECT action, actor_kind, outcome FROM audit_journalentry"
        " WHERE resource_type = 'Standing' ORDER BY id"
    )


def test_stopped_and_let_in_again(office: Office) -> None:
    office.change("UPDATE access_account SET created_at = %s", datetime.now(UTC) - timedelta(days=8))
    assert "frozen" in office("staff", "freeze", "desk")
    assert "kept" in office("staff", "freeze", "desk"), "it is frozen already"
    assert "frozen" in office.confide("staff", "list")
    assert "frozen" in office("staff", "thaw", "desk", by="desk", exits=1)
    assert "thawed" in office("staff", "thaw", "desk", by="plindgren")
    assert "nothing to lift" in office("staff", "thaw", "desk", by="plindgren", exits=2)
    office("staff", "freeze", "plindgren", "--reason", "lost", by="mlopez")
    assert "frozen" in office("staff", "raise", "desk", by="plindgren", exits=1)
    assert told(office) == [
        ("freeze", "system", "0"),
        ("lift", "person", "0"),
        ("freeze", "person", "0"),
    ]


def test_somebody_outside_is_named(office: Office) -> None:
    office.change("UPDATE access_account SET created_at = %s", datetime.now(UTC) - timedelta(days=8))
    assert "of the practice" in office("practice", "outsider", "desk", by="mlopez", exits=2)
    office.change("UPDATE access_membership SET active = %s WHERE role = 'front_desk'", False)
    assert "desk (desk) for Riverbend" in office("practice", "outsider", "desk", by="mlopez")
    assert told(office) == [("outsider", "person", "0")]
