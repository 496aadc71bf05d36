"""Of how many people a thief learns anything, who has an open session of the front desk for an hour."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import Figure, benchmark

PATIENTS = 2000


@benchmark
def stolen_session() -> Iterator[Figure]:
    """A script that knows every page takes what it can from a practice of 2,000 people."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from confide import wiring
    from confide.access.limits import LIMITS
    from confide.access.roles import Role
    from confide.drill.thief import measure
    from confide.server.apps import log_of
    from tests.server import theft

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    system = wiring.build(wiring.open_file_kms(settings.CONFIG.keyring, None), log_of(settings.CONFIG))
    truth, account = theft.settle(system, system.found_practice("Stolen"), PATIENTS)
    with theft.stolen(account) as thief:
        loot = thief.run(truth[::10], theft.strangers(PATIENTS)[::10], patience=3000, charts=20)
    booked = theft.seen(account)
    budget = LIMITS[Role.FRONT_DESK].hour_patients
    learned = max(measure(loot, truth), len(booked))
    yield Figure(
        f"patients learned by a stolen front-desk session, of {PATIENTS:,}, {loot.tried:,} requests",
        learned, "patients", target=budget,
    )  # fmt: skip
