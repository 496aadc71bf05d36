"""What the tests use from outside the project, and where it is: PostgreSQL, Chromium, the shared data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NO_SHARED = "no folder ../shared beside the project (CONFIDE_SHARED names another)"
NO_CHROMIUM = "no Chromium (Debian: apt-get install chromium; CONFIDE_CHROMIUM names another)"
NO_POSTGRES = "no PostgreSQL 15 or newer (Debian: apt-get install postgresql; CONFIDE_PG_BIN names another)"


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


def _version(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"(\d+)", said.stdout)
    return int(number[1]) if number else 0
