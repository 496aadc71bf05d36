"""kill -9 in the middle of a mailing, again and again: in the end each person is there exactly once."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from tests.faults import driving
from tests.leaks.premises import Premises, empty_databases
from tests.notices.mailbox import Mailbox
from tests.scale import scale

DRIVER = Path(__file__).parents[1] / "notices" / "driver.py"
drive, finish = partial(driving.drive, DRIVER), partial(driving.finish, DRIVER)
PEOPLE = scale(3000, 300)
KILLS = scale(30, 2)


@pytest.fixture
def premises(tmp_path):
    with empty_databases() as databases:
        made = Premises(tmp_path / "premises", databases, log_level="WARNING")
        made.found()
        (tmp_path / "outgoing").mkdir()
        yield made


def entries(premises):
    rows = premises.rows("SELECT patient, resource_id FROM audit_journalentry WHERE resource_type = 'Letter'")
    return Counter(patient for patient, _ in rows)


def test_each_person_is_in_one_record_and_one_entry_whenever_it_was_killed(premises, tmp_path):
    outgoing = tmp_path / "outgoing"
    mailing, secret = finish(premises, "prepare", outgoing, "records", PEOPLE, 50)
    dice = random.Random(5)
    done = 0
    for _ in range(KILLS):
        process = drive(premises, "run")
        first = int(process.stdout.readline() or 0)  # where it begins
        assert first >= done, "what was done is done again"
        done = first
        if dice.random() < 0.7:
            process.stdout.readline()
        time.sleep(dice.uniform(0, 0.02))
        driving.kill(process)
        if (outgoing / mailing).exists():  # it was faster than the kill
            break
    else:
        finish(premises, "run")
    identity = x25519.Identity.from_str(secret)
    folder = outgoing / mailing
    records = [
        json.loads(line)
        for path in folder.glob("batch-*.age")
        for line in pyrage.decrypt(path.read_bytes(), [identity]).splitlines()
    ]
    told = Counter(record["greeting"] for record in records)
    away = len(range(0, PEOPLE, 7))
    assert set(told) == {f"Given{n} Ortiz" for n in range(PEOPLE) if n % 7}
    assert set(told.values()) == {1}
    assert len({record["reference"] for record in records}) == PEOPLE - away
    assert len(premises.rows("SELECT patient FROM notices_unreached")) == away
    found = entries(premises)
    assert (len(found), set(found.values())) == (PEOPLE, {1})
    left = {path.name for path in outgoing.rglob("*") if path.is_file()}
    assert all(name.endswith(".age") and not name.startswith(".") for name in left)
    assert not [path for path in outgoing.rglob("*") if path.is_file() and b"Oak Road" in path.read_bytes()]


def test_no_email_is_sent_twice_and_of_none_is_it_guessed(premises, tmp_path):
    people = scale(200, 20)
    finish(premises, "prepare", tmp_path / "outgoing", "email", people, 50)
    dice = random.Random(7)
    log = tmp_path / "mail.log"
    with Mailbox() as box:
        for _ in range(KILLS):
            before = len(box.taken)
            process = drive(premises, "email", box.port, tmp_path)
            deadline = time.monotonic() + 60
            while len(box.taken) < before + 2 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.01))
            driving.kill(process)
            log.write_text("\n".join(message["Message-ID"] for message in box.messages))
            finish(premises, "settle", log)
        assert finish(premises, "email", box.port, tmp_path)[-2:] in (
            ["sent", str(people)],
            ["sent", "before"],
        )
        told = Counter(message["To"] for message in box.messages)
    assert told == {f"p{n}@mail.example": 1 for n in range(people)}
    found = entries(premises)
    assert (len(found), set(found.values())) == (people, {1})
