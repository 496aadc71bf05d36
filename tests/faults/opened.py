"""Run inside an installation: open everything that a practice has, and print one line for each resource.

Equal lines mean equal clear resources, whatever their ids are here.
"""

from __future__ import annotations

import hashlib
import os
import re

os.environ["CONFIDE_CLIENT_CEILING_PATIENTS"] = "1000000"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "confide.server.settings")
import django

django.setup()

from confide.access.decide import act_as_client, decide  # noqa: E402
from confide.access.models import Client, Practice  # noqa: E402
from confide.access.roles import Action, Purpose  # noqa: E402
from confide.fhir import json  # noqa: E402
from confide.protect.elements import Element  # noqa: E402
from confide.records.models import Resource  # noqa: E402
from confide.server import apps  # noqa: E402

_OUR_ID = re.compile(rb'"[A-Z][A-Za-z]+/[0-9a-f-]{36}"')
_AT_ONCE = 200


def main() -> None:
    system, practice = apps.system(), Practice.objects.get()
    everything: dict[str, object] = {"purpose": "PATRQT", "elements": [str(e) for e in Element]}
    limits = {"day_patients": 1_000_000, "day_units": 10**9}
    client = Client.objects.create(practice=practice, name="faults", **everything, **limits)
    grant = decide(act_as_client(client, "test"), Action.READ, Purpose.PATRQT, None, Element, system.clock())
    rows = list(Resource.objects.filter(deleted=False))
    for start in range(0, len(rows), _AT_ONCE):
        for view in system.charts.views(grant, rows[start : start + _AT_ONCE]):
            assert view.body is not None
            assert not view.hidden
            body = {key: value for key, value in view.body.items() if key not in {"id", "meta"}}
            text = _OUR_ID.sub(b'"ours"', json.format(body))
            print(view.type, view.version, hashlib.sha256(text).hexdigest())


main()
