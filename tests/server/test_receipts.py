"""Every response with a clear value says which entries of the journal tell of it, and a hash over them."""

from __future__ import annotations

from typing import Any

import pytest

from confide.audit.journal import format_canonical, hash_leaf, line_of
from confide.audit.models import JournalEntry
from confide.audit.receipts import HEADER, Receipt, shows
from tests.server import laboratory
from tests.server.pages import surgery as place
from tests.server.vault.counter import open_counter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])
HTMX = {"HX-Request": "true"}


@pytest.fixture
def surgery(system: Any) -> Any:
    from django.core.cache import cache

    cache.clear()
    return place.found(system)


class Till:
    """Does something, and looks at the receipt and at what the journal got meanwhile."""

    def __init__(self) -> None:
        self.last = self._newest()

    @staticmethod
    def _newest() -> int:
        newest = JournalEntry.objects.order_by("-id").first()
        return newest.pk if newest else 0

    def take(self, answer: Any) -> int:
        """How many entries the receipt names: exactly those that were just made and show something."""
        rows = list(JournalEntry.objects.filter(id__gt=self.last).order_by("id"))
        self.last = self._newest()
        showing = [row for row in rows if shows(row.action, row.elements.values())]
        if HEADER not in answer.headers:
            assert not showing
            return 0
        receipt = Receipt.parse(answer.headers[HEADER])
        assert list(receipt.ids) == [row.pk for row in showing]
        for row in showing:
            entry = line_of(row).entry
            assert hash_leaf(entry) == bytes(row.leaf)
            assert b"Quernheim" not in format_canonical(entry)
        hashes = [(row.pk, hash_leaf(line_of(row).entry)) for row in showing]
        assert Receipt.of(hashes) == receipt
        return len(showing)


def clear(answer: Any) -> bool:
    return any(text.encode() in answer.content for text in ("Quernheim", "Ottoline", "987-65-4329"))


def test_the_fhir_api(api: Any) -> None:
    made = api.make(laboratory.PATIENT)["id"]
    till = Till()
    shown = refused = 0
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"Patient/{made}"}}] * 2,
    }
    basic = {"resourceType": "Basic", "code": {"text": "note"}}
    patient = laboratory.PATIENT
    minimal = {"Prefer": "return=minimal"}
    asked = {"content_type": "application/x-www-form-urlencoded"}
    for method, path, body, more in (
        ("GET", f"/Patient/{made}", None, {}),
        ("GET", f"/Patient/{made}/_history/1", None, {}),
        ("GET", "/Patient?family=Quernheim", None, {}),
        ("GET", "/Patient?family=Nobody", None, {}),
        ("GET", "/Patient?gender=female", None, {}),
        ("POST", "/Patient/_search", b"family=Quernheim", asked),
        ("POST", "", batch, {}),
        ("GET", "/metadata", None, {}),
        ("GET", "/Patient/unknown", None, {}),
        ("POST", "/Basic", basic, minimal),
        ("POST", "/Patient", patient, minimal),
        ("PUT", f"/Patient/{made}", {**patient, "id": made}, minimal),
        ("POST", "/Patient", patient, {}),
        ("DELETE", f"/Patient/{made}", None, {}),
    ):
        answer = api.send(method, path, body, **more)
        written = till.take(answer)
        if clear(answer):
            assert written, answer.content
        shown += bool(written)
        refused += not written
    assert shown >= 6
    assert refused >= 5


def test_who_sees_stand_ins_gets_no_receipt(practice: Any, api: Any) -> None:
    made = api.make(laboratory.PATIENT)["id"]
    blind = laboratory.connect(laboratory.register(practice, name="blind", elements=[]))
    till = Till()
    answer = blind.get(f"/Patient/{made}")
    assert answer.status_code == 200
    assert not clear(answer)
    assert till.take(answer) == 0


def test_the_vault(practice: Any, api: Any) -> None:
    counter = open_counter(practice, name="counter")
    patients = [api.make(laboratory.PATIENT)["id"] for _ in range(5)]
    till = Till()
    items = [{"element": "ssn", "value": f"987-65-432{n}", "patient": p} for n, p in enumerate(patients)]
    made = counter.send("tokenize", {"scope": "lab-partner", "items": items})
    assert till.take(made) == len(patients)  # whoever holds a token learns by trying a value
    tokens = [{"token": item["token"]} for item in made.json()["items"]]
    shown = counter.send("detokenize", {"scope": "lab-partner", "items": tokens})
    assert b"987-65-4321" in shown.content
    assert till.take(shown) == len(patients)
    again = counter.send("detokenize", {"scope": "lab-partner", "items": [{"token": "nonsense"}]})
    assert till.take(again) == 0


def test_the_pages(surgery: Any) -> None:
    desk, doctor = surgery.sign_in("desk"), surgery.sign_in("doctor")
    till = Till()
    for http in (desk, doctor):
        assert till.take(http.get("/")) == 0
        found = http.get("/patients", {"q": "Quernheim"})
        chart = http.get(f"/patients/{surgery.patient}")
        till.last = 0
        for answer in (found, chart):
            assert not clear(answer) or HEADER in answer.headers
        till.last = till._newest()
    form = {"element": "ssn", "purpose": "HOPERAT", "type": "Patient", "id": surgery.patient}
    answer = desk.post(f"/patients/{surgery.patient}/reveal", form, headers=HTMX)
    assert place.SSN.encode() in answer.content
    assert till.take(answer) == 1
    assert till.take(desk.get("/sessions")) == 0


def test_what_happens_beside_a_request_is_not_on_its_receipt(api: Any) -> None:
    """A thread collects what it has committed itself."""
    import threading

    from django.db import connection, transaction

    from confide.audit import receipts
    from confide.audit.journal import Journal
    from tests.audit.test_sequencer import entry

    def write() -> None:
        try:
            with transaction.atomic():
                Journal().append([entry()])
        finally:
            connection.close()

    with receipts.collecting() as collected:
        other = threading.Thread(target=write)
        other.start()
        other.join()
        assert not collected
        with transaction.atomic():
            [first] = Journal().append([entry()])
            assert not collected, "it is not committed yet"
        assert [id_ for id_, _ in collected] == [first]
        with transaction.atomic():
            Journal().append([entry()])
            transaction.set_rollback(True)
        assert len(collected) == 1
