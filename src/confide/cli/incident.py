"""What is known of an incident, from the options of a command."""

from __future__ import annotations

import argparse
import csv
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from confide.errors import Invalid

if TYPE_CHECKING:
    from confide.incidents.facts import Entity, Incident, Moment, Statement

_ONE: Final = "the covered entity"
_COLUMNS: Final = {"entity", "state", "persons", "unreachable"}


def describe(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that say what is known of an incident."""
    moments = parser.add_argument_group(
        "moments", "a day (2023-03-30) or, with an hour and a zone, 2023-03-30T09:15-04:00"
    )
    moments.add_argument("--discovered", metavar="DAY", required=True, help="known, or could have been known")
    moments.add_argument("--accessed", metavar="DAY..DAY", help="first and last day of access")
    moments.add_argument("--aware", metavar="DAY", help="reasonably certain of it (GDPR)")
    moments.add_argument("--determined", metavar="DAY", help="determined that it is a breach")
    moments.add_argument("--scoped", metavar="DAY", help="known whose data they are")
    moments.add_argument("--informed", metavar="DAY", help="the vendor told the covered entities")
    moments.add_argument("--notified", metavar="DAY", help="the letters went")
    moments.add_argument("--secretary", metavar="DAY", help="the Secretary of HHS was told")
    moments.add_argument(
        "--oral", metavar="DAY[..CLEARED]", action="append", default=[],
        help="law enforcement asked for delay by word of mouth; CLEARED ends it; repeatable",
    )  # fmt: skip
    moments.add_argument(
        "--written", metavar="DAY..UNTIL[..CLEARED]", action="append", default=[],
        help="the same in writing, until a day that it names; repeatable",
    )  # fmt: skip
    whom = parser.add_argument_group("whom and what")
    whom.add_argument(
        "--residents", metavar="ME=12,...|FILE", required=True,
        help="persons by state ('unknown' too), or a CSV file: [entity,] state, persons",
    )  # fmt: skip
    whom.add_argument("--elements", metavar="E,...", help="what was shown (default: unknown, so everything)")
    whom.add_argument(
        "--unreachable", metavar="N", type=int, default=0, help="persons without a good address"
    )
    whom.add_argument("--gdpr", metavar="N", type=int, default=0, help="data subjects under GDPR")
    how = parser.add_argument_group("how")
    how.add_argument("--way", choices=("login", "medium", "other"), default="other",
        help="a valid login, a stolen or lost medium, or something else")  # fmt: skip
    how.add_argument("--encrypted", choices=("no", "key-safe", "key-taken"), default="no",
        help="as whoever has it holds it (default: %(default)s)")  # fmt: skip
    how.add_argument("--vendor", action="store_true", help="a business associate had the breach")
    how.add_argument("--not-hipaa", action="store_true", help="nobody concerned is under HIPAA")
    how.add_argument("--california-facility", action="store_true", help="a facility licensed in California")
    how.add_argument(
        "--part2", action="store_true", help="records of substance use treatment (42 CFR part 2)"
    )
    how.add_argument("--compromise", choices=("presumed", "unlikely"), default="presumed",
        help="the signed outcome of 45 CFR 164.402(2), the four factors (default: %(default)s)")  # fmt: skip
    how.add_argument("--harm", choices=("presumed", "unlikely"), default="presumed",
        help="the signed outcome of the states' tests of harm (default: %(default)s)")  # fmt: skip
    how.add_argument("--zone", metavar="ZONE", help="the entity's time zone, such as America/Chicago")


def read(args: argparse.Namespace) -> Incident:
    """Return the incident that the options describe.

    Raises:
        Invalid: An option cannot be read; the message says which.
    """
    from confide.incidents import facts

    return facts.Incident(
        entities=_entities(args.residents, args.unreachable),
        discovered=moment("--discovered", args.discovered),
        accessed=_window(args.accessed),
        **{
            name: None if said is None else moment(f"--{name}", said)
            for name in ("aware", "determined", "scoped", "informed", "notified", "secretary")
            for said in [getattr(args, name)]
        },
        elements=None
        if args.elements is None
        else frozenset(filter(None, map(str.strip, args.elements.split(",")))),
        encryption=facts.Encryption(args.encrypted),
        way=facts.Way(args.way),
        vendor=args.vendor,
        hipaa=not args.not_hipaa,
        assessment=facts.Harm(args.compromise),
        harm=facts.Harm(args.harm),
        statements=_statements(args),
        europeans=args.gdpr,
        facility=args.california_facility,
        part2=args.part2,
        zone=None if args.zone is None else _zone(args.zone),
    )


def moment(option: str, said: str) -> Moment:
    """Read a day, or a moment with a zone.

    Raises:
        Invalid: It is neither.
    """
    try:
        if len(said) <= len("2023-03-30"):
            return date.fromisoformat(said)
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid(f"{option} is neither a day (2023-03-30) nor a moment (2023-03-30T09:15Z)") from None
    if found.tzinfo is None:
        raise Invalid(f"{option} has an hour and no time zone (write it like 2023-03-30T09:15-04:00)")
    return found


def _day(option: str, said: str) -> date:
    found = moment(option, said)
    if isinstance(found, datetime):
        raise Invalid(f"{option} takes days, without an hour")
    return found


def _window(said: str | None) -> tuple[date, date] | None:
    if said is None:
        return None
    first, _, last = said.partition("..")
    return _day("--accessed", first), _day("--accessed", last or first)


def _statements(args: argparse.Namespace) -> tuple[Statement, ...]:
    from confide.incidents.facts import Statement

    found = []
    for said in args.oral:
        days = [_day("--oral", each) for each in said.split("..")]
        if len(days) > 2:
            raise Invalid("--oral takes the day of the statement, and that of the clearance")
        found.append(Statement(days[0], cleared=days[1] if len(days) > 1 else None))
    for said in args.written:
        days = [_day("--written", each) for each in said.split("..")]
        if len(days) not in {2, 3}:
            raise Invalid("--written takes the statement's day, the delay's last, the clearance's")
        found.append(Statement(days[0], days[1], days[2] if len(days) > 2 else None))
    return tuple(found)


def _zone(said: str) -> ZoneInfo:
    try:
        return ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("--zone is no time zone of the IANA database (America/Chicago is one)") from None


def _entities(said: str, unreachable: int) -> tuple[Entity, ...]:
    from confide.incidents.facts import Entity

    if "=" in said:
        residents: dict[str, int] = {}
        for pair in said.split(","):
            code, _, number = pair.partition("=")
            if code.strip() in residents:
                raise Invalid("--residents names a state twice")
            residents[code.strip()] = _number("--residents", number)
        return (Entity(_ONE, residents, unreachable),)
    if unreachable:
        raise Invalid("--unreachable goes with --residents ME=12,...; a file has a column of that name")
    return _table(Path(said))


def _table(path: Path) -> tuple[Entity, ...]:
    from confide.incidents.facts import Entity

    residents: dict[str, dict[str, int]] = {}
    unreachable: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            headings = set(rows.fieldnames or ())
            if not {"state", "persons"} <= headings <= _COLUMNS:
                raise Invalid(f"the columns of {path} are not: entity, state, persons, unreachable")
            for line, row in enumerate(rows, 2):
                name = (row.get("entity") or _ONE).strip()
                code = (row["state"] or "").strip()
                of_entity = residents.setdefault(name, {})
                if code in of_entity:
                    raise Invalid(f"line {line} of {path} names a state twice for one entity")
                of_entity[code] = _number(f"line {line} of {path}", row["persons"])
                if row.get("unreachable"):
                    unreachable[name] = unreachable.get(name, 0) + _number(
                        f"line {line} of {path}", row["unreachable"]
                    )
    except (OSError, UnicodeDecodeError, csv.Error):
        raise Invalid(f"{path} cannot be read as CSV in UTF-8") from None
    return tuple(Entity(name, of_entity, unreachable.get(name, 0)) for name, of_entity in residents.items())


def _number(where: str, said: str | None) -> int:
    try:
        return int((said or "").strip())
    except ValueError:
        raise Invalid(f"{where}: a number of persons is no number") from None
