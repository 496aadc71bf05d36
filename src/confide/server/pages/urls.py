"""The addresses of the pages. Random ids may stand in an address; what identifies somebody never does."""

from __future__ import annotations

from allauth.account import views as allauth
from django.urls import include, path

from confide.server.pages import (
    chart,
    emergencies,
    enrolment,
    entrances,
    factors,
    finder,
    foreign,
    front,
    journal,
    patterns,
    people,
    questions,
    reports,
    reveal,
    sessions,
    signing,
    standing,
    stepup,
)

_PAGES = [
    path("", front.front, name="front"),
    path("choose", front.choose, name="choose"),
    path("find", finder.finder, name="finder"),
    path("found", finder.find, name="find"),
    path("patients/<str:patient>", chart.chart, name="chart"),
    path("patients/<str:patient>/reveal", reveal.reveal, name="reveal"),
    path("patients/<str:patient>/emergency", emergencies.break_glass, name="glass"),
    path("patients/<str:patient>/accesses", reports.accesses, name="accesses"),
    path("patients/<str:patient>/accesses/paper", reports.accesses_paper, name="accesses_paper"),
    path("patients/<str:patient>/disclosures", reports.disclosures, name="disclosures"),
    path("patients/<str:patient>/disclosures/paper", reports.disclosures_paper, name="disclosures_paper"),
    path("emergencies", emergencies.emergencies, name="emergencies"),
    path("journal", journal.journal, name="journal"),
    path("journal/search", questions.search, name="search"),
    path("journal/patterns", patterns.patterns, name="patterns"),
    path("journal/sign-ins", entrances.entrances, name="entrances"),
    path("logins", standing.standing, name="standing"),
    path("logins/outside", standing.outside, name="outside"),
    path("sessions", sessions.sessions, name="sessions"),
    path("factors", factors.held, name="factors"),
    path("factors/add", factors.add, name="factor_add"),
    path("people", people.people, name="people"),
    path("prove", stepup.prove, name="prove"),
]
urlpatterns = [
    path("", include((_PAGES, "pages"))),
    # Of allauth only what there is a page for; signing up is closed, but its address is asked for.
    path("sign-in", allauth.login, name="account_login"),
    path("sign-in/passkey", signing.passkey, name="passkey"),
    path("sign-in/factor", signing.factor, name="mfa_authenticate"),
    path("sign-in/set-up", enrolment.enrol, name="enrolment"),
    path("sign-in/at/<slug:issuer>", foreign.begin, name="issuer_begin"),
    path("sign-in/at/<slug:issuer>/return", foreign.finish, name="issuer_return"),
    path("invitation", enrolment.invitation, name="invitation"),
    path("sign-out", allauth.logout, name="account_logout"),
    path("password", allauth.password_change, name="account_change_password"),
    path("stopped", allauth.account_inactive, name="account_inactive"),
    path("sign-up", allauth.signup, name="account_signup"),
]
