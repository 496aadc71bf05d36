"""Addresses of the journal's tree, below ``/journal/``; the pages there are the privacy officer's."""

from __future__ import annotations

from django.urls import path

from confide.server.journal import views

urlpatterns = [
    path("checkpoint", views.checkpoint, name="journal_checkpoint"),
    path("tile/<path:tile>", views.tile, name="journal_tile"),
    path("cosignatures", views.cosignatures, name="journal_cosignatures"),
]
