"""A sealed bundle verifies without Confide, and says what was changed; VERIS has the shape of the example."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from datetime import timedelta

import pyrage
import pytest
from pyrage import x25519

from confide.errors import Invalid
from confide.incidents import standalone, veris
from confide.incidents.exhibits import Kind
from confide.incidents.facts import Way
from confide.incidents.forms import FORMS, ORDER, pack, unpack
from confide.protect.elements import Element
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
    (folder / "manifest.json").write_text('{"files": {}}')
    assert "not the one that was frozen" in run(folder, key).stderr
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
