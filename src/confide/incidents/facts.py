"""What is known of an incident, as the clocks need it: moments, persons by state, what was shown, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from confide.incidents.statutes import Law
from confide.protect.elements import Element

Moment = date | datetime
"""A calendar day, or an aware moment on one."""

MOMENTS: Final = ("discovered", "aware", "determined", "scoped", "notified", "secretary", "informed")


class Encryption(StrEnum):
    """How the data were encrypted in the hands of whoever has them."""

    NONE = "no"
    KEY_SAFE = "key-safe"
    KEY_TAKEN = "key-taken"


class Way(StrEnum):
    """How they were reached: a valid login opens what is encrypted."""

    LOGIN = "login"
    MEDIUM = "medium"
    OTHER = "other"


class Harm(StrEnum):
    """Whether harm (for HIPAA: compromise) is presumed, or decided and signed to be unlikely."""

    PRESUMED = "presumed"
    UNLIKELY = "unlikely"


@dataclass(frozen=True, slots=True)
class Entity:
    """A covered entity, and how many of its persons live where.

    Attributes:
        name: As its officer knows it.
        residents: Persons by the state's two letters; ``unknown`` for those whose state is not known.
        unreachable: Of them, those whose address is missing or wrong.
    """

    name: str
    residents: Mapping[str, int]
    unreachable: int = 0

    @property
    def persons(self) -> int:
        return sum(self.residents.values())


@dataclass(frozen=True, slots=True)
class Statement:
    """Law enforcement's word that a notice would impede it (45 CFR 164.412).

    Attributes:
        made: The day on which it was made.
        until: The last day of the delay that a written one asks for; None for an oral one.
        cleared: The day on which they said that notices may go, where that has come.
    """

    made: date
    until: date | None = None
    cleared: date | None = None

    @property
    def written(self) -> bool:
        return self.until is not None


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known. What is None is not known, and then the strictest reading counts.

    Attributes:
        entities: The covered entities, each with its persons; thresholds are theirs.
        discovered: The first day on which it was known, or would have been with diligence.
        accessed: First and last day of access.
        aware: When it was known with reasonable certainty (GDPR).
        determined: When it was determined that it is a breach.
        scoped: When it was known whose data they are.
        notified: The day of the letters to the individuals, once they went.
        secretary: The day on which the Secretary of HHS was told.
        informed: For a business associate: the day on which it told the covered entities.
        elements: What was shown, in Confide's words (``ssn``) or the law's (``dl``); None if unknown.
        vendor: A business associate had the breach, not the covered entities themselves.
        hipaa: They are under HIPAA.
        assessment: The signed outcome of 45 CFR 164.402(2).
        harm: The signed outcome of the states' tests of harm.
        europeans: Data subjects under GDPR.
        facility: A licensed clinic, health facility, home health agency or hospice in California.
        part2: Records of substance use disorder treatment (42 CFR part 2) are among them.
        zone: Where the entity is; None counts a moment on the earliest day that it has anywhere concerned.
    """

    entities: tuple[Entity, ...]
    discovered: Moment
    accessed: tuple[date, date] | None = None
    aware: Moment | None = None
    determined: Moment | None = None
    scoped: Moment | None = None
    notified: Moment | None = None
    secretary: Moment | None = None
    informed: Moment | None = None
    elements: frozenset[str] | None = None
    encryption: Encryption = Encryption.NONE
    way: Way = Way.OTHER
    vendor: bool = False
    hipaa: bool = True
    assessment: Harm = Harm.PRESUMED
    harm: Harm = Harm.PRESUMED
    statements: tuple[Statement, ...] = ()
    europeans: int = 0
    facility: bool = False
    part2: bool = False
    zone: ZoneInfo | None = None
    totals: Mapping[str, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        totals: dict[str, int] = {}
        for entity in self.entities:
            for code, count in entity.residents.items():
                totals[code] = totals.get(code, 0) + count
        object.__setattr__(self, "totals", totals)

    @property
    def persons(self) -> int:
        return sum(self.totals.values())

    @property
    def secured(self) -> bool:
        """Encrypted with the key safe; a valid login opens what is encrypted, so it never counts then."""
        return self.encryption is Encryption.KEY_SAFE and self.way is not Way.LOGIN


def day(moment: Moment, zones: tuple[ZoneInfo, ...]) -> date:
    """Return the day of *moment* where it is earliest."""
    if isinstance(moment, datetime):
        return min(moment.astimezone(zone).date() for zone in zones)
    return moment


def first_day(incident: Incident, law: Law) -> date:
    """Return the first day that an incident has anywhere: of access, or else of discovery."""
    if incident.accessed is not None:
        return incident.accessed[0]
    return day(incident.discovered, everywhere(incident, law))


def everywhere(incident: Incident, law: Law) -> tuple[ZoneInfo, ...]:
    """Return the zone of the entity, or all those of the states concerned."""
    if incident.zone is not None:
        return (incident.zone,)
    codes = [code for code in incident.totals if code in law.zones] or list(law.zones)
    return tuple(dict.fromkeys(zone for code in codes for zone in law.zones[code]))


def vocabulary(law: Law) -> frozenset[str]:
    """Return the words for elements: Confide's own, and the law's."""
    return frozenset(Element) | frozenset(law.rules.words)
