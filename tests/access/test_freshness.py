"""How long a proved factor counts."""

from datetime import UTC, datetime, timedelta

import pytest

from confide.access.freshness import FRESH, JUST, is_fresh, require_fresh
from confide.errors import Refused, StepUpNeeded

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("proved_at", "fresh"),
    [
        (None, False),
        (NOW, True),
        (NOW - FRESH + SECOND, True),
        (NOW - FRESH, False),
        (NOW - timedelta(days=1), False),
        (NOW + SECOND, False),  # a clock that was put back proves nothing
    ],
)
def test_a_proof_counts_for_ten_minutes(proved_at: datetime | None, fresh: bool) -> None:
    assert is_fresh(proved_at, NOW) is fresh
    if fresh:
        require_fresh(proved_at, NOW)
    else:
        with pytest.raises(StepUpNeeded) as refusal:
            require_fresh(proved_at, NOW)
        assert isinstance(refusal.value, Refused)
        assert refusal.value.code == "step-up-needed"


def test_ten_minutes_are_the_limit() -> None:
    assert timedelta(minutes=10) == FRESH


def test_what_signs_in_ever_after_needs_a_proof_of_the_last_minute() -> None:
    require_fresh(NOW - timedelta(seconds=59), NOW, JUST)
    for proved_at in (None, NOW - timedelta(minutes=1), NOW + SECOND):
        with pytest.raises(StepUpNeeded):
            require_fresh(proved_at, NOW, JUST)
