"""`confide staff raise` and `confide client raise`: a second person proves who they are, and allows more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cli.office import Office


def raised(office: Office) -> list[tuple[object, ...]]:
    return office.ask("SELECT times, approved_by_id FROM access_budgetraise ORDER BY approved_at")


def test_a_second_person_raises_a_budget(office: Office) -> None:
    said = office("staff", "raise", "desk", "--times", 3, "--hours", 24, by="plindgren")
    assert "3 times the budget" in said
    assert "until" in said
    [(times, approver)] = raised(office)
    [(written, resource, actor)] = office.ask(
        "SELECT action, resource_type, actor FROM audit_journalentry WHERE action = 'raise'"
    )
    assert (times, written, resource, actor) == (3, "raise", "BudgetRaise", approver)


def test_what_is_refused(office: Office) -> None:
    assert "second person" in office("staff", "raise", "mlopez", by="mlopez", exits=1)
    assert "privacy officer or practice manager" in office("staff", "raise", "mlopez", by="desk", exits=1)
    for words, why in (
        (("--times", 4), "3 times"),
        (("--times", 1), "3 times"),
        (("--hours", 25), "24 hours"),
        (("--hours", 0), "24 hours"),
    ):
        assert why in office("staff", "raise", "desk", *words, by="mlopez", exits=2)
    assert "no such person" in office("staff", "raise", "nobody", by="mlopez", exits=3)
    wrong = office.confide("staff", "raise", "desk", "--by", "mlopez", exits=1, CONFIDE_PASSWORD="guess")
    assert "not the name and password" in wrong
    office.change(
        "UPDATE access_account SET created_at = %s WHERE username = 'mlopez'",
        datetime.now(UTC) - timedelta(days=6),
    )
    assert "last 7 days" in office("staff", "raise", "desk", by="mlopez", exits=1)
    assert raised(office) == []


def test_a_program(office: Office) -> None:
    office.confide("client", "add", "lab", "--key-out", office.confide.folder / "lab.json")
    assert "lab: 2 times the budget" in office("client", "raise", "lab", "--hours", 1, by="mlopez")
    assert "no such program" in office("client", "raise", "nothing", by="mlopez", exits=3)
    assert len(raised(office)) == 1
