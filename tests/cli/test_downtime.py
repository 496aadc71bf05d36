"""`confide downtime`, as a timer runs it: nobody types anything, and the pack opens with the key."""

from __future__ import annotations

import json
from datetime import datetime

import pyrage

from tests.cli.office import Office


def test_todays_pack(office: Office) -> None:
    office.inbox.mkdir()
    start = datetime.now().astimezone().isoformat(timespec="seconds")
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Quernheim", "given": ["Ottoline"]}],
        "birthDate": "1963-05-04",
    }
    visit = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": start,
        "end": start,
        "participant": [
            {"actor": {"reference": "urn:uuid:8f1c2e54-6d1b-4c39-9f0e-2b7a5d3c1e10"}, "status": "accepted"}
        ],
    }
    entry = [
        {"fullUrl": "urn:uuid:8f1c2e54-6d1b-4c39-9f0e-2b7a5d3c1e10", "resource": patient},
        {"fullUrl": "urn:uuid:8f1c2e54-6d1b-4c39-9f0e-2b7a5d3c1e11", "resource": visit},
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    (office.inbox / "one.json").write_text(json.dumps(bundle))
    office.confide("import", office.inbox, "--workers", 0)
    office(
        "destination", "add", "Downtime", "--for", "downtime", "--recipient", office.recipient,
        "--to", office.outgoing, by="mlopez",
    )  # fmt: skip
    assert "second person" in office("downtime", "--to", "Downtime", exits=1)
    office("destination", "approve", "Downtime", by="plindgren")
    assert "72 hours" in office("downtime", "--to", "Downtime", exits=1)
    office.wait()
    assert "no such destination" in office("downtime", "--to", "Elsewhere", exits=1)
    assert "downtime" in office("destination", "list")
    said = office("downtime", "--to", "Downtime")
    assert "1 patient)" in said
    assert "Quernheim" not in said
    [folder] = office.outgoing.iterdir()
    page = pyrage.decrypt((folder / "downtime.html.age").read_bytes(), [office.identity]).decode()
    assert "Ottoline Quernheim" in page
    assert "4 May 1963" in page
    office("staff", "freeze", "plindgren", by="mlopez")
    assert "must be there still" in office("downtime", "--to", "Downtime", exits=1)
    assert list(office.outgoing.iterdir()) == [folder]
