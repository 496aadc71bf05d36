"""`confide incident`: opened, counted, frozen and led by commands; what is wrong is refused with a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.cli.office import Office


def test_an_incident_from_its_opening_to_a_frozen_scope(office: Office) -> None:
    office.bring(3)
    day = datetime.now(UTC).date()
    window = ("--from", day - timedelta(days=1), "--to", day + timedelta(days=1))
    opened = office("incident", "open", "A lost disk", "--discovered", day, "--way", "medium", by="plindgren")
    id_ = re.findall(r"incident\s+([0-9a-f-]{36})", opened)[0][:8]
    assert "A lost disk" in office("incident", "list", by="plindgren")
    refused = office("incident", "scope", id_, "--copy", "database", "--from", day, "--to",
                     day - timedelta(days=2), by="plindgren", exits=2)  # fmt: skip
    assert "reversed" in refused
    assert "no such login" in office(
        "incident", "scope", id_, "--login", "nobody", *window, by="plindgren", exits=1
    )
    assert "counted yet" in office("incident", "freeze", id_, by="plindgren", exits=1)
    counted = office(
        "incident", "scope", id_, "--copy", "database", "--keys", "safe", *window, by="plindgren"
    )
    assert "version 1" in counted
    assert "3 records" in counted
    assert "Clinical text" in counted
    frozen = office("incident", "freeze", id_, by="plindgren")
    assert re.search(r"hash\s+[0-9a-f]{64}", frozen)
    office("incident", "note", id_, "The police have the number of the case", by="plindgren")
    assert "closed" in office("incident", "move", id_, "closed", by="plindgren", exits=2)
    office("incident", "move", id_, "contained", by="plindgren")
    shown = office("incident", "show", id_, by="plindgren")
    for words in ("A lost disk", "contained", "frozen", "The police have", "3 records"):
        assert words in shown
    assert "may not" in office("incident", "list", by="desk", exits=1)
    acts = office.ask("SELECT action FROM audit_journalentry WHERE action LIKE 'incident-%' ORDER BY id")
    assert [act for (act,) in acts][-4:] == [
        "incident-scope", "incident-freeze", "incident-note", "incident-state",
    ]  # fmt: skip
