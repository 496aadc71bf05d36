"""Proofs hold for whoever has public keys only, and for nothing else than what they say."""

import json
import random
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from confide.audit import extract, proof, proofs, runs, standalone
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry
from confide.audit.receipts import Receipt
from confide.audit.standalone import Wrong
from confide.audit.tiles import Tiles
from confide.cipher import tree
from confide.errors import Damaged, Invalid, Unknown
from confide.protect.elements import Element
from tests.audit import made, tampering

KEYS = standalone.read_keys([str(made.LOG.public)], 1), standalone.read_keys([str(made.WITNESS.public)], 4)
PATIENT = "patient-0"


@pytest.fixture
def case(db, tmp_path):
    return tampering.Case(tmp_path, 300, random.Random(4))


def check(text):
    lines = [json.loads(line) for line in text]
    return proof.check(lines[0], lines[1:], KEYS)


def claim(case, **changes):
    told = {
        "practice": "elm", "patient": PATIENT, "element": Element.SSN, "begin": tampering.BEGIN,
        "end": tampering.BEGIN + timedelta(minutes=4), "credential": "session-1",
    }  # fmt: skip
    return proofs.Claim(**{**told, **changes})


def closing():
    return JournalEntry.objects.filter(patient=PATIENT).order_by("-id")[0].pk


def test_every_entry_is_proved_to_be_in_the_tree(case):
    ids = list(JournalEntry.objects.values_list("pk", flat=True))
    assert check(proofs.prove_entries(ids, case.tiles)) == "300 in the tree of 300 entries"
    assert check(proofs.prove_entries(ids[:3], case.tiles)).startswith("3 in the tree of ")


def test_a_proof_for_another_entry_or_place_does_not_hold(case):
    ids = list(JournalEntry.objects.order_by("id").values_list("pk", flat=True))
    text = list(proofs.prove_entries([ids[4], ids[8]], case.tiles))
    first, one, two = map(json.loads, text)
    for change in (
        {"proof": two["proof"]}, {"position": 5}, {"id": ids[5]}, {"of_patient": 9},
        {"proof": one["proof"][:-1]}, {"proof": [*one["proof"], one["proof"][0]]}, {"entry": two["entry"]},
        {"position": 400},
    ):  # fmt: skip
        with pytest.raises(Wrong):
            proof.check(first, [{**one, **change}], KEYS)
    with pytest.raises(Wrong, match="no proof"):
        proof.check(first, [], KEYS)


def test_what_was_not_shown_is_proved_not_to_have_been(case):
    """The fixture shows an SSN of patient-0 to the sessions 0, 2 and the one without a name."""
    shown = {row.credential for row in JournalEntry.objects.filter(patient=PATIENT) if "ssn" in row.elements}
    assert "session-0" in shown
    assert "session-1" not in shown
    assert check(proofs.prove_absence(claim(case), closing(), case.tiles)).startswith("it was not shown")
    with pytest.raises(Wrong, match="it was shown"):
        check(proofs.prove_absence(claim(case, credential="session-0"), closing(), case.tiles))
    with pytest.raises(Wrong, match="it was shown"):
        check(proofs.prove_absence(claim(case, credential=""), closing(), case.tiles))
    early = claim(case, credential="", end=tampering.BEGIN)
    assert check(proofs.prove_absence(early, closing(), case.tiles)).startswith("it was not shown")


@pytest.mark.parametrize("hidden", [0, 3, -1])
def test_a_proof_of_absence_that_leaves_an_entry_out_does_not_hold(case, hidden):
    lines = [json.loads(line) for line in proofs.prove_absence(claim(case), closing(), case.tiles)]
    entries = lines[1:]
    del entries[hidden]
    late = {"to": "2026-03-02T09:05:55Z"} if hidden == -1 else {}
    with pytest.raises(Wrong):
        proof.check({**lines[0], **late}, entries, KEYS)


def test_what_holds_says_what_it_is_about(case):
    """An element that there is not was never shown; whoever reads the answer sees what was asked."""
    lines = [json.loads(line) for line in proofs.prove_absence(claim(case), closing(), case.tiles)]
    said = proof.check({**lines[0], "element": "SSN"}, lines[1:], KEYS)
    assert said.startswith("it was not shown: SSN of elm/patient-0 to credential session-1, from 2026-03-02T")
    assert f"; all {len(lines) - 1} entries" in said
    both = {**lines[0], "credential": "", "actor": ""}
    early = {**both, "to": both["from"]}
    assert " to anybody, from " in proof.check(early, lines[1:], KEYS)


@pytest.mark.parametrize("line", ["[" * 200_000, json.dumps({"position": 0, "id": -1, "hash": ""}), "1", ""])
def test_a_file_that_is_no_proof_is_wrong(line, case, tmp_path, monkeypatch):
    first = next(iter(proofs.prove_entries([closing()], case.tiles)))
    path = tmp_path / "proof"
    path.write_text(f"{first}{line}\n")
    monkeypatch.setattr(sys, "argv", ["proof.py", str(path), "--log-key", str(made.LOG.public)])
    with pytest.raises(SystemExit, match="WRONG"):
        proof.main()


def test_the_window_ends_before_the_entry_that_closes_it(case):
    with pytest.raises(Invalid, match="window"):
        list(proofs.prove_absence(claim(case, end=case.now), closing(), case.tiles))
    other = JournalEntry.objects.exclude(patient=PATIENT)[0].pk
    with pytest.raises(Unknown):
        list(proofs.prove_absence(claim(case), other, case.tiles))


def test_a_receipt_names_entries_that_are_there_as_they_were(case):
    rows = list(JournalEntry.objects.order_by("id")[10:14])
    receipt = Receipt.of([(row.pk, bytes(row.leaf)) for row in rows])
    assert [each.id for each in proofs.check_receipt(str(receipt))] == [row.pk for row in rows]
    other = Receipt.of([(row.pk + 1, bytes(row.leaf)) for row in rows])
    for wrong in (str(other), str(Receipt.of([(10**6, bytes(32))]))):
        with pytest.raises(Damaged):
            proofs.check_receipt(wrong)
    with pytest.raises(Invalid):
        proofs.check_receipt("12-40")


def test_an_entry_that_is_not_sealed_has_no_proof(case):
    (id_,) = Journal().append([tampering.entry(301, random.Random(1))])
    with pytest.raises(Unknown):
        list(proofs.prove_entries([id_], case.tiles))
    with pytest.raises(Damaged, match="not in the tree"):
        proofs.check_receipt(str(Receipt.of([(id_, bytes(JournalEntry.objects.get(pk=id_).leaf))])))


def test_exports_hold_whole_and_in_part(case, tmp_path):
    path = tmp_path / "export"
    for since in (None, tampering.BEGIN, tampering.BEGIN + timedelta(seconds=200)):
        path.write_text("".join(extract.extract("elm", since)))
        lines = list(map(json.loads, path.read_text().splitlines()))
        assert standalone.check_file(path, [], KEYS).endswith(" to 299")
        start = lines[0]["start"]
        assert (start > 0) == (since is not None and since > tampering.BEGIN)
        assert sum("position" in line for line in lines) == 300 - start
    oak = "".join(extract.extract("oak", None))
    assert '"entry"' not in oak
    path.write_text(oak)
    assert "(300 of other practices" in standalone.check_file(path, [], KEYS)


def test_both_files_run_where_there_is_no_confide(case, tmp_path):
    for module in (standalone, proof):
        shutil.copy(module.__file__, tmp_path)
    (tmp_path / "journal").with_name("proof.ndjson").write_text(
        "".join(proofs.prove_absence(claim(case), closing(), case.tiles))
    )
    hidden = "import sys; sys.modules['confide'] = None; sys.path.insert(0, '.'); import runpy; "
    hidden += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-c", hidden, "proof.py", "proof.ndjson", "--log-key", str(made.LOG.public),
         "--witness-key", str(made.WITNESS.public)],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("it was not shown")


def test_an_entry_that_cannot_be_read_is_not_exported(case):
    tampering.drop_triggers()
    JournalEntry.objects.filter(pk=JournalEntry.objects.order_by("id")[6].pk).delete()
    with pytest.raises(Damaged, match="entry 6 "):
        list(extract.extract("elm", None))


@pytest.fixture
def wide(tmp_path):
    """A tree of three levels of tiles, a partial one at the end of each; its hashes."""
    tiles = Tiles(tmp_path / "wide")
    leaves = [tree.hash_leaf(n.to_bytes(4)) for n in range(256 * 256 + 256 * 3 + 5)]
    tiles.grow(0, [leaves])
    return tiles, leaves


def test_a_proof_reads_one_tile_of_a_tree_whose_upper_tiles_were_read_before(wide, monkeypatch):
    tiles, leaves = wide
    size, nodes = len(leaves), tree.nodes_of(leaves)
    read, asked = tiles.read, []
    monkeypatch.setattr(tiles, "read", lambda *place: asked.append(place) or read(*place))
    root = tree.root(size, nodes)
    for leaf in (0, 255, 256, 40_000, 256 * 256, size - 1):
        path = tree.prove_inclusion(leaf, size, tiles.known(size))
        assert path == tree.prove_inclusion(leaf, size, tiles.nodes(size))
        tree.verify_inclusion(leaf, size, leaves[leaf], path, root)
    asked.clear()
    for leaf in range(5 * 256, 105 * 256, 256):
        tree.prove_inclusion(leaf, size, tiles.known(size))
    assert sorted(asked) == [(0, n, 256) for n in range(5, 105)]


def test_what_was_signed_and_never_published_is_proved_from_wider_tiles(tmp_path):
    """Between two checkpoints the process was killed; afterwards only the newest was published."""
    tiles, leaves = Tiles(tmp_path / "late"), [tree.hash_leaf(n.to_bytes(4)) for n in range(256 * 2 + 90)]
    tiles.grow(0, [leaves])
    for size in (256 + 40, 256 * 2 + 30, len(leaves)):
        root = tree.root(size, tree.nodes_of(leaves[:size]))
        for nodes in (tiles.known(size), tiles.nodes(size)):
            path = tree.prove_inclusion(size - 1, size, nodes)
            tree.verify_inclusion(size - 1, size, leaves[size - 1], path, root)
    with pytest.raises(Damaged):
        tiles.read(0, 2, 91)


def test_no_more_of_a_tree_is_known_than_there_was(wide):
    tiles, leaves = wide
    known = tiles.known(256 * 256 + 7)
    assert known(0, 256 * 256 + 6) == leaves[256 * 256 + 6]
    for place in ((0, 256 * 256 + 7), (3, 256 * 32), (16, 1), (8, 257)):
        with pytest.raises(Damaged):
            known(*place)


def test_a_tree_that_was_put_back_from_elsewhere_is_read_anew(case):
    """What is kept in memory of the tree that lay there before proves nothing any more."""
    ids = list(JournalEntry.objects.order_by("id").values_list("pk", flat=True))
    whole = {path: path.read_bytes() for path in case.folder.rglob("*") if path.is_file()}
    for path, content in whole.items():
        if "tile" in path.parts:
            path.write_bytes(bytes(len(content)))
    with pytest.raises(Wrong):
        check(proofs.prove_entries(ids[:1], case.tiles))
    for path, content in whole.items():
        path.write_bytes(content)
    assert check(proofs.prove_entries(ids, case.tiles)) == "300 in the tree of 300 entries"


def test_entries_are_proved_with_as_many_statements_as_one(case):
    ids = list(JournalEntry.objects.order_by("id").values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as one:
        list(proofs.prove_entries(ids[:1], case.tiles))
    with CaptureQueriesContext(connection) as many:
        list(proofs.prove_entries(ids, case.tiles))
    assert len(one) == len(many) <= 6


def test_ids_that_lie_together_are_read_together():
    assert runs.runs([]) == ([], [])
    assert runs.runs([7, 5, 6, 69, 134, 1000]) == ([5, 134, 1000], [69, 134, 1000])
