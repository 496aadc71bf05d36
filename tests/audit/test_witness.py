"""A witness cosigns a log that only grows, and nothing else, whatever happens to it."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from confide.audit.notes import Head, PublicKey, open_note
from confide.audit.sources import Folder
from confide.audit.standalone import NOTE
from confide.audit.witness import AGAIN, SILENCE, State, Trouble, Witness
from confide.cli import main
from confide.errors import Damaged, Invalid, Misconfigured, Unavailable
from tests.audit import made

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
LEAVES = [made.leaf(n) for n in range(66_000)]


class Kept(Folder):
    """A folder that keeps what the witness hands over."""

    def __init__(self, path):
        super().__init__(path)
        self.handed = []

    def hand_over(self, note):
        self.handed.append(note)


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return Kept(folder)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def state(tmp_path):
    return State.create(tmp_path / "witness", "witness.example/1")


@pytest.fixture
def witness(log, state):
    return Witness(log, made.LOG.public, state, NOW)


def test_a_log_that_grows_is_cosigned_each_time(witness, state, log, folder):
    sizes = [1, 2, 7, 8, 200, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000]
    for size in sizes:
        made.publish(folder, LEAVES[:size])
        seen = witness.look(NOW)
        assert (seen.size, seen.trouble, seen.text) == (size, None, "")
    keys = [made.LOG.public, state.key().public]
    heads = [Head.parse(open_note(note, [key]).text) for note in log.handed for key in keys]
    assert [head.size for head in heads[::2]] == sizes
    assert heads[::2] == heads[1::2]
    assert open_note(state.last(), keys).by(keys[1]).at == NOW


@pytest.mark.parametrize(
    ("leaves", "trouble"),
    [
        pytest.param(LEAVES[:299], Trouble.SHRUNK, id="cut off"),
        pytest.param([], Trouble.SHRUNK, id="empty"),
        pytest.param([*LEAVES[:299], made.leaf(7)], Trouble.FORKED, id="another last entry"),
        pytest.param([made.leaf(7), *LEAVES[1:400]], Trouble.FORKED, id="another first entry, and more"),
        pytest.param([*LEAVES[:100], *LEAVES[101:500]], Trouble.FORKED, id="one removed, and more"),
        pytest.param([made.leaf(n, "other") for n in range(1000)], Trouble.FORKED, id="another log"),
    ],
)
def test_a_log_that_does_not_grow_from_what_was_seen_is_trouble(
    witness, state, log, folder, leaves, trouble, tmp_path
):
    made.publish(folder, LEAVES[:300])
    witness.look(NOW)
    before = state.last()
    made.publish(folder, leaves)
    for again in (witness, Witness(log, made.LOG.public, state, NOW)):  # also after a new start
        seen = again.look(NOW)
        assert (seen.size, seen.trouble) == (300, trouble)
    assert (state.last(), len(log.handed)) == (before, 1)
    assert "elm.example/journal" in next((tmp_path / "witness").glob("evidence-*")).read_text()


def test_a_checkpoint_of_another_key_or_log_is_trouble(witness, folder, log):
    made.publish(folder, LEAVES[:10], made.OTHER)
    assert witness.look(NOW).trouble is Trouble.FORGED
    note = made.publish(folder, LEAVES[:10])
    text = note.partition("\n\n")[0].replace("elm.example", "oak.example") + "\n"
    (folder / "checkpoint").write_text(f"{text}\n{made.LOG.sign(text)}")
    assert witness.look(NOW).trouble is Trouble.FORGED
    (folder / "checkpoint").write_bytes(b"\xff\x00 no note")
    assert witness.look(NOW).trouble is Trouble.FORGED
    assert log.handed == []


def test_tiles_that_do_not_lead_to_the_root_are_trouble(witness, folder, log):
    made.publish(folder, LEAVES[:10])
    witness.look(NOW)
    made.publish(folder, LEAVES[:700])
    path = folder / "tile/0/001"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    path = folder / "tile/1/000.p/2"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert witness.look(NOW).trouble is Trouble.DAMAGED
    assert len(log.handed) == 1


def test_silence_is_trouble_after_ten_minutes(witness, folder):
    made.publish(folder, LEAVES[:10])
    witness.look(NOW)
    (folder / "checkpoint").rename(folder / "gone")
    assert witness.look(NOW + SILENCE / 2).trouble is None
    assert witness.look(NOW + SILENCE / 2).text
    assert witness.look(NOW + SILENCE).trouble is Trouble.SILENT
    (folder / "gone").rename(folder / "checkpoint")
    assert witness.look(NOW + SILENCE).trouble is None
    made.publish(folder, LEAVES[:20])
    for tile in (folder / "tile/0").rglob("*"):
        if tile.is_file():
            tile.unlink()  # a log without its tiles cannot be checked
    assert witness.look(NOW + 2 * SILENCE).trouble is Trouble.SILENT


def test_a_log_that_stands_still_may_be_trouble(log, state, folder):
    still = Witness(log, made.LOG.public, state, NOW, still=timedelta(hours=26))
    made.publish(folder, LEAVES[:10])
    assert still.look(NOW).trouble is None
    assert still.look(NOW + timedelta(hours=25)).trouble is None
    assert still.look(NOW + timedelta(hours=26)).trouble is Trouble.STILL
    made.publish(folder, LEAVES[:11])
    assert still.look(NOW + timedelta(hours=27)).trouble is None


def test_a_clock_that_was_set_back_hides_no_silence(log, state, folder):
    """A day ahead until just now: silence, and a log that stands still, count from where it was set right."""
    ahead = NOW + timedelta(days=1)
    witness = Witness(log, made.LOG.public, state, ahead, still=timedelta(hours=2))
    made.publish(folder, LEAVES[:10])
    witness.look(ahead)
    (folder / "checkpoint").rename(folder / "gone")
    assert witness.look(NOW).trouble is None
    assert witness.look(NOW + SILENCE / 2).trouble is None
    assert witness.look(NOW + SILENCE).trouble is Trouble.SILENT
    (folder / "gone").rename(folder / "checkpoint")
    assert witness.look(NOW + SILENCE).trouble is None
    assert witness.look(NOW + timedelta(hours=2)).trouble is Trouble.STILL


def test_after_a_clock_that_ran_ahead_a_log_that_does_not_grow_is_cosigned_again(witness, folder, log):
    made.publish(folder, LEAVES[:10])
    for hours in (24, 0, 1):
        witness.look(NOW + timedelta(hours=hours))
    assert len(set(log.handed)) == 3


def test_a_log_that_does_not_grow_is_cosigned_again_after_some_minutes(witness, folder, log):
    made.publish(folder, LEAVES[:10])
    for minutes in range(9):
        witness.look(NOW + timedelta(minutes=minutes))
    assert len(log.handed) == 1 + 8 // (AGAIN // timedelta(minutes=1))
    assert len(set(log.handed)) == len(log.handed)


def test_what_cannot_be_kept_is_not_handed_over(witness, folder, log, tmp_path, monkeypatch):
    made.publish(folder, LEAVES[:10])
    (tmp_path / "witness" / "checkpoint.new").mkdir()
    with pytest.raises(Unavailable, match="state"):
        witness.look(NOW)
    assert log.handed == []


def test_a_cosignature_that_the_log_did_not_take_is_handed_over_again(witness, folder, log):
    made.publish(folder, LEAVES[:10])
    taken, handed = log.hand_over, []

    def refuse(note):
        handed.append(note)
        raise Unavailable("the log answers with status 503")

    log.hand_over = refuse
    seen = witness.look(NOW)
    assert (seen.size, seen.trouble) == (10, None)
    assert "503" in seen.text
    log.hand_over = taken
    assert witness.look(NOW).text == ""
    assert log.handed == handed


@pytest.mark.parametrize("change", ["size", "other", "unsigned", "bytes"])
def test_a_witness_whose_memory_was_edited_does_not_begin_anew(witness, state, log, folder, tmp_path, change):
    made.publish(folder, LEAVES[:10])
    witness.look(NOW)
    kept = tmp_path / "witness" / "checkpoint"
    kept.write_bytes(
        {
            "size": kept.read_bytes().replace(b"\n10\n", b"\n9\n"),
            "other": made.sign(LEAVES[:10], made.OTHER).encode(),
            "unsigned": made.sign(LEAVES[:10]).encode(),
            "bytes": b"\xff",
        }[change]
    )
    with pytest.raises(Damaged):
        Witness(log, made.LOG.public, state, NOW)


@pytest.mark.parametrize("end", [1, 20, 90, 170, 250, 330, 10**6])
@pytest.mark.parametrize("rest", [b"", bytes(40)])
def test_a_history_that_a_power_cut_has_torn_is_whole_again(end, rest, witness, state, folder, tmp_path):
    """In the file's last note something is missing, or there are zeros in its place."""
    history, keys = tmp_path / "witness" / "history", [made.LOG.public, state.key().public]
    kept = []
    for hour in (0, 2, 4):
        made.publish(folder, LEAVES[: 10 + hour])
        witness.look(NOW + timedelta(hours=hour))
        if hour == 2:
            before = history.read_bytes()
            last = before.rindex(made.LOG.name.encode(), 0, before.rindex(made.LOG.name.encode()))
            history.write_bytes(before[:last] + before[last:][:end] + rest)
            os.utime(history, (NOW.timestamp(), NOW.timestamp()))
    kept = [open_note(note, keys) for note in re.findall(NOTE, history.read_text())]
    sizes = [Head.parse(note.text).size for note in kept]
    assert sizes in ([10, 14], [10, 12, 14])
    assert all(note.by(keys[1]) for note in kept)


def test_after_a_clock_that_ran_ahead_the_history_goes_on(witness, state, folder, tmp_path):
    for n, hours in enumerate((9000, 0, 1)):
        made.publish(folder, LEAVES[: 10 + n])
        witness.look(NOW + timedelta(hours=hours))
    assert len(re.findall(NOTE, (tmp_path / "witness" / "history").read_text())) == 3


def test_one_folder_is_one_witness(state, tmp_path):
    with state.held(), pytest.raises(Misconfigured), State(tmp_path / "witness").held():
        pass
    with state.held():
        pass


def test_a_key_that_others_can_read_is_not_used(state, tmp_path):
    (tmp_path / "witness" / "key").chmod(0o640)
    with pytest.raises(Misconfigured, match="others"):
        state.key()


def test_a_second_init_keeps_the_key(state, tmp_path):
    assert State.create(tmp_path / "witness", "another/name").key() == state.key()


def test_a_name_must_be_a_keys_name(tmp_path):
    with pytest.raises(Invalid):
        State.create(tmp_path / "witness", "two words")


def test_no_two_roots_for_one_size_whatever_the_log_shows(log, state, folder):
    """A log that grows, forks, shrinks and comes back at random; a witness that starts anew at random."""
    chance = random.Random(5)
    branches = [[made.leaf(n, f"b{b}") for n in range(600)] for b in range(3)]
    for other in branches[1:]:
        other[:50] = branches[0][:50]
    witness = Witness(log, made.LOG.public, state, NOW)
    for _ in range(150):
        made.publish(folder, chance.choice(branches)[: chance.randrange(600)])
        if chance.random() < 0.2:
            witness = Witness(log, made.LOG.public, state, NOW)
        witness.look(NOW)
    heads = [Head.parse(open_note(note, [state.key().public]).text) for note in log.handed]
    sizes = [head.size for head in heads]
    assert len(heads) > 3
    assert sizes == sorted(set(sizes))
    last = next(branch for branch in branches if made.root(branch[: sizes[-1]]) == heads[-1].root)
    assert all(made.root(last[: head.size]) == head.root for head in heads)


# The process


@pytest.fixture
def confide(capsys):
    """The command: its code, and what it wrote."""

    def run(*arguments):
        code = main(["witness", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_the_command_cosigns_and_shouts(confide, tmp_path, folder, log):
    place = ("--state", tmp_path / "w")
    key = PublicKey.parse(confide("init", *place, "--name", "w.example/1")[1].splitlines()[-1])
    assert confide("key", *place)[1].strip() == str(key)
    watch = ("run", *place, "--log", folder, "--log-key", made.LOG.public, "--once")
    assert confide(*watch)[0] == 4  # nothing there yet
    made.publish(folder, LEAVES[:300])
    code, out, err = confide(*watch)
    assert (code, err) == (0, "")
    assert "cosigned 300 entries" in out
    assert Head.parse(open_note((tmp_path / "w" / "checkpoint").read_text(), [key]).text).size == 300
    made.publish(folder, LEAVES[:200])
    alarm = f"{sys.executable} -c \"import sys; open('{tmp_path}/alarm','w').write(sys.stdin.read())\""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(10)
        where = f"127.0.0.1:{syslog.getsockname()[1]}"
        code, _, err = confide(*watch, "--alarm", alarm, "--syslog", where)
        told = syslog.recv(2000).decode()
    assert code == 1
    for place_of_it in (err, told, (tmp_path / "alarm").read_text()):
        assert "ALARM shrunk: elm.example/journal: the log has shrunk: 300 entries were" in place_of_it
    assert "the webhook did not take" in confide(*watch, "--webhook", "http://127.0.0.1:9/")[2]
    assert confide(*watch, "--log-key", "nonsense")[0] == 2


def test_a_killed_witness_goes_on_where_it_was(tmp_path, folder, log):
    """kill -9 at random moments while the log grows; in the end every cosignature is of one growing log."""
    place = tmp_path / "w"
    key = State.create(place, "w.example/1").key().public
    chance = random.Random(9)
    size, sizes = 10, []
    for _ in range(4):
        made.publish(folder, LEAVES[:size])
        process = subprocess.Popen(
            [sys.executable, "-m", "confide.cli", "witness", "run", "--state", place, "--log", folder,
             "--log-key", str(made.LOG.public), "--every", "1s"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            assert process.stdout.readline()  # it has cosigned something
            for _ in range(20):
                size += chance.randrange(1, 40)
                made.publish(folder, LEAVES[:size])
                time.sleep(chance.random() / 200)
            os.kill(process.pid, signal.SIGKILL)
        sizes.append(Head.parse(open_note((place / "checkpoint").read_text(), [key]).text).size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 10
    seen = Witness(log, made.LOG.public, State(place), NOW).look(NOW)
    assert (seen.size, seen.trouble) == (size, None)
