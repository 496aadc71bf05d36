"""An incident in the VERIS schema, for those who compare incidents: numbers and codes, no person and no text.

Source:
    VERIS 1.4, the Vocabulary for Event Recording and Incident Sharing.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from confide.incidents.course import Act, State
from confide.incidents.facts import Way
from confide.incidents.models import Incident, Scope
from confide.incidents.questions import Copy, Question
from confide.protect.elements import CATALOGUE, Element

VERSION: Final = "1.4.1"
_UNKNOWN: Final = "Unknown"
_MEDICAL: Final = frozenset({Element.CLINICAL, Element.DOCUMENT, Element.DATE})
_BANK: Final = frozenset({Element.ACCOUNT})
_PAYMENT: Final = frozenset({Element.CARD})


def describe(incident: Incident, scope: Scope) -> dict[str, Any]:
    """Return an incident as a VERIS record.

    Args:
        incident: Which.
        scope: By which count.
    """
    signed = incident.latest_assessment()
    first = (scope.first or incident.discovered).date()
    total = scope.records if scope.persons is None else scope.persons
    return {
        "schema_version": VERSION,
        "incident_id": incident.pk,
        "source_id": "confide",
        "security_incident": "Confirmed"
        if signed is not None and signed.outcome == "breach"
        else "Suspected",
        "confidence": "High" if scope.sound else "Low",
        "summary": f"{_WAYS[Way(incident.way)]}; {total:,} persons at {scope.practices:,} practices",
        "timeline": {
            "incident": {"year": first.year, "month": first.month, "day": first.day},
            "compromise": {"unit": _UNKNOWN},
            "exfiltration": {"unit": _UNKNOWN},
            "discovery": _days(first, incident.discovered.date()),
            "containment": _contained(incident),
        },
        "victim": {
            "industry": "62",
            "country": ["US"],
            "employee_count": _UNKNOWN,
            "government": ["NA"],
        },
        "actor": {"external": {"variety": [_UNKNOWN], "motive": [_UNKNOWN], "country": [_UNKNOWN]}},
        "action": _ACTIONS[Way(incident.way)],
        "asset": _asset(incident, scope),
        "attribute": {
            "confidentiality": {
                "data_disclosure": "Yes" if scope.sound and total else "Potentially",
                "data_total": total,
                "data_victim": ["Patient"],
                "state": ["Stored"],
                "data": _data(scope),
            }
        },
        "discovery_method": {"internal": {"variety": [_UNKNOWN]}},
        "plus": {"scope_version": scope.version, "records": scope.records, "journal_verified": scope.sound},
    }


_WAYS: Final = {
    Way.LOGIN: "A valid login, session or key in wrong hands",
    Way.MEDIUM: "A stolen or lost medium",
    Way.OTHER: "Not known how the data were reached",
}
_ACTIONS: Final[dict[Way, dict[str, Any]]] = {
    Way.LOGIN: {
        "hacking": {
            "variety": ["Use of stolen creds"],
            "vector": ["Web application"],
            "result": ["Infiltrate", "Exfiltrate"],
        }
    },
    Way.MEDIUM: {"physical": {"variety": ["Theft"], "vector": [_UNKNOWN], "result": ["Exfiltrate"]}},
    Way.OTHER: {"unknown": {"result": [_UNKNOWN]}},
}


def _asset(incident: Incident, scope: Scope) -> dict[str, Any]:
    copied = Question.read(scope.question).copy
    if incident.way == Way.MEDIUM or copied is Copy.BACKUP:
        return {"assets": [{"variety": "M - Disk media"}]}
    return {"assets": [{"variety": "S - Web application"}, {"variety": "S - Database"}]}


def _days(first: date, later: date) -> dict[str, Any]:
    days = (later - first).days
    return {"unit": "Days", "value": days} if days >= 0 else {"unit": _UNKNOWN}


def _contained(incident: Incident) -> dict[str, Any]:
    moves = incident.happenings.filter(kind=Act.MOVE, about__endswith=f" {State.CONTAINED}")
    last = moves.order_by("at").last()
    return {"unit": _UNKNOWN} if last is None else _days(incident.discovered.date(), last.at.date())


def _data(scope: Scope) -> list[dict[str, Any]]:
    """How many records of each variety: at most as many as the element with most."""
    amounts: dict[str, int] = {}
    for code, forms in scope.elements.items():
        element, shown = Element(code), sum(forms.values())
        for variety in _varieties(element):
            amounts[variety] = max(amounts.get(variety, 0), shown)
    return [{"variety": variety, "amount": amount} for variety, amount in sorted(amounts.items())]


def _varieties(element: Element) -> list[str]:
    if element in _MEDICAL:
        return ["Medical"]
    if element in _BANK:
        return ["Bank"]
    if element in _PAYMENT:
        return ["Payment"]
    return ["Personal", "Sensitive Personal"] if CATALOGUE[element].step_up else ["Personal"]
