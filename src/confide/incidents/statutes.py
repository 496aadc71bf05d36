"""The law as records: clocks, the states' rows, and how their words are counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

UNKNOWN: Final = "unknown"
"""The row of persons whose state of residence nobody knows, or is none of those in the data."""

Unit = Literal["calendar_days", "business_days", "hours", "years", "without undue delay"]
Kind = Literal["individual", "regulator", "agencies", "owner"]
Effect = Literal["met", "decide", "none"]
Counted = Literal["state", "entity", "entity and state", "all", "unreachable"]


class Certainty(StrEnum):
    """How sure the compiler of the law was."""

    TWO = "V2"
    ONE = "V1"
    SINGLE = "S1"
    OWN = "K"
    CONFLICT = "X"


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"anchor": "from_"}):
    """One legal clock, a record of ``clocks.json``."""

    id: str
    cite: str
    cert: Certainty
    to: str = ""
    anchor: str = ""
    amount: int | None = None
    unit: Unit = "calendar_days"
    also: str = ""
    cond: str = ""
    content: str = ""
    delay: str = ""
    effect: str = ""
    note: str = ""
    tests: dict[str, date] = {}


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One state's law, a row of ``states.csv``; an empty cell is None or an empty string here."""

    code: str
    state: str
    statute: str
    ind_anchor: str
    ind_cert: Certainty
    reg_recipient: str
    reg_cert: Certainty
    cra_cert: Certainty
    trigger: str
    trigger_cert: Certainty
    harm_test: str
    harm_cert: Certainty
    elements: str
    nameless_trigger: str
    elements_cert: Certainty
    enc_safe_harbor: Literal["Y", "N"]
    enc_key_voids: Literal["Y", "N"]
    enc_cert: Certainty
    hipaa_effect: str
    hipaa_cert: Certainty
    monitoring_cert: Certainty
    vendor_days: str
    vendor_cert: Certainty
    substitute_cert: Certainty
    le_delay: Literal["Y", "N"]
    le_cert: Certainty
    law_as_of: date
    worst_cert: Certainty
    ind_days: int | None = None
    ind_src: str = ""
    reg_op: Literal["", ">", ">="] = ""
    reg_n: int | None = None
    reg_days: int | None = None
    reg_anchor: str = ""
    reg_order: Literal["", "with", "after", "before", "before_or_with", "only_to_claim_no_harm"] = ""
    reg_src: str = ""
    cra_op: Literal["", ">", ">=", "director", "coord"] = ""
    cra_n: int | None = None
    cra_note: str = ""
    cra_src: str = ""
    enc_note: str = ""
    hipaa_note: str = ""
    monitoring_months: int | None = None
    monitoring_trigger: str = ""
    substitute_cost: int | None = None
    substitute_persons: int | None = None
    must_not_say: str = ""
    notes: str = ""
    cells_V2: int = 0  # noqa: N815 - the data's own names
    cells_V1: int = 0  # noqa: N815
    cells_S1: int = 0  # noqa: N815
    cells_K: int = 0  # noqa: N815
    cells_X: int = 0  # noqa: N815


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a word for a starting moment means: the facts that give it, and how a person reads it.

    Attributes:
        not_after: Facts on whose day the period ends at the latest, once they are known.
    """

    facts: tuple[str, ...]
    words: str
    not_after: tuple[str, ...] = ()
    unit: Unit = "calendar_days"


class Counting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one clock's condition is counted, and since when it is in force (a state's: its row's date)."""

    since: date | None = None
    state: str = ""
    refines: Kind | Literal[""] = ""
    counted: Counted = "state"
    op: Literal["", ">", ">=", "<"] = ""
    n: int | None = None


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A length that stands in a note of the data: days and their anchor, or the clock that says it."""

    days: int | None = None
    unit: Unit = "calendar_days"
    anchor: str = ""
    clock: str = ""
    source: str = ""


class Warnings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long before a clock runs out one is warned."""

    calendar_days: tuple[int, ...]
    hours: tuple[int, ...]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the words of the other files are counted, ``rules.json``.

    Attributes:
        elements: What an element of Confide's is in the law's words.
        unread: Elements that may hold anything, which nobody has read, and how a person reads them.
    """

    about: str
    confirmed: tuple[Certainty, ...]
    certainties: dict[Certainty, str]
    anchors: dict[str, Anchor]
    clocks: dict[str, Counting]
    since_sources: dict[str, str]
    agencies: dict[str, Term]
    agencies_questions: dict[str, str]
    hipaa_effects: dict[str, dict[Kind, Effect]]
    harm_tests: dict[str, dict[Kind, Effect]]
    delay_ends: dict[str, Term]
    elements: dict[str, tuple[str, ...]]
    unread: dict[str, str]
    only_with_a_name: tuple[str, ...]
    words: dict[str, str]
    warnings: Warnings


class Zones(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time zones of the states, ``zones.json``."""

    source: str
    zones: dict[str, tuple[str, ...]]


class Law(msgspec.Struct, frozen=True):
    """All of it. ``clocks`` by id, ``states`` and ``zones`` by the state's two letters."""

    clocks: Mapping[str, Clock]
    states: Mapping[str, State]
    rules: Rules
    zones: Mapping[str, tuple[ZoneInfo, ...]]

    def confirmed(self, certainty: Certainty) -> bool:
        """Whether a rule of this certainty may be applied without a person's confirmation."""
        return certainty in self.rules.confirmed

    def anchor(self, word: str) -> Anchor:
        """What a starting moment's word means."""
        return self.rules.anchors[word]

    def refinement(self, code: str, kind: Kind) -> Clock | None:
        """The clock that says the same as a cell of a state's row, with its section."""
        for name, counting in self.rules.clocks.items():
            if (counting.state, counting.refines) == (code, kind):
                return self.clocks[name]
        return None
