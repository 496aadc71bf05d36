"""Other processes give the same as this one, and may die; they keep nothing and outlive nobody."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from confide.cipher.alphabet import Alphabet
from confide.cipher.columns import processes, shares
from confide.cipher.columns.processes import CREW, Process
from confide.cipher.ff1_columns import FF1Columns
from confide.errors import AlphabetMismatch

KEY = bytes(range(100, 132))
DIGITS = Alphabet("0123456789")
ROWS = 5 * shares.LEAST + 12_345
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="not for this system: no memfd")
pytestmark = on_linux


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Short columns are shared too, in many chunks, and whoever is to help is there."""
    monkeypatch.setattr(shares, "FEWEST", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(shares, "MOST", shares.LEAST)
    be_there()


@pytest.fixture
def lent(monkeypatch):
    """The chunks that another process was given."""
    given, lend = [], Process.lend
    monkeypatch.setattr(
        Process, "lend", lambda self, slot, chunk: (given.append(chunk), lend(self, slot, chunk))
    )
    return given


def be_there():
    with CREW.hire(1) as (process,):
        while not process.is_ready():
            time.sleep(0.01)
    return process


def numbers(rows=ROWS):
    return np.random.default_rng(5).integers(0, 10**9, rows, np.uint64)


def tweaks(length, rows=ROWS):
    return np.random.default_rng(6).integers(0, 256, (rows, length), np.uint8)


@pytest.mark.parametrize("key", [KEY[:16], KEY])
@pytest.mark.parametrize("way", ["encrypt", "decrypt"])
@pytest.mark.parametrize(
    ("radix", "n", "tweak"),
    [
        (10, 9, b""),
        (10, 9, b"a tweak that is longer than a block"),
        (10, 9, tweaks(16)),
        (10, 16, tweaks(3)),
        (2, 56, b"t"),
        (65536, 3, tweaks(0)),
        (10, 45, b"t"),
        (36, 31, tweaks(17)),
    ],
    ids=str,
)
def test_the_same_as_alone(key, way, radix, n, tweak, lent):
    numerals = np.random.default_rng(n).integers(0, radix, (ROWS, n))
    run = getattr(FF1Columns(key, radix), way)
    assert np.array_equal(run(numerals, tweak, threads=2), run(numerals, tweak))
    assert lent


def test_numbers_and_text(lent):
    ff1, plain = FF1Columns(KEY, 10), numbers()
    text = (plain[:, None] // 10 ** np.arange(8, -1, -1, dtype=np.uint64) % 10 + 48).astype(np.uint8)
    secret = ff1.encrypt_numbers(plain, 9, b"t", threads=2)
    assert np.array_equal(secret, ff1.encrypt_numbers(plain, 9, b"t"))
    assert np.array_equal(ff1.decrypt_numbers(secret, 9, b"t", threads=2), plain)
    written = ff1.encrypt_text(text, DIGITS, b"t", threads=2)
    assert np.array_equal(written, ff1.encrypt_text(text, DIGITS, b"t"))
    assert np.array_equal(ff1.decrypt_text(written, DIGITS, b"t", threads=2), text)
    assert len(lent) >= 4


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_dies_or_stops_takes_no_row_along(end, monkeypatch, lent):
    ff1, plain, dying = FF1Columns(KEY, 10), numbers(), be_there()
    lend, patience = Process.lend, shares.PATIENCE
    monkeypatch.setattr(shares, "PATIENCE", 0.2)

    def lend_and_end(self, slot, chunk):
        lend(self, slot, chunk)
        os.kill(self.id, end)

    monkeypatch.setattr(Process, "lend", lend_and_end)
    expected = ff1.encrypt_numbers(plain, 9, b"t")
    assert np.array_equal(ff1.encrypt_numbers(plain, 9, b"t", threads=2), expected)
    assert lent
    monkeypatch.setattr(Process, "lend", lend)
    monkeypatch.setattr(shares, "PATIENCE", patience)
    other = be_there()
    assert other.id != dying.id
    assert np.array_equal(ff1.encrypt_numbers(plain, 9, b"t", threads=2), expected)
    assert CREW._processes == [other]


def test_one_that_ended_long_ago_is_replaced(lent):
    old = be_there()
    os.kill(old.id, signal.SIGTERM)
    old._program.wait()
    assert be_there() is not old
    assert np.array_equal(*(FF1Columns(KEY, 10).encrypt_numbers(numbers(), 9, threads=k) for k in (1, 2)))
    assert lent


def test_where_there_can_be_none_the_column_goes_on_without(monkeypatch, tmp_path, lent):
    CREW.close()
    monkeypatch.setattr(CREW, "_lost", 0)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert np.array_equal(*(FF1Columns(KEY, 10).encrypt_numbers(numbers(), 9, threads=k) for k in (1, 2)))
    assert not lent
    monkeypatch.setattr(sys, "executable", "/bin/true")
    assert np.array_equal(*(FF1Columns(KEY, 10).encrypt_numbers(numbers(), 9, threads=k) for k in (1, 2)))
    assert not lent


def test_a_malformed_row_is_told_and_the_process_stays(lent):
    ff1, plain, process = FF1Columns(KEY, 10), numbers(), be_there()
    plain[-shares.LEAST] = 10**9
    with pytest.raises(AlphabetMismatch):
        ff1.encrypt_numbers(plain, 9, threads=2)
    assert lent
    assert be_there() is process
    assert not any(process.part(0))


def test_no_key_is_in_what_is_shared_or_told_of_a_process(monkeypatch):
    seen, process, lend = [], be_there(), Process.lend

    def look(self, slot, chunk):
        lend(self, slot, chunk)
        seen.append(b"".join(bytes(self.part(slot)) for slot in range(2)))

    monkeypatch.setattr(Process, "lend", look)
    plain = np.full(ROWS, 123_456_789, np.uint64)
    FF1Columns(KEY, 10).encrypt_numbers(plain, 9, b"t", threads=2)
    assert seen
    assert any(any(memory) for memory in seen)
    told = [Path(f"/proc/{process.id}/{name}").read_bytes() for name in ("cmdline", "environ")]
    for piece in (KEY[:16], KEY.hex().encode()):
        assert not any(piece in memory for memory in [*seen, *told])
    for slot in range(processes.SLOTS):
        assert not any(process.part(slot)), "no value stays"


def test_columns_at_the_same_time():
    ff1, plain = FF1Columns(KEY, 10), numbers()
    expected, got = ff1.encrypt_numbers(plain, 9), []
    threads = [
        threading.Thread(target=lambda: got.append(ff1.encrypt_numbers(plain, 9, threads=2)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(np.array_equal(one, expected) for one in got)


PROGRAM = """
import os, sys, time
import numpy as np
from confide.cipher.columns.processes import CREW
from confide.cipher.ff1_columns import FF1Columns
os.cpu_count = lambda: 2
plain = np.arange(1 << 18, dtype=np.uint64)
ff1 = FF1Columns(bytes(32), 10)
expected = ff1.encrypt_numbers(plain, 9)
def check():
    while not CREW._processes or not CREW._processes[0].is_ready():
        assert np.array_equal(ff1.encrypt_numbers(plain, 9, threads=2), expected)
    assert np.array_equal(ff1.encrypt_numbers(plain, 9, threads=2), expected)
    return CREW._processes[0].id
mine = check()
"""


def run(rest):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + textwrap.dedent(rest)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def is_gone(pid, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_fork_has_processes_of_its_own():
    done = run("""
        child = os.fork()
        other = check()
        if child == 0:
            os._exit(0 if other != mine else 1)
        assert other == mine
        assert os.waitpid(child, 0)[1] == 0
        print(mine)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert is_gone(int(done.stdout))


def test_nothing_outlives_a_program_that_is_killed():
    done = run("""
        if os.fork() == 0:  # holds what was open
            time.sleep(2)
            os._exit(0)
        print(mine, flush=True)
        os.kill(os.getpid(), 9)
    """)
    assert done.returncode == -9
    assert is_gone(int(done.stdout))
