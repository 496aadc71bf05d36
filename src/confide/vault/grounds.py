"""On which ground something may be told, and what is not accounted for: words for people, and the rule.

Source:
    45 CFR 164.512, 164.528(a)(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Basis(StrEnum):
    """Why something may, or had to, be told without the patient's authorization.

    Source:
        45 CFR 164.512, by paragraph. What 164.528(a)(1) excepts is not here: it is not accounted for.
    """

    LAW = "required-by-law"
    PUBLIC_HEALTH = "public-health"
    ABUSE = "abuse"
    OVERSIGHT = "oversight"
    JUDICIAL = "judicial"
    POLICE = "law-enforcement"
    DECEDENT = "decedent"
    ORGAN = "organ-donation"
    RESEARCH = "research"
    THREAT = "threat"
    GOVERNMENT = "government"
    COMPENSATION = "workers-compensation"
    MISTAKE = "mistake"


BASES: Final[Mapping[Basis, tuple[str, str]]] = {
    Basis.LAW: ("Because a law requires it", "45 CFR 164.512(a)"),
    Basis.PUBLIC_HEALTH: ("For public health, such as a disease that must be reported", "45 CFR 164.512(b)"),
    Basis.ABUSE: ("To report abuse, neglect or violence at home", "45 CFR 164.512(c)"),
    Basis.OVERSIGHT: ("For an agency that oversees health care", "45 CFR 164.512(d)"),
    Basis.JUDICIAL: ("For a court, or in a lawsuit", "45 CFR 164.512(e)"),
    Basis.POLICE: ("For law enforcement", "45 CFR 164.512(f)"),
    Basis.DECEDENT: ("For a coroner or a funeral director", "45 CFR 164.512(g)"),
    Basis.ORGAN: ("For organ donation", "45 CFR 164.512(h)"),
    Basis.RESEARCH: ("For research that a board has approved", "45 CFR 164.512(i)"),
    Basis.THREAT: ("To avert a serious threat to somebody", "45 CFR 164.512(j)"),
    Basis.GOVERNMENT: ("For a special function of the government, such as the military", "45 CFR 164.512(k)"),
    Basis.COMPENSATION: ("For workers’ compensation", "45 CFR 164.512(l)"),
    Basis.MISTAKE: ("By mistake: it should not have been told", "45 CFR 164.528(a)(1), not excepted"),
}
"""What a person reads, and the rule."""


class Left(StrEnum):
    """What is not accounted for, and why."""

    TREATMENT = "programs-for-care"
    PATIENT = "to-the-patient"
    LIMITED = "limited-data-set"
    ANONYMOUS = "safe-harbor"
    USE = "use"


LEFT: Final[Mapping[Left, tuple[str, str]]] = {
    Left.TREATMENT: (
        "Programs of laboratories, pharmacies and insurers: your treatment, payment, running the practice",
        "45 CFR 164.528(a)(1)(i)",
    ),
    Left.PATIENT: ("Programs through which you yourself got your information", "45 CFR 164.528(a)(1)(ii)"),
    Left.LIMITED: (
        "Data without names and numbers that identify you, under an agreement (a limited data set)",
        "45 CFR 164.528(a)(1)(viii)",
    ),
    Left.ANONYMOUS: (
        "Data from which all that identifies you was removed, so that it is not about you any more",
        "45 CFR 164.502(d)(2)",
    ),
    Left.USE: (
        "People who work here and opened your record: that is a use, and the access report lists them",
        "45 CFR 160.103",
    ),
}
"""What a person reads, and the rule."""

ALSO: Final = (
    "Also left out, where there was any: what you authorized in writing (iv), what was told to people who are"
    " involved in your care (v), what came of something allowed in passing (iii), national security (vi), and"
    " prisons or police who hold somebody (vii)."
)
