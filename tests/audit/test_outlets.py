"""Checkpoints go to places outside: a file, a syslog, a command; what fails is said and tried again."""

import re
import socket
import sys
from datetime import UTC, datetime, timedelta

import pytest

from confide.audit import outlets, standalone
from confide.audit.notes import Head, parse_note
from confide.audit.outlets import EVERY, Kind, Outlet
from confide.errors import Invalid, Unavailable
from tests.audit import made

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
NOTES = [made.sign([made.leaf(n) for n in range(size)]) for size in (3, 5, 8)]


def test_a_file_holds_all_of_them_one_after_the_other(tmp_path):
    places = [Outlet.parse(f"file:{tmp_path}/kept")]
    for n, note in enumerate(NOTES):
        assert outlets.send(places, note, tmp_path, NOW + n * EVERY) == []
        assert outlets.send(places, note, tmp_path, NOW + n * EVERY) == []  # once each
    kept = re.findall(standalone.NOTE, (tmp_path / "kept").read_text())
    assert [Head.parse(parse_note(note).text).size for note in kept] == [3, 5, 8]


def test_each_gets_one_a_minute_at_most(tmp_path):
    places = [Outlet.parse(f"file:{tmp_path}/kept")]
    for note in NOTES:
        outlets.send(places, note, tmp_path, NOW)
    outlets.send(places, NOTES[2], tmp_path, NOW + EVERY)
    kept = re.findall(standalone.NOTE, (tmp_path / "kept").read_text())
    assert [Head.parse(parse_note(note).text).size for note in kept] == [3, 8]


def test_after_a_clock_that_ran_ahead_checkpoints_go_out_again(tmp_path):
    places = [Outlet.parse(f"file:{tmp_path}/kept")]
    outlets.send(places, NOTES[0], tmp_path, NOW + timedelta(days=400))
    outlets.send(places, NOTES[1], tmp_path, NOW)
    outlets.send(places, NOTES[2], tmp_path, NOW)  # once a minute, still
    kept = re.findall(standalone.NOTE, (tmp_path / "kept").read_text())
    assert [Head.parse(parse_note(note).text).size for note in kept] == [3, 5]


@pytest.mark.parametrize("memory", ["", "[]", "5", '{"file:/kept": 5}', '{"file:/kept": ["a", "b"]}', "\0"])
def test_a_memory_that_is_not_as_it_was_written_stops_nothing(memory, tmp_path):
    (tmp_path / ".sent").write_text(memory)
    places = [Outlet.parse(f"file:{tmp_path}/kept")]
    assert outlets.send(places, NOTES[0], tmp_path, NOW) == []
    assert NOTES[0] in (tmp_path / "kept").read_text()


def test_a_syslog_gets_it_in_one_line(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(10)
        place = Outlet.parse(f"syslog:127.0.0.1:{syslog.getsockname()[1]}")
        assert outlets.send([place], NOTES[0], tmp_path, NOW) == []
        told = syslog.recv(4000).decode()
    assert f"checkpoint elm.example/journal 3 {NOTES[0].split()[2]} \u2014 elm.example/journal " in told


def test_a_command_gets_it_on_its_input_with_the_size_in_its_arguments(tmp_path):
    program = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    place = Outlet.parse(f'command:{sys.executable} -c "{program}" {tmp_path}/{{size}}.note')
    assert outlets.send([place], NOTES[1], tmp_path, NOW) == []
    assert (tmp_path / "5.note").read_text() == NOTES[1]


def test_what_fails_is_said_and_tried_again_and_stops_nobody_else(tmp_path):
    places = [
        Outlet.parse(f"file:{tmp_path}/nowhere/kept"), Outlet.parse(f"command:{sys.executable} -c exit(3)"),
        Outlet.parse("command:/no/such/program"), Outlet.parse("syslog:/no/such/socket"),
        Outlet.parse(f"file:{tmp_path}/kept"),
    ]  # fmt: skip
    failed = outlets.send(places, NOTES[0], tmp_path, NOW)
    assert [each.partition(":")[0] for each in failed] == ["file", "command", "command", "syslog"]
    assert (tmp_path / "kept").exists()
    (tmp_path / "nowhere").mkdir()
    assert len(outlets.send(places, NOTES[0], tmp_path, NOW + EVERY)) == 3
    with pytest.raises(Unavailable, match="code 3"):
        places[1].put(NOTES[0], NOW)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "file",
        "file:",
        "file:kept",
        "syslog:here",
        "s3://bucket",
        "s3:",
        "s3:B",
        "s3:kept?days=0",
        "s3:kept?key=x",
        "s3:kept?endpoint=ftp://there",
        "command:",
    ],
)
def test_what_is_no_outlet_is_refused(written):
    with pytest.raises(Invalid):
        Outlet.parse(written)


def test_an_outlet_is_written_as_it_was_read():
    assert str(Outlet.parse("file:/var/kept")) == "file:/var/kept"
    assert Outlet(Kind.SYSLOG, "log.example:514") == Outlet.parse("syslog:log.example:514")
