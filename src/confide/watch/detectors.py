"""The detectors: pure functions, from what a login did and what is remembered of it, to what they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Final

from confide.access.roles import Role
from confide.vault.index import Kin
from confide.watch import thresholds
from confide.watch.events import Batch, Seen
from confide.watch.findings import Code, Signal, weigh
from confide.watch.memory import Memory, Norm, is_bare
from confide.watch.traits import Trait


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a detector may look at.

    Attributes:
        batch: What was done just now; the memory has taken it in.
        traits: Of each patient, in the order of the batch.
        memory: Of the login.
        role: What is usual in its role.
        practice: What is usual in the practice.
    """

    batch: Batch
    traits: Sequence[Trait]
    memory: Memory
    role: Norm
    practice: Norm

    def pairs(self) -> Iterator[tuple[Seen, Trait]]:
        """Go through the patients."""
        return zip(self.batch.seen, self.traits, strict=True)

    def ids(self, name: str) -> tuple[int, ...]:
        """Return the entries that were noted for a detector."""
        return tuple(self.memory.ids.get(name, ()))


Detector = Callable[[Scene], Signal | None]

_ENUMERATION: Final = thresholds.of("enumeration")
_UNEXPLAINED: Final = thresholds.of("unexplained")
_SELF_MADE: Final = thresholds.of("self_made")
_BREADTH: Final = thresholds.of("breadth")
_HOUR: Final = thresholds.of("hour")
_TWO: Final = thresholds.of("two_places")
_ELEMENTS: Final = thresholds.of("elements")
_BULK: Final = thresholds.of("bulk")
_DORMANT: Final = thresholds.of("dormant")
_STEPS: Final[int] = _ENUMERATION["steps"]
_RUN: Final = (1 << _STEPS) - 1
_PAGES: Final[int] = _ENUMERATION["pages"]
_SLEPT: Final[int] = _DORMANT["days"]
_WINDOW: Final[int] = _UNEXPLAINED["days"]
_ORDERS: Final = {
    "name": "of the alphabet",
    "birth": "of birth dates",
    "number": "of record numbers",
    "id": "of their ids",
}


# Single patients


def find_honey(scene: Scene) -> Signal | None:
    """A synthetic patient was opened."""
    if not scene.batch.opening or not any(trait.honey for trait in scene.traits):
        return None
    touched = [(seen, trait) for seen, trait in scene.pairs() if trait.honey]
    evidence = tuple(seen.id for seen, _ in touched)
    if all(_is_explained(seen, trait) for seen, trait in touched):
        sentence = "A synthetic record was opened, with an explanation: ask how they came upon it."
        return Signal(Code.HONEY, weigh("honey-explained"), sentence, evidence)
    sentence = "A synthetic record was opened that nobody has a reason to open."
    return Signal(Code.HONEY, weigh("honey"), sentence, evidence)


def find_family(scene: Scene) -> Signal | None:
    """Somebody of the person's rare name or address was looked up."""
    if not any(trait.kin for trait in scene.traits):
        return None
    ids = _of(scene, lambda seen, trait: trait.kin in {Kin.NAME, Kin.ADDRESS} and not seen.related)
    if not ids:
        return None
    return Signal(
        Code.FAMILY,
        weigh("family"),
        "A chart was opened, without an explanation, of somebody with the person's own rare name or address.",
        ids,
    )


def find_own(scene: Scene) -> Signal | None:
    """A person looked at their own record."""
    if not any(trait.kin for trait in scene.traits):
        return None
    ids = _of(scene, lambda _, trait: trait.kin is Kin.SELF)
    sentence = "The person opened what looks like their own record."
    return Signal(Code.OWN_RECORD, weigh("own-record"), sentence, ids) if ids else None


def find_vip(scene: Scene) -> Signal | None:
    """Somebody marked as well known was looked up without an explanation."""
    if not any(trait.vip for trait in scene.traits):
        return None
    ids = _of(scene, lambda seen, trait: trait.vip and is_bare(scene.batch, seen.related, trait))
    sentence = "A chart that is marked as well known was opened without an explanation."
    return Signal(Code.VIP, weigh("vip"), sentence, ids) if ids else None


def _of(scene: Scene, holds: Callable[[Seen, Trait], bool]) -> tuple[int, ...]:
    if not scene.batch.opening or scene.batch.program:
        return ()
    return tuple(seen.id for seen, trait in scene.pairs() if holds(seen, trait))


def _is_explained(seen: Seen, trait: Trait) -> bool:
    return (seen.related and not seen.own and not trait.own) or trait.explained


# Courses


def find_order(scene: Scene) -> Signal | None:
    """Charts that nothing explains are met in the order of something."""
    for name, order in scene.memory.orders.items():
        if order.steps < _STEPS:
            continue
        for way, bits in (("up", order.ups), ("down", order.downs)):
            many = order.steps == _ENUMERATION["of"] and bits.bit_count() >= _ENUMERATION["most"]
            if many or bits & _RUN == _RUN:
                steps = order.steps if many else _STEPS
                sentence = (
                    f"{bits.bit_count() if many else steps} of {steps} steps from one unexplained chart to"
                    f" the next go {way} the order {_ORDERS.get(name, name)}."
                )
                return Signal(Code.ENUMERATION, weigh("enumeration"), sentence, scene.ids("enumeration"))
    return None


def find_paging(scene: Scene) -> Signal | None:
    """A program reads a list page after page."""
    if scene.memory.pages < _PAGES:
        return None
    sentence = f"A program read {scene.memory.pages} full pages of a list, one after the other."
    return Signal(Code.PAGING, weigh("paging"), sentence, scene.ids("paging"))


def find_unexplained(scene: Scene) -> Signal | None:
    """Far more charts than usual have nothing that explains them."""
    within = scene.memory.lately(_WINDOW)
    bare = len(scene.memory.bare) + sum([each.bare for each in within])
    if bare < _UNEXPLAINED["least"] or scene.batch.role in _UNEXPLAINED["exempt"]:
        return None
    before = scene.memory.days[: len(scene.memory.days) - len(within)]
    number = len(scene.memory.opened) + sum(each.opened for each in within)
    usual = float(_UNEXPLAINED["usual"])
    learned = sum(each.opened for each in before)
    if learned >= _UNEXPLAINED["learned"]:
        usual = max(usual, min(sum(each.bare for each in before) / learned, _UNEXPLAINED["most_usual"]))
    known = len(scene.role.days) >= _UNEXPLAINED["role_days"]
    if known:
        # Where a schedule is kept elsewhere, nothing explains anybody's charts. One login moves no median.
        shares = [part / max(whole, 1) for part, whole in zip(scene.role.bare, scene.role.days, strict=True)]
        usual = max(
            usual, min(_UNEXPLAINED["role_times"] * median(shares), _UNEXPLAINED["most_usual_of_role"])
        )
    sigmas = _sigmas(bare, number, usual)
    if sigmas < _UNEXPLAINED["sigmas"]:
        return None
    degree = "unexplained-more" if known and sigmas >= _UNEXPLAINED["sigmas_more"] else "unexplained"
    sentence = (
        f"Of {number} charts in {_UNEXPLAINED['days']} days, {bare} have no appointment, encounter, care"
        f" team, claim or order that explains them; {usual:.0%} would be usual."
    )
    return Signal(Code.UNEXPLAINED, weigh(degree), sentence, scene.ids("unexplained"))


def find_self_made(scene: Scene) -> Signal | None:
    """Far more charts than usual are explained only by what the person made."""
    within = scene.memory.lately(_WINDOW)
    own = len(scene.memory.own) + sum([each.own for each in within])
    if own < _SELF_MADE["least"]:
        return None
    number = len(scene.memory.opened) + sum(each.opened for each in within)
    usual = _SELF_MADE["usual_front_desk" if scene.batch.role == Role.FRONT_DESK else "usual"]
    if _sigmas(own, number, usual) < _SELF_MADE["sigmas"]:
        return None
    sentence = (
        f"Of {number} charts in {_UNEXPLAINED['days']} days, {own} are explained only by appointments that"
        " the person made within a day before."
    )
    return Signal(Code.SELF_MADE, weigh("self-made"), sentence, scene.ids("self-made"))


def _sigmas(found: int, number: int, usual: float) -> float:
    """How far *found* of *number* lies above what is usual, in standard deviations of a binomial."""
    return (found - number * usual) / math.sqrt(max(number * usual * (1 - usual), 1e-9))


def find_breadth(scene: Scene) -> Signal | None:
    """Far more people in a day than the login and its role have met before."""
    number = len(scene.memory.opened)
    if number < _BREADTH["least"]:
        return None
    most = float(_BREADTH["least"] if not scene.batch.program else _BREADTH["program"])
    own = [each.opened for each in scene.memory.days]
    if len(own) >= _BREADTH["learned_days"]:
        middle = fmean(own)
        most = max(_BREADTH["least"], middle + _BREADTH["sigmas"] * max(pstdev(own), math.sqrt(middle)))
    if len(scene.role.days) >= _BREADTH["role_days"]:
        most = max(most, _BREADTH["role_times"] * _high(scene.role.days))
    elif len(own) < _BREADTH["learned_days"] and not scene.batch.program:
        return None  # nobody knows yet what is usual; the budget holds
    if number <= most:
        return None
    sentence = f"{number} people's charts today; up to {most:.0f} would be usual for this login and its role."
    return Signal(Code.BREADTH, weigh("breadth"), sentence, scene.ids("breadth"))


def _high(numbers: Sequence[int]) -> int:
    return sorted(numbers)[int(0.95 * (len(numbers) - 1))]


def find_bulk(scene: Scene) -> Signal | None:
    """Many people are found and hardly any is opened."""
    found = len(scene.memory.found)
    if found < _BULK["found"] or scene.batch.program:
        return None
    opened = len(scene.memory.opened)
    if opened > found * _BULK["opened"]:
        return None
    sentence = f"{found} people were found today, and the charts of {opened} were opened."
    return Signal(Code.BULK, weigh("bulk"), sentence, scene.ids("bulk"))


def find_elements(scene: Scene) -> Signal | None:
    """Sensitive numbers of more people than usual."""
    number = len(scene.memory.heavy)
    if number < _ELEMENTS["least"]:
        return None
    desk = scene.batch.role in {Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN}
    most = float(_ELEMENTS["least"] - 1 if desk else _ELEMENTS["program"])
    own = [each.heavy for each in scene.memory.days]
    if len(own) >= _BREADTH["learned_days"]:
        most = max(_ELEMENTS["least"] - 1, _ELEMENTS["times"] * fmean(own))
    if len(scene.role.heavy) >= _BREADTH["role_days"]:
        most = max(most, _ELEMENTS["times"] * fmean(scene.role.heavy))
    if number <= most:
        return None
    sentence = f"SSNs, account or card numbers of {number} people today; up to {most:.0f} would be usual."
    return Signal(Code.ELEMENTS, weigh("elements"), sentence, scene.ids("elements"))


# Circumstances


def find_hour(scene: Scene) -> Signal | None:
    """People are met at an hour in which hardly anybody works."""
    number = len(scene.memory.in_hour)
    if number < _HOUR["least"] or scene.batch.program:
        return None
    hour = scene.batch.at.hour
    whole, own = sum(scene.practice.hours), sum(scene.memory.hours)
    if whole < _HOUR["learned"]:
        return None
    usual = (
        scene.practice.hours[hour] - number >= whole * _HOUR["rare"]
        or scene.memory.hours[hour] - number >= own * _HOUR["own"]
    )
    if usual:
        return None
    degree = "hour-many" if number >= _HOUR["many"] else "hour"
    sentence = (
        f"{number} people's charts between {hour:02d}:00 and {hour:02d}:59 UTC, when hardly anybody works."
    )
    return Signal(Code.HOUR, weigh(degree), sentence, scene.ids("hour"))


def find_place(scene: Scene) -> Signal | None:
    """A network that the login has never used."""
    if "network" not in scene.memory.fresh:
        return None
    sentence = "The login came from a network that it had not used in its known history."
    return Signal(Code.PLACE, weigh("place"), sentence, (scene.batch.seen[0].id,))


def find_device(scene: Scene) -> Signal | None:
    """A device, browser or program that the login has never used."""
    if "device" not in scene.memory.fresh:
        return None
    sentence = "The login was used on a device or in a browser that it had not used in its known history."
    return Signal(Code.DEVICE, weigh("device"), sentence, (scene.batch.seen[0].id,))


def find_two_places(scene: Scene) -> Signal | None:
    """Two networks and devices take turns."""
    if not scene.memory.turns:
        return None
    now = scene.batch.at.timestamp()
    turns = sum(1 for each in scene.memory.turns if abs(now - each) <= 60 * _TWO["minutes"])
    if scene.batch.program or turns < _TWO["turns"]:
        return None
    sentence = f"The login changed network and device {turns} times within {_TWO['minutes']} minutes."
    return Signal(Code.TWO_PLACES, weigh("two-places"), sentence, scene.ids("two-places"))


def find_dormant(scene: Scene) -> Signal | None:
    """A login that slept for long is busy."""
    if scene.memory.slept < _SLEPT or len(scene.memory.opened) < _DORMANT["least"]:
        return None
    sentence = f"After {scene.memory.slept} days without use, {len(scene.memory.opened)} charts today."
    return Signal(Code.DORMANT, weigh("dormant"), sentence, scene.ids("breadth"))


DETECTORS: Final[tuple[Detector, ...]] = (
    find_honey,
    find_family,
    find_own,
    find_vip,
    find_order,
    find_paging,
    find_unexplained,
    find_self_made,
    find_breadth,
    find_bulk,
    find_elements,
    find_hour,
    find_place,
    find_device,
    find_two_places,
    find_dormant,
)


def detect(scene: Scene) -> list[Signal]:
    """Let every detector look at a scene."""
    return [signal for detector in DETECTORS if (signal := detector(scene)) is not None]
