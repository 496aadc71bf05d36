"""A folder of encrypted files: whole or not there, and never in clear."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from confide.errors import Invalid, Misconfigured, Unavailable
from confide.records.parcel import Parcel

CLEAR = b"078-05-1120 Zoe"


@pytest.fixture
def identity():
    return x25519.Identity.generate()


@pytest.fixture
def parcel(tmp_path, identity):
    return Parcel(tmp_path, "export", str(identity.to_public()))


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("sizes", [[], [0], [1], [65_536], [65_535, 2, 0, 300_000]], ids=str)
def test_what_was_put_in_comes_out(parcel, identity, sizes, tmp_path):
    chunks = [os.urandom(size) for size in sizes]
    with parcel:
        sealed = parcel.add("Patient.ndjson", iter(chunks))
        assert left(tmp_path) == []
        parcel.complete_all()
        assert not parcel.delivered
        parcel.deliver()
    assert left(tmp_path) == ["export", "export/Patient.ndjson.age"]
    written = (tmp_path / "export" / sealed.name).read_bytes()
    assert (hashlib.sha256(written).hexdigest(), len(written)) == (sealed.sha256, sealed.size)
    assert pyrage.decrypt(written, [identity]) == b"".join(chunks)


def test_nothing_is_left_of_what_fails(parcel, tmp_path):
    def chunks():
        yield CLEAR
        raise Invalid("somewhere in the middle")

    def fill():
        with parcel:
            parcel.add("Observation.ndjson", [CLEAR])
            parcel.add("Patient.ndjson", chunks())

    with pytest.raises(Invalid, match="in the middle"):
        fill()
    assert left(tmp_path) == []


def test_nothing_is_left_when_it_is_not_delivered(parcel, tmp_path):
    def interrupt():
        with parcel:
            parcel.add("Patient.ndjson", [CLEAR])
            parcel.complete_all()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert left(tmp_path) == []


@pytest.mark.parametrize("room", [0, 100, 65_536, 200_000], ids=lambda n: f"{n} bytes")
def test_a_disk_without_room_is_an_error(parcel, tmp_path, room):
    """Also where age has written all but the last bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        with parcel:
            parcel.add("Patient.ndjson", (CLEAR * 1000 for _ in range(20)))

    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(Unavailable, match="cannot be written"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left(tmp_path) == []


def test_one_process_at_a_place(parcel, tmp_path, identity):
    other = Parcel(tmp_path, "other", str(identity.to_public()))
    with parcel, pytest.raises(Unavailable, match="another export"), other:
        pass
    with other:
        pass


def test_a_place_that_is_not_there(tmp_path, identity):
    (tmp_path / "file").touch()
    for place in (tmp_path / "nowhere", tmp_path / "file"):
        with (
            pytest.raises(Misconfigured, match="folder"),
            Parcel(place, "export", str(identity.to_public())),
        ):
            pass


PROGRAM = """
import sys, time
from pathlib import Path
from confide.records.parcel import Parcel
def chunks():
    while True:
        yield b"078-05-1120 Zoe" * 1000
        print("written", flush=True)
        time.sleep(0.001)
with Parcel(Path(sys.argv[1]), "export", sys.argv[2]) as parcel:
    parcel.add("Observation.ndjson", [b"x"])
    parcel.add("Patient.ndjson", chunks())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_nothing_is_left_of_a_killed_process(tmp_path, identity, number):
    place = tmp_path / "place"
    place.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place), str(identity.to_public())],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        for _ in range(20):
            assert process.stdout.readline()
        time.sleep(0.01)
        process.send_signal(number)
        process.wait(30)
    assert left(place) == []
    with Parcel(place, "export", str(identity.to_public())) as parcel:
        assert not parcel.complete


def test_memory_does_not_grow(parcel, tmp_path):
    """200 MB through it; the process may grow by less than a tenth of that."""
    block = os.urandom(1 << 18)

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with parcel:
        parcel.add("small", [block])
        before = peak()
        sealed = parcel.add("large", (block for _ in range(800)))
        assert sealed.size > 200_000_000
        assert peak() - before < 20_000
