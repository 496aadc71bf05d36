"""The addresses of the pages. Random ids may stand in an address; what identifies somebody never does."""

from __future__ import annotations

from django.urls import path

from confide.server.pages import chart, finder, front, journal, reveal

app_name = "pages"
urlpatterns = [
    path("", front.front, name="front"),
    path("choose", front.choose, name="choose"),
    path("find", finder.finder, name="finder"),
    path("found", finder.find, name="find"),
    path("patients/<str:patient>", chart.chart, name="chart"),
    path("patients/<str:patient>/reveal", reveal.reveal, name="reveal"),
    path("journal", journal.journal, name="journal"),
]
