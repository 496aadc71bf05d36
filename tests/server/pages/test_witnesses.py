"""A witness that has fallen silent calls the privacy officer, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from confide.audit.models import Checkpoint, Cosignature
from confide.audit.notes import parse_note
from confide.audit.sequencer import Sequencer
from confide.audit.tiles import Tiles
from confide.wiring import utc_now
from tests.audit import made

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
CALL = "A witness of the journal is silent"


def test_a_silent_witness_calls_the_officer(surgery, desk, privacy, settings, tmp_path):
    settings.CONFIG = replace(settings.CONFIG, journal_witnesses=(str(made.WITNESS.public),))
    Sequencer(lambda: made.LOG, Tiles(tmp_path)).seal(utc_now() - timedelta(minutes=11))
    page = " ".join(privacy.get("/journal").content.decode().split())
    assert CALL in page
    assert f"{made.WITNESS.name}: it has never cosigned" in page
    assert CALL not in desk.get("/").content.decode()
    row = Checkpoint.objects.order_by("-size")[0]
    line = made.WITNESS.cosign(parse_note(row.note).text, utc_now())
    Cosignature.objects.create(size=row.size, name=line.name, at=line.at, line=str(line))
    assert CALL not in privacy.get("/journal").content.decode()
