"""What more than one does about an incident: persons matched, remedies, evidence kept and given away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final, cast

from django.http import FileResponse, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_POST

from confide.access.decide import Grant
from confide.access.freshness import require_fresh
from confide.access.models import Account, Destination
from confide.errors import AccessDenied, Invalid, Misconfigured, Unavailable, Unknown
from confide.incidents import exhibits, renewals
from confide.incidents.cases import storing
from confide.incidents.course import Act
from confide.incidents.models import Incident, Remedy
from confide.incidents.remedies import Kind
from confide.server import keeper
from confide.server.apps import system
from confide.server.pages import dates, story, svg
from confide.server.pages.journal import actor_names
from confide.server.pages.visitor import Visitor, show, staff

KINDS: Final = {
    Kind.REVOKE: "take passwords, sessions and tokens from the logins and programs of the scope",
    Kind.RETOKENISE: "give exactly the exposed persons new tokens, and deliver the list",
    Kind.REKEY: "seal exactly the exposed persons’ records under fresh keys, and deliver the list",
    Kind.RENUMBER: "give exposed persons new record numbers, and deliver the list",
}
_AT_ONCE: Final = 10
"""Portions of a long remedy that one request does; whoever waits sees how far it is."""
_MOST_NAMED: Final = 5000


def match(_request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    """Find out how many persons the records of the newest count are."""
    newest = row.scopes.order_by("version").last()
    if newest is None:
        raise Invalid("nothing is counted yet")
    system().persons.match(grant, newest, system().scopes.honey(row))


def ask(request: HttpRequest, visitor: Visitor, grant: Grant, row: Incident) -> None:
    """Ask for a remedy; a second person's word does it."""
    require_fresh(visitor.actor.proved_at, system().clock())
    kind, counted = request.POST.get("kind", ""), row.latest_scope()
    if kind not in set(Kind):
        raise Invalid("choose from the list what is to be done")
    if counted is None:
        raise Invalid("nothing is counted yet")
    try:
        named = request.POST.get("patients", "").replace(",", " ").split()
        if len(named) > _MOST_NAMED:
            raise Invalid("name fewer persons, or none for all of them")
        system().remedies.ask(grant, row, counted, Kind(kind), request.POST.get("place", ""), named)
    except (AccessDenied, Unknown) as problem:
        raise Invalid(str(problem)) from None


def agree(request: HttpRequest, visitor: Visitor, grant: Grant, row: Incident) -> None:
    """Give the second person's word for a remedy; what is short is done at once."""
    require_fresh(visitor.actor.proved_at, system().clock())
    assert isinstance(request.user, Account)  # noqa: S101 - AUTH_USER_MODEL; tells the type
    try:
        waiting = system().remedies.find(row.practice, request.POST.get("remedy", "")[:36])
        if waiting.incident_id != row.pk:
            raise Unknown("there is no such remedy that waits here")
        system().remedies.approve(grant, waiting, request.user)
    except (AccessDenied, Unknown) as problem:
        raise Invalid(str(problem)) from None


def renew(request: HttpRequest, visitor: Visitor, _grant: Grant, row: Incident) -> None:
    """Go on with a long remedy that was agreed to, for a while."""
    require_fresh(visitor.actor.proved_at, system().clock())
    try:
        waiting = system().remedies.find(row.practice, request.POST.get("remedy", "")[:36])
        if waiting.incident_id != row.pk:
            raise Unknown("there is no such remedy that waits here")
        system().renewals.run(lambda: story.grant(visitor), waiting, most=_AT_ONCE)
    except (AccessDenied, Unknown, Unavailable, Misconfigured) as problem:
        raise Invalid(str(problem)) from None


def keep(request: HttpRequest, _visitor: Visitor, grant: Grant, row: Incident) -> None:
    """Keep a piece of evidence."""
    upload = request.FILES.get("file")
    if upload is None or upload.size is None or upload.size > exhibits.LARGEST:
        raise Invalid("choose a file of at most 64 MiB")
    system().evidence.add(grant, row, Path(upload.name or "").name, exhibits.Kind.OTHER, upload.read())


@require_GET
@staff
def evidence(_request: HttpRequest, visitor: Visitor, incident: str, exhibit: int) -> HttpResponse:
    """Give away a piece of evidence as it was kept; that it was is a line of the timeline."""
    grant = story.grant(visitor)
    row = system().cases.find(grant, incident)
    piece = row.exhibits.filter(pk=exhibit).first()
    if piece is None:
        raise Unknown("there is no such piece of evidence")
    with storing():
        system().cases.record(grant, row, Act.BUNDLE, f"evidence {bytes(piece.sha256).hex()}")
    response = HttpResponse(exhibits.read(system().cases, piece), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="evidence-{piece.pk}.bin"'
    return response


@require_POST
@staff
def bundle(request: HttpRequest, visitor: Visitor, incident: str) -> HttpResponse:
    """Seal the evidence to an age key and give it away; nothing of it is in clear on the disk."""
    keeper.require_trusted(request)
    require_fresh(visitor.actor.proved_at, system().clock())
    grant = story.grant(visitor)
    row = system().cases.find(grant, incident)
    counted = row.latest_scope()
    try:
        if counted is None:
            raise Invalid("nothing is counted yet")
        system().sequencer.seal(system().clock())
        with tempfile.TemporaryDirectory(prefix="confide-bundle-") as folder:
            path = Path(folder) / "evidence.zip.age"
            system().evidence.write(
                grant, row, counted, path, request.POST.get("recipient", ""), str(system().sequencer.key),
                system().scopes.honey(row),
            )  # fmt: skip
            file = path.open("rb")  # goes on being readable when its name is gone
    except Invalid as problem:
        context = story.whole(visitor, row) | tell(row, visitor) | {"problem": str(problem)}
        return show(request, visitor, "pages/incident.html", context, 422)
    answer = FileResponse(file, as_attachment=True, filename=f"evidence-{row.pk[:8]}.zip.age")
    return cast("HttpResponse", answer)  # both are answers; `staff` sets a header


def tell(row: Incident, visitor: Visitor) -> dict[str, Any]:
    """Return what the page of an incident tells of remedies and evidence."""
    rows = list(row.remedies.order_by("asked_at"))
    names = actor_names({each.asked_by for each in rows} | {each.approved_by for each in rows})
    places = Destination.objects.filter(practice_id=row.practice, use="export", retired_at__isnull=True)
    return {
        "remedies": [
            {
                "id": each.pk,
                "what": KINDS[Kind(each.kind)],
                "by": names.get(each.asked_by, "Unknown login"),
                "day": dates.write(each.asked_at.date()),
                "agreed": names.get(each.approved_by, "Unknown login") if each.approved_at else "",
                "done": dates.write(each.done_at.date()) if each.done_at else "",
                "mine": each.asked_by == visitor.actor.id,
                "figures": [(k, f"{n:,}") for k, n in each.done.items() if isinstance(n, int)],
                **_course(each),
            }
            for each in rows
        ],
        "remedy_portion": _AT_ONCE * renewals.AT_ONCE,
        "remedy_kinds": [(kind.value, words) for kind, words in KINDS.items()],
        "remedy_places": list(places.order_by("name").values_list("name", flat=True)),
    }


def _course(remedy: Remedy) -> dict[str, Any]:
    """How far a long remedy is, once it was agreed to."""
    if remedy.approved_at is None or remedy.done_at is not None:
        return {"runs": False}
    total, done = renewals.people(remedy), renewals.progress(remedy)
    words = f"{done:,} of {total:,} persons are done"
    return {"runs": True, "course": words, "picture": svg.bar(done / max(1, total), words)}
