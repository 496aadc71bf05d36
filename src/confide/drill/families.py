"""The households of a synthetic practice: who lives with whom, what they are called, when they were born.

People come in households. A cycle of households makes up exactly 100 patients, so the rare cases that
break real software - twins, one name only, a name with a letter outside Latin-1, two strangers of
one name, a birth 100 years ago - come in a known share and early.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from confide.drill.dice import YEAR, Dice, Weighted, age, anniversary
from confide.drill.people import Contact, Household, Person
from confide.drill.vocabulary import Origin, names, places

if TYPE_CHECKING:
    from collections.abc import Iterator

CYCLE = 100

# The households of one cycle: kind -> how many. Sizes are in SIZES; together they are CYCLE people.
SHARES: dict[str, int] = {
    "family": 4,
    "hyphenated": 1,
    "twins": 2,
    "newborn": 2,
    "parent": 3,
    "couple": 7,
    "renamed": 2,
    "ninety": 4,
    "deceased": 4,
    "single-name": 1,
    "namesake": 2,
    "accented": 4,
    "single": 29,
}
SIZES: dict[str, int] = {"family": 4, "hyphenated": 4, "twins": 4, "newborn": 3, "parent": 2, "couple": 2}

# One of each kind comes first, so that even the first fifty patients show every case.
_FIRST = (
    *("accented", "family", "single", "ninety", "twins", "namesake", "newborn", "deceased", "hyphenated"),
    *("renamed", "single-name", "accented", "couple", "namesake", "parent", "accented"),
)


def households(count: int, seed: int, today: date) -> Iterator[Household]:
    """Households until exactly ``count`` people are there; the last one may be cut short."""
    left, cycle = count, 0
    while left > 0:
        kinds = list(_FIRST)
        rest = dict(SHARES)
        for kind in _FIRST:
            rest[kind] -= 1
        kinds += Dice(seed, cycle, "order").shuffled([k for k, n in rest.items() for _ in range(n)])
        seen: dict[str, int] = {}
        for number, kind in enumerate(kinds):
            turn = seen.get(kind, 0)
            seen[kind] = turn + 1
            maker = _Maker(Dice(seed, cycle, number), cycle, turn, seed, today)
            home = maker.household(kind)
            home.people = home.people[:left]
            yield home
            left -= len(home.people)
            if left == 0:
                return
        cycle += 1


@cache
def _origins(*, accents: bool = False) -> Weighted[Origin]:
    chosen = [origin for origin in names().origins if origin.accents or not accents]
    return Weighted(chosen, lambda origin: origin.weight)


class _Maker:
    """Makes one household."""

    def __init__(self, dice: Dice, cycle: int, turn: int, seed: int, today: date) -> None:
        self.dice = dice
        self.cycle = cycle
        self.turn = turn
        self.seed = seed
        self.today = today
        self.origin = dice.weighted(_origins())

    def household(self, kind: str) -> Household:
        people, parents = self._people(kind)
        dice, where = self.dice, places()
        town = dice.weighted(where.towns)
        line = [f"{dice.between(1, 480)} {dice.pick(where.streets)} {dice.pick(where.kinds)}"]
        if dice.chance(0.22):
            line.append(dice.pick(where.units))
        home = Household(
            kind, people, line, town.city, town.state, dice.pick(town.zips), "", town.area, dice, parents
        )
        home.phone = self.phone(town.area)
        for number, person in enumerate(people):
            person.contact = self._contact(home, number)
        return home

    def phone(self, area: str) -> str:
        """555-0100 to 555-0199 belong to nobody in any area code."""
        return f"{area}-555-01{self.dice.digits(2)}"

    def _people(self, kind: str) -> tuple[list[Person], int]:
        """The people, and how many of them are the grown-ups of a family."""
        if kind in ("family", "twins", "newborn", "parent", "hyphenated"):
            return self._family(kind)
        if kind == "couple":
            return self._couple(self.dice.between(27, 84)), 2
        makers = {
            "ninety": self._ninety,
            "deceased": self._deceased,
            "accented": self._accented,
            "renamed": self._renamed,
            "single-name": self._single_name,
            "namesake": self._namesake,
        }
        return [makers.get(kind, self._single)()], 1

    # Families

    def _family(self, kind: str) -> tuple[list[Person], int]:
        dice = self.dice
        if kind == "newborn":
            births = [self.today - timedelta(days=dice.between(2, 26))]
        elif kind == "twins":
            births = [self._birth(dice.between(1, 15))] * 2
        else:
            births = [self._birth(dice.between(9, 17)), self._birth(dice.between(2, 8))]
        if kind == "parent":
            births = births[:1]
        youngest = dice.between(22, 32) if kind == "newborn" else dice.between(23, 33)
        couple = self._couple(age(births[0], self.today) + youngest)
        if kind == "parent":
            couple = couple[:1]
            couple[0].marital, couple[0].former, couple[0].renamed = "D", None, None
        family = couple[0].family
        if kind == "hyphenated":
            family = self._hyphenate(couple)
        children = [self._child(birth, family) for birth in births]
        if len(children) == 2:
            while children[1].given[0] == children[0].given[0]:
                children[1].given = self._given(children[1].sex)
        if kind == "twins":
            children[0].multiple, children[1].multiple = 1, 2
        return [*couple, *children], len(couple)

    def _couple(self, years: int) -> list[Person]:
        dice = self.dice
        one = self._adult(dice.pick(("female", "male")), self._birth(years))
        same = dice.chance(0.06)
        other_sex = one.sex if same else ("male" if one.sex == "female" else "female")
        other = self._adult(other_sex, self._birth(max(24, years + dice.between(-4, 4))))
        while other.given[0] == one.given[0]:
            other.given = self._given(other.sex)
        one.marital = other.marital = "M"
        wed = dice.day(anniversary(max(one.birth, other.birth), 21), self.today - timedelta(days=300))
        born = other.family
        other.family = one.family
        if other.sex == "female" and born != one.family:
            other.former, other.renamed = ("maiden", born), wed
        return [one, other]

    def _hyphenate(self, couple: list[Person]) -> str:
        """Both parents keep their names; the children carry both."""
        one, other = couple
        plain = names().by_key
        if self.cycle == 0:
            one.family, other.family = "Garcia", "Whitfield"
        else:
            one.family = self.dice.pick(plain["spanish"].families)
            other.family = self.dice.pick(plain["english"].families)
        for parent in couple:
            parent.former, parent.renamed = None, None
        return f"{one.family}-{other.family}"

    def _child(self, birth: date, family: str) -> Person:
        dice = self.dice
        sex = dice.pick(("female", "male"))
        given = self._given(sex)
        if age(birth, self.today) == 0 and (self.today - birth).days < 28 and dice.chance(0.3):
            given = ("Baby Girl" if sex == "female" else "Baby Boy",)
        return Person(given, family, sex, birth, self.origin, marital="S", race=self.origin.race)

    # People of their own

    def _single(self) -> Person:
        dice = self.dice
        person = self._adult(dice.pick(("female", "male")), self._birth(dice.between(19, 88)))
        person.marital = dice.pick(("S", "S", "D", "M", "W" if age(person.birth, self.today) > 60 else "S"))
        return person

    def _ninety(self) -> Person:
        person = self._adult(self.dice.pick(("female", "female", "male")), self._birth(90 + self.turn * 4))
        person.marital = "W"
        return person

    def _deceased(self) -> Person:
        dice = self.dice
        died = self.today - timedelta(days=dice.between(20, 1900))
        birth = anniversary(died, -dice.between(52, 97)) - timedelta(days=dice.between(0, 364))
        person = self._adult(dice.pick(("female", "male")), birth)
        person.marital, person.died = dice.pick(("M", "W")), died
        return person

    def _accented(self) -> Person:
        dice, cast = self.dice, names().cast
        place = self.cycle * SHARES["accented"] + self.turn
        if place < len(cast):
            role = cast[place]
            self.origin = names().by_key[role["origin"]]
            person = self._adult(role["sex"], self._birth(dice.between(24, 70)))
            person.given, person.family, person.nickname = tuple(role["given"]), role["family"], ""
        else:
            self.origin = dice.weighted(_origins(accents=True))
            person = self._adult(dice.pick(("female", "male")), self._birth(dice.between(19, 85)))
            person.family = dice.pick([f for f in self.origin.families if not f.isascii()])
        person.marital = dice.pick(("S", "M", "D"))
        return person

    def _renamed(self) -> Person:
        """A change of name for another reason than marriage: an ``old`` name with an end."""
        dice = self.dice
        person = self._adult(dice.pick(("female", "male")), self._birth(dice.between(24, 70)))
        former = dice.pick([f for f in self.origin.families if f != person.family])
        person.former, person.marital = ("old", former), dice.pick(("S", "D"))
        person.renamed = dice.day(anniversary(person.birth, 19), self.today - timedelta(days=60))
        return person

    def _single_name(self) -> Person:
        role = self.dice.pick(names().single)
        person = self._adult(role["sex"], self._birth(self.dice.between(22, 74)))
        given, family = ((role["name"],), "") if self.cycle % 2 == 0 else ((), role["name"])
        return replace(person, given=given, family=family, race=role["race"], nickname="", marital="S")

    def _namesake(self) -> Person:
        """Two strangers of one name in each cycle: drawn with the cycle's dice, born years apart."""
        shared = _Maker(Dice(self.seed, self.cycle, "namesake"), 0, 0, 0, self.today)
        person = shared._adult(shared.dice.pick(("female", "male")), self.today)
        self.origin = shared.origin
        person.birth = self._birth(31 + 27 * self.turn + self.dice.between(0, 6))
        person.marital = self.dice.pick(("S", "M"))
        return person

    # Parts

    def _adult(self, sex: str, birth: date) -> Person:
        given = self._given(sex)
        person = Person(given, self.dice.pick(self.origin.families), sex, birth, self.origin)
        person.race = "" if self.dice.chance(0.05) else self.origin.race
        if self.dice.chance(0.6):
            person.nickname = names().nicknames.get(given[0], "")
        return person

    def _given(self, sex: str) -> tuple[str, ...]:
        pool = self.origin.women if sex == "female" else self.origin.men
        first = self.dice.pick(pool)
        if not self.dice.chance(0.45):
            return (first,)
        second = self.dice.pick(pool)
        if second == first or self.dice.chance(0.4):
            second = f"{self.dice.pick('ABCDEFGHJKLMNPRSTW')}."
        return (first, second)

    def _birth(self, years: int) -> date:
        """A birthday that makes someone so old today."""
        return anniversary(self.today, -years) - timedelta(days=self.dice.between(0, int(YEAR) - 1))

    def _contact(self, home: Household, number: int) -> Contact | None:
        person, dice = home.people[number], self.dice
        if number >= home.parents:
            parent = home.people[0]
            relation = "MTH" if parent.sex == "female" else "FTH"
            return Contact(relation, " ".join(parent.given), parent.family, home.phone)
        if home.parents == 2:
            spouse = home.people[1 - number]
            return Contact("SPS", " ".join(spouse.given), spouse.family, home.phone)
        if not dice.chance(0.7):
            return None
        pool = person.origin.women + person.origin.men
        relation = "CHILD" if age(person.birth, self.today) > 55 else dice.pick(("SIB", "FRND"))
        family = dice.pick(person.origin.families) if relation == "FRND" else person.family
        return Contact(relation, dice.pick(pool), family, self.phone(home.area))
