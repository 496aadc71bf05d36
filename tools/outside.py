"""What the tests use from outside the project, and where: PostgreSQL, Chromium, Java, the shared data."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NO_SHARED = "no folder ../shared beside the project (CONFIDE_SHARED names another)"
NO_CHROMIUM = "no Chromium (Debian: apt-get install chromium; CONFIDE_CHROMIUM names another)"
NO_JAVA = "no Java 17 or 21 (Debian: apt-get install openjdk-17-jre-headless; CONFIDE_JAVA_HOME names one)"
NO_POSTGRES = "no PostgreSQL 15 or newer (Debian: apt-get install postgresql; CONFIDE_PG_BIN names another)"


MEMORY = Path("/dev/shm")
ROOM = 6 << 30
"""Bytes that a run may need for what it keeps in passing."""


def use_memory() -> None:
    """Keep temporary files in memory where there is plenty, for this program and those that it starts.

    Nothing is written less durably for that: databases sync as they always do, to a device that is quick.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_mount():
        return
    free = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if shutil.disk_usage(MEMORY).free > ROOM and free and int(free[1]) << 10 > 2 * ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def free_port() -> int:
    """A port on loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shared() -> Path | None:
    """The folder with real FHIR data, test vectors and the law."""
    folder = Path(os.environ.get("CONFIDE_SHARED") or ROOT.parent / "shared").resolve()
    return folder if (folder / "fhir").is_dir() else None


def chromium() -> Path | None:
    """A Chromium or Chrome that is on the machine; none is ever downloaded."""
    named = os.environ.get("CONFIDE_CHROMIUM")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome", "chrome"]
    found = next(filter(None, map(shutil.which, candidates)), None)
    return Path(found) if found else None


def postgres() -> Path | None:
    """The programs of the oldest PostgreSQL from 15 on: the oldest one promised is the one tested."""
    named = os.environ.get("CONFIDE_PG_BIN")
    if named:
        return Path(named)
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    on_path = shutil.which("postgres")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    versions = sorted((_version(folder), folder) for folder in folders if (folder / "initdb").exists())
    return next((folder for version, folder in versions if version >= 15), None)


def java() -> Path | None:
    """The home of the oldest Java that Spark 4 runs on, 17 or 21; the first on the path may be too new."""
    named = os.environ.get("CONFIDE_JAVA_HOME")
    if named:
        return Path(named)
    folders = sorted(Path("/usr/lib/jvm").glob("*"))
    on_path = shutil.which("java")
    if on_path:
        folders.append(Path(on_path).resolve().parent.parent)
    if os.environ.get("JAVA_HOME"):
        folders.append(Path(os.environ["JAVA_HOME"]))
    versions = sorted((_java_version(folder), folder) for folder in folders if (folder / "bin/java").exists())
    return next((folder for version, folder in versions if version in {17, 21}), None)


def _version(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"(\d+)", said.stdout)
    return int(number[1]) if number else 0


def _java_version(folder: Path) -> int:
    said = subprocess.run([folder / "bin" / "java", "-version"], capture_output=True, text=True, check=False)
    number = re.search(r'version "(\d+)', said.stderr)
    return int(number[1]) if number else 0
