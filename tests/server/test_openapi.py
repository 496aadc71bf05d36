"""The API description says every address of the programs' APIs, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Http
from django.urls import URLPattern, URLResolver, get_resolver

from confide.fhir.tables import RESOURCES
from confide.server import openapi, smart

APIS = ("/fhir/", "/vault/", "/oauth/")
_PART = re.compile(r"<(?:str:)?(\w+?)_?>")


def routes(patterns: list[Any], before: str = "/") -> Iterator[str]:
    for each in patterns:
        route = before + str(each.pattern).lstrip("^").rstrip("$")
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, route)
        elif isinstance(each, URLPattern) and each.callback.__name__ != "nowhere":
            yield _PART.sub(r"{\1}", route).rstrip("/")


@pytest.mark.asvs("2.1.1")
def test_every_address_of_an_api_is_described() -> None:
    there = {r for r in routes(get_resolver().url_patterns) if f"{r}/".startswith(APIS)}
    assert there == set(openapi.description()["paths"])


@pytest.mark.asvs("4.1.1")
def test_each_method_is_answered_and_no_other() -> None:
    """Without a token each described operation says 401 or answers; an undescribed method says 405."""
    http = Http()
    fill = {"kind": "Patient", "id": "0b0f7ad8-5a5e-4a3a-9b2c-111111111111", "version": "1"}
    for path, operations in openapi.description()["paths"].items():
        address = path.format(**fill)
        for method in ("get", "post", "put", "delete", "patch"):
            response = getattr(http, method)(address, content_type="application/json")
            status = str(response.status_code)
            if method not in operations:
                assert status == "405", (path, method, status)
                assert response["Allow"].lower().replace(" ", "").split(",") == sorted(operations)
            else:
                assert status in operations[method]["responses"], (path, method, status)
                described = operations[method]["responses"][status]["content"]
                assert response["Content-Type"].partition(";")[0] in described, (path, method)


def test_the_tables_are_the_servers_own() -> None:
    description = openapi.description()
    assert set(description["components"]["schemas"]["Resource"]["properties"]["resourceType"]["enum"]) == set(
        RESOURCES
    )
    assert {f"/vault/{name}" for name in smart.OPERATIONS} <= set(description["paths"])
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)):
        assert reference in description["components"]["schemas"]


@pytest.mark.asvs("13.4.5")
@pytest.mark.django_db(databases=["default", "keys"])
def test_it_is_served_to_everyone_and_only_read() -> None:
    response = Http().get(openapi.ADDRESS)
    assert (response.status_code, response.json()["openapi"]) == (200, "3.1.0")
    refused = Http().post(openapi.ADDRESS)
    assert (refused.status_code, refused["Allow"]) == (405, "GET")
