"""How reports for patients name the staff. No Django here: the configuration reads it."""

from __future__ import annotations

from enum import StrEnum


class Names(StrEnum):
    """By name and role, or by role alone."""

    PERSON = "person"
    ROLE = "role"
