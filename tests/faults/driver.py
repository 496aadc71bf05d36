"""Run inside an installation: import files unit by unit, and say of each when it is acknowledged."""

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

importer = apps.system().importer(Practice.objects.get().pk, sys.argv[1])
print("begin", flush=True)
for path in imports.files([Path(sys.argv[2])]):
    for unit in imports.units(path):
        report = importer.unit(unit)
        assert not report.refused, report
        if not report.skipped_units:
            print(path.name, report.created, flush=True)
print("end", flush=True)
