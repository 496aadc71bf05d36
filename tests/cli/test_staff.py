"""`confide staff`: invitations and resets are shown once, roles wait for approval; and the demo's codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.cli.office import Office
from tests.server.factored import code_of

WORDS = re.compile(r"invitation\s+([a-z]{6}(?:-[a-z]{6}){3})\b")


def test_a_person_from_the_first_day_to_a_lost_telephone(office: Office) -> None:
    said = office("staff", "add", "nurse", "--role", "nurse")
    assert "waits for the privacy officer" in said
    first = WORDS.findall(said)
    assert len(first) == 1
    assert "waits for approval" in office("staff", "list")
    assert "privacy officer" in office("staff", "approve", "nurse", by="mlopez", exits=1)
    assert "nurse works as nurse" in office("staff", "approve", "nurse", by="plindgren")
    assert "waits for approval" not in office("staff", "list")
    assert "none of their roles waits" in office("staff", "approve", "nurse", by="plindgren", exits=3)
    office("staff", "add", "plindgren", "--role", "clinician")
    assert "nobody approves a role of their own" in office(
        "staff", "approve", "plindgren", by="plindgren", exits=1
    )
    again = WORDS.findall(office("staff", "invite", "nurse"))
    assert again != first
    said = office("staff", "reset", "nurse")
    assert "sessions ended" in said
    assert WORDS.findall(said) not in (first, again)
    assert "no such person" in office("staff", "invite", "nobody", exits=3)
    [(stored, opens)] = office.ask(
        "SELECT digest, opens FROM access_invitation WHERE account_id ="
        " (SELECT id FROM access_account WHERE username = 'nurse')"
    )
    assert opens == "both"
    assert len(str(stored)) == 64
    told = [action for (action,) in office.ask("SELECT action FROM audit_journalentry ORDER BY id")]
    for action in ("role-founded", "role-asked", "role-approved", "invited"):
        assert action in told
    office.change(
        "UPDATE access_account SET created_at = %s WHERE username = 'plindgren'",
        datetime.now(UTC) - timedelta(days=6),
    )
    office.change("UPDATE access_practice SET created_at = %s", datetime.now(UTC) - timedelta(days=30))
    office("staff", "add", "biller", "--role", "biller")
    assert "last 7 days" in office("staff", "approve", "biller", by="plindgren", exits=1)


def test_the_codes_of_the_demo_are_those_that_an_app_would_show() -> None:
    from confide.cli.stage import code_of as shown

    now = datetime(2026, 3, 2, 9, 1, 17, tzinfo=UTC)
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert shown(secret, now) == (code_of(secret, now), 13)
    assert shown(secret, datetime.fromtimestamp(59, UTC)) == ("287082", 1)  # RFC 6238 appendix B
