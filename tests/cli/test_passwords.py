from __future__ import annotations

import subprocess
import sys

from confide.access.breached import Corpus
from tests.cli.program import Confide


def test_a_filter_is_made_from_lists(apart: Confide) -> None:
    (apart.folder / "plain.txt").write_text("hunter2\nletmein\n")
    told = apart("passwords", "build", "plain.txt", "--out", "made.filter")
    assert "2   (sha1" in told
    assert "hunter2" not in told
    assert "hunter2" in Corpus(apart.folder / "made.filter")


def test_a_list_that_is_none_is_told(apart: Confide) -> None:
    assert "nowhere.txt is not a file" in apart("passwords", "build", "nowhere.txt", "--out", "f", exits=3)
    (apart.folder / "empty.txt").write_text("\n")
    assert "no passwords" in apart("passwords", "build", "empty.txt", "--out", "f", exits=2)
    assert not (apart.folder / "f").exists()


def test_a_password_of_the_filter_is_refused_for_a_new_person(apart: Confide) -> None:
    (apart.folder / "plain.txt").write_text("otter-lamp-fable-winter\n")
    apart("passwords", "build", "plain.txt", "--out", "made.filter")
    program = (
        "import django; django.setup()\n"
        "from django.contrib.auth.password_validation import validate_password as v\n"
        "from django.core.exceptions import ValidationError\n"
        "v('otter-lamp-fable-summer')\n"
        "try:\n v('otter-lamp-fable-winter')\n"
        "except ValidationError as e:\n print(e.messages)\n"
    )
    environment = apart.environment(
        CONFIDE_PASSWORD_FILTER=str(apart.folder / "made.filter"),
        DJANGO_SETTINGS_MODULE="confide.server.settings",
    )
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "stolen elsewhere" in told.stdout


def test_the_audit_counts_people_and_names_no_password(installed: Confide) -> None:
    installed("staff", "add", "desk", "--role", "front_desk")
    assert "0   (must change it" in installed("passwords", "audit")
