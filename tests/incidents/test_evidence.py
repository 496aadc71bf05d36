"""A sealed bundle verifies without Confide, and says what was changed; VERIS has the shape of the example."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from datetime import timedelta
from hashlib import sha256

import pyrage
import pytest
from pyrage import x25519

from confide.errors import Invalid
from confide.incidents import standalone, veris
from confide.incidents.exhibits import Kind
from confide.incidents.facts import Way
from confide.incidents.forms import FORMS, ORDER, pack, unpack
from confide.incidents.questions import Question
from confide.protect.elements import Element
from tests.exports import House
from tests.incidents.test_scopes import at, question, verify
from tests.practice import NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
MORE = {"Medical", "Bank", "Payment", "Suspected", "Low", "Potentially", "62"}
"""VERIS's own words that the example has no use for."""


@pytest.fixture
def frozen(elm, oak, reading):
    thief = elm.client("TREAT")
    for state in ("ME", "Texas"):
        patient = elm.patient(**at(state))
        elm.read("Patient", patient, elm.grant("read", thief, "TREAT", elements=[Element.NAME, Element.SSN]))
    oak.read("Patient", oak.patient())
    made = elm.system.cases.open(reading(), "A stolen key", NOW, way=Way.LOGIN)
    counted = elm.system.scopes.measure(reading(), made, question(actors=(thief.id,)))
    elm.system.scopes.prove(reading(), counted, verify(elm))
    return made, elm.system.scopes.freeze(reading(), counted)


def run(folder, key):
    return subprocess.run(
        [sys.executable, "check.py", "--log-key", key],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_verifies_elsewhere_and_says_what_was_changed(elm, reading, frozen, tmp_path):
    made, scope = frozen
    key = str(elm.system.sequencer.key)
    elm.system.evidence.add(reading(), made, "proof.ndjson", Kind.PROOF, b'{"confide":"x"}\n')
    for name, content in (("../x", b"x"), (".x", b"x"), ("proof.ndjson", b"y"), ("y", b"")):
        with pytest.raises(Invalid):
            elm.system.evidence.add(reading(), made, name, Kind.OTHER, content)
    owner = x25519.Identity.generate()
    path = tmp_path / "evidence.zip.age"
    with pytest.raises(Invalid, match="age public key"):
        elm.system.evidence.write(reading(), made, scope, path, "nobody", key)
    assert not path.exists()
    elm.system.evidence.write(reading(), made, scope, path, str(owner.to_public()), key)
    assert [each.name for each in tmp_path.glob("evidence*")] == ["evidence.zip.age"]
    with pytest.raises(Invalid, match="there already"):
        elm.system.evidence.write(reading(), made, scope, path, str(owner.to_public()), key)
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(io.BytesIO(pyrage.decrypt(path.read_bytes(), [owner]))).extractall(folder)
    found = run(folder, key)
    assert found.returncode == 0, found.stderr
    assert "exactly these 2 records" in found.stdout
    assert "of other practices by their hashes" in found.stdout
    assert json.loads((folder / "veris.json").read_text())["attribute"]["confidentiality"]["data_total"] == 2
    for name, words in (("evidence/proof.ndjson", "proof.ndjson is not"), ("scope.tsv", "scope.tsv is not")):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept + b" ")
        assert words in run(folder, key).stderr
        (folder / name).write_bytes(kept)
    # Whoever writes the manifest anew is found by the hash of the scope, and by the journal.
    lines = (folder / "scope.tsv").read_bytes().splitlines(keepends=True)
    (folder / "scope.tsv").write_bytes(lines[0])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["scope.tsv"] = sha256(lines[0]).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "not the one that was frozen" in run(folder, key).stderr
    (folder / "manifest.json").write_text('{"files": {}}')
    assert "is not in the manifest" in run(folder, key).stderr
    head = json.loads((folder / "scope.json").read_text())
    with pytest.raises(ValueError, match="1 records differ"):
        standalone.compare(folder, head, lines[:1])


def test_what_the_check_knows_of_elements_is_what_the_scope_writes():
    assert list(standalone.ORDER) == [each.value for each in ORDER]
    assert set(ORDER) == set(Element)
    assert tuple(each.value for each in FORMS) == standalone.FORMS
    for element in Element:
        for form in FORMS:
            number = pack({element.value: form.value})
            assert standalone.pack({element.value: form.value}) == number
            assert unpack(number) == {element: form}
    assert unpack(pack({"ssn": "clear"}) | pack({"ssn": "masked"})) == {Element.SSN: "clear"}


def test_veris_has_the_shape_and_the_words_of_the_example(elm, reading, frozen, shared):
    made, scope = frozen
    example = json.loads((shared / "law" / "veris_example.json").read_text())
    elm.clock.advance(days=2)
    elm.system.cases.move(reading(), made, "contained")
    told = veris.describe(made, scope)
    assert set(told) == set(example)
    assert {k: set(v) for k, v in told.items() if isinstance(v, dict) and k != "plus"} == {
        k: set(v) - {"cloud"} for k, v in example.items() if isinstance(v, dict) and k != "plus"
    }
    words = _words(example) | MORE
    assert (
        _words({k: v for k, v in told.items() if k not in {"incident_id", "source_id", "summary"}}) <= words
    )
    assert told["timeline"]["containment"] == {"unit": "Days", "value": 2}
    assert told["timeline"]["incident"] == {"year": 2026, "month": 3, "day": 2}
    assert {d["variety"]: d["amount"] for d in told["attribute"]["confidentiality"]["data"]} == {
        "Personal": 2, "Sensitive Personal": 2,
    }  # fmt: skip
    assert "stolen key" not in json.dumps(told), "what people type is not in it"
    assert timedelta(0) == scope.last - scope.first


def _words(told):
    if isinstance(told, dict):
        return set().union(*(_words(each) for each in told.values()), set())
    if isinstance(told, list):
        return set().union(*(_words(each) for each in told), set())
    return {told} if isinstance(told, str) else set()


def bundle(elm, reading, made, scope, folder):
    """Unpack the evidence of a scope; return the folder."""
    owner, key = x25519.Identity.generate(), str(elm.system.sequencer.key)
    path = folder / f"evidence-{scope.version}.zip.age"
    elm.system.evidence.write(reading(), made, scope, path, str(owner.to_public()), key)
    unpacked = folder / f"unpacked-{scope.version}"
    zipfile.ZipFile(io.BytesIO(pyrage.decrypt(path.read_bytes(), [owner]))).extractall(unpacked)
    return unpacked


def test_what_left_with_an_export_long_before_it_was_stolen_is_verified_too(elm, reading, tmp_path):
    outgoing = tmp_path / "outgoing"
    outgoing.mkdir()
    for state in ("ME", "Texas"):
        elm.patient(**at(state))
    house = House(elm, outgoing)
    export = house.approved()
    house.run(export)
    verify(elm)
    elm.clock.advance(days=30)
    now = elm.clock()
    verify(elm)
    made = elm.system.cases.open(reading(), "A stolen disk", now, way=Way.MEDIUM)
    asked = Question(since=now - timedelta(days=1), until=now + timedelta(days=1), exports=(export.id,))
    scope = elm.system.scopes.measure(reading(), made, asked)
    assert scope.records == 2
    assert scope.first < asked.since
    begun = []
    check = verify(elm)
    elm.system.scopes.prove(reading(), scope, lambda since: begun.append(since) or check(since))
    assert begun == [scope.first], "the entries that it is counted from are verified"
    elm.system.scopes.freeze(reading(), scope)
    found = run(bundle(elm, reading, made, scope, tmp_path), str(elm.system.sequencer.key))
    assert found.returncode == 0, found.stderr
    assert "exactly these 2 records" in found.stdout


def test_whoever_makes_a_bundle_up_is_found(elm, reading, frozen, tmp_path):
    """All hashes that are no secret are written anew, as somebody would who wants another scope."""
    made, scope = frozen
    verify(elm)
    elm.clock.advance(minutes=11)
    elm.system.cases.note(reading(), made, "Later")
    verify(elm)
    folder, key = bundle(elm, reading, made, scope, tmp_path), str(elm.system.sequencer.key)
    found = run(folder, key)
    assert found.returncode == 0, found.stderr
    assert "the entry by which exactly this scope was frozen" in found.stdout
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    head, lines = json.loads((folder / "scope.json").read_text()), kept[folder / "scope.tsv"].splitlines(True)

    def forge(head, lines):
        hashed = sha256(json.dumps(head["digest_of"], sort_keys=True, separators=(",", ":")).encode() + b"\n")
        (folder / "scope.tsv").write_bytes(b"".join(lines))
        hashed.update(b"".join(lines))
        told = {**head, "digest": hashed.hexdigest()}
        (folder / "scope.json").write_text(json.dumps(told, indent=1))
        return seal()

    def seal():
        files = json.loads(kept[folder / "manifest.json"])["files"]
        files = {name: sha256((folder / name).read_bytes()).hexdigest() for name in files}
        (folder / "manifest.json").write_text(json.dumps({"files": files}))
        return run(folder, key).stderr

    assert not forge(head, lines), "the same again is right"
    fewer = {**head, **standalone.count(lines[:1]), "honey": [lines[1].split(b"\t")[1].decode()]}
    assert "no entry by which this scope was frozen" in forge(fewer, lines[:1])
    assert "figures of scope.json" in forge({**head, "states": {"ME": 2}}, lines)
    moved = [lines[0].replace(b"ME", b"TX"), lines[1].replace(b"ME", b"TX")]
    assert "no entry by which" in forge({**head, **standalone.count(moved)}, moved)
    for path, content in kept.items():
        path.write_bytes(content)
    (folder / "evidence").mkdir()
    (folder / "evidence" / "more.txt").write_text("never put in")
    assert "more.txt is not in the manifest" in run(folder, key).stderr
