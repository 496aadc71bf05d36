"""The standalone verifier finds whatever is wrong with an export, says where, and needs no Confide."""

import copy
import json
import random
import shutil
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from confide.audit import standalone
from confide.audit.standalone import Wrong
from tests import scale
from tests.audit import made

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
LINES = made.lines(100)
LEAVES = [line["leaf"] for line in LINES]
KEYS = standalone.read_keys([str(made.LOG.public)], 1), standalone.read_keys([str(made.WITNESS.public)], 4)
WITNESSED = made.cosign(made.sign(LEAVES), NOW)


def check(told, kept=(WITNESSED,), keys=KEYS):
    """What is wrong, or an empty text."""
    heads = [standalone.open_note(note, *keys) for note in kept]
    try:
        standalone.check_export(told[0], told[1:], heads, keys)
    except Wrong as wrong:
        return str(wrong)
    return ""


def test_it_is_small_and_stands_alone():
    text = Path(standalone.__file__).read_text()
    assert len(text.splitlines()) < 185
    assert "import confide" not in text
    assert "from confide" not in text


@pytest.mark.parametrize("count", [1, 2, 3, 17, 64, 100])
@pytest.mark.parametrize("start", [0, 1, 2, 31])
def test_what_was_not_changed_is_right(count, start):
    if start < count:
        assert check(made.export(LINES[:count], start), [made.cosign(made.sign(LEAVES[:count]), NOW)]) == ""


def test_an_empty_journal_is_right():
    assert check(made.export([]), [made.cosign(made.sign([]), NOW)], (KEYS[0], {})) == ""


def test_entries_in_any_writing_are_hashed_as_the_journal_hashes_them():
    import msgspec

    odd = "".join(map(chr, range(0x250))) + "\u2028\U0001f600 \\u0041"
    line = made.seal(0, 1, 0, 0, made.entry(0, patient="", credential="", resource_id=odd))
    writing = msgspec.json.Encoder(order="sorted").encode(line["entry"])
    assert standalone.hash_leaf(line) == line["leaf"]
    assert line["hash"] == b64encode(made.sha256(b"\x00" + writing).digest()).decode()


# One tampering, and what is said of it


def edited(n, **changes):
    told = made.export(LINES)
    line = next(line for line in told if line.get("position") == n)
    line["entry"] = {**line["entry"], **changes}
    return told


@pytest.mark.parametrize(("field", "value"), [
    ("at", "2026-03-02T09:00:41Z"), ("practice", "oak"), ("actor", "somebody"), ("patient", "patient-9"),
    ("elements", {}), ("outcome", "8"), ("version", 2), ("reason_sealed", "AQ=="), ("new", "field"),
])  # fmt: skip
def test_an_edited_entry_is_named(field, value):
    assert "entry 40 (id 121): its text" in check(edited(40, **{field: value}))


@pytest.mark.parametrize("field", ["position", "id", "of_patient", "of_credential", "hash"])
def test_a_field_that_is_not_there_is_named(field):
    told = made.export(LINES)
    del next(line for line in told if line.get("position") == 40)[field]
    assert check(told).startswith("entry 40 (id ")


def test_an_entry_that_is_told_by_its_hash_is_missed_where_its_patient_comes_again():
    told = made.export(LINES)
    del told[3]["entry"]
    assert "of_patient is 2 and does not follow" in check(told)


def test_entries_of_another_practice_are_told_by_their_hashes():
    lines = made.lines(60, lambda n: {"practice": "oak"} if n % 4 == 2 else {})
    told = made.export(lines)
    for line in told:
        if line.get("entry", {}).get("practice") == "oak":
            del line["entry"]
    kept = [made.cosign(made.sign([line["leaf"] for line in lines]), NOW)]
    assert check(told, kept) == ""
    assert "(15 of other practices by their hashes)" in standalone.check_export(
        told[0], told[1:], [standalone.open_note(kept[0], *KEYS)], KEYS
    )
    for what in ("of_credential", "of_patient"):
        line = next(line for line in told if line.get("position") == 40)
        line[what] -= 1
        assert check(told, kept).startswith("entry 40 (id 121): ")
        line[what] = 0
        assert check(told, kept).startswith("entry 40 (id 121): ")
        line[what] = lines[40][what]


def resealed(n, **changes):
    """An entry edited by somebody who hashes it again."""
    made_ = copy.deepcopy(LINES)
    old = made_[n]
    made_[n] = made.seal(n, old["id"], old["of_patient"], old["of_credential"], {**old["entry"], **changes})
    return made_


def test_an_entry_that_was_hashed_again_lies_before_the_next_checkpoint():
    told = made.export(LINES)
    told[[line.get("position") for line in told].index(40)] = {
        name: value for name, value in resealed(40, actor="somebody")[40].items() if name != "leaf"
    }
    assert check(told).startswith("entry 32 or one after it: not what was sealed in checkpoint 48")


def test_a_fork_by_the_logs_own_key_is_found_by_the_witness():
    told = made.export(resealed(40, actor="somebody"))
    assert check(told, kept=[], keys=(KEYS[0], {})) == ""
    assert "not what was sealed in checkpoint 100" in check(told)
    earlier = [made.cosign(made.sign(LEAVES[:40]), NOW), made.cosign(made.sign(LEAVES[:60]), NOW), WITNESSED]
    assert check(told, earlier).startswith("entry 48 or one after it: not what was sealed in checkpoint 60")


def test_a_cut_tail_is_found_by_the_witness():
    assert check(made.export(LINES[:90]), [WITNESSED]).startswith("entry 90: cut off here")


def test_lines_cut_from_the_file_are_found_without_one():
    assert check(made.export(LINES)[:-3], kept=[], keys=(KEYS[0], {})).startswith("entry 97: cut off here")


def test_an_added_line_is_found():
    told = made.export(LINES[:99])
    extra = {name: value for name, value in LINES[99].items() if name != "leaf"}
    assert "cut off here, or added" in check([*told, extra], kept=[], keys=(KEYS[0], {}))


def test_a_witness_that_has_not_cosigned_is_missed():
    assert "cosigned none" in check(made.export(LINES), kept=[])


def test_a_checkpoint_from_before_the_export_asks_for_more():
    told = made.export(LINES, start=50)
    assert "export from before it" in check(told, [made.cosign(made.sign(LEAVES[:50]), NOW)])


def test_ten_kinds_of_tampering_at_random_are_all_found():
    chance = random.Random(55)
    for _ in range(2000 if scale.WHOLE else 300):
        told = made.export(LINES, start=chance.choice([0, 0, 0, 13]))
        places = [n for n, line in enumerate(told) if "position" in line]
        kind = tamper(told, places, chance)
        assert check(told), kind


def tamper(told, places, chance):
    here = chance.choice(places)
    kind = chance.choice(
        ["edit", "count", "id", "delete", "insert", "swap", "renumber", "cut", "root", "start"]
    )
    line = told[here]
    if kind == "edit":
        key = chance.choice(sorted(line["entry"]))
        line["entry"] = {**line["entry"], key: "x" if line["entry"][key] != "x" else "y"}
    elif kind in {"count", "id"}:
        name = "id" if kind == "id" else chance.choice(["of_patient", "of_credential"])
        line[name] += chance.choice([-1, 1, 1000])
    elif kind == "delete":
        del told[here]
    elif kind == "insert":
        told.insert(here, copy.deepcopy(chance.choice([told[n] for n in places])))
    elif kind == "swap":
        there = chance.choice([n for n in places if n != here])
        told[here], told[there] = told[there], told[here]
    elif kind == "renumber":
        there = chance.choice([n for n in places if n != here])
        told[here], told[there] = told[there], told[here]
        told[here]["position"], told[there]["position"] = told[there]["position"], told[here]["position"]
    elif kind == "cut":
        del told[here:]
    elif kind == "root":
        told[0]["checkpoint"] = made.sign(LEAVES[: chance.randrange(1, 100)][::-1] * 2, made.LOG)
    else:
        told[0]["start"] += chance.choice([-1, 1, 64])
    return kind


# As a program, where there is no Confide


@pytest.fixture
def outside(tmp_path):
    """Run the verifier isolated: no package of ours is in reach, only the one file."""
    shutil.copy(standalone.__file__, tmp_path / "standalone.py")
    hidden = "import sys; sys.modules['confide'] = None; import runpy; sys.argv = sys.argv[1:]; "
    hidden += "runpy.run_path(sys.argv[0], run_name='__main__')"

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-I", "-c", hidden, tmp_path / "standalone.py", *map(str, arguments)],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip

    return run


def test_it_runs_without_confide(outside, tmp_path):
    path = made.write(tmp_path / "export", made.export(LINES))
    kept = tmp_path / "history"
    kept.write_text(f"{made.cosign(made.sign(LEAVES[:7]), NOW)}\n{WITNESSED}\n")
    keys = ("--log-key", made.LOG.public, "--witness-key", made.WITNESS.public, "--checkpoint", kept)
    done = outside(path, *keys)
    assert (done.returncode, done.stdout) == (0, "100 entries are as they were sealed, from 0 to 99\n")
    made.write(path, edited(40, actor="somebody"))
    done = outside(path, *keys)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("WRONG: entry 40 (id 121): its text")
    assert outside(path).returncode == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "[]\n",
        "{}\n",
        "null\n",
        "1\n",
        '{"confide": "journal/1"}\n',
        "\ud800",
        "{" * 5000,
        "[" * 200_000,
        '{"a":' * 200_000,
    ],
)
def test_what_is_no_export_is_wrong(content, tmp_path, monkeypatch, capsys):
    path = tmp_path / "export"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    monkeypatch.setattr(sys, "argv", ["standalone.py", str(path), "--log-key", str(made.LOG.public)])
    with pytest.raises(SystemExit, match="WRONG"):
        standalone.main()


@pytest.mark.parametrize(
    "wrong",
    [("--log-key", "x"), ("--log-key", "a+zz+AAAA"), ("--witness-key", str(made.LOG.public)),
     ("--checkpoint", "/nowhere"), ("--checkpoint", "/"), ("--checkpoint", sys.executable)],
)  # fmt: skip
def test_wrong_usage_is_said(wrong, tmp_path, monkeypatch, capsys):
    path = made.write(tmp_path / "export", made.export(LINES))
    monkeypatch.setattr(sys, "argv", ["standalone.py", str(path), "--log-key", str(made.LOG.public), *wrong])
    with pytest.raises(SystemExit) as left:
        standalone.main()
    assert left.value.code == 2
    assert "a key or the witness's file cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("number", [-1, 2**64, "1", None, 1.5])
def test_a_number_that_is_none_names_its_entry(number):
    told = made.export(LINES)
    told[12] = {**told[12], "id": number}
    assert check(told).startswith("entry 11 (id ")


@pytest.mark.parametrize("content", ["", "nothing", WITNESSED.replace("\u2014", "-")])
def test_a_witnesss_file_without_a_checkpoint_is_wrong(content, tmp_path, monkeypatch):
    path = made.write(tmp_path / "export", made.export(LINES))
    (tmp_path / "kept").write_text(content)
    monkeypatch.setattr(
        sys, "argv",
        ["standalone.py", str(path), "--log-key", str(made.LOG.public), "--checkpoint",
         str(tmp_path / "kept")],
    )  # fmt: skip
    with pytest.raises(SystemExit, match="holds no checkpoint"):
        standalone.main()


def test_keys_are_read_strictly():
    vkey = str(made.LOG.public)
    for wrong in (vkey[:-4], vkey.replace("+", "-"), str(made.WITNESS.public), vkey.replace("elm", "oak")):
        with pytest.raises((ValueError, LookupError)):
            standalone.read_keys([wrong], 1)


def test_a_line_that_is_not_json_is_wrong(tmp_path, monkeypatch):
    path = made.write(tmp_path / "export", made.export(LINES))
    path.write_text(path.read_text() + "{" + json.dumps("more"))
    monkeypatch.setattr(sys, "argv", ["standalone.py", str(path), "--log-key", str(made.LOG.public)])
    with pytest.raises(SystemExit, match="WRONG"):
        standalone.main()
