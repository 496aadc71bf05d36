"""A synthetic primary-care practice: no patient in it was ever alive.

Names, numbers and addresses cannot be anybody's: telephone numbers end in 555-01xx, mailboxes lie in
example.org, Social Security numbers in a range that was never issued. Codes and their displays are real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confide.drill import practice as own
from confide.drill.charts import Chart
from confide.drill.diary import Diary
from confide.drill.families import households

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from confide.drill.vocabulary import Json


class SyntheticPractice:
    """A practice of ``count`` patients. Equal arguments give equal bundles, to the byte.

    Args:
        count: How many patients.
        seed: Which of the many possible practices.
        today: The day around which appointments lie; nothing else happened after it.
    """

    def __init__(self, count: int, seed: int, today: date) -> None:
        self.count = count
        self.seed = seed
        self.today = today

    def practice_bundle(self) -> Json:
        """The practice itself: a transaction to send first. Its answer tells the ids."""
        return own.bundle(self.seed)

    def patient_bundles(self, ids: Mapping[str, str]) -> Iterator[Json]:
        """One transaction per household.

        Args:
            ids: ``Type/id`` for each ``fullUrl`` of the practice bundle, as the server gave them.
        """
        practice = own.practice(self.seed, ids)
        diary = Diary(self.count, self.today)
        number = 0
        for home in households(self.count, self.seed, self.today):
            uuids = [home.dice.uuid() for _ in home.people]
            entries: list[Json] = []
            for person, uuid in zip(home.people, uuids, strict=True):
                chart = Chart(person, home, number, (uuid, uuids[0]), practice, self.today)
                entries += chart.write(diary)
                number += 1
            yield {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def bundles(count: int, seed: int, today: date) -> Iterator[Json]:
    """The whole practice as files would hold it: the practice's bundle, then one per household.

    Later bundles name the practice's resources by the ids that the first one shows.
    """
    synthetic = SyntheticPractice(count, seed, today)
    first = synthetic.practice_bundle()
    yield first
    ids = {
        each["fullUrl"]: f"{each['resource']['resourceType']}/{each['resource']['id']}"
        for each in first["entry"]
    }
    yield from synthetic.patient_bundles(ids)
