"""Run inside an installation: for each line of input, a child imports files unit by unit until it is killed.

It says its number first, and of each unit when it is acknowledged. The parent only saves the time to start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
import django

django.setup()

from confide.access.models import Practice  # noqa: E402
from confide.records import imports  # noqa: E402
from confide.server import apps  # noqa: E402


def bring_in(source: str, folder: Path) -> None:
    importer = apps.system().importer(Practice.objects.get().pk, source)
    print(os.getpid(), flush=True)
    for path in imports.files([folder]):
        for unit in imports.units(path):
            report = importer.unit(unit)
            assert not report.refused, report
            if not report.skipped_units:
                print(path.name, report.created, flush=True)
    print("end", flush=True)


for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        bring_in(sys.argv[1], Path(sys.argv[2]))
        os._exit(0)
    os.waitpid(child, 0)
    print("gone", flush=True)
