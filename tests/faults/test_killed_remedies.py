"""kill -9 in the middle of a rekeying, or of new numbers: in the end each person has them exactly once."""

from __future__ import annotations

import csv
import io
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
from tests.scale import scale

DRIVER = Path(__file__).parents[1] / "incidents" / "driver.py"
drive, finish = partial(driving.drive, DRIVER), partial(driving.finish, DRIVER)
PEOPLE = scale(180, 80)
KILLS = scale(12, 2)


def stored(premises):
    """Body and seal of each patient."""
    sql = "SELECT subject, body, seal FROM records_resource WHERE type = 'Patient'"
    return {subject: (bytes(body), bytes(seal)) for subject, body, seal in premises.rows(sql)}


@pytest.mark.parametrize("kind", ["rekey", "renumber"])
def test_each_exposed_person_is_done_once_and_nobody_else_is_touched(tmp_path, kind):
    with empty_databases() as databases:
        premises = Premises(tmp_path / "premises", databases, log_level="WARNING")
        premises.found()
        folder = tmp_path / "partner"
        folder.mkdir()
        [secret] = finish(premises, "prepare", folder, kind, PEOPLE)
        before = stored(premises)
        exposed = {row[0] for row in premises.rows("SELECT patient FROM incidents_exposed")}
        assert len(exposed) == PEOPLE - len(range(0, PEOPLE, 4))
        dice = random.Random(3)
        for _ in range(KILLS):
            process = drive(premises, "run")
            for _ in range(dice.choice((1, 1, 2))):
                process.stdout.readline()
            time.sleep(dice.uniform(0, 0.15))
            driving.kill(process)
        finish(premises, "run")
        after = stored(premises)
        assert {patient for patient in before if after[patient] != before[patient]} == exposed
        sql = f"SELECT patient FROM audit_journalentry WHERE action = '{kind}'"
        assert Counter(row[0] for row in premises.rows(sql)) == dict.fromkeys(exposed, 1)
        identity = x25519.Identity.from_str(secret)
        lines = [
            line
            for path in folder.glob("*.age")
            for line in csv.DictReader(io.StringIO(pyrage.decrypt(path.read_bytes(), [identity]).decode()))
        ]
        each = Counter(line["patient"] for line in lines)
        assert each == dict.fromkeys(exposed, 4 if kind == "rekey" else 1), "four stand-ins, or a number"
        if kind == "rekey":  # what was told is what is stored
            for line in lines:
                body = after[line["patient"]][0].decode()
                assert f'"{line["new"]}"' in body
                assert f'"{line["old"]}"' not in body
        assert finish(premises, "check") == [], "the journal says what is stored"
