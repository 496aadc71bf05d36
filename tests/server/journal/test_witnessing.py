"""Witnesses read the tree over HTTP and hand in what they cosigned; nobody else gets anything."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client as Http

from confide.audit import cosignatures
from confide.audit.journal import Journal
from confide.audit.models import Checkpoint, Cosignature
from confide.audit.notes import Head, open_note, parse_note
from confide.audit.sequencer import Sequencer
from confide.audit.sources import Web
from confide.audit.tiles import Tiles
from confide.audit.witness import State, Trouble, Witness
from confide.errors import Invalid, ProofBroken, Unavailable, Unknown
from confide.wiring import utc_now
from tests.audit import made, tampering
from tests.server.processes import server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
TEXT = "text/plain; charset=utf-8"


def append(count, chance):
    with transaction.atomic():
        Journal().append([tampering.entry(n, chance) for n in range(count)])


@pytest.fixture
def log(db, tmp_path, settings):
    """Three hundred sealed entries, and one witness whose cosignatures count."""
    settings.CONFIG = replace(
        settings.CONFIG, journal_folder=tmp_path / "log", journal_witnesses=(str(made.WITNESS.public),)
    )
    sequencer = Sequencer(lambda: made.LOG, Tiles(tmp_path / "log"))
    chance = random.Random(1)
    append(300, chance)
    sequencer.seal(utc_now())
    return sequencer


def handed(key=made.WITNESS, at=None):
    row = Checkpoint.objects.order_by("-size")[0]
    text = parse_note(row.note).text
    return f"{row.note}{key.cosign(text, at or utc_now())}"


def test_the_tree_is_there_for_readers(log):
    http = Http()
    answer = http.get("/journal/checkpoint")
    assert answer["Content-Type"] == TEXT
    assert Head.parse(open_note(answer.content, [made.LOG.public]).text).size == 300
    for name, length in (("0/000", 256), ("0/001.p/44", 44), ("1/000.p/1", 1)):
        answer = http.get(f"/journal/tile/{name}")
        assert (answer["Content-Type"], len(answer.content)) == ("application/octet-stream", 32 * length)
    assert http.head("/journal/checkpoint").status_code == 200


@pytest.mark.parametrize("name", [
    "0/002", "64/000", "0/1", "0/../checkpoint", "../checkpoint", "0/000.p/256", "0/000.p/0", "0/%2e%2e/000",
    "0/x000/../000", "0//000", "", "0/000/", "0/000.p", "0/٠٠٠", "0",
])  # fmt: skip
def test_what_is_no_tile_is_not_there(log, name):
    assert Http().get(f"/journal/tile/{name}").status_code == 404


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "cosignatures"])
def test_who_is_in_no_named_network_is_told_that_there_is_nothing(log, path, settings):
    method = "post" if path == "cosignatures" else "get"
    strange = getattr(Http(REMOTE_ADDR="203.0.113.7"), method)(f"/journal/{path}")
    nowhere = Http(REMOTE_ADDR="203.0.113.7").get("/journal/nothing")
    assert (strange.status_code, nowhere.status_code) == (404, 404)
    assert strange.content == nowhere.content
    settings.CONFIG = replace(settings.CONFIG, journal_readers=("203.0.113.0/24",))
    assert getattr(Http(REMOTE_ADDR="203.0.113.7"), method)(f"/journal/{path}").status_code != 404
    assert getattr(Http(), method)(f"/journal/{path}").status_code == 404


def test_a_cosignature_is_taken_once(log):
    note = handed()
    for _ in range(2):
        answer = Http().post("/journal/cosignatures", note, content_type=TEXT)
        assert (answer.status_code, answer.content) == (204, b"")
    row = Cosignature.objects.get()
    assert (row.size, row.name) == (300, made.WITNESS.name)
    made.WITNESS.public.verify(parse_note(note).text, parse_note(note).signatures[-1])


def test_what_does_not_hold_is_not_taken(log):
    note = handed()
    strange = replace(made.WITNESS, seed=bytes(32))
    other = made.sign([made.leaf(1)] * 300)
    for wrong, problem in (
        (b"", Invalid),
        (b"\xff", Invalid),
        (made.sign([]).encode(), ProofBroken),  # nobody cosigned it
        (handed(strange).encode(), ProofBroken),
        (note.replace("\n300\n", "\n301\n").encode(), ProofBroken),
        (made.cosign(other, utc_now()).encode(), Unknown),
        (made.cosign(made.sign([made.leaf(1)] * 7), utc_now()).encode(), Unknown),
        (handed(at=utc_now() + timedelta(hours=1)).encode(), Unknown),
    ):
        with pytest.raises(problem):
            cosignatures.take(wrong, [made.WITNESS.public], utc_now())
        assert Http().post("/journal/cosignatures", wrong, content_type=TEXT).status_code in {400, 404}
    assert Http().post("/journal/cosignatures", "x" * 70_000, content_type=TEXT).status_code == 413
    assert not Cosignature.objects.exists()


def test_a_witness_that_is_named_and_silent_is_found(log):
    now = utc_now()
    keys = [made.WITNESS.public]
    assert cosignatures.silent(keys, now) == {}
    late = now + cosignatures.UNCOSIGNED
    assert cosignatures.silent(keys, late) == {made.WITNESS.name: "it has never cosigned"}
    cosignatures.take(handed(at=now).encode(), keys, now)
    assert cosignatures.silent(keys, late - timedelta(seconds=2)) == {}
    told = cosignatures.silent(keys, late + timedelta(minutes=1))[made.WITNESS.name]
    assert re.search("nothing for 1[01] minutes", told)


def public_key():
    """The key of the log whose name the server has by default."""
    from django.conf import settings

    from confide.protect.kms.file import FileKms
    from confide.vault.host import Host
    from confide.vault.store import DatabaseDataKeys

    host = Host(FileKms.open(settings.CONFIG.keyring), DatabaseDataKeys())
    return host.log_key(settings.CONFIG.journal_origin).public


def test_a_witness_watches_a_server(tmp_path):
    """A real server, a witness over HTTP, from the first entry to a cosignature in the database."""
    state = State.create(tmp_path / "w", "witness.example/1")
    setting = {
        "CONFIDE_JOURNAL_WITNESSES": str(state.key().public), "CONFIDE_PLAIN_HTTP": "true",
        "CONFIDE_JOURNAL_OUTLETS": f"file:{tmp_path}/kept",
    }  # fmt: skip
    with server(**setting) as (url, _):
        source = Web(f"{url}/journal")
        witness = Witness(source, public_key(), state, utc_now())
        append(20, random.Random(1))
        until = utc_now() + timedelta(seconds=30)
        while (seen := witness.look(utc_now())).size < 20:
            assert utc_now() < until, seen
        assert (seen.trouble, seen.text) == (None, "")
        assert Cosignature.objects.get(size=seen.size).name == "witness.example/1"
        with pytest.raises(Unavailable):
            source.hand_over("nonsense")
        while not (tmp_path / "kept").exists():
            assert utc_now() < until, "no checkpoint went out"
            time.sleep(0.1)
    assert witness.look(utc_now() + timedelta(hours=1)).trouble is Trouble.SILENT
