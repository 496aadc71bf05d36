"""Vitals as series that can be drawn, and laboratory results by panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any, Final

from confide.records.rows import View
from confide.server.pages import dates, svg
from confide.server.pages.sections import bodies, concept

Body = Mapping[str, Any]
_SYSTOLIC, _DIASTOLIC = "8480-6", "8462-4"
_PRESSURES: Final = frozenset({"85354-9", "55284-4"})
# What a chart shows first, with the name that people use.
_VITALS: Final = {
    "8867-4": "Pulse",
    "29463-7": "Weight",
    "3141-9": "Weight",
    "39156-5": "Body mass index",
    "8302-2": "Height",
    "8310-5": "Temperature",
    "8331-1": "Temperature",
    "9279-1": "Breathing rate",
    "2708-6": "Oxygen saturation",
    "59408-5": "Oxygen saturation",
    "9843-4": "Head circumference",
    "72514-3": "Pain",
}
_SHOWN: Final = 6
_ROWS: Final = 20
_UNITS: Final = {
    "mm[Hg]": "mmHg",
    "/min": "/min",
    "{beats}/min": "/min",
    "beats/min": "/min",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "10*3/uL": "10³/µL",
    "10*6/uL": "10⁶/µL",
    "Cel": "°C",
    "[degF]": "°F",
    "kg/m2": "kg/m²",
    "{score}": "of 10",
    "[lb_av]": "lb",
    "[in_i]": "in",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of the table behind a chart."""

    when: str
    figure: str


@dataclass(frozen=True, slots=True)
class Vital:
    """One small multiple."""

    title: str
    figure: str
    unit: str
    when: str
    picture: str
    table: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Result:
    """One value of a panel."""

    title: str
    figure: str
    unit: str
    flag: str
    normal: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Results that were found together."""

    title: str
    when: str
    results: Sequence[Result]
    key: str


def unit(quantity: Body) -> str:
    """The unit of a Quantity as people read it."""
    text = str(quantity.get("unit") or quantity.get("code") or "")
    return _UNITS.get(text, text)


def figure(value: Any) -> str:
    """Write a number as it was measured; figures that no device gives are rounded for reading."""
    text = str(value)
    whole, point, digits = text.partition(".")
    return (
        f"{float(text):.1f}"
        if point and len(digits) > 3 and "e" not in text.lower()
        else (whole + point + digits)
    )


def _category(body: Body) -> set[str]:
    return {c.get("code", "") for cat in body.get("category") or () for c in cat.get("coding") or ()}


def _codes(concept_: Any) -> list[str]:
    return [str(c.get("code", "")) for c in (concept_ or {}).get("coding") or ()]


def _when(body: Body) -> str:
    return str(body.get("effectiveDateTime") or (body.get("effectivePeriod") or {}).get("start") or "")


def vitals(views: Iterable[View]) -> list[Vital]:
    """The latest and the course of each vital sign, in a fixed order."""
    pressures: list[tuple[str, Any, Any, str]] = []
    series: dict[str, list[tuple[str, Any, str]]] = {}
    for body in bodies(views, "Observation"):
        codes, when = _codes(body.get("code")), _when(body)
        if dates.day(when) is None:
            continue
        if _PRESSURES.intersection(codes):
            parts = {
                c: p.get("valueQuantity") for p in body.get("component") or () for c in _codes(p.get("code"))
            }
            high, low = parts.get(_SYSTOLIC), parts.get(_DIASTOLIC)
            if high and low and "value" in high and "value" in low:
                pressures.append((when, high["value"], low["value"], unit(high)))
            continue
        title = next((_VITALS[c] for c in codes if c in _VITALS), "")
        quantity = body.get("valueQuantity") or {}
        if title and "value" in quantity:
            series.setdefault(title, []).append((when, quantity["value"], unit(quantity)))
    found = [_pressure(pressures)] if pressures else []
    wanted = [title for title in dict.fromkeys(_VITALS.values()) if title in series]
    return [*found, *(_vital(title, series[title]) for title in wanted)][:_SHOWN]


def _pressure(readings: list[tuple[str, Any, Any, str]]) -> Vital:
    readings.sort(key=itemgetter(0))
    points = [svg.Point(_day(w), float(high), float(low)) for w, high, low, _ in readings]
    when, high, low, measure = readings[-1]
    table = [Reading(dates.format(w), f"{float(h):.0f}/{float(d):.0f}") for w, h, d, _ in reversed(readings)]
    picture = svg.sparkline("Blood pressure", measure, points)
    return Vital(
        "Blood pressure",
        f"{float(high):.0f}/{float(low):.0f}",
        measure,
        dates.format(when),
        picture,
        table[:_ROWS],
    )


def _vital(title: str, readings: list[tuple[str, Any, str]]) -> Vital:
    readings.sort(key=itemgetter(0))
    measure = readings[-1][2]
    alike = [r for r in readings if r[2] == measure]  # pounds and kilograms are not one line
    points = [svg.Point(_day(w), float(value)) for w, value, _ in alike]
    when, value, _ = alike[-1]
    table = [Reading(dates.format(w), figure(v)) for w, v, _ in reversed(alike)]
    picture = svg.sparkline(title, measure, points)
    return Vital(title, figure(value), measure, dates.format(when), picture, table[:_ROWS])


def _day(when: str) -> date:
    return dates.day(when) or date.min


def panels(views: Sequence[View], most: int = 6) -> list[Panel]:
    """The latest of each panel, newest first; tests without a panel come together as one."""
    observations = {f"Observation/{v.id}": v.body for v in views if v.type == "Observation" and v.body}
    latest: dict[str, Panel] = {}
    used: set[str] = set()
    for report in bodies(views, "DiagnosticReport"):
        references = [str(r.get("reference", "")) for r in report.get("result") or ()]
        results = [_result(o) for r in references if (o := observations.get(r)) is not None]
        used.update(references)
        if not results:
            continue
        title, when = concept(report.get("code")), _when(report)
        if title not in latest or latest[title].key < when:
            latest[title] = Panel(title, dates.format(when), results, when)
    alone: dict[str, tuple[str, Result]] = {}
    for reference, body in observations.items():
        if reference in used or "laboratory" not in _category(body):
            continue
        result, when = _result(body), _when(body)
        if result.figure and (result.title not in alone or alone[result.title][0] < when):
            alone[result.title] = (when, result)
    found = sorted(latest.values(), key=lambda p: p.key, reverse=True)
    if alone:
        newest = max(when for when, _ in alone.values())
        results = [r for _, r in sorted(alone.values(), key=lambda pair: pair[0], reverse=True)]
        found.append(Panel("Other tests", f"latest {dates.format(newest)}", results, newest))
    return found[:most]


def _result(body: Body) -> Result:
    quantity = body.get("valueQuantity") or {}
    value = figure(quantity["value"]) if "value" in quantity else ""
    if not value:
        value = concept(body.get("valueCodeableConcept")) or str(body.get("valueString") or "")
    flags = [c for i in body.get("interpretation") or () for c in _codes(i)]
    flag = {"H": "high", "HH": "very high", "L": "low", "LL": "very low", "A": "abnormal"}.get(
        flags[0] if flags else "", ""
    )
    return Result(concept(body.get("code")), value, unit(quantity), flag, _normal(body))


def _normal(body: Body) -> str:
    for span in body.get("referenceRange") or ():
        low, high = span.get("low") or {}, span.get("high") or {}
        if "value" in low and "value" in high:
            return f"{low['value']}–{high['value']}"
        if "value" in high:
            return f"up to {high['value']}"
        if "value" in low:
            return f"from {low['value']}"
    return ""
