"""The law, read from its files and checked: what is malformed is refused, and nothing is guessed."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from confide.errors import Invalid
from confide.incidents.statutes import Clock, Law, Rules, State, Zones


@cache
def held() -> Law:
    """Return the law that ships with the package."""
    return read(resources.files("confide.incidents").joinpath("law"))


def read(folder: Traversable) -> Law:
    """Read the law from a folder with clocks.json, states.csv, rules.json and zones.json.

    Raises:
        Invalid: A file is missing, malformed, or does not fit the others; the message says which and where.
    """
    clocks = _json(folder, "clocks.json", list[Clock])
    rules = _json(folder, "rules.json", Rules)
    zones = _json(folder, "zones.json", Zones)
    states = _states(folder)
    law = Law(
        clocks={clock.id: clock for clock in clocks},
        states={state.code: state for state in states},
        rules=rules,
        zones={code: _zones(code, names) for code, names in zones.zones.items()},
    )
    if len(law.clocks) != len(clocks) or len(law.states) != len(states):
        raise Invalid("the law has a clock or a state twice")
    _fit(law)
    return law


def _text(folder: Traversable, name: str) -> str:
    try:
        return folder.joinpath(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"the law's {name} is missing or cannot be read") from None


def _json(folder: Traversable, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(_text(folder, name), type=kind)
    except msgspec.DecodeError as problem:
        raise Invalid(f"the law's {name} is malformed{_where(problem)}") from None


def _where(problem: msgspec.DecodeError) -> str:
    """The place that msgspec names, `` at $[3].cert``, and nothing of what stands there."""
    _, mark, path = str(problem).rpartition(" - at `")
    return f" at {path.rstrip('`')}" if mark else ""


def _states(folder: Traversable) -> list[State]:
    found = []
    rows = csv.DictReader(io.StringIO(_text(folder, "states.csv")))
    if set(rows.fieldnames or ()) != set(State.__struct_fields__):
        raise Invalid("the law's states.csv has other columns than it should")
    for number, row in enumerate(rows, 2):
        cells = {name: cell for name, cell in row.items() if name is None or cell}
        try:
            found.append(msgspec.convert(cells, State, strict=False))
        except (msgspec.ValidationError, TypeError) as problem:
            path = _where(problem) if isinstance(problem, msgspec.ValidationError) else ""
            raise Invalid(f"the law's states.csv is malformed in line {number}{path}") from None
    if not found:
        raise Invalid("the law's states.csv has no rows")
    return found


def _zones(code: str, names: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    try:
        zones = tuple(ZoneInfo(name) for name in names)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(f"the law's zones.json has an unknown time zone for {code}") from None
    if not zones:
        raise Invalid(f"the law's zones.json has no time zone for {code}")
    return zones


def _fit(law: Law) -> None:
    """Refuse files of which one names what another does not have, or says otherwise."""
    rules = law.rules
    if set(law.zones) != set(law.states):
        raise Invalid("the law's zones.json and states.csv have different states")
    if set(rules.clocks) != set(law.clocks):
        raise Invalid("the law's rules.json and clocks.json have different clocks")
    for clock in law.clocks.values():
        if clock.anchor and clock.anchor not in rules.anchors:
            raise Invalid(f"the law's clock {clock.id} starts at a moment that rules.json does not explain")
        counting = rules.clocks[clock.id]
        if not counting.state and counting.since is None:
            raise Invalid(f"the law's clock {clock.id} has no date since when it is in force")
        if counting.state and counting.state not in law.states:
            raise Invalid(f"the law's clock {clock.id} is of a state that is not in states.csv")
    for state in law.states.values():
        _fit_state(law, state)


def _fit_state(law: Law, state: State) -> None:
    where = f"states.csv, {state.code}:"
    anchors = {state.ind_anchor, state.reg_anchor} - {""}
    if not anchors <= set(law.rules.anchors):
        raise Invalid(f"{where} a starting moment that rules.json does not explain")
    if state.hipaa_effect not in law.rules.hipaa_effects or state.harm_test not in law.rules.harm_tests:
        raise Invalid(f"{where} an effect or a harm test that rules.json does not explain")
    for days, anchor in ((state.ind_days, state.ind_anchor), (state.reg_days, state.reg_anchor)):
        if days is not None and (days <= 0 or not law.rules.anchors[anchor].facts):
            raise Invalid(f"{where} a number of days without a starting moment, or not above 0")
    if state.vendor_days not in {"immediate", "asap"} and not state.vendor_days.isdigit():
        raise Invalid(f"{where} vendor_days is neither a number nor immediate nor asap")
    own = {
        "individual": (state.ind_days, "", None),
        "regulator": (state.reg_days, state.reg_op, state.reg_n),
        "agencies": (None, state.cra_op, state.cra_n),
    }
    for kind, (days, op, number) in own.items():
        clock = law.refinement(state.code, kind)  # type: ignore[arg-type]
        if clock is None:
            continue
        counting = law.rules.clocks[clock.id]
        if clock.amount is not None and days is not None and clock.amount != days:
            raise Invalid(f"{where} clock {clock.id} has another number of days")
        if counting.n is not None and (counting.op, counting.n) != (op, number):
            raise Invalid(f"{where} clock {clock.id} counts otherwise than the row")
