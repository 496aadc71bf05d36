"""Addresses of the FHIR API, below ``/fhir/R4``."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from confide.server.fhir import audits, batches, resources, searches
from confide.server.fhir.answers import send_issue
from confide.server.fhir.capability import metadata, smart_configuration
from confide.server.fhir.exchange import endpoint


@csrf_exempt
def nowhere(_request: HttpRequest, **_parts: str) -> HttpResponse:
    """Answer every other address."""
    return send_issue(404, "not-found", "there is nothing at this address")


base = endpoint(POST=batches.execute)

urlpatterns = [
    re_path(r"^$", base),
    path("metadata", csrf_exempt(metadata)),
    path(".well-known/smart-configuration", csrf_exempt(smart_configuration)),
    path("Patient/<str:id_>/$everything", endpoint(GET=resources.everything)),
    path("AuditEvent", csrf_exempt(audits.search)),
    path("AuditEvent/$disclosures", csrf_exempt(audits.disclosures)),
    path("AuditEvent/<str:id_>", csrf_exempt(audits.read)),
    path("<str:kind>", endpoint(GET=searches.search, POST=resources.create)),
    path("<str:kind>/_search", endpoint(POST=searches.post_search)),
    path("<str:kind>/<str:id_>", endpoint(GET=resources.read, PUT=resources.update, DELETE=resources.delete)),
    path("<str:kind>/<str:id_>/_history", endpoint(GET=resources.history)),
    path("<str:kind>/<str:id_>/_history/<str:version>", endpoint(GET=resources.read_version)),
    re_path(r"", nowhere),
]
