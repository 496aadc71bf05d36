"""The pages' practice, and the people who sign in to it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def surgery(system: Any) -> Any:
    from django.core.cache import cache

    from tests.server.pages import surgery

    cache.clear()  # allauth counts sign-ins there
    return surgery.found(system)


@pytest.fixture
def desk(surgery: Any) -> Any:
    return surgery.sign_in("desk")


@pytest.fixture
def doctor(surgery: Any) -> Any:
    return surgery.sign_in("doctor")


@pytest.fixture
def privacy(surgery: Any) -> Any:
    return surgery.sign_in("privacy")


@pytest.fixture
def day(surgery: Any, desk: Any, doctor: Any) -> Any:
    """A short day: both open the chart, one uncovers a phone number."""
    doctor.get(f"/patients/{surgery.patient}")
    desk.get(f"/patients/{surgery.patient}")
    form = {"element": "phone", "purpose": "TREAT", "type": "Patient", "id": surgery.patient}
    desk.post(f"/patients/{surgery.patient}/reveal", form)
    return surgery
