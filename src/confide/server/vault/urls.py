"""Addresses of the vault's API, below ``/vault/``."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from confide.server.vault import operations
from confide.server.vault.answers import send_trouble


@csrf_exempt
def nowhere(_request: HttpRequest) -> HttpResponse:
    """Answer every other address."""
    return send_trouble(404, "not-found", "there is nothing at this address")


urlpatterns = [
    path("tokenize", operations.operation("tokenize", operations.tokenize)),
    path("detokenize", operations.operation("detokenize", operations.detokenize)),
    path("protect", operations.operation("protect", operations.protect)),
    path("reveal", operations.operation("reveal", operations.reveal)),
    re_path(r"", nowhere),
]
