"""What hashing a password costs in the tests: next to nothing, for it is done by the thousand.

tests/access/test_hashing.py restores the cost that everybody else pays, and tests it.
"""

from __future__ import annotations

CHEAP = {"time_cost": 1, "memory_cost": 64, "parallelism": 1}


def hash_cheaply() -> None:
    """Let this process use the real hasher at a cost that thousands of sign-ins can pay."""
    from confide.access.hashing import Bounded

    for name, cost in CHEAP.items():
        setattr(Bounded, name, cost)
