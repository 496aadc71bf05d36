"""The one-box patient finder: a name, a birth date, a phone number, an MRN, or parts of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from confide.access.charges import Operation
from confide.access.decide import Grant
from confide.errors import AccessDenied
from confide.protect.elements import Element
from confide.protect.identifiers import normalise
from confide.records import hits, identities
from confide.records.asking import Asking, Test
from confide.records.charts import Charts
from confide.records.models import Resource
from confide.records.rows import View, parse_id, some
from confide.records.search import Indexes
from confide.vault.index import IdentityIndex, Key, digits, words

MOST_SHOWN = 20
MOST_BY_ONE_TERM = 5
"""With one term alone nothing is shown until at most this many match: type-ahead is asking, too."""

MOST_WHILE_TYPING = 2
"""While somebody types, nothing is shown until at most this many match: whoever is seen on the way to the one
who is meant is paid for, and a day of eighty look-ups must fit into the budget."""

_FEWEST_CHARACTERS = 4
_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y")
_DATE = re.compile(
    r"\b(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|\d{1,2}\.\d{1,2}\.\d{4}"
    r"|\d{1,2} [A-Za-z]{3,9} \d{4}|[A-Za-z]{3,9} \d{1,2},? \d{4})\b"
)
_PHONE = re.compile(r"(?:\+?1[ .-]?)?\(?\b\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}\b")
_UNFINISHED_DATE = re.compile(r"\d{1,2}[/.]\d{0,2}(?:[/.]\d{0,3})?|\d{4}-\d{0,2}(?:-\d?)?").fullmatch
_SHOWN = frozenset({Element.NAME, Element.BIRTH_DATE})


@dataclass(frozen=True, slots=True)
class Finding:
    """What the finder shows.

    Attributes:
        views: Patients, their name and birth date as the grant allows.
        too_many: More match than may be shown; another term is needed.
        empty: Nothing was asked.
        spent: The budget has no room for anybody new: others may match or not.
    """

    views: list[View]
    too_many: bool = False
    empty: bool = False
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """A finder's text, taken apart."""

    names: tuple[str, ...]
    dates: tuple[str, ...]
    numbers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names) + len(self.dates) + len(self.numbers)


def parse(text: str) -> Terms:
    """Take a finder's text apart: dates in the usual writings, numbers, and words of names."""
    dates, numbers = [], []
    for match in _DATE.findall(text):
        parsed = _date(match.replace(",", ""))
        if parsed:
            dates.append(parsed.isoformat())
            text = text.replace(match, " ")
    for match in _PHONE.findall(text):
        numbers.append(match)
        text = text.replace(match, " ")
    # Names have no digits, so any other word with some is a number, as a record number may have letters.
    tokens = text.split()
    numbers += [t for t in tokens if digits(t) and len(normalise(t)) >= _FEWEST_CHARACTERS]
    names = [t for t in tokens if t not in numbers]
    return Terms(tuple(words(" ".join(names))), tuple(dates), tuple(numbers))


def _date(text: str) -> date | None:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 a birth date has no time zone
        except ValueError:
            continue
    return None


def without_unfinished(text: str) -> str:
    """Leave out what is still being typed and cannot match anybody: the beginning of a date or a number."""
    for match in (*_DATE.findall(text), *_PHONE.findall(text)):  # what is whole stays, whatever it looks like
        text = text.replace(match, match.replace(" ", "\0"))
    words_typed = [
        word
        for word in text.split(" ")
        if any(c.isalpha() for c in word)
        or (len(digits(word)) >= _FEWEST_CHARACTERS and not _UNFINISHED_DATE(word))
    ]
    return " ".join(words_typed).replace("\0", " ")


class Finder:
    """Finds patients for people at a desk."""

    def __init__(self, charts: Charts, indexes: Indexes) -> None:
        self._charts = charts
        self._indexes = indexes
        self._asking = Asking(charts.vault)

    def find(self, grant: Grant, text: str, *, typing: bool = False) -> Finding:
        """Find patients by any mix of name parts, birth date, phone and record number.

        Args:
            grant: For searching; must show names clear.
            text: As typed; at most 200 characters are read.
            typing: The text is not finished: nobody has asked yet, so fewer are shown.

        Raises:
            AccessDenied: The role does not find people by what identifies them.
            BudgetSpent: Too many questions within the hour were matched by nobody.
        """
        text = text[:200].replace("\0", " ")
        terms = parse(without_unfinished(text) if typing else text)
        if not len(terms):
            return Finding([], empty=True)
        if Element.NAME not in grant.clear or (terms.dates and Element.BIRTH_DATE not in grant.clear):
            msg = "finding people by name or birth date is not for this role"
            raise AccessDenied(msg)
        index = self._indexes(grant.practice)
        index.catch_up()
        tests = self._tests(grant, index, terms)
        if not all(test.elements for test in tests):  # a number that is nothing this role may ask by
            return Finding([])
        most = MOST_WHILE_TYPING if typing else MOST_BY_ONE_TERM if len(terms) == 1 else MOST_SHOWN
        operation = Operation.TYPE_AHEAD if typing else Operation.FIND
        answer = self._asking.ask(grant, operation, tests, most=most)
        if answer.too_many:
            return Finding([], too_many=True)
        rows = Resource.objects.filter(practice=grant.practice, type="Patient", deleted=False)
        found = list(some(rows, [parse_id(i) for i in answer.ids]))
        views = self._charts.views(grant, found, _SHOWN, Operation.RESULTS)
        return Finding(sorted(views, key=_by_name), spent=answer.spent)

    def _tests(self, grant: Grant, index: IdentityIndex, terms: Terms) -> list[Test]:
        tests = [hits.by_words(index, Key.NAME, word) for word in terms.names]
        tests += [hits.by_birth(index, day) for day in terms.dates]
        return tests + [self._by_number(grant, index, number) for number in terms.numbers]

    def _by_number(self, grant: Grant, index: IdentityIndex, text: str) -> Test:
        """A phone number or a record number: it asks by all that it may be."""
        tests = []
        if Element.PHONE in grant.clear and not any(c.isalpha() for c in text):
            tests.append(hits.by_phone(index, text, exact=False))
        kinds = grant.clear.intersection(identities.SEARCHABLE)
        if kinds:
            tests.append(hits.by_number(self._charts.vault, index, grant.practice, text, kinds))
        return hits.any_of(tests)


def _by_name(view: View) -> tuple[list[str], str]:
    name = (view.body or {}).get("name", [{}])[0]
    return words(f"{name.get('family', '')} {' '.join(name.get('given', []))}"), view.id
