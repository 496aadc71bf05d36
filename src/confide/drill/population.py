"""A population in columns: a million made-up people in seconds, the same for the same seed.

Nobody in it exists: names are drawn apart from each other, numbers of social security lie where none was ever
issued. Only ``PCG64`` and its fractions are used, which are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from confide.drill.census import FIRST_ADULT_YEAR, Floats, Integers, apportion, census, residents
from confide.drill.vocabulary import places
from confide.errors import Damaged, Invalid

MOST: Final = 20_000_000
_EPOCH: Final = date(1970, 1, 1)
_SPREAD: Final = 0.9
"""Of the logarithm of a practice's size: half of them have between a half and twice the median's patients."""
_PARENTS: Final = 55
"""Older people have no children in their household, mostly."""

_NINES: Final = 100 * 49 * 9_999
_OTHERS: Final = 99 * 9_999
NUMBERS: Final = _NINES + 2 * _OTHERS


@dataclass(frozen=True, slots=True)
class Population:
    """People in columns of one length, in order of practice and household.

    Attributes:
        practice: Number of the practice, from 0.
        state: Place in the census's states.
        household: Number of the household, from 0.
        family: Place in the census's surnames.
        given: Place in the census's given names of that sex.
        middle: The same, of a second one; -1 for none.
        woman: Whether she is one.
        born: Days since 1970-01-01.
        ssn: What ``format_ssn`` writes.
        mrn: Eight digits, unique in the practice.
        member: Of the health plan: nine digits for the household, two for the person; 0 where uninsured.
        phone: The last seven digits; the area code is the state's.
        house: Number of the house; a unit in it if it is greater than 480.
        street: Place in the streets.
        town: Place in the towns.
        zip: Five digits.
        typo: Which slip of the pen makes this row differ from that of ``double``; 0 for none.
        double: The row of the same person; -1 if there is none before.
    """

    practice: Integers
    state: Integers
    household: Integers
    family: Integers
    given: Integers
    middle: Integers
    woman: npt.NDArray[np.bool_]
    born: Integers
    ssn: Integers
    mrn: Integers
    member: Integers
    phone: Integers
    house: Integers
    street: Integers
    town: Integers
    zip: Integers
    typo: Integers
    double: Integers

    def __len__(self) -> int:
        return len(self.practice)

    def save(self, folder: Path) -> None:
        """Write a file for each column, so that other processes share the memory."""
        for each in fields(self):
            np.save(folder / f"{each.name}.npy", getattr(self, each.name))

    @classmethod
    def load(cls, folder: Path) -> Population:
        """Map the files of ``save``.

        Raises:
            Damaged: They are not all there.
        """
        try:
            return cls(**{f.name: np.load(folder / f"{f.name}.npy", mmap_mode="r") for f in fields(cls)})
        except (OSError, ValueError) as problem:
            raise Damaged(f"{folder} holds no population ({type(problem).__name__})") from None

    def ends(self) -> list[tuple[int, int]]:
        """For each practice its first row, and the row after its last."""
        last = int(self.practice[-1]) + 1
        at = np.searchsorted(self.practice, np.arange(last + 1))
        return list(pairwise(at.tolist()))


class _Fractions:
    """Numbers from 0 to 1, in columns."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, count: int) -> Floats:
        return self._source.random(count)

    def below(self, end: int, count: int) -> Integers:
        return (self(count) * end).astype(np.int64)

    def order(self, count: int) -> Integers:
        return np.argsort(self(count), kind="stable")


def draw(
    persons: int, practices: int, seed: int, today: date, *, states: str = "anchor", duplicates: int = 0
) -> Population:
    """Draw a population.

    Args:
        persons: How many, without *duplicates*.
        practices: Over which they are spread; each is in one state.
        seed: Equal seeds give equal people.
        today: No one is born later.
        states: ``anchor`` or ``census``; see ``census.residents``.
        duplicates: Rows more, of people who were registered twice, with slips of the pen.

    Raises:
        Invalid: There are more practices than people, or more people than numbers.
    """
    if not 1 <= practices <= persons <= MOST:
        raise Invalid(f"a population has from 1 to {MOST:,} persons, and at least one in each practice")
    if not 0 <= duplicates <= persons:
        raise Invalid("there are no more duplicates than persons")
    chance = _Fractions(seed)
    practice, state = _practices(persons, practices, chance, states)
    household, place = _households(practice, chance)
    old = _ages(household, place, chance)
    born = (today - _EPOCH).days - old * 1461 // 4 - 1 - chance.below(365, persons)
    table = census()
    woman = _sexes(household, place, chance)
    homes = int(household[-1]) + 1
    common = table.families.draw(chance(homes))
    own = table.families.draw(chance(persons))
    family = np.where(chance(persons) < np.where(place == 0, 1.0, 0.87), common[household], own)
    given = np.where(woman, table.women.draw(chance(persons)), table.men.draw(chance(persons)))
    middle = np.where(woman, table.women.draw(chance(persons)), table.men.draw(chance(persons)))
    middle[chance(persons) < 0.4] = -1
    number = np.arange(persons, dtype=np.int64)
    start = chance.below(NUMBERS, 2)
    words = places()
    zips = np.array([each.zips for each in table.states], dtype=np.int64)
    many = zips[state, 1] - zips[state, 0] + 1
    prefix = zips[state, 0] + (chance(homes)[household] * many).astype(np.int64)
    policy = 100_000_000 + (np.arange(homes) * 618_191 + start[1]) % 900_000_000
    insured = chance(homes) < 0.92
    phones = 5_550_000 + chance.below(10_000, homes)
    mobile = 5_550_000 + chance.below(10_000, persons)
    ours = chance(persons) < np.where(old < FIRST_ADULT_YEAR, 0.0, 0.6)
    drawn = Population(
        practice=practice,
        state=state,
        household=household,
        family=family,
        given=given,
        middle=middle,
        woman=woman,
        born=born,
        ssn=(number * 7_368_787 + start[0]) % NUMBERS,
        mrn=10_000_000 + (number * 48_271 + seed % 89_999_999) % 90_000_000,
        member=np.where(insured[household], policy[household] * 100 + place + 1, 0),
        phone=np.where(ours, mobile, phones[household]),
        house=1 + chance.below(600, homes)[household],
        street=chance.below(len(words.streets) * len(words.kinds), homes)[household],
        town=chance.below(len(table.towns), homes)[household],
        zip=prefix * 100 + chance.below(100, homes)[household],
        typo=np.zeros(persons, dtype=np.int64),
        double=np.full(persons, -1, dtype=np.int64),
    )
    return _double(drawn, duplicates, chance) if duplicates else drawn


def format_ssn(number: int) -> str:
    """Write the number of social security of a place in ``ssn``.

    Source:
        Social Security Administration, "Social Security Number Randomization": no number has the area 000,
        666, or 900 to 999. The Internal Revenue Service gives out taxpayers' numbers from 900 on with a group
        of 50 or more; these groups are below.
    """
    if number < _NINES:
        area, rest = divmod(number, 49 * 9_999)
        area += 900
    else:
        other, rest = divmod(number - _NINES, _OTHERS)
        area = 666 if other else 0
    group, serial = divmod(rest, 9_999)
    return f"{area:03}-{group + 1:02}-{serial + 1:04}"


def _practices(persons: int, practices: int, chance: _Fractions, states: str) -> tuple[Integers, Integers]:
    """Put people into practices of one state each, small and large."""
    living = np.array(list(residents(persons, states).values()), dtype=np.int64)
    there = np.flatnonzero(living)
    if practices < len(there):  # too few for a practice in each state: they have patients from everywhere
        sizes = apportion(persons, np.exp(_SPREAD * _normal(chance, practices)), least=1)
        practice = np.repeat(np.arange(practices), sizes)
        return practice, np.repeat(np.arange(len(living)), living)[chance.order(persons)]
    number = np.minimum(apportion(practices, living[there].astype(np.float64), least=1), living[there])
    number[np.argmax(living[there])] += practices - int(number.sum())
    sizes = np.concatenate(
        [
            apportion(int(living[s]), np.exp(_SPREAD * _normal(chance, int(n))), least=1)
            for s, n in zip(there, number, strict=True)
        ]
    )
    practice = np.repeat(np.arange(practices), sizes)
    return practice, np.repeat(there, number)[practice]


def _normal(chance: _Fractions, count: int) -> Floats:
    """Box and Muller's method."""
    made: Floats = np.sqrt(-2 * np.log(1 - chance(count))) * np.cos(2 * np.pi * chance(count))
    return made


def _households(practice: Integers, chance: _Fractions) -> tuple[Integers, Integers]:
    """Number of the household, and place in it, for each row."""
    count = len(practice)
    sizes = 1 + np.searchsorted(census().households, chance(count), side="right")
    begins = np.zeros(count, dtype=np.bool_)
    at = np.cumsum(sizes) - sizes
    begins[at[at < count]] = True
    begins[1:] |= practice[1:] != practice[:-1]
    begins[0] = True
    household = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    return household, np.arange(count) - first[household]


def _ages(household: Integers, place: Integers, chance: _Fractions) -> Integers:
    """Full years: as the census has them, with the young in the third place of a household and after it."""
    count = len(household)
    table = census()
    group = np.searchsorted(table.ages, chance(count), side="right")
    low, high = table.bounds[group], table.bounds[group + 1]
    drawn = low + (chance(count) * (high - low)).astype(np.int64)
    young, grown = drawn[drawn < FIRST_ADULT_YEAR], drawn[drawn >= FIRST_ADULT_YEAR]
    # Children first where there are three and more; then beside one parent; then wherever they must be.
    rank = np.where(place >= 2, 0, np.where(place == 1, 1, 2))
    children = np.lexsort((chance(count), rank))[: len(young)]
    old = np.empty(count, dtype=np.int64)
    old[children] = young
    rest = np.setdiff1d(np.arange(count), children)
    with_child = np.zeros(int(household[-1]) + 1, dtype=np.bool_)
    with_child[household[children]] = True
    # Those who live with children are no older than parents are, as far as there are enough of them.
    seats = rest[np.lexsort((chance(len(rest)), ~with_child[household[rest]]))]
    old[seats] = grown[np.lexsort((chance(len(grown)), (grown < 22) | (grown > _PARENTS)))]
    return old


def _sexes(household: Integers, place: Integers, chance: _Fractions) -> npt.NDArray[np.bool_]:
    woman = chance(len(household)) < 0.508
    first = np.flatnonzero(place == 0)
    second = np.flatnonzero((place == 1) & (chance(len(household)) < 0.94))
    woman[second] = ~woman[first][household[second]]
    return woman


def _double(people: Population, count: int, chance: _Fractions) -> Population:
    """Add rows of people who are there already: a new number of the chart, and a slip of the pen."""
    rows = np.sort(chance.order(len(people))[:count])
    slip = 1 + chance.below(5, count)
    more = {each.name: getattr(people, each.name)[rows].copy() for each in fields(people)}
    begin = int(people.mrn[0]) - 10_000_000
    more["mrn"] = 10_000_000 + ((len(people) + np.arange(count)) * 48_271 + begin) % 90_000_000
    more["double"], more["typo"] = rows, slip
    more["phone"] = np.where(slip == 4, 5_550_000 + chance.below(10_000, count), more["phone"])
    last = more["ssn"] % 9_999
    more["ssn"] = np.where(slip == 5, more["ssn"] - last + (last + 9) % 9_999, more["ssn"])
    joined = {name: np.concatenate([getattr(people, name), column]) for name, column in more.items()}
    order = np.argsort(joined["practice"], kind="stable")
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.arange(len(order))
    joined = {name: column[order] for name, column in joined.items()}
    joined["double"] = np.where(joined["double"] < 0, -1, where[joined["double"]])
    return Population(**joined)
