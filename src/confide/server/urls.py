"""All addresses: the FHIR API, the vault, the token endpoint, and the pages."""

from __future__ import annotations

from django.urls import include, path

from confide.server import oauth, openapi
from confide.server.fhir.urls import base

urlpatterns = [
    path("fhir/R4", base),
    path("fhir/R4/", include("confide.server.fhir.urls")),
    path("vault/", include("confide.server.vault.urls")),
    path("journal/", include("confide.server.journal.urls")),
    path("oauth/token", oauth.token),
    path(openapi.ADDRESS[1:], openapi.describe),
    path("", include("confide.server.pages.urls")),
]

handler400 = "confide.server.errors.bad_request"
handler403 = "confide.server.errors.permission_denied"
handler404 = "confide.server.errors.page_not_found"
handler500 = "confide.server.errors.server_error"
