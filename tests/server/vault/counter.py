"""A program at the vault's counter: its requests, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client as Http

from confide.access.models import Client, Practice
from tests.server import laboratory

SCOPES = "vault/tokenize vault/detokenize vault/protect vault/reveal"
PARTNER = "lab-partner"


@dataclass
class Counter:
    """The vault's API as one client has it."""

    client: Client
    token: str

    def send(self, operation: str, body: Any, method: str = "POST", **headers: str) -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        written = {name.replace("_", "-"): text for name, text in headers.items()}
        written = {"Authorization": f"Bearer {self.token}"} | written
        response = Http().generic(method, f"/vault/{operation}", sent, kind, headers=written)
        assert response["Cache-Control"] == "no-store"
        return response

    def ask(self, operation: str, **body: Any) -> list[dict[str, Any]]:
        response = self.send(operation, body)
        assert response.status_code == 200, response.content
        answered: list[dict[str, Any]] = response.json()["items"]
        assert len(answered) == len(body["items"])
        return answered

    def tokenize(self, *items: tuple[str, ...], scope: str = PARTNER, **more: Any) -> list[dict[str, Any]]:
        """Items are (element, value) or (element, value, patient)."""
        written = [dict(zip(("element", "value", "patient"), item, strict=False)) for item in items]
        return self.ask("tokenize", scope=scope, items=written, **more)

    def tokens(self, *items: tuple[str, ...], **more: Any) -> list[str]:
        return [answer["token"] for answer in self.tokenize(*items, **more)]

    def detokenize(self, *tokens: str, scope: str = PARTNER) -> list[dict[str, Any]]:
        return self.ask("detokenize", scope=scope, items=[{"token": token} for token in tokens])

    def protect(self, *items: tuple[str, str, str]) -> list[dict[str, Any]]:
        """Items are (patient, element, value)."""
        return self.ask(
            "protect", items=[dict(zip(("patient", "element", "value"), i, strict=True)) for i in items]
        )

    def reveal(self, *items: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ask("reveal", items=list(items))


def open_counter(practice: Practice, scope: str = SCOPES, **changes: Any) -> Counter:
    """A program that may do everything for a patient's own request, and for one recipient's tokens."""
    registered = {"scopes": f"{SCOPES} system/*.cruds", "purpose": "PATRQT", "token_scopes": [PARTNER]}
    client = laboratory.register(practice, **(registered | changes))
    return Counter(client, laboratory.connect(client, scope).token)


def codes(answers: list[dict[str, Any]]) -> list[str]:
    """What became of each item: the code of its error, or ``ok``."""
    return [answer["error"]["code"] if "error" in answer else "ok" for answer in answers]
