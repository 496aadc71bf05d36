"""A file gets its name when it is whole; what a killed run has left is found."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from confide.errors import Invalid, Misconfigured, Unavailable
from confide.protect.files.place import Place, write_whole

NOBODY = 65534


def started(path, **options) -> Place:
    place = Place(path, **options)
    place.open()
    place.file.write(b"half")
    place.file.flush()
    return place


def test_a_file_has_its_name_when_it_is_whole(tmp_path) -> None:
    place = started(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [".out.confide-unfinished"]
    assert stat.S_IMODE(place.unfinished.stat().st_mode) == 0o600
    place.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    place.drop()
    assert (tmp_path / "out").read_bytes() == b"half"


def test_a_file_that_is_given_up_leaves_nothing(tmp_path) -> None:
    started(tmp_path / "out").drop()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_replaced(tmp_path) -> None:
    left = tmp_path / ".out.confide-unfinished"
    left.write_bytes(b"something longer of another run")
    left.chmod(0o644)
    started(tmp_path / "out").finish()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"half"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_a_run_at_work_is_not_taken_for_a_killed_one(tmp_path) -> None:
    first = started(tmp_path / "out")
    with pytest.raises(Unavailable, match="another run"):
        Place(tmp_path / "out").open()
    first.finish()
    assert (tmp_path / "out").read_bytes() == b"half"


def test_what_is_no_file_of_ours_is_left_alone(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".out.confide-unfinished").symlink_to(victim)
    with pytest.raises(Misconfigured, match="in the way"):
        Place(tmp_path / "out").open()
    assert victim.read_bytes() == b"precious"
    os.mkfifo(tmp_path / ".pipe.confide-unfinished")
    with pytest.raises(Misconfigured, match="in the way"):
        Place(tmp_path / "pipe").open()


def test_a_file_that_came_meanwhile_stays(tmp_path) -> None:
    place = started(tmp_path / "out")
    (tmp_path / "out").write_bytes(b"theirs")
    with pytest.raises(Invalid, match="exists now"):
        place.finish()
    place.drop()
    assert (tmp_path / "out").read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 1
    place = started(tmp_path / "out", replaces=True)
    place.finish()
    assert (tmp_path / "out").read_bytes() == b"half"


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root writes everywhere, so that it is somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield
    if root:
        os.seteuid(0)


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that can be read and not written; not below the tests' own, which others may not enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        yield Path(folder)


def test_a_folder_that_cannot_be_written(closed, nobody) -> None:
    with pytest.raises(Misconfigured, match="cannot be written"):
        Place(closed / "out").open()


def test_a_full_disk_is_told(tmp_path) -> None:
    place = Place(tmp_path / "out")
    place.open()
    place._file.close()
    place._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115 - it takes the file's place
    with pytest.raises(Unavailable, match="nothing was written"):
        write_full(place)
    place.drop()
    assert not list(tmp_path.iterdir())


def write_full(place: Place) -> None:
    from confide.protect.files.place import writing

    with writing(place.path):
        place.file.write(b"x")


def test_a_small_file_is_written_whole(tmp_path) -> None:
    write_whole(tmp_path / "recipe", b"one")
    write_whole(tmp_path / "recipe", b"two")
    assert (tmp_path / "recipe").read_bytes() == b"two"
    assert len(list(tmp_path.iterdir())) == 1
