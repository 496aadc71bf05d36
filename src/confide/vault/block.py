"""Who is found by what, packed: a practice's terms as bytes and numbers, without an object for each person.

A term is a kind, such as ``family``, and a text. A `Block` is built once and never changed; what has changed
since lies in a `Leaf` beside it, until both are packed anew.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

Term = tuple[str, str]

_NUMBER = "I"
_END = b"\xff"
"""After every text that begins alike: no UTF-8 holds it."""
_LEAF_BYTES = 8_000
"""Of one person in a leaf, roughly."""


def _encode(text: str) -> bytes:
    # Half a surrogate pair is no text, but what came in must not stop everybody from being found.
    return text.encode("utf-8", "surrogatepass")


class Builder:
    """Collects people, each once, and packs them.

    It holds an object for each distinct term, and none for each person's.
    """

    def __init__(self) -> None:
        self._numbers: dict[Term, int] = {}
        self._ids: list[str] = []
        self._begins = array(_NUMBER, [0])
        self._terms = array(_NUMBER)

    def add(self, patient: str, terms: Iterable[Term]) -> None:
        """Take in one person, by an id that has not come before."""
        numbers = self._numbers
        self._ids.append(patient)
        self._terms.extend([numbers.setdefault(term, len(numbers)) for term in terms])
        self._begins.append(len(self._terms))

    def build(self) -> Block:
        """Pack them. The builder is of no use afterwards."""
        ordered = sorted(self._numbers)
        rank = array(_NUMBER, bytes(len(ordered) * array(_NUMBER).itemsize))
        for place, named in enumerate(ordered):
            rank[self._numbers[named]] = place
        encoded = [_encode(text) for _, text in ordered]
        spans: dict[str, tuple[int, int]] = {}
        first = 0
        for kind, count in Counter(kind for kind, _ in ordered).items():
            spans[str(kind)] = first, first + count
            first += count
        self._numbers = {}
        people = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        held = Counter(self._terms)
        begins, terms = array(_NUMBER, [0]), array(_NUMBER)
        counts = [0] * len(ordered)
        for number, count in held.items():
            counts[rank[number]] = count
        starts = array(_NUMBER, accumulate(counts, initial=0))
        free = starts[:-1]
        rows = array(_NUMBER, bytes(len(self._terms) * starts.itemsize))
        for row, person in enumerate(people):
            mine = sorted([rank[n] for n in self._terms[self._begins[person] : self._begins[person + 1]]])
            terms.extend(mine)
            begins.append(len(terms))
            for term in mine:
                rows[free[term]] = row
                free[term] += 1
        ends = array(_NUMBER, accumulate(map(len, encoded), initial=0))
        ids = [self._ids[person] for person in people]
        return Block(ids, b"".join(encoded), ends, spans, starts, rows, begins, terms)


class Block:
    """People and their terms. Made by `Builder`; an empty one finds nobody.

    Terms are numbered by kind and text. Term t is ``texts[ends[t]:ends[t + 1]]``; the people who have it are
    ``rows[starts[t]:starts[t + 1]]``, so those of neighbouring terms lie together; the terms of the person of
    row r are ``terms[begins[r]:begins[r + 1]]``, in order.
    """

    __slots__ = ("_begins", "_ends", "_rows", "_spans", "_starts", "_terms", "_texts", "ids")

    def __init__(
        self,
        ids: list[str],
        texts: bytes,
        ends: array[int],
        spans: Mapping[str, tuple[int, int]],
        starts: array[int],
        rows: array[int],
        begins: array[int],
        terms: array[int],
    ) -> None:
        self.ids = ids
        self._texts = texts
        self._ends = ends
        self._spans = spans
        self._starts = starts
        self._rows = rows
        self._begins = begins
        self._terms = terms

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, patient: str) -> bool:
        return self._row(patient) is not None

    @property
    def size(self) -> int:
        """Roughly how many bytes of memory it takes."""
        arrays = (self._ends, self._starts, self._rows, self._begins, self._terms)
        return len(self._texts) + sum(len(a) * a.itemsize for a in arrays) + 96 * len(self.ids)

    def exact(self, kind: str, text: str) -> set[str]:
        """Ids of the people who have this term."""
        at = self._find(kind, text)
        return set() if at is None else self._people(at, at + 1)

    def prefix(self, kind: str, text: str) -> set[str]:
        """Ids of the people who have a term that begins so."""
        wanted = _encode(text)
        return self._people(self._at(kind, wanted), self._at(kind, wanted + _END))

    def between(self, kind: str, low: str, high: str) -> set[str]:
        """Ids of the people who have a term with low <= text < high."""
        return self._people(self._at(kind, _encode(low)), self._at(kind, _encode(high)))

    def terms_of(self, patient: str) -> Iterator[Term]:
        """The terms of one person, by kind and text; none if the person is not here."""
        row = self._row(patient)
        if row is None:
            return
        kinds = iter(self._spans.items())
        kind, after = "", 0
        for term in self._terms[self._begins[row] : self._begins[row + 1]]:
            while term >= after:
                kind, (_, after) = next(kinds)
            yield kind, self._text(term).decode("utf-8", "surrogatepass")

    def first(self, patient: str, kind: str) -> str | None:
        """The first text of a kind that one person has."""
        row = self._row(patient)
        first, after = self._spans.get(kind, (0, 0))
        if row is None:
            return None
        end = self._begins[row + 1]
        at = bisect_left(self._terms, first, self._begins[row], end)
        if at == end or self._terms[at] >= after:
            return None
        return self._text(self._terms[at]).decode("utf-8", "surrogatepass")

    def place(self, kind: str, text: str) -> int:
        """How many texts of a kind come before *text*."""
        return self._at(kind, _encode(text)) - self._spans.get(kind, (0, 0))[0]

    def has(self, kind: str, text: str) -> bool:
        """Whether anybody has this term."""
        return self._find(kind, text) is not None

    def _find(self, kind: str, text: str) -> int | None:
        wanted = _encode(text)
        at = self._at(kind, wanted)
        return at if at < self._spans.get(kind, (0, 0))[1] and self._text(at) == wanted else None

    def _row(self, patient: str) -> int | None:
        row = bisect_left(self.ids, patient)
        return row if row < len(self.ids) and self.ids[row] == patient else None

    def _text(self, term: int) -> bytes:
        return self._texts[self._ends[term] : self._ends[term + 1]]

    def _at(self, kind: str, wanted: bytes) -> int:
        """The first term of a kind that is not before *wanted*. Bytes of UTF-8 sort as its characters do."""
        low, high = self._spans.get(kind, (0, 0))
        texts, ends = self._texts, self._ends
        while low < high:
            middle = (low + high) // 2
            if texts[ends[middle] : ends[middle + 1]] < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def _people(self, first: int, after: int) -> set[str]:
        if first >= after:
            return set()
        return set(map(self.ids.__getitem__, self._rows[self._starts[first] : self._starts[after]]))


class Leaf:
    """The people who have changed since a block was packed. Small; a dictionary will do.

    Args:
        beside: The block: a text that it has is not counted twice in an order.
    """

    def __init__(self, beside: Block) -> None:
        self._beside = beside
        self._terms: dict[str, frozenset[Term]] = {}
        self._found: dict[Term, set[str]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._new: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._terms)

    def __contains__(self, patient: str) -> bool:
        return patient in self._terms

    def __iter__(self) -> Iterator[tuple[str, frozenset[Term]]]:
        return iter(self._terms.items())

    @property
    def size(self) -> int:
        """Roughly how many bytes of memory it takes."""
        return _LEAF_BYTES * len(self._terms)

    def put(self, patient: str, terms: frozenset[Term]) -> None:
        """Take in one person in place of what was known of them; without terms nobody stays."""
        before = self._terms.pop(patient, frozenset())
        for gone in before - terms:
            self._found[gone].discard(patient)
            if not self._found[gone]:
                del self._found[gone]
                _remove(self._sorted[gone[0]], gone[1])
                if not self._beside.has(*gone):
                    _remove(self._new[gone[0]], gone[1])
        for term in terms - before:
            if term not in self._found:
                self._found[term] = set()
                insort(self._sorted.setdefault(term[0], []), term[1])
                if not self._beside.has(*term):
                    insort(self._new.setdefault(term[0], []), term[1])
            self._found[term].add(patient)
        if terms:
            self._terms[patient] = terms

    def exact(self, kind: str, text: str) -> set[str]:
        """Ids of the people who have this term."""
        return set(self._found.get((kind, text), ()))

    def prefix(self, kind: str, text: str) -> set[str]:
        """Ids of the people who have a term that begins so."""
        listed = self._sorted.get(kind, [])
        found: set[str] = set()
        for i in range(bisect_left(listed, text), len(listed)):
            if not listed[i].startswith(text):
                break
            found |= self._found[kind, listed[i]]
        return found

    def between(self, kind: str, low: str, high: str) -> set[str]:
        """Ids of the people who have a term with low <= text < high."""
        listed = self._sorted.get(kind, [])
        some = listed[bisect_left(listed, low) : bisect_left(listed, high)]
        return set[str]().union(*(self._found[kind, text] for text in some))

    def terms_of(self, patient: str) -> Iterator[Term]:
        """The terms of one person, in no order."""
        return iter(self._terms.get(patient, ()))

    def first(self, patient: str, kind: str) -> str | None:
        """The first text of a kind that one person has."""
        return min((text for each, text in self.terms_of(patient) if each == kind), default=None)

    def place(self, kind: str, text: str) -> int:
        """How many texts of a kind, that the block has not, come before *text*."""
        return bisect_left(self._new.get(kind, []), text)


def _remove(listed: list[str], text: str) -> None:
    del listed[bisect_left(listed, text)]


EMPTY = Builder().build()
