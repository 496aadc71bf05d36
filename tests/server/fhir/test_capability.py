"""What the server says of itself is valid FHIR, and true."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Http

from confide.fhir import json
from confide.fhir.validate import validate


@pytest.fixture
def statement() -> Any:
    response = Http().get("/fhir/R4/metadata")
    assert response.status_code == 200
    return json.parse(response.content)


def test_the_statement_is_valid(statement: Any) -> None:
    assert validate(statement) == []


@pytest.mark.asvs("2.1.1")
def test_the_statement_lists_what_there_is(statement: Any) -> None:
    rest = statement["rest"][0]
    kinds = {resource["type"]: resource for resource in rest["resource"]}
    assert len(kinds) == 146
    patient = kinds["Patient"]
    assert patient["updateCreate"] is False
    assert {"name", "birthdate", "identifier"} <= {p["name"] for p in patient["searchParam"]}
    assert {i["code"] for i in rest["interaction"]} == {"transaction", "batch"}
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def test_the_smart_configuration() -> None:
    said = Http().get("/fhir/R4/.well-known/smart-configuration").json()
    assert said["token_endpoint"] == "http://testserver/oauth/token"
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert said["grant_types_supported"] == ["client_credentials"]
    assert {"system/*.rs", "vault/tokenize", "vault/detokenize"} <= set(said["scopes_supported"])
