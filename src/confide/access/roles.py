"""The role table: who may have which data element, doing what, for which purpose. Every cell is written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from confide.protect.elements import Element


class Role(StrEnum):
    """In what capacity an actor acts in one practice."""

    FRONT_DESK = "front_desk"
    NURSE = "nurse"
    CLINICIAN = "clinician"
    BILLER = "biller"
    PRACTICE_MANAGER = "practice_manager"
    PRIVACY_OFFICER = "privacy_officer"
    AUDITOR = "auditor"
    INTEGRATOR = "integrator"
    OPERATOR = "operator"
    SYSTEM = "system"


class Purpose(StrEnum):
    """Why: a purpose of use.

    Source:
        HL7 v3 code system ActReason, http://terminology.hl7.org/CodeSystem/v3-ActReason, branch PurposeOfUse.
    """

    TREAT = "TREAT"
    HPAYMT = "HPAYMT"
    HOPERAT = "HOPERAT"
    BTG = "BTG"
    PATRQT = "PATRQT"
    SYSADMIN = "HSYSADMIN"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _PURPOSE_LABELS[self]


_PURPOSE_LABELS: Final = {
    Purpose.TREAT: "Treatment",
    Purpose.HPAYMT: "Payment",
    Purpose.HOPERAT: "Running the practice",
    Purpose.BTG: "Emergency (break the glass)",
    Purpose.PATRQT: "The patient asked",
    Purpose.SYSADMIN: "Running the system",
}


class Action(StrEnum):
    """What is done. For ``SEARCH`` the form also says what may be asked by: only what is clear."""

    READ = "read"
    SEARCH = "search"
    REVEAL = "reveal"
    WRITE = "write"
    IMPORT = "import"
    INDEX = "index"
    TOKENIZE = "tokenize"
    EXPORT = "export"
    MAIL = "mail"
    JOURNAL_READ = "journal-read"


class Form(StrEnum):
    """How an element is answered. For ``WRITE`` and ``IMPORT`` clear means that it may be written, for
    ``TOKENIZE`` that tokens and stand-ins may be made of it, for ``EXPORT`` that an approved policy may let
    it leave as it is, or a part of it, for ``MAIL`` that a letter to the person may be addressed by it.

    ``SEARCHED`` is for the journal only: asked by, and so learned, but not shown.
    """

    CLEAR = "clear"
    MASKED = "masked"
    STAND_IN = "stand-in"
    REFUSED = "refused"
    SEARCHED = "searched"


ELEMENTS: Final = (
    (Element.NAME, Element.BIRTH_DATE, Element.PHONE, Element.EMAIL, Element.ADDRESS),
    (Element.SSN, Element.MRN, Element.LICENCE, Element.PASSPORT),
    (Element.MEMBER_ID, Element.ACCOUNT, Element.CARD, Element.IDENTIFIER),
    (Element.CONTACT, Element.PHOTO, Element.DATE, Element.CLINICAL, Element.DOCUMENT),
)
"""The columns of the table, in its four groups."""

# c clear, m masked, s stand-in, r refused. * is every purpose that no line above it names. Columns:
# name birth-date phone e-mail address | ssn mrn licence passport | member account card other | contact photo
# date clinical document
_TABLE: Final = """
front_desk
  read search                TREAT HOPERAT            ccccc mcss csss cccrr
  read search                HPAYMT                   ccccc mcss cmms cccrr
  reveal                     TREAT                    ccccc mcss cssc cccrr
  reveal                     HOPERAT                  ccccc cccc cssc cccrr
  reveal                     HPAYMT                   ccccc ccss ccmc cccrr
  write                      TREAT HPAYMT HOPERAT     ccccc cccc ccrc cccrr
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
nurse
  read search                TREAT BTG                ccccc mcss csss ccccc
  read search reveal         HOPERAT                  ccsss scss ssss ssccc
  reveal                     TREAT BTG                ccccc mcss cssc ccccc
  write                      TREAT BTG                ccccc rcrr crrc ccccc
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
clinician
  read search                TREAT BTG PATRQT         ccccc mcss cssc ccccc
  read search reveal         HPAYMT                   ccsss scss csss ssccc
  read search reveal         HOPERAT                  ccsss scss ssss ssccc
  reveal                     TREAT BTG PATRQT         ccccc mcmm cssc ccccc
  write                      TREAT BTG                ccccc cccc crrc ccccc
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
biller
  read search                HPAYMT                   ccccc mcss cmms cscss
  read search reveal         HOPERAT                  ccsss scss csss sscss
  reveal                     HPAYMT                   ccccc ccss ccmc cscss
  write                      HPAYMT                   ccccc ccrr cccc crcrr
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
practice_manager
  read search                HOPERAT                  ccccc mcss csss cscss
  read search                HPAYMT                   ccccc mcss cmms cscss
  reveal                     HOPERAT                  ccccc mcss cssc cscss
  reveal                     HPAYMT                   ccccc ccss ccmc cscss
  write                      HPAYMT HOPERAT           ccccc cccc ccrc cccrr
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     HOPERAT                  scssc ssss ssss sscss
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       HOPERAT                  ccrcc rrrr rrrr crrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
privacy_officer
  read                       PATRQT HOPERAT           sssss ssss ssss sssss
  search                     PATRQT                   cssss ssss ssss sssss
  search                     HOPERAT                  sssss ssss ssss sssss
  reveal                     PATRQT HOPERAT           cssss ssss ssss sssss
  journal-read               PATRQT HOPERAT           sssss ssss ssss sssss
  read search reveal         *                        rrrrr rrrr rrrr rrrrr
  write import index         *                        rrrrr rrrr rrrr rrrrr
  journal-read               *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     HOPERAT                  scssc ssss ssss sscss
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       HOPERAT                  ccrcc rrrr rrrr crrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
auditor
  read search                HOPERAT                  sssss ssss ssss sssss
  journal-read               HOPERAT                  sssss ssss ssss sssss
  read search journal-read   *                        rrrrr rrrr rrrr rrrrr
  reveal write import index  *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
integrator
  read search reveal         TREAT HOPERAT            ccccc mcss cssc ccccc
  read search reveal         HPAYMT                   ccccc ccss ccmc cscss
  read search reveal         PATRQT                   ccccc cccc cccc ccccc
  write                      TREAT HPAYMT HOPERAT     ccccc cccc cccc ccccc
  write                      PATRQT                   rrccc rrrr rrrr crrrr
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  tokenize                   TREAT HPAYMT HOPERAT     ccccc cccc cccc crccr
  tokenize                   PATRQT                   ccccc cccc cccc crccr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
  import index journal-read  *                        rrrrr rrrr rrrr rrrrr
operator
  read search                HSYSADMIN                sssss ssss ssss sssss
  read search                *                        rrrrr rrrr rrrr rrrrr
  reveal write import index  *                        rrrrr rrrr rrrr rrrrr
  journal-read               *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
system
  import index               HSYSADMIN                ccccc cccc cccc ccccc
  import index               *                        rrrrr rrrr rrrr rrrrr
  read search reveal write   *                        rrrrr rrrr rrrr rrrrr
  journal-read               *                        rrrrr rrrr rrrr rrrrr
  tokenize                   *                        rrrrr rrrr rrrr rrrrr
  export                     HSYSADMIN                cccrr rrrr rrrr rrccc
  export                     *                        rrrrr rrrr rrrr rrrrr
  mail                       *                        rrrrr rrrr rrrr rrrrr
"""

_FORM_OF_LETTER: Final = {"c": Form.CLEAR, "m": Form.MASKED, "s": Form.STAND_IN, "r": Form.REFUSED}
Row = Mapping[Element, Form]


def _parse(table: str) -> dict[tuple[Role, Action, Purpose], Row]:
    """Read the table; a cell that is missing or written twice stops the program at import."""
    columns = [element for group in ELEMENTS for element in group]
    if sorted(columns) != sorted(Element):
        raise AssertionError("the role table does not have one column for each element")
    rows: dict[tuple[Role, Action, Purpose], Row] = {}
    role = Role.SYSTEM
    for line in table.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            role = Role(words[0])
            continue
        head, letters = words[:-4], "".join(words[-4:])
        row = MappingProxyType(dict(zip(columns, map(_FORM_OF_LETTER.__getitem__, letters), strict=True)))
        actions = [Action(word) for word in head if word.islower()]
        named = [Purpose(word) for word in head if word.isupper()]
        for action in actions:
            purposes = named or [purpose for purpose in Purpose if (role, action, purpose) not in rows]
            for purpose in purposes:
                if (role, action, purpose) in rows:
                    raise AssertionError(f"the role table has two rows for {role} {action} {purpose}")
                rows[role, action, purpose] = row
    if len(rows) != len(Role) * len(Action) * len(Purpose):
        raise AssertionError("the role table has holes")
    return rows


FORMS: Final[Mapping[tuple[Role, Action, Purpose], Row]] = MappingProxyType(_parse(_TABLE))
"""For each role, action and purpose: the form in which each element is answered."""
