"""What this server can do, said to everyone: the CapabilityStatement and the SMART configuration.

Source:
    FHIR R4 4.0.1, http://hl7.org/fhir/R4/capabilitystatement.html; SMART App Launch 2.2.0, conformance.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from confide.access.keys import Method
from confide.audit.codes import BALP
from confide.fhir import search
from confide.fhir.tables import RESOURCES
from confide.server import credentials, oauth, smart
from confide.server.config import Ends
from confide.server.fhir import audits
from confide.server.fhir.answers import Declined, base_url, negotiate, send, send_declined

_DATE = "2026-11-22"
_INTERACTIONS = ("read", "vread", "update", "delete", "history-instance", "create", "search-type")
_KINDS = frozenset({"token", "reference", "date", "string", "uri"})
_SECURITY = (
    "SMART Backend Services: client credentials with private_key_jwt, or with a TLS certificate (RFC 8705) to"
    " which the token is bound. A token acts in one practice (RFC 8707). A client sees the elements that it"
    " was registered for, up to its exposure budget; the rest are stand-ins, in resources labelled PSEUDED."
)
_JOURNAL = (
    "The journal, for the privacy officer and the auditor in a session of theirs; a token is refused. Each"
    " reading is an entry itself. Of a query it says by which elements, never with which values."
)
_UPDATES = "An update never creates (404), and ids are always the server's own."


def metadata(request: HttpRequest) -> HttpResponse:
    """Answer ``GET metadata``; it needs no token."""
    try:
        _require_get(request)
        negotiate(request)
    except Declined as declined:
        return send_declined(declined)
    return send(statement(base_url(request), oauth.token_url(request)))


def smart_configuration(request: HttpRequest) -> HttpResponse:
    """Answer ``.well-known/smart-configuration``; it needs no token."""
    try:
        _require_get(request)
    except Declined as declined:
        return send_declined(declined)
    mutual = settings.CONFIG.client_certificates is not Ends.NOWHERE
    methods = [each.value for each in Method if mutual or each is Method.SIGNATURE]
    return JsonResponse(
        {
            "token_endpoint": oauth.token_url(request),
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": list(credentials.ALGORITHMS),
            "tls_client_certificate_bound_access_tokens": mutual,
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": [
                "system/*.rs",
                "system/*.cruds",
                "system/*.read",
                "system/*.write",
                "system/*.*",
                *(f"{smart.VAULT}/{operation}" for operation in smart.OPERATIONS),
            ],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )


@cache
def statement(base: str, token_url: str) -> dict[str, Any]:
    """Return the CapabilityStatement of this server under one address."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Confide", "version": _version()},
        "implementation": {"description": "Confide, FHIR R4", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": _UPDATES,
                "security": _security(token_url),
                "resource": [_resource(kind) for kind in sorted(RESOURCES)],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _security(token_url: str) -> dict[str, Any]:
    oauth_uris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    service = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    return {
        "extension": [{"url": oauth_uris, "extension": [{"url": "token", "valueUri": token_url}]}],
        "cors": False,
        "service": [
            {"coding": [{"system": service, "code": "SMART-on-FHIR"}], "text": "SMART Backend Services"}
        ],
        "description": _SECURITY,
    }


def _resource(kind: str) -> dict[str, Any]:
    if kind == "AuditEvent":
        return _journal()
    written: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
    }
    parameters = [
        {"name": p.name, "type": p.kind} for p in search.parameters(kind).values() if p.kind in _KINDS
    ]
    if parameters:
        written["searchParam"] = parameters
    if kind == "Patient":
        definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
        written["operation"] = [{"name": "everything", "definition": definition}]
    return written


def _journal() -> dict[str, Any]:
    """The journal: read by people in a session, written by the server alone."""
    profiles = (
        *(f"Patient{name}" for name in ("Read", "Query", "Create", "Update", "Delete")),
        *("Read", "Query", "Create", "Update", "Delete", "PrivacyDisclosure.Source"),
    )
    return {
        "type": "AuditEvent",
        "supportedProfile": [BALP + name for name in profiles],
        "documentation": _JOURNAL,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "readHistory": False,
        "updateCreate": False,
        "searchParam": [{"name": name, "type": kind} for name, kind in audits.PARAMETERS],
        "operation": [{"name": "disclosures", "definition": "urn:confide:operation:disclosures"}],
    }


def _require_get(request: HttpRequest) -> None:
    if request.method != "GET":
        raise Declined(405, "not-supported", "this address is only read", {"Allow": "GET"})


def _version() -> str:
    try:
        return version("confide")
    except PackageNotFoundError:
        return "unknown"
