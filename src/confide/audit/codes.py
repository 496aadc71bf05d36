"""What FHIR calls the things that the journal tells of: types, subtypes, actions and profiles of AuditEvent.

Source:
    FHIR R4 4.0.1, AuditEvent and its value sets; DICOM PS3.16, context groups 400 and 401; IHE ITI Basic
    Audit Log Patterns (BALP) 1.1, https://profiles.ihe.net/ITI/BALP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confide.access.roles import Action
from confide.audit import terminal
from confide.audit.entrances import Event as Entrance
from confide.audit.journal import Entry
from confide.audit.raises import ACTION as RAISE
from confide.audit.reach import Event as Reach
from confide.audit.standing import Event as Standing

Coding = Mapping[str, str]

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"
TYPES: Final = "http://hl7.org/fhir/resource-types"
REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
OWN: Final = "urn:confide:journal"
"""Our own codes: what the journal itself calls an action."""

BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

DISCLOSE: Final = "disclose"
"""The action of an entry about what was told outside of the system, and written down by a person."""


def coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    """Return a Coding."""
    return {"system": system, "code": code, **({"display": display} if display else {})}


REST: Final = coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation")
EXPORT: Final = coding(DCM, "110106", "Export")
IMPORT: Final = coding(DCM, "110107", "Import")
READ_LOG: Final = coding(DCM, "110101", "Audit Log Used")
ACTIVITY: Final = coding(DCM, "110100", "Application Activity")
AUTHENTICATION: Final = coding(DCM, "110114", "User Authentication")
SECURITY: Final = coding(DCM, "110113", "Security Alert")
SOURCE: Final = coding(DCM, "110153", "Source Role ID")
DESTINATION: Final = coding(DCM, "110152", "Destination Role ID")
_LOGIN: Final = coding(DCM, "110122", "Login")
_LOGOUT: Final = coding(DCM, "110123", "Logout")
_ROLES: Final = coding(DCM, "110136", "Security Roles Changed")
_ATTRIBUTES: Final = coding(DCM, "110137", "User security Attributes Changed")
_CONFIGURATION: Final = coding(DCM, "110131", "Software Configuration")
_OVERRIDE: Final = coding(DCM, "110127", "Emergency Override Started")
_DISCLOSED: Final = coding(LIFECYCLE, DISCLOSE, "Disclose Record Lifecycle Event")


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of AuditEvent an entry is.

    Attributes:
        type: A Coding.
        subtypes: Codings; one of our own says what the journal calls it.
        action: ``C``, ``R``, ``U``, ``D`` or ``E``.
        profile: The BALP profile that a success follows; empty if there is none.
        toward: The data goes from the server to whoever asked; for a question or a write the other way.
    """

    type: Coding
    subtypes: tuple[Coding, ...]
    action: str
    profile: str = ""
    toward: bool = False


_SECURITY: Final[Mapping[str, Coding]] = {
    **dict.fromkeys((Entrance.ROLE_ASKED, Entrance.ROLE_FOUNDED, Entrance.ROLE_APPROVED), _ROLES),
    **dict.fromkeys(
        (
            Entrance.INVITED, Entrance.INVITATION_USED, Entrance.FACTOR_ADDED, Entrance.FACTOR_REMOVED,
            Entrance.CODES_MADE, Entrance.PASSWORD_SET, Entrance.LOGIN_CONNECTED, Entrance.LOGIN_DISCONNECTED,
            Entrance.NEW_DEVICE, Entrance.OWN_DEVICE,
        ),
        _ATTRIBUTES,
    ),
    **dict.fromkeys((*Standing, *Reach, RAISE), _ATTRIBUTES),
    **dict.fromkeys(terminal.Event, _CONFIGURATION),
    **dict.fromkeys(("break-glass", "break-glass-asked", "break-glass-allowed"), _OVERRIDE),
}  # fmt: skip
_AUTHENTICATION: Final[Mapping[str, Coding]] = {
    **dict.fromkeys((Entrance.SIGN_IN, Entrance.FAILED, Entrance.STOPPED, Entrance.STEP_UP), _LOGIN),
    **dict.fromkeys((Entrance.SIGN_OUT, Entrance.SESSION_END), _LOGOUT),
}
WRITES: Final = {"C": "create", "U": "update", "D": "delete"}
"""The interaction of each letter of a write."""


def kind_of(entry: Entry) -> Kind:
    """Say what sort of AuditEvent an entry is."""
    own = coding(OWN, entry.action)
    if entry.action in _AUTHENTICATION:
        return Kind(AUTHENTICATION, (_AUTHENTICATION[entry.action], own), "E")
    if entry.action in _SECURITY:
        return Kind(SECURITY, (_SECURITY[entry.action], own), "E")
    if entry.action == DISCLOSE or (entry.action == Action.EXPORT and entry.patient):
        profile = "PrivacyDisclosure.Source" if entry.patient else ""
        return Kind(EXPORT, (_DISCLOSED, own), "R", profile, toward=True)
    if entry.action in _TELLING:
        return _TELLING[entry.action](entry, own)
    return Kind(ACTIVITY, (own,), "E")


def _read(entry: Entry, own: Coding) -> Kind:
    if not entry.version:  # asked by a bare value, or of a token: the vault's own operations
        return Kind(REST, (coding(INTERACTION, "operation", "operation"), own), "E", toward=True)
    profile = "PatientRead" if entry.patient else "Read"
    return Kind(REST, (coding(INTERACTION, "read", "read"), own), "R", profile, toward=True)


def _search(entry: Entry, own: Coding) -> Kind:
    profile = "PatientQuery" if entry.patient else "Query"
    return Kind(REST, (coding(INTERACTION, "search", "search"), own), "E", profile)


def write_letter(entry: Entry) -> str:
    """Say whether a write made, changed or deleted something."""
    if entry.version and not entry.body_sha256:
        return "D"
    return "C" if entry.version <= 1 else "U"


def _write(entry: Entry, own: Coding) -> Kind:
    letter = write_letter(entry)
    interaction = WRITES[letter]
    profile = f"{'Patient' if entry.patient else ''}{interaction.capitalize()}" if entry.version else ""
    return Kind(REST, (coding(INTERACTION, interaction, interaction), own), letter, profile)


_TELLING: Final[Mapping[str, Callable[[Entry, Coding], Kind]]] = {
    Action.READ.value: _read,
    Action.REVEAL.value: _read,
    Action.SEARCH.value: _search,
    Action.WRITE.value: _write,
    Action.IMPORT.value: lambda _, own: Kind(IMPORT, (own,), "C"),
    Action.EXPORT.value: lambda _, own: Kind(EXPORT, (own,), "R", toward=True),
    Action.JOURNAL_READ.value: lambda _, own: Kind(READ_LOG, (own,), "R", toward=True),
}
