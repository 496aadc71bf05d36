"""A laboratory's program: its key, how it gets a token, and its requests, without a network."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.test import Client as Http
from joserfc import jwt
from joserfc.jwk import ECKey

from confide.access.models import Client, Practice
from confide.protect.elements import Element

TOKEN_URL = "http://testserver/oauth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FHIR = "application/fhir+json"
KEY = ECKey.generate_key("P-384", {"kid": "k1", "alg": "ES384"}, private=True)
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"}],
    "name": [{"family": "Quernheim", "given": ["Ottoline"]}],
    "gender": "female",
    "birthDate": "1963-05-04",
}


def register(practice: Practice, **changes: Any) -> Client:
    row = {
        "name": "lab", "practice": practice, "jwks": {"keys": [KEY.as_dict(private=False)]},
        "scopes": "system/*.cruds", "elements": [e.value for e in Element], "purpose": "TREAT",
    }  # fmt: skip
    return Client.objects.create(**(row | changes))


def assertion(
    client_id: str, /, key: ECKey = KEY, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A client assertion; a claim that is changed to None is left out."""
    now = int(time.time())
    claims = {
        "iss": client_id, "sub": client_id, "aud": TOKEN_URL, "iat": now, "exp": now + 240,
        "jti": secrets.token_hex(8),
    } | changes  # fmt: skip
    claims = {name: claim for name, claim in claims.items() if claim is not None}
    full = {"alg": "ES384", "kid": "k1", "typ": "JWT"} | (header or {})
    return jwt.encode(full, claims, key, algorithms=[full["alg"]])


def ask(signed: str, scope: str = "system/*.cruds", **changes: str) -> Any:
    """Ask for a token; return the response."""
    form = {
        "grant_type": "client_credentials", "scope": scope, "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    } | changes  # fmt: skip
    body = "&".join(f"{name}={quote(part, safe='')}" for name, part in form.items())
    return Http().post("/oauth/token", body, content_type="application/x-www-form-urlencoded")


@dataclass
class Api:
    """The FHIR API as one client has it."""

    client: Client
    token: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if body is None:
            sent = {}
        elif isinstance(body, bytes):
            sent = {"data": body, "content_type": headers.pop("content_type", FHIR)}
        else:
            sent = {"data": json.dumps(body), "content_type": headers.pop("content_type", FHIR)}
        written = {name.replace("_", "-"): text for name, text in headers.items()}
        written = {"Authorization": f"Bearer {self.token}"} | written
        return Http().generic(method, f"/fhir/R4{path}", headers=written, **sent)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def make(self, resource: Any) -> dict[str, Any]:
        response = self.send("POST", f"/{resource['resourceType']}", resource)
        assert response.status_code == 201, response.content
        return response.json()


def connect(client: Client, scope: str = "system/*.cruds") -> Api:
    response = ask(assertion(client.pk), scope)
    assert response.status_code == 200, response.content
    return Api(client, response.json()["access_token"])
