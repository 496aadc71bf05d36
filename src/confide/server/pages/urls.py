"""The addresses of the pages. Random ids may stand in an address; what identifies somebody never does."""

from __future__ import annotations

from allauth.account import views as allauth
from django.urls import include, path

from confide.server.pages import (
    chart,
    emergencies,
    entrances,
    finder,
    front,
    journal,
    reveal,
    sessions,
    standing,
)

_PAGES = [
    path("", front.front, name="front"),
    path("choose", front.choose, name="choose"),
    path("find", finder.finder, name="finder"),
    path("found", finder.find, name="find"),
    path("patients/<str:patient>", chart.chart, name="chart"),
    path("patients/<str:patient>/reveal", reveal.reveal, name="reveal"),
    path("patients/<str:patient>/emergency", emergencies.break_glass, name="glass"),
    path("emergencies", emergencies.emergencies, name="emergencies"),
    path("journal", journal.journal, name="journal"),
    path("journal/sign-ins", entrances.entrances, name="entrances"),
    path("logins", standing.standing, name="standing"),
    path("sessions", sessions.sessions, name="sessions"),
]
urlpatterns = [
    path("", include((_PAGES, "pages"))),
    # Of allauth only what there is a page for; signing up is closed, but its address is asked for.
    path("sign-in", allauth.login, name="account_login"),
    path("sign-out", allauth.logout, name="account_logout"),
    path("password", allauth.password_change, name="account_change_password"),
    path("stopped", allauth.account_inactive, name="account_inactive"),
    path("sign-up", allauth.signup, name="account_signup"),
]
