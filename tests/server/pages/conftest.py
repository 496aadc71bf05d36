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
