"""The API description: every address that programs may call, with what it takes and what it answers.

Made from the tables that the server itself runs on: FHIR's resource types, the shapes of the vault's batches,
the OAuth names. ``tests/server/test_openapi.py`` compares it with the addresses that there are, and `make
attack` sends what it allows, and what it does not.

Source:
    OpenAPI Specification 3.1.0, https://spec.openapis.org/oas/v3.1.0; FHIR R4 4.0.1, RESTful API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from confide.fhir.tables import RESOURCES
from confide.server import credentials, oauth, smart
from confide.server.fhir import audits
from confide.server.fhir.answers import FHIR_JSON
from confide.server.fhir.searches import FORM
from confide.server.vault import batches

ADDRESS: Final = "/openapi.json"
_JSON: Final = "application/json"
_BEARER: Final[list[dict[str, list[str]]]] = [{"bearer": []}]
_TEXTS: Final = {
    200: "as asked for",
    201: "stored",
    204: "deleted, or it was so before",
    400: "it cannot be read, or asks for what is not supported",
    401: "no valid token",
    403: "the scope, the role or the budget does not cover it",
    404: "there is no such thing, or not for this program",
    405: "another method is needed",
    406: "another format than JSON was asked for",
    409: "somebody else was faster",
    410: "it was deleted",
    412: "a condition does not hold, or is not supported",
    413: "the body is too large",
    415: "the body is of another media type",
    422: "a value needs to be corrected; the answer names its place",
    429: "too much at once; wait as long as Retry-After says",
    503: "try later; nothing was stored or shown",
}
_ANYWHERE: Final = (401, 403, 404, 405, 406, 429, 503)
_WRITING: Final = (400, 409, 412, 413, 415, 422)
_VAULT: Final = {
    "tokenize": (batches.Tokenize, "Each value's token for one recipient."),
    "detokenize": (batches.Detokenize, "The value behind each token."),
    "protect": (batches.Protect, "What may be kept in the place of each value."),
    "reveal": (batches.Reveal, "The value of each stand-in or seal."),
}


def describe(request: HttpRequest) -> HttpResponse:
    """Answer ``GET /openapi.json``; it needs no token and tells nothing of any installation."""
    if request.method != "GET":
        refused = JsonResponse({"error": "this address is only read"}, status=405)
        refused["Allow"] = "GET"
        return refused
    return JsonResponse(description())


@cache
def description() -> dict[str, Any]:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Confide",
            "version": "R4",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "FHIR R4, the vault, and how programs sign in. See the CapabilityStatement, too.",
        },
        "paths": {**_fhir(), **_vault(), **_oauth()},
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From /oauth/token: SMART Backend Services.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": settings.SESSION_COOKIE_NAME,
                    "description": "A person who has signed in at /sign-in, with a second factor.",
                },
            },
            "schemas": {**_resources(), **_shapes()},
        },
    }


# The parts of an operation


def _answers(media: str, statuses: Iterable[int], good: Mapping[int, str]) -> dict[str, Any]:
    """What may come back: *good* names the schema of each success, and every refusal says why."""
    written: dict[str, Any] = {}
    for status in sorted({*statuses, *good}):
        schema = good.get(status, _REFUSALS[media])
        answer: dict[str, Any] = {"description": _TEXTS[status]}
        if schema:
            answer["content"] = {media: {"schema": _ref(schema)}}
        written[str(status)] = answer
    return written


_REFUSALS: Final = {FHIR_JSON: "OperationOutcome", _JSON: "Trouble"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, schema: Mapping[str, Any], place: str = "path") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": dict(schema)}


# FHIR

_KIND: Final = _parameter("kind", {"type": "string", "enum": sorted(RESOURCES)})
_ID: Final = _parameter("id", {"type": "string", "format": "uuid"})
_VERSION: Final = _parameter("version", {"type": "integer", "minimum": 1, "maximum": 999_999_999})
_IF_MATCH: Final = _parameter("If-Match", {"type": "string", "examples": ['W/"1"']}, "header")
_SEARCH: Final[Mapping[str, Mapping[str, Any]]] = {
    "_id": {"type": "string"},
    "_count": {"type": "integer", "minimum": 0},
    "_sort": {"type": "string"},
    "_summary": {"type": "string", "enum": ["count"]},
    "_lastUpdated": {"type": "string"},
    "identifier": {"type": "string"},
    "name": {"type": "string"},
    "birthdate": {"type": "string"},
    "code": {"type": "string"},
    "patient": {"type": "string"},
}
"""The most common of the parameters; those of each type are in the CapabilityStatement."""


def _fhir() -> dict[str, Any]:
    body = {"required": True, "content": {FHIR_JSON: {"schema": _ref("Resource")}}}
    bundle = {"required": True, "content": {FHIR_JSON: {"schema": _ref("Bundle")}}}
    form = {"type": "object", "properties": _SEARCH, "additionalProperties": {"type": "string"}}
    query = [_parameter(name, schema, "query") for name, schema in _SEARCH.items()]
    here = "/fhir/R4"
    found, one = {200: "Bundle"}, {200: "Resource"}
    paths: dict[str, Any] = {
        here: {"post": _operation("transaction or batch", [], (*_WRITING, 410), found, bundle)},
        f"{here}/metadata": {"get": _open("what this server can do", FHIR_JSON, "Resource", (405, 406))},
        f"{here}/.well-known/smart-configuration": {
            "get": _open("how programs sign in", _JSON, "Object"),
        },
        f"{here}/Patient/{{id}}/$everything": {
            "get": _operation("a whole chart", [_ID], (400, 410, 422), found),
        },
        f"{here}/AuditEvent": {"get": _journal("search in the journal", _journal_search(), found)},
        f"{here}/AuditEvent/$disclosures": {
            "get": _journal("a patient's accounting of disclosures", [_PATIENT], found)
        },
        f"{here}/AuditEvent/{{id}}": {"get": _journal("an entry of the journal", [_ENTRY], one)},
        f"{here}/{{kind}}": {
            "get": _operation("search", [_KIND, *query], (400, 422), found),
            "post": _operation("create", [_KIND], (*_WRITING, 410), {201: "Resource"}, body),
        },
        f"{here}/{{kind}}/_search": {
            "post": _operation(
                "search, with what identifies in the body",
                [_KIND],
                (400, 413, 415, 422),
                found,
                {"required": True, "content": {FORM: {"schema": form}}},
            ),
        },
        f"{here}/{{kind}}/{{id}}": {
            "get": _operation("read", [_KIND, _ID], (410,), one),
            "put": _operation("update", [_KIND, _ID, _IF_MATCH], (*_WRITING, 410), one, body),
            "delete": _operation("delete", [_KIND, _ID, _IF_MATCH], (400, 409, 412, 422), {204: ""}),
        },
        f"{here}/{{kind}}/{{id}}/_history": {
            "get": _operation("every version", [_KIND, _ID], (), found),
        },
        f"{here}/{{kind}}/{{id}}/_history/{{version}}": {
            "get": _operation("one version", [_KIND, _ID, _VERSION], (410,), one),
        },
    }
    return paths


_PATIENT: Final = {**_parameter("patient", {"type": "string", "format": "uuid"}, "query"), "required": True}
_ENTRY: Final = _parameter("id", {"type": "string", "pattern": "^[0-9]{1,18}$"})


def _journal_search() -> list[dict[str, Any]]:
    names = [name for name, _ in audits.PARAMETERS]
    count = _parameter("_count", {"type": "integer", "minimum": 0}, "query")
    return [*(_parameter(name, {"type": "string"}, "query") for name in names), count]


def _journal(summary: str, parameters: list[dict[str, Any]], good: Mapping[int, str]) -> dict[str, Any]:
    """An operation for people in a session."""
    written = _operation(summary, parameters, (400,), good)
    return {**written, "security": [{"session": []}]}


def _operation(
    summary: str,
    parameters: list[dict[str, Any]],
    statuses: Iterable[int],
    good: Mapping[int, str],
    body: Mapping[str, Any] | None = None,
    media: str = FHIR_JSON,
) -> dict[str, Any]:
    written: dict[str, Any] = {
        "summary": summary,
        "security": _BEARER,
        "responses": _answers(media, {*_ANYWHERE, *statuses}, good),
    }
    if parameters:
        written["parameters"] = parameters
    if body is not None:
        written["requestBody"] = dict(body)
    return written


def _open(summary: str, media: str, schema: str, statuses: Iterable[int] = (405,)) -> dict[str, Any]:
    """An operation that needs no token."""
    return {"summary": summary, "security": [], "responses": _answers(media, statuses, {200: schema})}


def _resources() -> dict[str, Any]:
    text = {"type": "string"}
    resource: dict[str, Any] = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string", "enum": sorted(RESOURCES)}},
    }
    issue = {
        "type": "object",
        "required": ["severity", "code"],
        "properties": {
            "severity": {"enum": ["fatal", "error", "warning", "information"]},
            "code": text,
            "diagnostics": text,
            "expression": {"type": "array", "items": text},
        },
    }
    return {
        "Object": {"type": "object"},
        "Resource": resource,
        "Bundle": {
            **resource,
            "properties": {
                "resourceType": {"const": "Bundle"},
                "type": text,
                "entry": {"type": "array", "items": _ref("Object")},
            },
        },
        "OperationOutcome": {
            "type": "object",
            "required": ["resourceType", "issue"],
            "properties": {
                "resourceType": {"const": "OperationOutcome"},
                "issue": {"type": "array", "minItems": 1, "items": issue},
            },
        },
    }


# The vault


def _vault() -> dict[str, Any]:
    paths = {}
    for name, (shape, summary) in _VAULT.items():
        body = {"required": True, "content": {_JSON: {"schema": _ref(shape.__name__)}}}
        statuses = (400, 413, 415, 422)
        paths[f"/{smart.VAULT}/{name}"] = {
            "post": _operation(summary, [], statuses, {200: "Items"}, body, _JSON),
        }
    return paths


def _shapes() -> dict[str, Any]:
    shapes = [shape for shape, _ in _VAULT.values()]
    _, components = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    error = {
        "type": "object",
        "required": ["code", "text"],
        "properties": {"code": {"type": "string"}, "text": {"type": "string"}},
    }
    items = {"type": "array", "maxItems": batches.LIMIT, "items": _ref("Object")}
    return {
        **components,
        "Items": {"type": "object", "required": ["items"], "properties": {"items": items}},
        "Trouble": {"type": "object", "required": ["error"], "properties": {"error": error}},
        "Refusal": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        },
        "Token": {
            "type": "object",
            "required": ["access_token", "token_type", "expires_in", "scope"],
            "properties": {
                "access_token": {"type": "string"},
                "token_type": {"const": "bearer"},
                "expires_in": {"type": "integer"},
                "scope": {"type": "string"},
            },
        },
    }


# Signing in


def _oauth() -> dict[str, Any]:
    fields: dict[str, Any] = {name: {"type": "string"} for name in sorted(oauth.NAMES)}
    fields["grant_type"] = {"const": "client_credentials"}
    fields["client_assertion_type"] = {"const": credentials.ASSERTION_TYPE}
    form = {"type": "object", "required": ["grant_type"], "properties": fields}
    refusals = dict.fromkeys((400, 401, 405, 413, 429), "Refusal")
    operation = {
        "summary": "a token for a program, by a signed assertion",
        "security": [],
        "requestBody": {"required": True, "content": {FORM: {"schema": form}}},
        "responses": _answers(_JSON, (), {200: "Token", **refusals}),
    }
    return {"/oauth/token": {"post": operation}}
